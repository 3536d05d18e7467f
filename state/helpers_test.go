package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// clock is the time of all tests. It stands still unless a test moves it.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) forward(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

func newStore(t testing.TB) (*Store, *clock) {
	t.Helper()
	c := newClock()
	return openStore(t, filepath.Join(t.TempDir(), "state"), c), c
}

func openStore(t testing.TB, dir string, c *clock) *Store {
	t.Helper()
	s, err := Open(dir, Options{Now: c.now, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reopen returns another process's view of the same state, which has seen nothing yet.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	return openStore(t, s.dir, newClock())
}

func update(t testing.TB, s *Store, fn func(ledger.Tx) error) {
	t.Helper()
	if err := s.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(ledger.Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatal(err)
	}
}

func key(n int) planner.Key {
	return planner.Key{Item: fmt.Sprintf("%032x", n), System: "cscs-capstor-offering", DataType: "store"}
}

func record(n int) planner.Record {
	hard := planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(n) << 30),
		planner.InodesHard: planner.Unlimited()}
	return planner.Record{
		Key: key(n), Address: fmt.Sprintf("/capstor/store/cscs/eth/p%06d", n), System: "capstor",
		Storage: fmt.Sprintf("capstor/store/cscs/eth/p%06d",
			n), Target: planner.TargetProject, Inode: uint64(n) + 144115205255725057,
		Owner: 0, Group: planner.GID(30000 +
			n), Mode: 0o2770, QuotaBy: planner.ByGroup, QuotaID: uint32(30000 + n),
		Claim: hard, Plan: fmt.Sprintf("sha256:%064x", n), At: newClock().t,
	}
}

func archived(n int, place string, at time.Time) planner.Archived {
	r := record(n)
	return planner.Archived{Key: r.Key, Address: r.Address, System: r.System, Storage: r.Storage,
		Archive: place, Inode: r.Inode,
		Group: r.Group, Mode: r.Mode, Claim: r.Claim, Plan: r.Plan, At: at, Until: at.AddDate(0, 3, 0)}
}

func putRecords(n int) func(ledger.Tx) error {
	return func(tx ledger.Tx) error {
		for i := range n {
			if err := tx.PutRecord(record(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func start(c *clock, id string, keys ...planner.Key) ledger.PlanStart {
	return ledger.PlanStart{ID: id, Context: "sha256:c-" + id, Made: c.t, Keys: keys, Who: "anna",
		Host:      "node1",
		Approvals: []ledger.Approval{{Name: "ben@example.com", Time: c.t, Kind: "signed", Digest: "digest-" + id}}}
}

func delivery(n int, cb planner.Callback) ledger.Delivery {
	return ledger.Delivery{Key: key(n), Address: record(n).Address,
		Order: fmt.Sprintf("%032x", n+1000), Callback: cb,
		URL: "https://waldur.example.com/api/marketplace-orders/1/" + string(cb) + "/", Plan: "p"}
}

// fill puts values of every kind into a state.
func fill(t testing.TB, s *Store, c *clock) {
	t.Helper()
	update(t, s, func(tx ledger.Tx) error {
		if err := putRecords(300)(tx); err != nil {
			return err
		}
		steps := []ledger.Step{{Key: key(1), Name: "made", Inode: 7}, {Key: key(1), Name: "done"},
			{Key: key(2), Name: "done"}}
		return firstError(
			tx.PutRoot("capstor", planner.RootIdentity{Filesystem: "lustre:1", Inode: 2}),
			tx.PutArchived(archived(900, "capstor/.trash/a", c.t)),
			tx.AddHold(planner.Hold{Glob: "/capstor/**", Reason: "maintenance", Until: c.t.Add(time.Hour),
				By: "anna"}),
			tx.SetIndex(c.t, 7, rawChunks(`{"a":1}`, `[2,3]`)),
			second(tx.Begin(start(c, "sha256:p1", key(1), key(2)))),
			tx.AppendSteps("sha256:p1", steps),
			second(tx.Enqueue(delivery(1, planner.SetStateDone))),
			second(tx.Enqueue(delivery(2, planner.Approve))),
		)
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func second[T any](_ T, err error) error { return err }

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
