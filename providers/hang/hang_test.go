package hang

import (
	"context"
	"errors"
	"testing"
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
