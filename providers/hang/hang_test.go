package hang

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDoRunsWhatTheCallReturned(t *testing.T) {
	got := 0
	err := New(time.Minute).Do(t.Context(), "call", func(context.Context) func() error {
		return func() error { got = 7; return nil }
	})
	if err != nil || got != 7 {
		t.Errorf("got %d, %v", got, err)
	}
}

// A call that hangs is counted until it returns. Too many such calls stop all others.
func TestHangingCallsAreCounted(t *testing.T) {
	c := &Calls{timeout: time.Millisecond, patience: time.Millisecond}
	release := make(chan struct{})
	stuck := func(context.Context) func() error {
		<-release
		return func() error { t.Error("the answer of a call that was left behind was used"); return nil }
	}
	for range maxStuck {
		if err := c.Do(t.Context(), "read", stuck); !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
	}
	if err := c.Do(t.Context(), "read",
		func(context.Context) func() error { t.Error("started"); return nil }); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	close(release)
	for deadline := time.Now().Add(time.Minute); c.Stuck() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls are still counted", c.Stuck())
		}
	}
	if err := c.Do(t.Context(), "read",
		func(context.Context) func() error { return func() error { return nil } }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestInterruptedCallSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &Calls{timeout: time.Minute, patience: time.Millisecond}
	block := make(chan struct{})
	defer close(block)
	err := c.Do(ctx, "read", func(context.Context) func() error { <-block; return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
}

// TestRun: each caller gets its own answer, however many wait at the same time. A call that hangs
// is counted, and nobody gets its answer when it returns at last.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second)
		release := make(chan struct{})
		old := errors.New("the answer of a call that was left behind")
		for range 3 {
			if err := c.Run(t.Context(), "read", func() error { <-release; return old }); !errors.Is(err,
				ErrTimeout) {
				t.Error(err)
			}
		}
		if c.Stuck() != 3 {
			t.Errorf("%d calls hang, want 3", c.Stuck())
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if i == 50 {
					close(release)
				}
				want := fmt.Errorf("%d", i)
				err := c.Run(t.Context(), "read", func() error {
					time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
					return want
				})
				if err != want {
					t.Errorf("%v, want %v", err, want)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if c.Stuck() != 0 {
			t.Errorf("%d calls are still counted", c.Stuck())
		}
	})
}

// TestRunEndsWithItsContext: the call gets its patience, and then counts as interrupted, not as
// late.
func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		release := make(chan struct{})
		start := time.Now()
		err := c.Run(ctx, "read", func() error { <-release; return nil })
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) ||
			time.Since(start) != time.Second+Patience {
			t.Error(err, time.Since(start))
		}
		if err := c.Run(ctx, "read", func() error { return nil }); err != nil {
			t.Errorf("it came back in the patience that is left: %v", err)
		}
		close(release)
	})
}

// TestRunStartsNoMore: too many calls that hang stop all others.
func TestRunStartsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Second)
		release := make(chan struct{})
		for range maxStuck {
			_ = c.Run(t.Context(), "read", func() error { <-release; return nil })
		}
		if err := c.Run(t.Context(), "read",
			func() error { t.Error("started"); return nil }); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		close(release)
	})
}
