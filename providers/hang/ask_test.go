package hang

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestAskLeavesOneBehind: at most one call hangs on a target, and the target is asked again once
// that call has returned.
func TestAskLeavesOneBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Count
		release := make(chan struct{})
		var asked atomic.Int64
		ask := func(what string) (int, error) {
			return Ask(t.Context(), &c, what, time.Second, func() int {
				number := int(asked.Add(1))
				if what == "bad" {
					<-release
				}
				return number
			})
		}
		if _, err := ask("bad"); err != ErrTimeout || c.On("bad") != 1 || c.All() != 1 {
			t.Error(err, c.All())
		}
		for range 3 {
			if _, err := ask("bad"); err != ErrHangs || asked.Load() != 1 {
				t.Error(err, asked.Load())
			}
		}
		if n, err := ask("good"); err != nil || n != 2 || c.On("good") != 0 {
			t.Error(n, err)
		}
		close(release)
		synctest.Wait()
		if n, err := ask("bad"); err != nil || n != 3 || c.All() != 0 {
			t.Error(n, err, c.All())
		}
	})
}

// TestAskEndsWithItsContext: the error is the context's cause, and the call is counted until it
// returns.
func TestAskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Count
		cause, release := errors.New("why"), make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if _, err := Ask(ctx, &c, "x", time.Hour, func() int { <-release; return 1 }); err != cause ||
			c.All() != 1 {
			t.Error(err, c.All())
		}
		close(release)
		synctest.Wait()
		if c.All() != 0 {
			t.Error(c.All())
		}
	})
}

// TestManyLeftBehind: only those of several calls count that have not returned.
func TestManyLeftBehind(t *testing.T) {
	var c Count
	f := c.Begin("x", 3)
	if left := f.End(); left != 2 || c.All() != 0 {
		t.Error(left, c.All())
	}
	f.Abandon()
	f.Abandon()
	if c.On("x") != 2 {
		t.Error(c.On("x"))
	}
	if f.End() != 1 || f.End() != 0 || c.All() != 0 || len(c.left) != 0 {
		t.Error(c.left)
	}
}

// TestSingle: a second Ask waits for the abandoned call, but an Ask of another target does not.
func TestSingle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Single[int]
		release, asked := make(chan struct{}), 0
		slow := func() int { asked++; <-release; return asked }
		for range 2 {
			if _, err := s.Ask(t.Context(), "x", time.Second, slow); err != ErrTimeout {
				t.Error(err)
			}
		}
		close(release)
		if n, err := s.Ask(t.Context(), "x", time.Second, slow); err != nil || n != 1 {
			t.Errorf("%d, %v: want the answer of the first call", n, err)
		}
		if n, err := s.Ask(t.Context(), "x", time.Second, slow); err != nil || n != 2 {
			t.Errorf("%d, %v: want another call", n, err)
		}
		stuck := make(chan struct{})
		defer close(stuck)
		if _, err := s.Ask(t.Context(), "y", time.Second,
			func() int { <-stuck; return 0 }); err != ErrTimeout {
			t.Error(err)
		}
		if n, err := s.Ask(t.Context(), "z", time.Second, func() int { return 7 }); err != nil || n != 7 {
			t.Error(n, err)
		}
	})
}
