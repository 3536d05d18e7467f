package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The layout of bbolt's file format 2, which has not changed since 2014: pages, whose size is a
// power of two, each with a header of 16 bytes; two meta pages; a freelist; and trees of branch and
// leaf pages.
const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	pageHeader     = 16
	elementSize    = 16
	metaSize       = 64
	flagBranch     = 0x01
	flagLeaf       = 0x02
	flagFreelist   = 0x10
	leafIsBucket   = 0x01
	bucketHeader   = 16
	noFreelist     = ^uint64(0)
	maxTreeDepth   = 64
	leastPageSize  = 1024
	greatestPage   = 1 << 16
	manyInFreelist = 0xFFFF
)

// boltMeta is the content of a meta page.
type boltMeta struct {
	pageSize             int
	root, freelist, high uint64
	txid                 uint64
}

// readMetas reads the headers of both meta pages and returns the newer. If the newer one is
// damaged, bbolt uses the older one, and so silently forgets the last batch. Here it is an error if
// either one is damaged.
func readMetas(file io.ReaderAt) (boltMeta, error) {
	first, err := readMetaAt(file, 0)
	if err != nil {
		return boltMeta{}, fmt.Errorf("first header: %w", err)
	}
	second, err := readMetaAt(file, int64(first.pageSize))
	if err != nil {
		return boltMeta{}, fmt.Errorf("second header: %w", err)
	}
	if second.pageSize != first.pageSize {
		return boltMeta{}, fmt.Errorf("headers disagree on the page size: %d and %d", first.pageSize,
			second.pageSize)
	}
	if second.txid > first.txid {
		return second, nil
	}
	return first, nil
}

// readMetaAt reads the header of the meta page at an offset in the file.
func readMetaAt(file io.ReaderAt, at int64) (boltMeta, error) {
	head := make([]byte, pageHeader+metaSize)
	n, err := file.ReadAt(head, at)
	if err != nil && err != io.EOF {
		return boltMeta{}, err
	}
	return readMeta(head[:n])
}

func readMeta(data []byte) (boltMeta, error) {
	if len(data) < pageHeader+metaSize {
		return boltMeta{}, errors.New("truncated")
	}
	b := data[pageHeader : pageHeader+metaSize]
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if binary.NativeEndian.Uint32(b) != boltMagic ||
		binary.NativeEndian.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return boltMeta{}, fmt.Errorf("it is not a state file, or its checksum is wrong")
	}
	if v := binary.NativeEndian.Uint32(b[4:]); v != boltVersion {
		return boltMeta{}, fmt.Errorf("database version %d: want %d", v, boltVersion)
	}
	m := boltMeta{
		pageSize: int(binary.NativeEndian.Uint32(b[8:])),
		root:     binary.NativeEndian.Uint64(b[16:]),
		freelist: binary.NativeEndian.Uint64(b[32:]),
		high:     binary.NativeEndian.Uint64(b[40:]),
		txid:     binary.NativeEndian.Uint64(b[48:]),
	}
	if m.pageSize < leastPageSize || m.pageSize > greatestPage || m.pageSize&(m.pageSize-1) != 0 {
		return boltMeta{}, fmt.Errorf("page size %d", m.pageSize)
	}
	return m, nil
}

// walker reads all pages of a bbolt file and trusts none of them. Each page must be used exactly
// once or be free, and everything in a page must be inside the page and in order. visit is called
// for each value.
type walker struct {
	data  []byte
	meta  boltMeta
	used  []bool
	visit func(bucket string, key, value []byte) error
}

