package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// dump returns everything that can be read of a state, or the error.
func dump(t testing.TB, s *Store) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := s.Pull(&out)
	if _, loadErr := s.Recorded(); (loadErr == nil) != (err == nil) {
		t.Errorf("pull: %v, but recorded: %v", err, loadErr)
	}
	return out.String(), err
}

// expectSafe checks that reading returns exactly want, or an error that names the file. Writing
// must then do the same, or be refused without changing the file and its copy.
func expectSafe(t *testing.T, what string, s *Store, want string) (damaged bool) {
	t.Helper()
	before := read(t, s.File())
	got, err := dump(t, reopen(t, s))
	if err == nil && got != want {
		t.Errorf("%s: silently read something else", what)
	}
	if err == nil {
		return false
	}
	if !strings.Contains(err.Error(), s.File()) {
		t.Errorf("%s: the error does not name the file: %v", what, err)
	}
	if err := reopen(t, s).Update(putRecords(1)); err == nil {
		t.Errorf("%s: a damaged file was written to", what)
	}
	if !bytes.Equal(before, read(t, s.File())) {
		t.Errorf("%s: a damaged file was changed", what)
	}
	return true
}

func TestFlippedBytesAreFoundOrHarmless(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	update(t, reopen(t, s), func(tx ledger.Tx) error { return second(tx.DeleteRecord(key(77))) })
	good := read(t, s.File())
	copyBefore := read(t, s.File()+".bak")
	want, err := dump(t, s)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	pages, pageSize := inUse(good)
	found := 0
	for i := range 600 {
		bad := bytes.Clone(good)
		at := random.IntN(pages * pageSize)
		if i%3 == 0 { // the headers of pages and what follows them: where the structure is
			at = random.IntN(pages)*pageSize + random.IntN(96)
		}
		bad[at] ^= byte(1 + random.IntN(255))
		if err := os.WriteFile(s.File(), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if expectSafe(t, fmt.Sprintf("byte %d (page %d, offset %d)", at, at/pageSize, at%pageSize), s,
			want) {
			found++
		}
	}
	if found < 200 {
		t.Errorf("only %d of 600 flips were found", found)
	}
	if !bytes.Equal(copyBefore, read(t, s.File()+".bak")) {
		// a harmless flip leaves the file good, and only a good file may be copied
		restored := openStore(t, filepath.Dir(s.File()), c)
		if err := os.Rename(s.File()+".bak", s.File()); err != nil {
			t.Fatal(err)
		}
		if _, err := dump(t, restored); err != nil {
			t.Errorf("the last good copy is not good: %v", err)
		}
	}
}

// inUse returns how many pages of a good file are in use, by its newer header, and the page size in
// bytes.
func inUse(file []byte) (pages, pageSize int) {
	pageSize = int(binary.NativeEndian.Uint32(file[16+8:]))
	var newest uint64
	for _, header := range [][]byte{file[16:], file[pageSize+16:]} {
		if txid := binary.NativeEndian.Uint64(header[48:]); txid >= newest {
			newest, pages = txid, int(binary.NativeEndian.Uint64(header[40:]))
		}
	}
	return pages, pageSize
}

func TestTruncatedFiles(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	good := read(t, s.File())
	want, _ := dump(t, s)
	pages, pageSize := inUse(good)
	for _, size := range []int{0, 1, 79, 80, 4095, 4096, 8191, 8192, 16384, pages*pageSize - 4096,
		pages*pageSize - 1} {
		if err := os.WriteFile(s.File(), good[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if !expectSafe(t, fmt.Sprintf("%d bytes", size), s, want) {
			t.Errorf("%d bytes: no error", size)
		}
	}
}

func TestFilesThatAreNoState(t *testing.T) {
	for name, content := range map[string][]byte{
		"text": []byte(strings.Repeat("hello\n", 10000)), "zeros": make([]byte,
			1<<16), "ones": bytes.Repeat([]byte{0xff}, 1<<16),
	} {
		s, _ := newStore(t)
		update(t, s, putRecords(1))
		if err := os.WriteFile(s.File(), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if !expectSafe(t, name, s, "") {
			t.Errorf("%s: no error", name)
		}
	}
}

// rawUpdate changes the file without this package.
func rawUpdate(t testing.TB, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := firstError(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestChangesPastThisPackageAreFound(t *testing.T) {
	anyKey, _ := keyBytes(key(5))
	otherKey, _ := keyBytes(key(6))
	tests := map[string]func(*bolt.Tx) error{
		"value removed": func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketRecords)).Delete(anyKey) },
		"value moved": func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucketRecords))
			return b.Put(anyKey, bytes.Clone(b.Get(otherKey)))
		},
		"value garbage": func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketRecords)).Put(anyKey, []byte("x")) },
		"sealed value new": func(tx *bolt.Tx) error {
			v, _ := seal(bucketRecords, []byte("n"), 1)
			return tx.Bucket([]byte(bucketRecords)).Put([]byte("n"), v)
		},
		"bucket removed": func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketRecords)) },
		"bucket added": func(tx *bolt.Tx) error {
			b, _ := tx.CreateBucket([]byte("x"))
			v, _ := seal("x", []byte("k"), 1)
			return b.Put([]byte("k"), v)
		},
		"nested bucket":    func(tx *bolt.Tx) error { return second(tx.Bucket([]byte(bucketRoots)).CreateBucket([]byte("x"))) },
		"meta removed":     func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(metaKey)) },
		"meta bucket gone": func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) },
	}
	for name, change := range tests {
		s, c := newStore(t)
		fill(t, s, c)
		rawUpdate(t, s.File(), change)
		_, err := dump(t, s) // the store that wrote the file, too, must see that it was changed
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.File != s.File() {
			t.Errorf("%s: %v, want a damaged file", name, err)
		}
		expectSafe(t, name, s, "")
	}
}

