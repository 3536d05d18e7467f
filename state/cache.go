package state

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// The cache is a copy of the records of a shared state, in a file on the node. A plan reads all
// records, and reading a file is faster than reading a database.
//
// In the same snapshot, the state says which batch changed the records last, how many records there
// are, and the sum of their checksums. The cache is used only if all of that is true of it. Each
// record has its own checksum, too. Otherwise the state is read, and the cache is written again.
//
// The file consists of the magic, a JSON header with its length and checksum, and then each key and
// sealed value with its length.
const (
	cacheName  = "records.cache"
	cacheMagic = "cscs-sync records 1\n"
	// longest is the largest valid length of a header, a key or a value in bytes.
	longest = 1 << 20
)

// cacheHeader identifies what a cache is a copy of.
type cacheHeader struct {
	// State is the name of the state, and ID is its id.
	State string   `json:"state"`
	ID    string   `json:"id"`
	Stamp kv.Stamp `json:"stamp"`
}

// errCache means that a cache cannot be used. It is not reported: the cache is written again.
var errCache = errors.New("the cache cannot be used")

// visit is called for each sealed value, in the order of keys.
type visit func(key, sealed []byte) error

// records returns all records. They come from the cache if it is as new as the state.
func (tx *Tx) records() (planner.Records, error) {
	stamped, ok := tx.values.(kv.Stamped)
	if !ok || tx.cache == "" || !tx.viewed {
		return tx.recordsOf(tx.scanRecords, nil)
	}
	stamp, err := stamped.Stamp(bucketRecords)
	if err != nil || stamp.Batch == "" {
		return tx.recordsOf(tx.scanRecords, err)
	}
	want := cacheHeader{tx.file(), tx.meta.ID, stamp}
	if r, err := tx.cached(stamped, want); err == nil {
		return r, nil
	}
	copied := createCache(tx.cache, want)
	defer copied.drop()
	r, err := tx.recordsOf(copied.tee(tx.scanRecords), nil)
	if err == nil {
		copied.keep()
	}
	return r, err
}

// scanRecords reads the records of the state.
func (tx *Tx) scanRecords(fn visit) error {
	if tx.values == nil {
		return nil
	}
	return tx.values.Scan(bucketRecords, nil, fn)
}

// recordsOf reads and checks sealed records, checks that the state has no others, and packs them.
func (tx *Tx) recordsOf(source func(visit) error, err error) (out planner.Records, _ error) {
	if err != nil {
		return out, err
	}
	var found tally
	out.Grow(int(tx.meta.Tallies[bucketRecords].Count))
	err = source(func(k, raw []byte) error {
		body, sum, err := unseal(bucketRecords, k, raw)
		if err != nil {
			return tx.damaged(bucketRecords, k, err.Error())
		}
		found = tally{found.Count + 1, found.Sum + uint64(sum)}
		if err := out.Add(body); err != nil {
			return tx.damaged(bucketRecords, k, err.Error())
		}
		return nil
	})
	if err == nil {
		err = tx.compareTally(bucketRecords, found)
	}
	if err != nil {
		return planner.Records{}, err
	}
	return out, nil
}

// cached returns the records of the cache, together with what has changed since it was written.
func (tx *Tx) cached(stamped kv.Stamped, want cacheHeader) (planner.Records, error) {
	file, err := openCache(tx.cache)
	if err != nil {
		return planner.Records{}, err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 256<<10)
	have, err := readHeader(in)
	switch {
	case err != nil:
		return planner.Records{}, err
	case have == want:
		return tx.recordsOf(func(fn visit) error { return readCache(in, fn) }, nil)
	case have.State != want.State || have.ID != want.ID:
		return planner.Records{}, errCache
	}
	var changed []kv.Value
	known, err := stamped.Since(bucketRecords, have.Stamp, func(k, v []byte) error {
		changed = append(changed, kv.Value{Key: bytes.Clone(k), Value: bytes.Clone(v)})
		return nil
	})
	if err != nil || !known {
		return planner.Records{}, errors.Join(err, errCache)
	}
	copied := createCache(tx.cache, want)
	defer copied.drop()
	update := copied.tee(func(fn visit) error { return merged(in, changed, fn) })
	r, err := tx.recordsOf(update, nil)
	if err == nil {
		copied.keep()
	}
	return r, err
}

