package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

func rawChunks(texts ...string) []json.RawMessage {
	var out []json.RawMessage
	for _, s := range texts {
		out = append(out, json.RawMessage(s))
	}
	return out
}

func TestAnEmptyStateReadsAsEmptyAndIsNotMade(t *testing.T) {
	s, _ := newStore(t)
	got, err := s.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	if got.Records.Len()+len(got.Archived)+len(got.Roots)+len(got.Undelivered) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
	if _, err := os.Lstat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the folder: %v", err)
	}
	view(t, s, func(tx ledger.Tx) error {
		if err := tx.PutRecord(record(1)); err == nil {
			t.Error("a view wrote")
		}
		return tx.VerifyHistory("")
	})
}

func TestTheFirstUpdateMakesFolderAndFile(t *testing.T) {
	c := newClock()
	base := t.TempDir()
	s := openStore(t, filepath.Join(base, "lib", "state"), c)
	update(t, s, putRecords(1))
	for path, want := range map[string]os.FileMode{s.Dir(): 0o700, s.File(): 0o600,
		filepath.Join(base, "lib"): 0o700} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
	deep := openStore(t, filepath.Join(base, "a", "b", "c"), c)
	if err := deep.Update(putRecords(1)); err == nil ||
		!strings.Contains(err.Error(), filepath.Join(base, "a")) {
		t.Errorf("a tree of three folders was made: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, dir := range []string{"", "/", "state", "/var/lib/../state", "/var/lib/state/"} {
		if _, err := Open(dir, Options{Now: time.Now}); err == nil {
			t.Errorf("Open(%q) = nil error", dir)
		}
	}
	if _, err := Open("/var/lib/x", Options{}); err == nil {
		t.Error("no clock: nil error")
	}
}

func TestEverythingIsReadBackAsItWasWritten(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	got, err := reopen(t, s).Recorded()
	if err != nil {
		t.Fatal(err)
	}
	if got.Records.Len() != 300 {
		t.Errorf("%d records, want 300", got.Records.Len())
	}
	var whole []planner.Record
	view(t, reopen(t, s), func(tx ledger.Tx) (err error) { whole, err = tx.Records(); return err })
	for i := range 300 {
		want := record(i)
		want.Seq = uint64(i) + 1 // in the order of writing
		if diff := cmp.Diff(want, whole[i],
			cmp.AllowUnexported(planner.Limit{}, planner.Value{})); diff != "" {
			t.Fatal(diff)
		}
		want.Plan = "" // planning does not need it
		if r, _ := got.Records.Of(want.Key); r != want {
			t.Fatalf("for planning: %+v, want %+v", r, want)
		}
	}
	kept := archived(900, "capstor/.trash/a", c.t)
	kept.Seq = got.Archived[key(900)].Seq
	if kept.Seq == 0 {
		t.Error("an entry of the archive register has no number")
	}
	if diff := cmp.Diff(kept, got.Archived[key(900)],
		cmp.AllowUnexported(planner.Limit{}, planner.Value{})); diff != "" {
		t.Error(diff)
	}
	if want := (planner.RootIdentity{Filesystem: "lustre:1", Inode: 2}); got.Roots["capstor"] != want {
		t.Errorf("root %v, want %v", got.Roots["capstor"], want)
	}
	if len(got.Undelivered) != 2 || got.Undelivered[0].Callback != planner.SetStateDone ||
		!got.Undelivered[0].Since.Equal(c.t) {
		t.Errorf("undelivered %+v", got.Undelivered)
	}
}

func TestAnUpdateIsAllOrNothing(t *testing.T) {
	s, _ := newStore(t)
	update(t, s, putRecords(3))
	before := read(t, s.File())
	boom := errors.New("boom")
	err := s.Update(func(tx ledger.Tx) error {
		if err := tx.PutRecord(record(9)); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) || !bytes.Equal(before, read(t, s.File())) {
		t.Errorf("error %v, file changed: %t", err, !bytes.Equal(before, read(t, s.File())))
	}
}

func TestAPanicOfTheCallerGoesOnAndFreesTheFile(t *testing.T) {
	s, _ := newStore(t)
	update(t, s, putRecords(1))
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v, want the caller's panic", p)
			}
		}()
		s.Update(func(ledger.Tx) error { panic("mine") })
	}()
	update(t, s, putRecords(2))
}

