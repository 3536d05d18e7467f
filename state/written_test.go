package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// writing is what a test knows of what it has written to a state.
type writing struct {
	*rapid.T
	// records are the numbers by which the present records were last written or moved.
	records map[planner.Key]uint64
	// every are the numbers of all that ever were.
	every map[planner.Key]uint64
	// places is how many directories were archived, and moments are earlier values of Written.
	places  int
	moments []uint64
	// index is the number of the index, and noted the last number whose note may be gone.
	indexed      bool
	index, noted uint64
}

func (w *writing) key(label string) planner.Key {
	return planner.Key{Item: rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 1, 2, -1).Draw(w.T, label),
		System: rapid.SampledFrom([]string{"", "s"}).Draw(w.T, label+"'s system")}
}

// wrote notes what one operation wrote.
func (w *writing) wrote(before, after uint64, keys ...planner.Key) {
	for n := before + 1; n <= after; n++ {
		if n-w.noted > mostNotes {
			w.noted = n
		}
	}
	for _, k := range keys {
		w.records[k], w.every[k] = after, after
	}
}

func (w *writing) put(tx ledger.Tx) error {
	k := w.key("put")
	before := tx.Written()
	err := tx.PutRecord(planner.Record{Key: k})
	w.wrote(before, tx.Written(), k)
	return err
}

func (w *writing) putMany(tx ledger.Tx) (err error) {
	if rapid.IntRange(0, 9).Draw(w.T, "many") > 0 {
		return nil
	}
	before := tx.Written()
	for i := 0; i < mostNotes*2/5 && err == nil; i++ {
		err = tx.PutRecord(planner.Record{Key: planner.Key{Item: fmt.Sprint("many", i)}})
		w.wrote(before+uint64(i), tx.Written(), planner.Key{Item: fmt.Sprint("many", i)})
	}
	return err
}

func (w *writing) remove(tx ledger.Tx) error {
	k := w.key("remove")
	delete(w.records, k)
	return second(tx.DeleteRecord(k))
}

func (w *writing) archive(tx ledger.Tx) error {
	a := planner.Archived{Key: w.key("archive")}
	if n := tx.Written(); n > 0 && rapid.Bool().Draw(w.T, "numbered") {
		a.Seq = rapid.Uint64Range(1, n).Draw(w.T, "number")
	}
	w.places++
	a.Archive = fmt.Sprint(w.places)
	before := tx.Written()
	err := tx.PutArchived(a)
	w.wrote(before, tx.Written())
	return err
}

func (w *writing) move(tx ledger.Tx) error {
	now := map[planner.Key]planner.Key{}
	for range rapid.IntRange(1, 3).Draw(w.T, "moves") {
		now[w.key("from")] = w.key("to")
	}
	before := tx.Written()
	_, err := tx.Rename(now)
	var moved []planner.Key
	for _, old := range slices.SortedFunc(maps.Keys(now), planner.Key.Compare) {
		if _, ok := w.records[old]; ok {
			delete(w.records, old)
			w.records[now[old]] = 0
			moved = append(moved, now[old])
		}
	}
	if got := tx.Written() - before; got != uint64(len(moved)) {
		w.Fatalf("%d records moved with %d numbers", len(moved), got)
	}
	for _, k := range moved {
		w.every[k] = tx.Written()
		if _, isThere := w.records[k]; isThere {
			w.records[k] = tx.Written()
		}
	}
	w.wrote(before, tx.Written())
	return err
}

func (w *writing) list(tx ledger.Tx) error {
	w.moments = append(w.moments, tx.Written())
	return nil
}

func (w *writing) setIndex(tx ledger.Tx) error {
	w.indexed, w.index = true, rapid.SampledFrom(w.moments).Draw(w.T, "index")
	if rapid.IntRange(0, 9).Draw(w.T, "restored") == 0 {
		w.index = tx.Written() + rapid.Uint64Range(1, 5).Draw(w.T, "ahead")
	}
	if w.index > tx.Written() {
		w.noted = w.index + 1
	}
	w.noted = max(w.noted, w.index)
	return tx.SetIndex(newClock().t, w.index, rawChunks(`1`))
}