// walk checks the file and calls visit for each value, bucket by bucket, in the order of the keys.
func walk(data []byte, visit func(bucket string, key, value []byte) error) error {
	meta, err := readMetas(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if meta.high < 4 || meta.high > uint64(len(data)/meta.pageSize) {
		return fmt.Errorf("truncated: %d bytes, want at least %d pages of %d", len(data), meta.high,
			meta.pageSize)
	}
	w := &walker{data: data, meta: meta, used: make([]bool, meta.high), visit: visit}
	w.used[0], w.used[1] = true, true
	if err := w.tree(meta.root, "", nil, nil, 0); err != nil {
		return err
	}
	if err := w.freelist(); err != nil {
		return err
	}
	for id, used := range w.used {
		if !used {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}

// page returns page id with its overflow pages, and marks them as used.
func (w *walker) page(id uint64) (page []byte, flags, count uint16, err error) {
	if id < 2 || id >= w.meta.high {
		return nil, 0, 0, fmt.Errorf("page %d does not exist", id)
	}
	b := w.data[id*uint64(w.meta.pageSize):]
	overflow := uint64(binary.NativeEndian.Uint32(b[12:]))
	if overflow >= w.meta.high-id {
		return nil, 0, 0, fmt.Errorf("page %d extends beyond the end", id)
	}
	if got := binary.NativeEndian.Uint64(b); got != id {
		return nil, 0, 0, fmt.Errorf("page %d says that it is page %d", id, got)
	}
	for i := id; i <= id+overflow; i++ {
		if w.used[i] {
			return nil, 0, 0, fmt.Errorf("page %d is used twice", i)
		}
		w.used[i] = true
	}
	return b[:(overflow+1)*uint64(w.meta.pageSize)], binary.NativeEndian.Uint16(b[8:]), binary.NativeEndian.Uint16(b[10:]), nil
}

// tree checks the tree below page id. Its keys must be at least low and, unless high is nil, less
// than high. Bucket "" is the bucket of buckets.
func (w *walker) tree(id uint64, bucket string, low, high []byte, depth int) error {
	if depth > maxTreeDepth {
		return fmt.Errorf("page %d: the tree is too deep", id)
	}
	page, flags, count, err := w.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case flagLeaf:
		err = w.leaf(page, int(count), bucket, low, high)
	case flagBranch:
		err = w.branch(page, int(count), bucket, low, high, depth)
	default:
		err = fmt.Errorf("unexpected kind %#x", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *walker) branch(page []byte, count int, bucket string, low, high []byte, depth int) error {
	keys, ids, err := branchElements(page, count)
	if err != nil {
		return err
	}
	for i, key := range keys {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		if err := inOrder(key, low, next); err != nil {
			return err
		}
		if err := w.tree(ids[i], bucket, key, next, depth+1); err != nil {
			return err
		}
		low = key
	}
	return nil
}

func branchElements(page []byte, count int) (keys [][]byte, ids []uint64, err error) {
	if count == 0 {
		return nil, nil, fmt.Errorf("a branch without children")
	}
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(page) {
			return nil, nil, fmt.Errorf("%d children do not fit", count)
		}
		pos, size := uint64(binary.NativeEndian.Uint32(page[at:])), uint64(binary.NativeEndian.Uint32(page[at+4:]))
		key, err := span(page, uint64(at)+pos, size)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
		ids = append(ids, binary.NativeEndian.Uint64(page[at+8:]))
	}
	return keys, ids, nil
}

func (w *walker) leaf(page []byte, count int, bucket string, low, high []byte) error {
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(page) {
			return fmt.Errorf("%d values do not fit", count)
		}
		flags, pos := binary.NativeEndian.Uint32(page[at:]), uint64(binary.NativeEndian.Uint32(page[at+4:]))
		keySize, valueSize := uint64(binary.NativeEndian.Uint32(page[at+8:])), uint64(binary.NativeEndian.Uint32(page[at+12:]))
		entry, err := span(page, uint64(at)+pos, keySize+valueSize)
		if err != nil {
			return err
		}
		key, value := entry[:keySize], entry[keySize:]
		if err := inOrder(key, low, high); err != nil || (i > 0 && bytes.Equal(key, low)) {
			return fmt.Errorf("keys are not in order")
		}
		if err := w.entry(flags, bucket, key, value); err != nil {
			return err
		}
		low = key
	}
	return nil
}

// entry checks one element of a leaf: a bucket at the top level, and a value below.
func (w *walker) entry(flags uint32, bucket string, key, value []byte) error {
	top := bucket == ""
	if top != (flags == leafIsBucket) || (!top && flags != 0) {
		return fmt.Errorf("element of unexpected kind %#x", flags)
	}
	if !top {
		return w.visit(bucket, key, value)
	}
	if len(value) < bucketHeader || len(key) == 0 {
		return fmt.Errorf("bucket %q is too short", key)
	}
	root := binary.NativeEndian.Uint64(value)
	if root != 0 {
		return w.tree(root, string(key), nil, nil, 0)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return fmt.Errorf("bucket %q is not a leaf", key)
	}
	return w.leaf(inline, int(binary.NativeEndian.Uint16(inline[10:])), string(key), nil, nil)
}

// freelist checks that free pages are not in use, because bbolt would overwrite them.
func (w *walker) freelist() error {
	if w.meta.freelist == noFreelist {
		return fmt.Errorf("no freelist")
	}
	page, flags, small, err := w.page(w.meta.freelist)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return fmt.Errorf("page %d: want a freelist, got kind %#x", w.meta.freelist, flags)
	}
	ids, count := page[pageHeader:], uint64(small)
	if small == manyInFreelist {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("freelist: %d pages do not fit", count)
	}
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[i*8:])
		if id < 2 || id >= w.meta.high || w.used[id] {
			return fmt.Errorf("freelist: page %d is in use or does not exist", id)
		}
		w.used[id] = true
	}
	return nil
}

// span returns page[at:at+size], or an error if that is not inside the page.
func span(page []byte, at, size uint64) ([]byte, error) {
	if at > uint64(len(page)) || size > uint64(len(page))-at {
		return nil, fmt.Errorf("an element is outside of its page")
	}
	return page[at : at+size], nil
}

// inOrder returns an error unless low <= key < high. A nil high means no bound.
func inOrder(key, low, high []byte) error {
	if bytes.Compare(key, low) < 0 || (high != nil && bytes.Compare(key, high) >= 0) {
		return fmt.Errorf("keys are not in order")
	}
	return nil
}
