package state

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// BenchmarkLoad is the cost of the state for every plan: a new store, so it includes the walk
// through the whole file.
func BenchmarkLoad(b *testing.B) {
	s, _ := newStore(b)
	update(b, s, putRecords(100_000))
	for b.Loop() {
		got, err := reopen(b, s).Recorded()
		if err != nil || got.Records.Len() != 100_000 {
			b.Fatal(got.Records.Len(), err)
		}
	}
}

// BenchmarkLoadShared is [BenchmarkLoad] with a state in PostgreSQL. Each store stands for a
// command: it connects first.
func BenchmarkLoadShared(b *testing.B) {
	url := pgtest.Start(b).Database(b, "waldur")
	update(b, node(b, url, "a", nil), putRecords(100_000))
	for b.Loop() {
		got, err := node(b, url, "a", nil).Recorded()
		if err != nil || got.Records.Len() != 100_000 {
			b.Fatal(got.Records.Len(), err)
		}
	}
}

// BenchmarkStepsShared is [BenchmarkSteps] with a state in PostgreSQL, under a lease.
func BenchmarkStepsShared(b *testing.B) {
	s, c := node(b, pgtest.Start(b, "fsync = on").Database(b, "waldur"), "a", nil), newClock()
	update(b, s, putRecords(100_000))
	update(b, s, func(tx ledger.Tx) error { return second(tx.Begin(start(c, "p", key(1)))) })
	held := lock(b, s)
	steps := make([]ledger.Step, 100)
	for i := range steps {
		steps[i] = ledger.Step{Key: key(i), Name: "done"}
	}
	for b.Loop() {
		update(b, s, func(tx ledger.Tx) error { return tx.AppendSteps("p", steps) })
	}
	if err := held.Release(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGuard is the cost of checking, before every single change, whether this node may still
// make it.
func BenchmarkGuard(b *testing.B) {
	held := lock(b, node(b, pgtest.Start(b).Database(b, "waldur"), "a", nil))
	for b.Loop() {
		if err := held.Check(); err != nil {
			b.Fatal(err)
		}
	}
	if err := held.Release(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCheck is the walk alone.
func BenchmarkCheck(b *testing.B) {
	s, _ := newStore(b)
	update(b, s, putRecords(100_000))
	for b.Loop() {
		if err := reopen(b, s).View(func(ledger.Tx) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate writes 10,000 records in one batch into a state of 100,000.
func BenchmarkUpdate(b *testing.B) {
	s, _ := newStore(b)
	update(b, s, putRecords(100_000))
	for b.Loop() {
		update(b, s, putRecords(10_000))
	}
}

// BenchmarkSteps is one batch of 100 journal steps, beside a state of 100,000 records.
func BenchmarkSteps(b *testing.B) {
	s, c := newStore(b)
	update(b, s, putRecords(100_000))
	update(b, s, func(tx ledger.Tx) error { return second(tx.Begin(start(c, "p", key(1)))) })
	steps := make([]ledger.Step, 100)
	for i := range steps {
		steps[i] = ledger.Step{Key: key(i), Name: "done"}
	}
	for b.Loop() {
		update(b, s, func(tx ledger.Tx) error { return tx.AppendSteps("p", steps) })
	}
}

// BenchmarkEnqueue queues 10,000 callbacks in one batch.
func BenchmarkEnqueue(b *testing.B) {
	for b.Loop() {
		s, _ := newStore(b)
		update(b, s, func(tx ledger.Tx) error {
			for i := range 10_000 {
				if _, err := tx.Enqueue(delivery(i, planner.SetStateDone)); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// BenchmarkRecord writes the first 100,000 records of a state, in one batch.
func BenchmarkRecord(b *testing.B) {
	for b.Loop() {
		s, _ := newStore(b)
		update(b, s, putRecords(100_000))
	}
}

// BenchmarkSetIndex replaces the index of a million resources: 5,000 chunks of 60 KB.
func BenchmarkSetIndex(b *testing.B) {
	benchSetIndex(b, func() *Store { s, _ := newStore(b); return s })
}

// BenchmarkSetIndexShared is [BenchmarkSetIndex] with a state in PostgreSQL.
func BenchmarkSetIndexShared(b *testing.B) {
	url := pgtest.Start(b).Database(b, "waldur")
	benchSetIndex(b, func() *Store { return node(b, url, "a", nil) })
}

func benchSetIndex(b *testing.B, open func() *Store) {
	chunks := make([]json.RawMessage, 5000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range chunks {
		packed := make([]byte, 45_000)
		for j := range packed {
			packed[j] = byte(random.Uint32())
		}
		chunks[i], _ = json.Marshal(packed)
	}
	s := open()
	for b.Loop() {
		update(b, s, func(tx ledger.Tx) error { return tx.SetIndex(newClock().t, 0, chunks) })
	}
}