// check compares what the state says with what was written to it.
func (w *writing) check(tx ledger.Tx) error {
	keys, known, err := tx.WrittenSince()
	if err != nil {
		return err
	}
	if want := w.indexed && w.index >= w.noted; known != want {
		w.Errorf("known %t, want %t: index %d, noted %d", known, want, w.index, w.noted)
	}
	if !known {
		if keys != nil {
			w.Errorf("unknown, and %v", keys)
		}
		return nil
	}
	if !slices.IsSortedFunc(keys, planner.Key.Compare) || len(slices.Compact(slices.Clone(keys))) < len(keys) {
		w.Errorf("%v: not sorted, or twice", keys)
	}
	has := func(k planner.Key) bool {
		_, ok := slices.BinarySearchFunc(keys, k, planner.Key.Compare)
		return ok
	}
	for _, k := range keys {
		if w.every[k] <= w.index {
			w.Errorf("%v was not written after %d, but by %d", k, w.index, w.every[k])
		}
	}
	for k, n := range w.records {
		if n > w.index && !has(k) {
			w.Errorf("%v is missing: it was written by %d, after %d", k, n, w.index)
		}
	}
	records, err := tx.Records()
	for _, r := range records {
		if r.Seq > w.index && !has(r.Key) {
			w.Errorf("%v is missing: it has number %d, after %d", r.Key, r.Seq, w.index)
		}
	}
	return err
}

// TestWrittenSince: whatever is written in whatever order, the state names what was written since
// the listing, or says that it does not know.
func TestWrittenSince(t *testing.T) {
	failed := errors.New("no")
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := newStore(t)
		w := &writing{T: rt, records: map[planner.Key]uint64{}, every: map[planner.Key]uint64{},
			moments: []uint64{0}}
		steps := []func(ledger.Tx) error{w.put, w.put, w.putMany, w.remove, w.archive, w.move, w.list,
			w.list, w.setIndex, w.check}
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			if rapid.IntRange(0, 4).Draw(rt, "fails") == 0 {
				err := s.Update(func(tx ledger.Tx) error {
					return firstError(putRecords(3)(tx), tx.SetIndex(newClock().t, tx.Written(), nil), failed)
				})
				if !errors.Is(err, failed) {
					rt.Fatal(err)
				}
			}
			update(t, s, func(tx ledger.Tx) error {
				for range rapid.IntRange(1, 5).Draw(rt, "steps") {
					if err := rapid.SampledFrom(steps).Draw(rt, "step")(tx); err != nil {
						return err
					}
				}
				return nil
			})
			if rapid.Bool().Draw(rt, "reopened") {
				s = reopen(t, s)
			}
			view(t, s, w.check)
		}
	})
}

// expectWritten tests what a state says was written since its index; nil means that it does not
// know.
func expectWritten(t *testing.T, what string, s *Store, want []planner.Key) {
	t.Helper()
	view(t, s, func(tx ledger.Tx) error {
		keys, known, err := tx.WrittenSince()
		if known != (want != nil) || !slices.Equal(keys, want) {
			t.Errorf("%s: %v, %t, want %v", what, keys, known, want)
		}
		return err
	})
}

// setIndex makes an index of a listing that began when written was.
func setIndex(t *testing.T, s *Store, written uint64) {
	t.Helper()
	update(t, s, func(tx ledger.Tx) error { return tx.SetIndex(newClock().t, written, rawChunks(`1`)) })
}

// TestWrittenWhileListing: what another process records while an audit reads its listing is newer
// than the index that this audit makes, on every engine, also after the state was copied.
func TestWrittenWhileListing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, open func() *Store) {
		audit, other := open(), open()
		expectWritten(t, "no state", audit, nil)
		update(t, audit, putRecords(5))
		expectWritten(t, "no index", audit, nil)
		update(t, other, func(tx ledger.Tx) error {
			return firstError(tx.PutRecord(record(3)), tx.PutRecord(record(9)),
				tx.PutArchived(archived(4, "a/4", newClock().t)))
		})
		update(t, other, func(tx ledger.Tx) error { return second(tx.DeleteRecord(key(9))) })
		update(t, audit, func(tx ledger.Tx) error {
			return firstError(tx.PutRecord(record(1)), tx.SetIndex(newClock().t, 5, rawChunks(`1`)))
		})
		expectWritten(t, "the index", open(), []planner.Key{key(1), key(3), key(9)})
		update(t, other, func(tx ledger.Tx) error {
			return second(tx.Rename(map[planner.Key]planner.Key{key(2): {Item: "two"}}))
		})
		all := []planner.Key{key(1), key(3), key(9), {Item: "two"}}
		expectWritten(t, "a rename", open(), all)
		copied, _ := newStore(t)
		if err := open().CopyTo(t.Context(), copied, ledger.Holder{Who: "anna", Host: "a"}); err != nil {
			t.Fatal(err)
		}
		expectWritten(t, "the copy", copied, all)
		setIndex(t, copied, 10)
		expectWritten(t, "the next index", copied, []planner.Key{})
	})
}