func TestADamagedValueIsNamed(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	k, _ := keyBytes(key(5))
	rawUpdate(t, s.File(), func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketRecords))
		v := bytes.Clone(b.Get(k))
		v[len(v)-1] ^= 1
		return b.Put(k, v)
	})
	_, err := s.Recorded()
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Bucket != bucketRecords || damaged.Key != key(5).Text() {
		t.Errorf("%v, want bucket and key", err)
	}
}

func TestAnOlderStateIsRefused(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	rawUpdate(t, s.File(), func(tx *bolt.Tx) error {
		raw, err := seal(bucketMeta, []byte(metaKey),
			map[string]any{"format": 1, "tallies": map[string]any{}})
		return firstError(err, tx.Bucket([]byte(bucketMeta)).Put([]byte(metaKey), raw))
	})
	before := read(t, s.File())
	for op, err := range map[string]error{"view": second(s.Recorded()),
		"update":       s.Update(putRecords(1)),
		"fresh update": reopen(t, s).Update(putRecords(1))} {
		if err == nil || !strings.Contains(err.Error(), "before the first release") ||
			!strings.Contains(err.Error(), s.File()) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if !bytes.Equal(before, read(t, s.File())) {
		t.Error("changed")
	}
}

// A record that no version would write is damage, even if its checksum is right.
func TestARecordThatIsNoneIsDamage(t *testing.T) {
	for name, body := range map[string]string{"empty": "", "JSON": `{"address":"/capstor/p"}`, "a byte too many": ""} {
		s, _ := newStore(t)
		update(t, s, putRecords(3))
		update(t, s, func(tx ledger.Tx) error {
			if name == "a byte too many" {
				b, err := record(1).AppendBinary(nil)
				body = string(append(b, 0))
				if err != nil {
					return err
				}
			}
			k, err := keyBytes(key(1))
			return firstError(err, tx.(*Tx).put(bucketRecords, k, stored(body)))
		})
		var whole *DamagedError
		for op, err := range map[string]error{"to plan": second(reopen(t, s).Recorded()),
			"all":  reopen(t, s).View(func(tx ledger.Tx) error { return second(tx.Records()) }),
			"pull": reopen(t, s).Pull(io.Discard)} {
			if !errors.As(err, &whole) || whole.Key != key(1).Text() {
				t.Errorf("%s, %s: %v, want damage that names the record", name, op, err)
			}
		}
	}
}

// stored is a value that is stored unchanged.
type stored string

func (s stored) AppendBinary(b []byte) ([]byte, error) { return append(b, s...), nil }

func TestANewerStateIsRefused(t *testing.T) {
	for name, value := range map[string]any{
		"same shape":  map[string]any{"format": format + 1, "tallies": map[string]any{}},
		"other shape": map[string]any{"format": format + 7, "something": "else"},
	} {
		s, c := newStore(t)
		fill(t, s, c)
		rawUpdate(t, s.File(), func(tx *bolt.Tx) error {
			raw, err := seal(bucketMeta, []byte(metaKey), value)
			tx.Bucket([]byte(bucketRecords)).Put([]byte("k"), []byte{9, 9, 9, 9, 9, 9})
			return firstError(err, tx.Bucket([]byte(bucketMeta)).Put([]byte(metaKey), raw))
		})
		before := read(t, s.File())
		for op, err := range map[string]error{"view": second(s.Recorded()),
			"update": s.Update(putRecords(1)), "fresh update": reopen(t, s).Update(putRecords(1))} {
			if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), s.File()) {
				t.Errorf("%s, %s: %v, want ErrNewer", name, op, err)
			}
		}
		if !bytes.Equal(before, read(t, s.File())) {
			t.Errorf("%s: changed", name)
		}
	}
}

