package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// FuzzWalk gives whole files to the walk, which trusts nothing in them.
func FuzzWalk(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	e := New(filepath.Dir(path), Options{Buckets: []string{"meta", "records", "history"},
		Initial: []kv.Value{
			{Bucket: "meta", Key: []byte("meta"), Value: bytes.Repeat([]byte("x"), 700)}}})
	if err := e.fillEmpty(path); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	meta, _ := readMetas(bytes.NewReader(good))
	good = good[:int(meta.high)*meta.pageSize]
	f.Add(uint32(16384+16), byte(3), uint32(0), byte(0), uint32(0), false)
	f.Add(uint32(16+32), byte(3), uint32(16+40), byte(1), uint32(5), true)
	f.Fuzz(func(t *testing.T, at uint32, flip byte, at2 uint32, flip2 byte, cut uint32, repair bool) {
		data := bytes.Clone(good)
		data[int(at)%len(data)] ^= flip
		data[int(at2)%len(data)] ^= flip2
		if repair { // an attacker, or chance, makes the headers good again: what they point at is not
			for i := range 2 {
				b := data[i*meta.pageSize+pageHeader:][:metaSize]
				sum := fnv.New64a()
				sum.Write(b[:metaSize-8])
				binary.NativeEndian.PutUint64(b[metaSize-8:], sum.Sum64())
			}
		}
		data = data[:len(data)-int(cut)%len(data)]
		if err := walk(data, func(string, []byte, []byte) error { return nil }); err == nil &&
			len(data) < int(meta.high-1)*meta.pageSize && !repair {
			t.Error("truncated, but good")
		}
	})
}
