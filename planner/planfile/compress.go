package planfile

import (
	"bytes"
	"compress/gzip"
	"io"

	"github.com/waldur/cscs-storage-sync/planner"
)

// compress is gzip at a fixed level with an empty header: the same bytes for the same input, at any time, on any host. The
// library's algorithm is part of the [Renderer] version; a test pins what it gives.
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

// decompress undoes compress and gives up beyond limit bytes: a small file must not fill the memory.
func decompress(data []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(data)
	r, err := gzip.NewReader(in)
	if err != nil {
		return nil, damaged(0, "the machine's part is not compressed as it should be (%v)", err)
	}
	r.Multistream(false)
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, damaged(0, "the machine's part can't be decompressed (%v)", err)
	}
	if int64(len(out)) > limit {
		return nil, damaged(0, "the machine's part is more than %s, far more than its text explains", planner.Bytes(limit).Rounded())
	}
	if in.Len() > 0 {
		return nil, damaged(0, "the machine's part goes on after its end")
	}
	return out, nil
}
