package state

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// recordsOf returns what a store has recorded, as a plan reads it.
func recordsOf(t testing.TB, s *Store) string {
	t.Helper()
	recorded, err := s.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	return listed(t, func(yield func(planner.Record) bool) { recorded.Records.All()(yield) })
}

// inState returns what the state itself has.
func inState(t testing.TB, s *Store) (text string) {
	t.Helper()
	view(t, s, func(tx ledger.Tx) error {
		list, err := tx.Records()
		text = listed(t, func(yield func(planner.Record) bool) {
			for _, r := range list {
				if !yield(r) {
					return
				}
			}
		})
		return err
	})
	return text
}

func listed(t testing.TB, all func(func(planner.Record) bool)) string {
	t.Helper()
	var b strings.Builder
	for r := range all {
		r.Plan, r.Seq = "", 0 // which plans do not keep
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(body, '\n'))
	}
	return b.String()
}

// change gives a record another mode.
func change(n int) func(ledger.Tx) error {
	return func(tx ledger.Tx) error {
		r := record(n)
		r.Mode = 0o2700 | planner.Mode(n%64)
		return tx.PutRecord(r)
	}
}

// hidden runs fn while the database has only the records that changed since a commit. What else fn
// reads comes from the cache.
func hidden(t testing.TB, server *pgtest.Server, since string, fn func()) {
	t.Helper()
	server.SQL(t, "waldur", "CREATE TABLE hidden AS SELECT * FROM cscs_sync.entries WHERE bucket = "+
		"'records' AND commit <= "+since+
		"; DELETE FROM cscs_sync.entries WHERE bucket = 'records' AND commit <= "+since)
	fn()
	server.SQL(t, "waldur", "INSERT INTO cscs_sync.entries SELECT * FROM hidden; DROP TABLE hidden")
}

func commit(t testing.TB, server *pgtest.Server) string {
	return server.SQL(t, "waldur", "SELECT commit FROM cscs_sync.states WHERE name = 'alps'")
}