func TestTheLastGoodCopy(t *testing.T) {
	s, c := newStore(t)
	update(t, s, putRecords(3))
	bak := s.File() + ".bak"
	second1 := reopen(t, s)
	update(t, second1, putRecords(5))
	if n := recordsIn(t, bak); n != 3 {
		t.Errorf("the copy has %d records, want the 3 from before", n)
	}
	update(t, second1, putRecords(7))
	if n := recordsIn(t, bak); n != 3 {
		t.Errorf("the copy was made twice by one store: %d records", n)
	}
	if err := os.Remove(s.File()); err != nil {
		t.Fatal(err)
	}
	c.forward(time.Hour)
	third := openStore(t, s.dir, c)
	update(t, third, putRecords(1))
	update(t, reopen(t, third), putRecords(1))
	kept, err := filepath.Glob(bak + "-*")
	if err != nil || len(kept) != 1 || recordsIn(t, kept[0]) != 3 {
		t.Errorf("the copy of the state that was lost is lost, too: %v, %v", kept, err)
	}
}

func recordsIn(t testing.TB, path string) int {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), read(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := openStore(t, dir, newClock()).Recorded()
	if err != nil {
		t.Fatal(err)
	}
	return got.Records.Len()
}

func TestAnUnchangedUpdateWritesNothing(t *testing.T) {
	s, _ := newStore(t)
	update(t, s, putRecords(3))
	before := read(t, s.File())
	update(t, s, func(tx ledger.Tx) error { return second(tx.Recorded()) })
	if !bytes.Equal(before, read(t, s.File())) {
		t.Error("the file was written")
	}
}

func FuzzUnseal(f *testing.F) {
	good, _ := seal(bucketRecords, []byte("k"), record(1))
	for _, raw := range [][]byte{good, nil, {1}, {1, 0, 0, 0, 0}, append([]byte{2}, good[1:]...)} {
		f.Add(bucketRecords, []byte("k"), raw)
	}
	f.Fuzz(func(t *testing.T, bucket string, key, raw []byte) {
		body, _, err := unseal(bucket, key, raw)
		if err != nil || !json.Valid(body) {
			return
		}
		var compact bytes.Buffer
		if json.Compact(&compact, body) != nil || !bytes.Equal(compact.Bytes(), body) {
			return
		}
		var v json.RawMessage = body
		if sealed, err := seal(bucket, key, v); err != nil || len(sealed) < len(raw) {
			t.Errorf("%q does not seal again: %q, %v", raw, sealed, err)
		}
	})
}
