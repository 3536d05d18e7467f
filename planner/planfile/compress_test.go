package planfile

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// around returns a plan file with a machine's part that is already compressed.
func around(packed []byte) []byte {
	return bytes.Join([][]byte{[]byte(begin + "\n\n"), render.Text(plantest.Mixed(), render.Options{}),
		[]byte("\n"), armor(planLabel, packed)}, nil)
}

// gzipped returns data compressed with gzip at any level, with a header that the test changes.
func gzipped(t *testing.T, data []byte, level int, header func(*gzip.Header)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		header(&w.Header)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inPieces returns gzip data of a compressor that ends a block after each n bytes, like one with
// other buffers.
func inPieces(t *testing.T, data []byte, level, n int) []byte {
	t.Helper()
	b := bytes.NewBufferString(gzipHeader)
	w, err := flate.NewWriter(b, level)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; rest = rest[min(n, len(rest)):] {
		if _, err := w.Write(rest[:min(n, len(rest))]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b.Bytes(),
		crc32.ChecksumIEEE(data)), uint32(len(data)))
}

// TestOtherCompressors reads what another Go version or level would have written: the plan and its
// digests are the same, and an approval is added without changing the rest.
func TestOtherCompressors(t *testing.T) {
	p := plantest.Mixed()
	part := canonical.Encode(p)
	variants := map[string][]byte{"stored in pieces": inPieces(t, part, flate.NoCompression, 100),
		"pieces": inPieces(t, part, 9, 333)}
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		variants["level "+string(rune('3'+level))] = gzipped(t, part, level, nil)
	}
	seen := map[string]bool{}
	for name, packed := range variants {
		seen[string(packed)] = true
		data := around(packed)
		f, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Foreign || canonical.ContextDigest(f.Plan) != canonical.ContextDigest(p) ||
			canonical.ID(f.Plan.Core) != canonical.ID(p.Core) {
			t.Errorf("%s: another plan", name)
		}
		if err := f.AddApproval(EncodeApproval([]byte("x"))); err != nil ||
			!bytes.HasPrefix(f.Bytes(), data) {
			t.Errorf("%s: an approval changes the plan: %v", name, err)
		}
	}
	if len(seen) < 6 {
		t.Errorf("only %d different forms were tried", len(seen))
	}
}

// TestNothingHidesInTheCompression refuses all places of gzip in which a file can have something
// that nobody is shown.
func TestNothingHidesInTheCompression(t *testing.T) {
	part := canonical.Encode(plantest.Mixed())
	good := gzipped(t, part, gzip.DefaultCompression, nil)
	at := func(i int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[i] = b
		return bad
	}
	end := len(good)
	for name, packed := range map[string][]byte{
		"a name":        gzipped(t, part, 6, func(h *gzip.Header) { h.Name = "x" }),
		"a comment":     gzipped(t, part, 6, func(h *gzip.Header) { h.Comment = "x" }),
		"extra":         gzipped(t, part, 6, func(h *gzip.Header) { h.Extra = []byte("x") }),
		"empty extra":   gzipped(t, part, 6, func(h *gzip.Header) { h.Extra = []byte{} }),
		"a time":        at(4, 1),
		"text flag":     at(3, 1),
		"a system":      at(9, 3),
		"a level":       at(8, 7),
		"a method":      at(2, 7),
		"two members":   append(bytes.Clone(good), gzipped(t, nil, 6, nil)...),
		"split":         append(gzipped(t, part[:99], 6, nil), gzipped(t, part[99:], 6, nil)...),
		"zeros after":   append(bytes.Clone(good), 0, 0),
		"bytes after":   append(bytes.Clone(good), "hidden"...),
		"checksum":      at(end-8, good[end-8]^1),
		"size":          at(end-1, good[end-1]^1),
		"a huge size":   at(end-1, 0xff),
		"cut":           good[:end-1],
		"only a header": good[:10],
		"no header":     good[10:],
		"other content": gzipped(t, append(bytes.Clone(part), '\n'), 6, nil),
	} {
		if _, err := Parse(around(packed)); err == nil || !strings.Contains(err.Error(),
			"machine's part") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
