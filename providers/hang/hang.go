// Package hang makes calls that may never return. A system call on a mount whose server is down
// sleeps in the kernel, and no context ends it. All that a caller can do is stop waiting, and limit
// how many such calls it starts.
package hang

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// defaultTimeout is how long a call may take: a Lustre server that is down costs up to 16 s a
	// call.
	defaultTimeout = 30 * time.Second
	// Patience is how long a call may run past its deadline before it is abandoned: a program that was
	// killed needs a moment to end.
	Patience = time.Second
	// maxStuck is how many abandoned calls may hang before no other call is started.
	maxStuck = 8
)

// ErrTimeout means that a call did not end in time. It may have taken effect, or still may.
var ErrTimeout = errors.New("no answer in time")

// Calls starts calls with one deadline and counts those that it abandoned. Its methods are safe for
// concurrent use.
type Calls struct {
	timeout, patience time.Duration
	count             Count
}

// New returns Calls with the given timeout; 0 means 30 seconds.
func New(timeout time.Duration) *Calls {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &Calls{timeout: timeout, patience: Patience}
}

// Stuck returns the number of calls that were abandoned and have not returned.
func (c *Calls) Stuck() int { return c.count.All() }

// Do runs call and waits for it. If call returns in time, Do runs the function that it returned on
// the caller's goroutine, so this function may write to the caller's variables. Otherwise the error
// wraps [ErrTimeout], or the error of ctx if that ended first. what names the call in errors.
func (c *Calls) Do(ctx context.Context, what string,
	call func(context.Context) func() error) error {
	if err := c.refuse(what); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	done := make(chan func() error, 1)
	f := c.count.Begin("", 1)
	go func() {
		defer cancel()
		done <- call(ctx)
		f.End()
	}()
	if finish := c.wait(ctx, done); finish != nil {
		return finish()
	}
	f.Abandon()
	select {
	case finish := <-done: // it returned just now, perhaps before it was counted as abandoned
		return finish()
	default:
		return c.Late(ctx, what)
	}
}

// refuse returns the error of a call that is not started because too many calls hang; nil if it may
// start.
func (c *Calls) refuse(what string) error {
	if n := c.Stuck(); n >= maxStuck {
		return fmt.Errorf("%s: not tried, because %d earlier calls still hang: %w", what, n, ErrTimeout)
	}
	return nil
}

// wait returns what the call returned, or nil if it did not return in time.
func (c *Calls) wait(ctx context.Context, done <-chan func() error) func() error {
	select {
	case finish := <-done:
		return finish
	case <-ctx.Done():
	}
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	select {
	case finish := <-done:
		return finish
	case <-patience.C:
		return nil
	}
}

// Late returns the error of a call that ended because ctx, which [Calls.Do] gave it, ended.
func (c *Calls) Late(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s was interrupted: %w", what, ctx.Err())
	}
	return fmt.Errorf("%s: %w (%s): is a server of the filesystem away?", what, ErrTimeout, c.timeout)
}