func TestRecordsAndRegister(t *testing.T) {
	s, c := newStore(t)
	update(t, s, func(tx ledger.Tx) error {
		if err := putRecords(5)(tx); err != nil {
			return err
		}
		return firstError(
			tx.PutArchived(archived(1, "a/old", c.t)), tx.PutArchived(archived(1, "a/new",
				c.t.Add(time.Hour))),
			tx.PutRoot("capstor", planner.RootIdentity{Inode: 1}),
			tx.PutRecord(record(2)))
	})
	update(t, s, func(tx ledger.Tx) error {
		there, err := tx.DeleteRecord(key(3))
		gone, err2 := tx.DeleteRecord(key(99))
		if !there || gone {
			t.Errorf("deleted %t and %t, want true and false", there, gone)
		}
		return firstError(err, err2)
	})
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		rs, err := tx.Records()
		if len(rs) != 4 {
			t.Errorf("%d records, want 4", len(rs))
		}
		_, ok, err2 := tx.Record(key(3))
		_, ok2, err3 := tx.Record(key(2))
		if ok || !ok2 {
			t.Errorf("record 3 %t, record 2 %t", ok, ok2)
		}
		rec, err4 := tx.Recorded()
		archived, err5 := tx.Archived()
		for _, newest := range []map[planner.Key]planner.Archived{rec.Archived, archived} {
			if got := newest[key(1)].Archive; got != "a/new" || len(newest) != 1 {
				t.Errorf("archived at %q of %d, want the newest", got, len(newest))
			}
		}
		return firstError(err, err2, err3, err4, err5)
	})
	update(t, s, func(tx ledger.Tx) error {
		_, err := tx.DeleteRoot("capstor")
		return firstError(err, tx.ReplaceArchiveRegister([]planner.Archived{archived(7, "a/seven", c.t)}))
	})
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		reg, err := tx.ArchiveRegister()
		if len(reg) != 1 || reg[0].Archive != "a/seven" {
			t.Errorf("register %+v", reg)
		}
		roots, err2 := tx.Roots()
		if len(roots) != 0 {
			t.Errorf("roots %v", roots)
		}
		return firstError(err, err2)
	})
}

func TestBadKeysAreRefused(t *testing.T) {
	s, _ := newStore(t)
	for _, k := range []planner.Key{{}, {Item: "a\x00b"}, {Item: "a", System: "\x00"},
		{Item: "a", DataType: "x\x00"},
		{Item: "a", DataType: strings.Repeat("x", 40<<10)}, {Item: "a", System: "\xff"}} {
		r := record(1)
		r.Key = k
		if err := s.Update(func(tx ledger.Tx) error { return tx.PutRecord(r) }); !errors.Is(err,
			ledger.ErrUnfit) {
			t.Errorf("key %q was stored", k.Text())
		}
	}
}