// TestTooManyNotes: a large apply makes it unknown what was written, until the next audit.
func TestTooManyNotes(t *testing.T) {
	s, _ := newStore(t)
	setIndex(t, s, 0)
	update(t, s, putRecords(mostNotes-1))
	update(t, s, putRecords(1))
	view(t, s, func(tx ledger.Tx) error {
		keys, known, err := tx.WrittenSince()
		if len(keys) != mostNotes-1 || !known {
			t.Errorf("%d keys, %t", len(keys), known)
		}
		return err
	})
	update(t, s, putRecords(1))
	expectWritten(t, "one more", s, nil)
	update(t, s, putRecords(2))
	setIndex(t, s, mostNotes)
	expectWritten(t, "a listing from before", s, nil)
	setIndex(t, s, mostNotes+1)
	expectWritten(t, "a listing from after", s, []planner.Key{key(0), key(1)})
	update(t, s, putRecords(3*mostNotes+4))
	setIndex(t, s, 4*mostNotes+5)
	view(t, s, func(tx ledger.Tx) error {
		keys, known, err := tx.WrittenSince()
		if len(keys) != 2 || !known {
			t.Errorf("%d keys, %t, want the last two of %d", len(keys), known, tx.Written())
		}
		return err
	})
}

// TestMissingNotes: notes that do not cover every number are not used.
func TestMissingNotes(t *testing.T) {
	for what, spoil := range map[string]func(*Tx) error{
		"none":      func(tx *Tx) error { return tx.clear(bucketWritten, nil) },
		"the first": func(tx *Tx) error { return second(tx.del(bucketWritten, numberKey(1))) },
		"the last":  func(tx *Tx) error { return second(tx.del(bucketWritten, numberKey(5))) },
		"one in the middle": func(tx *Tx) error {
			return second(tx.del(bucketWritten, numberKey(4)))
		},
		"one of a batch": func(tx *Tx) error {
			return tx.put(bucketWritten, numberKey(1), notes{[]byte("a"), []byte("b")})
		},
		"one too many": func(tx *Tx) error { return tx.put(bucketWritten, numberKey(7), notes{nil}) },
	} {
		s, _ := newStore(t)
		setIndex(t, s, 0)
		for _, n := range []int{3, 1, 1} { // the numbers 1 to 3, 4 and 5
			update(t, s, putRecords(n))
		}
		expectWritten(t, what, s, []planner.Key{key(0), key(1), key(2)})
		update(t, s, func(tx ledger.Tx) error { return spoil(tx.(*Tx)) })
		expectWritten(t, what, s, nil)
		update(t, s, putRecords(1))
		setIndex(t, s, 5)
		expectWritten(t, what+", with an index of all but the last", s, nil)
		update(t, s, putRecords(2))
		setIndex(t, s, 6)
		expectWritten(t, what+", with the next index", s, []planner.Key{key(0), key(1)})
	}
}

// TestNotesThatAreNone: a value that no version would write is damage.
func TestNotesThatAreNone(t *testing.T) {
	for _, body := range []string{"\x05abc", "\xff", "\x01a\x80"} {
		s, _ := newStore(t)
		setIndex(t, s, 0)
		update(t, s, putRecords(1))
		update(t, s, func(tx ledger.Tx) error {
			return tx.(*Tx).put(bucketWritten, numberKey(1), stored(body))
		})
		var damaged *DamagedError
		err := s.View(func(tx ledger.Tx) error { _, _, err := tx.WrittenSince(); return err })
		if !errors.As(err, &damaged) || damaged.Bucket != bucketWritten || damaged.Key != "1" {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestAnEarlierFormatHasNoNotes: what an earlier build wrote is unknown, until an audit of this one.
func TestAnEarlierFormatHasNoNotes(t *testing.T) {
	for _, path := range keptStates(t) {
		s, _ := keptState(t, path)
		expectWritten(t, path, s, nil)
		var before uint64
		view(t, s, func(tx ledger.Tx) error { before = tx.Written(); return nil })
		update(t, s, func(tx ledger.Tx) error { return tx.PutRecord(record(1)) })
		expectWritten(t, path+", changed", s, nil)
		setIndex(t, s, before-1)
		expectWritten(t, path+", with a listing of the earlier build", s, nil)
		setIndex(t, s, before)
		expectWritten(t, path+", with a new listing", s, []planner.Key{key(1)})
	}
}

// A record that cannot be stored may have taken a number; the others stay known.
func TestARecordThatDoesNotFitIsNotWritten(t *testing.T) {
	s, _ := newStore(t)
	setIndex(t, s, 0)
	long := planner.Key{Item: strings.Repeat("x", 33<<10)}
	update(t, s, func(tx ledger.Tx) error {
		for _, k := range []planner.Key{{}, {Item: "\x00"}, long} {
			if err := tx.PutRecord(planner.Record{Key: k}); !errors.Is(err, ledger.ErrUnfit) {
				t.Errorf("%.20q: %v", k.Item, err)
			}
		}
		return tx.PutRecord(record(1))
	})
	expectWritten(t, "the record that fits", s, []planner.Key{key(1)})
}
