package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// onEachEngine runs a test on a state in a file, and on a state in PostgreSQL. Each call of open is
// another process.
func onEachEngine(t *testing.T, test func(t *testing.T, open func() *Store)) {
	t.Run("bolt", func(t *testing.T) {
		first, _ := newStore(t)
		test(t, func() *Store { return reopen(t, first) })
	})
	t.Run("postgres", func(t *testing.T) {
		url := pgtest.Start(t).Database(t, "waldur")
		test(t, func() *Store { return node(t, url, "a", nil) })
	})
}

func TestIndex(t *testing.T) {
	s, c := newStore(t)
	view(t, s, func(tx ledger.Tx) error {
		if at, written, chunks, err := tx.Index(); !at.IsZero() || written != 0 || chunks != nil ||
			err != nil {
			t.Errorf("empty: %v %v %v %v", at, written, chunks, err)
		}
		return nil
	})
	update(t, s, func(tx ledger.Tx) error { return tx.SetIndex(c.t, 7, rawChunks(`1`, `2`, `3`)) })
	update(t, s, func(tx ledger.Tx) error { return tx.SetIndex(c.t.Add(time.Hour), 8, rawChunks(`{"x":[1]}`, `2`)) })
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		at, written, chunks, err := tx.Index()
		if !at.Equal(c.t.Add(time.Hour)) || written != 8 || len(chunks) != 2 ||
			string(chunks[0]) != `{"x":[1]}` {
			t.Errorf("%v %d %s", at, written, chunks)
		}
		return err
	})
	if err := s.Update(func(tx ledger.Tx) error { return tx.SetIndex(c.t, 7, rawChunks(`{`)) }); err == nil {
		t.Error("a chunk that is no JSON was stored")
	}
}

// A chunk is read alone, by its number.
func TestIndexChunk(t *testing.T) {
	onEachEngine(t, func(t *testing.T, open func() *Store) {
		expect := func(at time.Time, written uint64, chunks map[int]string) {
			t.Helper()
			view(t, open(), func(tx ledger.Tx) error {
				if gotAt, got := tx.IndexAt(); !gotAt.Equal(at) || got != written {
					t.Errorf("an index of %v and %d, want %v and %d", gotAt, got, at, written)
				}
				for _, n := range []int{-1, 0, 1, 2, 3, 1 << 40} {
					chunk, err := tx.IndexChunk(n)
					if err != nil || string(chunk) != chunks[n] || (chunk == nil) != (chunks[n] == "") {
						t.Errorf("chunk %d: %s, %v, want %s", n, chunk, err, chunks[n])
					}
				}
				return nil
			})
		}
		expect(time.Time{}, 0, nil)
		at := newClock().t
		update(t, open(), func(tx ledger.Tx) error { return tx.SetIndex(at, 7, rawChunks(`1`, `"b"`, `{}`)) })
		expect(at, 7, map[int]string{0: `1`, 1: `"b"`, 2: `{}`})
		at = at.Add(time.Hour)
		update(t, open(), func(tx ledger.Tx) error { return tx.SetIndex(at, 8, rawChunks(`[4]`)) })
		expect(at, 8, map[int]string{0: `[4]`})
	})
}

// A chunk that is not as it was written, or that is missing, is damage and never another index.
func TestADamagedChunk(t *testing.T) {
	server := pgtest.Start(t)
	s := node(t, server.Database(t, "waldur"), "a", nil)
	chunks := make([]json.RawMessage, 4)
	for i := range chunks {
		chunks[i] = fmt.Appendf(nil, `"chunk %d"`, i)
	}
	update(t, s, func(tx ledger.Tx) error { return tx.SetIndex(newClock().t, 7, chunks) })
	server.SQL(t, "waldur", `UPDATE cscs_sync.entries SET value = overlay(value placing '\x58' from 9) `+
		`WHERE bucket = 'index' AND key = '\x0000000000000001'; `+
		`DELETE FROM cscs_sync.entries WHERE bucket = 'index' AND key = '\x0000000000000002'`)
	for n, isGood := range []bool{true, false, false, true} {
		view(t, s, func(tx ledger.Tx) error {
			chunk, err := tx.IndexChunk(n)
			var damaged *DamagedError
			if isGood && (err != nil || string(chunk) != string(chunks[n])) {
				t.Errorf("chunk %d: %s, %v", n, chunk, err)
			}
			if !isGood && (!errors.As(err, &damaged) || damaged.Bucket != bucketIndex ||
				damaged.Key != fmt.Sprint(n) || chunk != nil) {
				t.Errorf("chunk %d: %s, %v, want damage that names it", n, chunk, err)
			}
			return nil
		})
	}
}