func TestHolds(t *testing.T) {
	s, c := newStore(t)
	update(t, s, func(tx ledger.Tx) error {
		return firstError(
			tx.AddHold(planner.Hold{Glob: "/a/**", Reason: "one", Until: c.t.Add(time.Hour), By: "anna"}),
			tx.AddHold(planner.Hold{Glob: "/b/**", Reason: "two", Until: c.t.Add(-time.Second), By: "ben"}),
			tx.AddHold(planner.Hold{Glob: "/a/**", Reason: "three", By: "cleo"}))
	})
	if err := s.Update(func(tx ledger.Tx) error { return tx.AddHold(planner.Hold{Glob: "/a"}) }); err == nil {
		t.Error("a hold without a reason was taken")
	}
	reasons := func(at time.Time) (out []string) {
		view(t, s, func(tx ledger.Tx) error {
			hs, err := tx.Holds(at)
			for _, h := range hs {
				out = append(out, h.Reason)
			}
			return err
		})
		return out
	}
	for _, tt := range []struct {
		at   time.Time
		want []string
	}{
		{c.t, []string{"one", "three"}},
		{c.t.Add(time.Hour), []string{"three"}},
		{c.t.Add(-time.Minute), []string{"one", "two", "three"}},
	} {
		if diff := cmp.Diff(tt.want, reasons(tt.at)); diff != "" {
			t.Errorf("at %s: %s", tt.at, diff)
		}
	}
	update(t, s, func(tx ledger.Tx) error {
		removed, err := tx.RemoveHolds("/a/**")
		if len(removed) != 2 {
			t.Errorf("removed %v, want two", removed)
		}
		return err
	})
	if got := reasons(c.t.Add(-time.Minute)); len(got) != 1 || got[0] != "two" {
		t.Errorf("left %v", got)
	}
}

func TestPull(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	var out bytes.Buffer
	if err := s.Pull(&out); err != nil {
		t.Fatal(err)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if string(doc["format_version"]) != `"1.0"` {
		t.Errorf("version %s", doc["format_version"])
	}
	var history []ledger.Entry
	var records []planner.Record
	var journal map[string]ledger.Step
	if err := firstError(json.Unmarshal(doc["history"], &history),
		json.Unmarshal(doc["records"], &records), json.Unmarshal(doc["journal"], &journal)); err != nil {
		t.Fatal(err)
	}
	if len(history) != 1 || len(records) != 300 || journal["sha256:p1/2"].Name != "done" {
		t.Errorf("%d entries, %d records, journal %v", len(history), len(records), journal)
	}
	empty, _ := newStore(t)
	out.Reset()
	if err := empty.Pull(&out); err != nil || !strings.Contains(out.String(), `"records": []`) {
		t.Errorf("empty: %v\n%s", err, out.String())
	}
}

// slowWriter reads nothing until the state was written.
type slowWriter struct{ write func() error }

func (w slowWriter) Write(p []byte) (int, error) { return len(p), w.write() }

func TestASlowReaderOfPullBlocksNobody(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	other := reopen(t, s)
	if err := s.Pull(slowWriter{func() error { return other.Update(putRecords(2)) }}); err != nil {
		t.Errorf("while pull wrote: %v", err)
	}
}

// TestRename: records and archived directories are moved to other keys, and nothing else changes.
func TestRename(t *testing.T) {
	s, c := newStore(t)
	now := map[planner.Key]planner.Key{}
	for _, n := range []int{1, 2, 4} {
		k := key(n)
		k.System = "renamed"
		now[key(n)] = k
	}
	update(t, s, func(tx ledger.Tx) error {
		return firstError(tx.PutRecord(record(1)), tx.PutRecord(record(3)),
			tx.PutArchived(archived(1, "a/one", c.t)), tx.PutArchived(archived(2, "a/two",
				c.t)), tx.PutArchived(archived(3, "a/three", c.t)))
	})
	update(t, s, func(tx ledger.Tx) error {
		n, err := tx.Rename(now)
		if n != 2 {
			t.Errorf("%d resources, want 2", n)
		}
		return err
	})
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		got, err := tx.Recorded()
		want, other := record(1), record(3)
		want.Key, want.Seq, other.Seq = now[key(1)], 1, 2 // following a new name is no news of them
		records, err2 := tx.Records()
		if len(records) != 2 || !slices.Contains(records, want) || !slices.Contains(records, other) {
			t.Errorf("records %+v, %v", records, err2)
		}
		if len(got.Archived) != 3 || got.Archived[now[key(1)]].Archive != "a/one" ||
			got.Archived[now[key(2)]].Archive != "a/two" || got.Archived[key(3)].Archive != "a/three" {
			t.Errorf("archived %+v", got.Archived)
		}
		return err
	})
}