// TestTheCache: the cache returns what the state has, whatever has changed since it was written.
func TestTheCache(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	a, b := node(t, url, "a", nil), node(t, url, "b", nil)
	update(t, a, putRecords(300))
	want := inState(t, a)
	same := func(what string) {
		t.Helper()
		if got := recordsOf(t, a); got != want {
			t.Errorf("%s: %d bytes of records, want %d", what, len(got), len(want))
		}
	}
	same("without a cache")
	path := filepath.Join(a.Dir(), cacheName)
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
		t.Fatalf("the cache: %v, %v", info, err)
	}
	hidden(t, server, commit(t, server), func() { same("from the cache") })
	update(t, b, func(tx ledger.Tx) error {
		_, err := tx.AppendHistory(ledger.Entry{Who: "ben", Event: "test"})
		return err
	})
	hidden(t, server, commit(t, server), func() { same("after a change of something else") })

	older := commit(t, server)
	update(t, b, change(7))
	update(t, b, change(299))
	update(t, b, func(tx ledger.Tx) error { return tx.PutRecord(record(300)) })
	want = inState(t, b)
	hidden(t, server, older, func() { same("with what another node has changed") })
	hidden(t, server, commit(t, server), func() { same("from the cache with the changes") })

	update(t, b, func(tx ledger.Tx) error { _, err := tx.DeleteRecord(key(3)); return err })
	want = inState(t, b)
	same("after a removal")
	hidden(t, server, commit(t, server), func() { same("from the cache after a removal") })
	if left, _ := filepath.Glob(filepath.Join(a.Dir(), "."+cacheName+"*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// TestADamagedCache: whatever is wrong with the cache, the records are those of the state, nothing
// is reported, and afterwards the cache is good again.
func TestADamagedCache(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	a := node(t, url, "a", nil)
	update(t, a, putRecords(40))
	want := recordsOf(t, a)
	path := filepath.Join(a.Dir(), cacheName)
	good := read(t, path)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 150 {
		bad := append([]byte{}, good...)
		switch at := r.IntN(len(bad)); i % 3 {
		case 0:
			bad[at] ^= 1 << r.IntN(8)
		case 1:
			bad = bad[:at]
		default:
			bad = append(bad, bad[at:]...)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := recordsOf(t, a); got != want {
			t.Fatalf("damage %d is believed", i)
		}
		if i%10 == 0 {
			hidden(t, server, commit(t, server), func() {
				if got := recordsOf(t, a); got != want {
					t.Fatalf("damage %d: the cache is not good again", i)
				}
			})
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	for what, spoil := range map[string]func() error{
		"a link":             func() error { return os.Symlink(other, path) },
		"a folder":           func() error { return os.Mkdir(path, 0o700) },
		"readable by others": func() error { return os.WriteFile(path, good, 0o644) },
		"an empty file":      func() error { return os.WriteFile(path, nil, 0o600) },
		"a file without end": func() error { return os.Symlink("/dev/zero", path) },
		"nothing":            func() error { return nil },
		"a header that lies": func() error {
			return os.WriteFile(path, []byte(cacheMagic+"\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0o600)
		},
		"a cache of a folder": func() error { return os.WriteFile(path, good[:len(cacheMagic)], 0o600) },
	} {
		_ = os.Remove(path)
		if err := os.WriteFile(other, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if got := recordsOf(t, a); got != want {
			t.Errorf("%s is believed", what)
		}
		if string(read(t, other)) != string(good) {
			t.Errorf("%s: what the link names was written", what)
		}
	}
}

// TestTheCacheOfAnotherState: the cache of another state is not used. Nor is a cache of this state
// that is newer than a restored backup, even if the state has the same number of commits again.
func TestTheCacheOfAnotherState(t *testing.T) {
	server := pgtest.Start(t)
	a := node(t, server.Database(t, "waldur"), "a", nil)
	update(t, a, putRecords(30))
	want := recordsOf(t, a)
	other := node(t, server.Database(t, "other"), "a", nil)
	update(t, other, putRecords(29))
	recordsOf(t, other)
	if err := os.WriteFile(filepath.Join(a.Dir(), cacheName),
		read(t, filepath.Join(other.Dir(), cacheName)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := recordsOf(t, a); got != want {
		t.Error("the cache of another state is believed")
	}
	tables := []string{"states", "entries", "batches", "stamps"}
	for _, name := range tables {
		server.SQL(t, "waldur", fmt.Sprintf("CREATE TABLE backup_%[1]s AS SELECT * FROM cscs_sync.%[1]s",
			name))
	}
	for n := range 3 {
		update(t, a, change(n))
	}
	newer, number := recordsOf(t, a), commit(t, server)
	server.SQL(t, "waldur", "DELETE FROM cscs_sync.stamps; DELETE FROM cscs_sync.batches; DELETE "+
		"FROM cscs_sync.entries; DELETE FROM cscs_sync.states")
	for _, name := range tables {
		server.SQL(t, "waldur", fmt.Sprintf("INSERT INTO cscs_sync.%[1]s SELECT * FROM backup_%[1]s",
			name))
	}
	if got := recordsOf(t, a); got != want {
		t.Error("a cache that is newer than the restored state is believed")
	}
	b := node(t, server.URL("postgres", "waldur"), "b", nil)
	// The same again, with a cache from the lost future.
	if err := os.MkdirAll(b.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		update(t, a, change(n))
	}
	for n := range 3 {
		update(t, b, change(10+n))
	}
	if now := inState(t, b); now == newer || now == want {
		t.Fatal("nothing was changed")
	}
	for range 2 {
		if got, now := recordsOf(t, a), inState(t, b); got != now {
			t.Errorf("after the restore at commit %s (before it %s), the cache is believed",
				commit(t, server), number)
		}
	}
}