// RecordsOf returns every record of an item, and of no other one.
func TestRecordsOf(t *testing.T) {
	keys := []planner.Key{{Item: "a", System: "s", DataType: "store"},
		{Item: "a", System: "s", DataType: "scratch"}, {Item: "a", System: "t", DataType: "store"},
		{Item: "a"}, {Item: "ab", System: "s", DataType: "store"}, {Item: "aa"}, {Item: "B"}}
	onEachEngine(t, func(t *testing.T, open func() *Store) {
		of := func(item string) (found []planner.Key) {
			t.Helper()
			view(t, open(), func(tx ledger.Tx) error {
				records, err := tx.RecordsOf(item)
				for _, r := range records {
					if r.Address != "/a" || !r.Unfinished {
						t.Errorf("%s: %+v", r.Key.Text(), r)
					}
					found = append(found, r.Key)
				}
				return err
			})
			return found
		}
		if got := of("a"); got != nil {
			t.Errorf("a new state has %v", got)
		}
		update(t, open(), func(tx ledger.Tx) error {
			for _, k := range keys {
				err := tx.PutRecord(planner.Record{Key: k, Address: "/a", Unfinished: true})
				if err != nil {
					return err
				}
			}
			return nil
		})
		view(t, open(), func(tx ledger.Tx) error {
			if n := tx.RecordCount(); n != uint64(len(keys)) {
				t.Errorf("%d records, want %d", n, len(keys))
			}
			return nil
		})
		for item, want := range map[string][]planner.Key{"a": {keys[3], keys[1], keys[0], keys[2]},
			"ab": {keys[4]}, "aa": {keys[5]}, "B": {keys[6]}, "b": nil, "": nil, "a\x00s": nil,
			"abc": nil} {
			if got := of(item); !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", item, got, want)
			}
		}
	})
}

// reads counts the values that batches read.
type reads struct {
	kv.Engine
	n int
}

func (r *reads) Batch(write bool, fn func(kv.Tx) error) error {
	return r.Engine.Batch(write, func(tx kv.Tx) error { return fn(&countedTx{tx, r}) })
}

type countedTx struct {
	kv.Tx
	reads *reads
}

func (tx *countedTx) Get(bucket string, key []byte) ([]byte, error) {
	tx.reads.n++
	return tx.Tx.Get(bucket, key)
}

func (tx *countedTx) Scan(bucket string, start []byte, fn func(k, v []byte) error) error {
	return tx.Tx.Scan(bucket, start, func(k, v []byte) error {
		tx.reads.n++
		return fn(k, v)
	})
}

// What needs little of the state reads little of it.
func TestFewValuesAreRead(t *testing.T) {
	s, c := newStore(t)
	fill(t, s, c)
	counted := &reads{Engine: s.engine}
	s.engine = counted
	for what, test := range map[string]struct {
		most int
		read func(ledger.Tx) error
	}{
		"a chunk":              {1, func(tx ledger.Tx) error { return second(tx.IndexChunk(1)) }},
		"the index's time":     {0, func(tx ledger.Tx) error { tx.IndexAt(); return nil }},
		"the records of one":   {2, func(tx ledger.Tx) error { return second(tx.RecordsOf(key(7).Item)) }},
		"the number of them":   {0, func(tx ledger.Tx) error { tx.RecordCount(); return nil }},
		"the archive register": {1, func(tx ledger.Tx) error { return second(tx.Archived()) }},
	} {
		counted.n = 0
		view(t, s, test.read)
		if most := test.most + 1; counted.n > most { // and the state's description of itself
			t.Errorf("%s: %d values were read, want at most %d", what, counted.n, most)
		}
	}
}