// merged reads a cache. Changed values replace the cache's own.
func merged(in *bufio.Reader, changed []kv.Value, fn visit) error {
	err := readCache(in, func(k, v []byte) error {
		for len(changed) > 0 {
			order := bytes.Compare(changed[0].Key, k)
			if order > 0 {
				break
			}
			c := changed[0]
			changed = changed[1:]
			if order == 0 {
				return fn(c.Key, c.Value)
			}
			if err := fn(c.Key, c.Value); err != nil {
				return err
			}
		}
		return fn(k, v)
	})
	for _, c := range changed {
		if err == nil {
			err = fn(c.Key, c.Value)
		}
	}
	return err
}

// openCache opens a cache to which only root or the caller has access.
func openCache(dir string) (*os.File, error) {
	opened, err := folder.Open(dir, false)
	if err != nil || opened == nil {
		return nil, errors.Join(err, errCache)
	}
	defer opened.Close()
	path := filepath.Join(dir, cacheName)
	file, err := folder.OpenAt(opened, cacheName, path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if err := folder.Trusted(file, path, unix.S_IFREG, 0o077); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func readHeader(in *bufio.Reader) (h cacheHeader, err error) {
	magic := make([]byte, len(cacheMagic)+4)
	if _, err := io.ReadFull(in, magic); err != nil || string(magic[:len(cacheMagic)]) != cacheMagic {
		return h, errors.Join(err, errCache)
	}
	body, err := readBytes(in, nil)
	if err != nil || crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(magic[len(cacheMagic):]) {
		return h, errors.Join(err, errCache)
	}
	return h, json.Unmarshal(body, &h)
}

// readCache calls fn for each value in a cache. The arguments are valid until fn returns.
func readCache(in *bufio.Reader, fn visit) (err error) {
	var key, value []byte
	for {
		if _, err := in.Peek(1); err == io.EOF {
			return nil
		}
		if key, err = readBytes(in, key); err != nil {
			return err
		}
		if value, err = readBytes(in, value); err != nil {
			return err
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
}

// readBytes reads bytes that are preceded by their length, into a buffer that it may replace by a
// larger one.
func readBytes(in *bufio.Reader, buffer []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil || n > longest {
		return nil, errors.Join(err, errCache)
	}
	if uint64(cap(buffer)) < n {
		buffer = make([]byte, n)
	}
	_, err = io.ReadFull(in, buffer[:n])
	return buffer[:n], err
}

// newCache is a cache that is being written. If that fails, it only costs time: a user who may not
// write to the folder has no cache.
type newCache struct {
	path string
	file *os.File
	out  *bufio.Writer
	err  error
	kept bool
}

func createCache(dir string, h cacheHeader) *newCache {
	c := &newCache{path: filepath.Join(dir, cacheName)}
	opened, err := folder.Open(dir, true)
	if err != nil {
		c.err = err
		return c
	}
	opened.Close()
	if c.file, c.err = os.CreateTemp(dir, "."+cacheName+".*"); c.err != nil {
		return c
	}
	c.out = bufio.NewWriterSize(c.file, 256<<10)
	body, err := json.Marshal(h)
	c.err = err
	c.write(binary.BigEndian.AppendUint32([]byte(cacheMagic), crc32.ChecksumIEEE(body)))
	c.bytes(body)
	return c
}

func (c *newCache) write(b []byte) {
	if c.err == nil {
		_, c.err = c.out.Write(b)
	}
}

func (c *newCache) bytes(b []byte) {
	var length [binary.MaxVarintLen64]byte
	c.write(length[:binary.PutUvarint(length[:], uint64(len(b)))])
	c.write(b)
}

// tee returns a source that also writes every value to the cache.
func (c *newCache) tee(source func(visit) error) func(visit) error {
	return func(fn visit) error {
		return source(func(k, v []byte) error {
			c.bytes(k)
			c.bytes(v)
			return fn(k, v)
		})
	}
}

// keep moves the cache to its place without syncing it. Checksums reveal an incomplete cache.
func (c *newCache) keep() {
	if c.err == nil {
		c.err = c.out.Flush()
	}
	if c.err == nil {
		c.err = os.Rename(c.file.Name(), c.path)
	}
	c.kept = c.err == nil
}

// drop removes the file if it was not kept.
func (c *newCache) drop() {
	if c.file == nil {
		return
	}
	if !c.kept {
		_ = os.Remove(c.file.Name())
	}
	c.file.Close()
}

// compareTally returns an error if a bucket has more or fewer values than the state says.
func (tx *Tx) compareTally(bucket string, found tally) error {
	want := tx.meta.Tallies[bucket]
	if found == want {
		return nil
	}
	return damaged(tx.engine, "", "",
		fmt.Sprintf("bucket %s: %d values with sum %x, want %d with %x", bucket,
			found.Count, found.Sum, want.Count, want.Sum))
}
