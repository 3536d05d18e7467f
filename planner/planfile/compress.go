package planfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// compress compresses data with gzip, at the default level and with an empty header. The compressed
// bytes depend on the Go version that built this program, so nothing may depend on them: [Parse]
// compares what was compressed.
func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// The header of gzip (RFC 1952): magic, method, flags, time, a hint about the level, and the
// system. It can have a name, a comment and more. Here it has none of these.
const (
	gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
	gzipLevel  = 8 // the offset of the hint about the level
)

// gzipLevels are the possible hints: none, best and fastest. They change nothing.
var gzipLevels = []byte{0, 2, 4}

// emptyHeader reports whether compressed data begins with a header without a name, a comment or
// anything else.
func emptyHeader(data []byte) bool {
	return len(data) > len(gzipHeader) && string(data[:gzipLevel]) == gzipHeader[:gzipLevel] &&
		slices.Contains(gzipLevels, data[gzipLevel]) && data[gzipLevel+1] == gzipHeader[gzipLevel+1]
}

// decompress reverses compress, for the output of any compressor. The header must be empty and
// nothing may follow the data, so that a file has no place for something that nobody is shown. It
// stops at limit bytes, because a small file must not fill the memory.
func decompress(data []byte, limit int64) ([]byte, error) {
	if !emptyHeader(data) {
		return nil, damaged(0,
			"the machine's part is not compressed as cscs-sync does: its gzip header is not an "+
				"empty one")
	}
	in := bytes.NewReader(data)
	r, err := gzip.NewReader(in)
	if err != nil {
		return nil, damaged(0, "the machine's part is not compressed as it should be (%v)", err)
	}
	r.Multistream(false)
	out, err := readAll(io.LimitReader(r, limit+1), min(claimed(data), limit))
	if err != nil {
		return nil, damaged(0, "the machine's part can't be decompressed (%v)", err)
	}
	if int64(len(out)) > limit {
		return nil, damaged(0,
			"the machine's part is more than %s, far more than its text explains",
			planner.Bytes(limit).Rounded())
	}
	if in.Len() > 0 {
		return nil, damaged(0, "%s follow the compressed machine's part", planner.Bytes(in.Len()))
	}
	return out, nil
}

// claimed returns how long the data is before compression, as its last four bytes claim (RFC 1952).
func claimed(data []byte) int64 {
	return int64(binary.LittleEndian.Uint32(data[len(data)-4:]))
}

// readAll is [io.ReadAll] with room for the expected size, because growing would copy the data
// several times.
func readAll(r io.Reader, expected int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, expected+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}
