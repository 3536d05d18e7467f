package lustre

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// callTimeout is how long a quota call may take: a server that is away costs up to 16 s a call.
	callTimeout = 30 * time.Second
	// abandonAfter is how long a call may go on after its deadline before it is left behind.
	abandonAfter = time.Second
	// maxStuck is how many calls that were left behind are borne before no more are begun.
	maxStuck = 8
)

// ErrTimeout tells that a call did not end in time. A Set may have taken effect, or may yet.
var ErrTimeout = errors.New("no answer in time")

// calls runs what may never come back: each call has a deadline, and is left behind a second after it.
type calls struct {
	timeout, patience time.Duration
	stuck             *atomic.Int64
}

func newCalls(timeout time.Duration) calls {
	if timeout <= 0 {
		timeout = callTimeout
	}
	return calls{timeout, abandonAfter, new(atomic.Int64)}
}

func (c calls) stuckNow() int { return int(c.stuck.Load()) }

// late says that a call was ended by its context.
func (c calls) late(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s was interrupted: %w", what, ctx.Err())
	}
	return fmt.Errorf("%s: %w (%s): is a server of the filesystem away?", what, ErrTimeout, c.timeout)
}

// do runs call and then, only if it came back in time, what it returned: that may write to the caller's variables.
func (c calls) do(ctx context.Context, what string, call func(context.Context) func() error) error {
	if n := c.stuckNow(); n >= maxStuck {
		return fmt.Errorf("%s: %d earlier calls hang and cannot be ended, so no other is begun: %w", what, n, ErrTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	done := make(chan func() error, 1)
	var left atomic.Bool
	go func() {
		defer cancel()
		done <- call(ctx)
		if left.CompareAndSwap(true, false) {
			c.stuck.Add(-1)
		}
	}()
	select {
	case finish := <-done:
		return finish()
	case <-ctx.Done():
	}
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	select {
	case finish := <-done:
		return finish()
	case <-patience.C:
	}
	c.stuck.Add(1)
	left.Store(true)
	select {
	case finish := <-done: // it ended in this instant, perhaps before it could see that it was left behind
		if left.CompareAndSwap(true, false) {
			c.stuck.Add(-1)
		}
		return finish()
	default:
		return c.late(ctx, what)
	}
}
