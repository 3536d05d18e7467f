package state

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/bolt"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// counted is a state file whose batches are counted.
type counted struct {
	*bolt.Engine
	batches int
}

func (c *counted) Batch(write bool, fn func(kv.Tx) error) error {
	c.batches++
	return c.Engine.Batch(write, fn)
}

// countedStore returns another process's view of a state whose batches are counted.
func countedStore(t *testing.T, dir string, c *clock) (*Store, *counted) {
	t.Helper()
	var engine *counted
	s, err := OpenOn(dir, Options{Now: c.now}, func(all Contents) kv.Engine {
		engine = &counted{Engine: bolt.New(dir, bolt.Options{Now: c.now, Buckets: all.Buckets,
			Initial: all.Initial, Verify: all.Verify})}
		return engine
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, engine
}

func hold(reason string, until time.Time) func(ledger.Tx) error {
	return func(tx ledger.Tx) error {
		return tx.AddHold(planner.Hold{Glob: "/a/**", Reason: reason, By: "anna", Until: until})
	}
}

// reasons returns the reasons of the holds in force.
func reasons(t *testing.T, s *Store, now time.Time) (all []string) {
	t.Helper()
	holds, err := s.HoldsInForce(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holds {
		all = append(all, h.Reason)
	}
	return all
}

// TestHoldsInForce reads holds that another process changes. Each change counts immediately, and
// nothing is read as long as nothing changes.
func TestHoldsInForce(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "state")
	s, engine := countedStore(t, dir, c)
	if got := reasons(t, s, c.t); got != nil {
		t.Errorf("a state that does not exist has holds: %q", got)
	}
	if _, known, err := engine.Version(); known || err != nil {
		t.Errorf("a look at the holds has made a state (%v)", err)
	}
	other := openStore(t, dir, c)
	for i, step := range []struct {
		change func(ledger.Tx) error
		want   string
	}{
		{hold("one", time.Time{}), "one"},
		{hold("two", c.t.Add(time.Minute)), "one two"},
		{func(tx ledger.Tx) error { _, err := tx.RemoveHolds("/a/**"); return err }, ""},
		{hold("three", c.t.Add(time.Minute)), "three"},
	} {
		update(t, other, step.change)
		before := engine.batches
		for range 100 {
			if got := strings.Join(reasons(t, s, c.t), " "); got != step.want {
				t.Fatalf("step %d: holds %q, want %q", i, got, step.want)
			}
		}
		if n := engine.batches - before; n != 1 {
			t.Errorf("step %d: 100 looks took %d batches, want 1", i, n)
		}
	}
	if got := reasons(t, s, c.t.Add(time.Minute)); got != nil {
		t.Errorf("a hold that has expired is in force: %q", got)
	}
}

// TestHoldsOfADamagedState: a damaged state is refused like in every batch, even after the good
// state was read.
func TestHoldsOfADamagedState(t *testing.T) {
	s, c := newStore(t)
	update(t, s, hold("one", time.Time{}))
	reasons(t, s, c.t)
	if err := os.WriteFile(s.File(), []byte("nothing good"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *DamagedError
	for range 2 {
		if _, err := s.HoldsInForce(c.t); !errors.As(err, &damaged) {
			t.Errorf("the holds of a damaged state: %v", err)
		}
	}
}

// TestHoldsOfAnUntrustedState: a state that others may write, or that is a link, is refused even
// after it was read.
func TestHoldsOfAnUntrustedState(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"others may write it": func(file string) error { return os.Chmod(file, 0o666) },
		"a link": func(file string) error {
			return errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		},
	} {
		s, c := newStore(t)
		update(t, s, hold("one", time.Time{}))
		reasons(t, s, c.t)
		if err := spoil(s.File()); err != nil {
			t.Fatal(err)
		}
		if holds, err := s.HoldsInForce(c.t); err == nil {
			t.Errorf("%s: its holds are %v", name, holds)
		}
	}
}

// TestHoldsSeenAtOnce adds holds in one goroutine. A read that begins after an addition sees it.
func TestHoldsSeenAtOnce(t *testing.T) {
	s, c := newStore(t)
	other := reopen(t, s)
	added := make(chan int)
	go func() {
		defer close(added)
		for i := range 50 {
			if err := other.Update(hold(strconv.Itoa(i), time.Time{})); err != nil {
				t.Error(err)
				return
			}
			added <- i
		}
	}()
	for i := range added {
		if n := len(reasons(t, s, c.t)); n <= i {
			t.Fatalf("after %d holds were added, %d are in force", i+1, n)
		}
	}
}
