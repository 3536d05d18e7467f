// Package hang makes calls that may never return. A system call on a mount whose server is away sleeps in the kernel, and
// no context ends it: all that a caller can do is to stop waiting, and to start no more such calls than it can bear.
package hang

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// defaultTimeout is how long a call may take: a Lustre server that is away costs up to 16 s a call.
	defaultTimeout = 30 * time.Second
	// Patience is how long a call may go on after its deadline before it is left behind: a program that was killed needs it.
	Patience = time.Second
	// MaxStuck is how many calls may be left behind before no other is started.
	MaxStuck = 8
)

// ErrTimeout means that a call did not end in time. It may have taken effect, or still may.
var ErrTimeout = errors.New("no answer in time")

// Calls starts calls with one deadline, and counts those that it left behind. Its methods may be called at the same time.
type Calls struct {
	timeout, patience time.Duration
	count             Count
	// idle are those that [Calls.Run] does not use now. One whose call was left behind never gets there.
	idle sync.Pool
}

// New returns Calls that wait for timeout; 0 is 30 seconds.
func New(timeout time.Duration) *Calls {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &Calls{timeout: timeout, patience: Patience}
}

// Stuck returns the number of calls that were left behind and have not returned.
func (c *Calls) Stuck() int { return c.count.All() }

// Do runs call and waits for it. If call returns in time, Do runs the function that it returned, on the caller's goroutine,
// so that this function may write to the caller's variables. Otherwise the error wraps [ErrTimeout], or the error of ctx if
// that ended first. what names the call in errors.
func (c *Calls) Do(ctx context.Context, what string, call func(context.Context) func() error) error {
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
	case finish := <-done: // it ended in this instant, perhaps before it could see that it was left behind
		return finish()
	default:
		return c.Late(ctx, what)
	}
}

// Run runs a call that nothing can end early, and waits for it as [Calls.Do] does. It is for calls that are made by the
// hundred thousand: they share the channels and timers of those that came back.
func (c *Calls) Run(ctx context.Context, what string, call func() error) error {
	if err := c.refuse(what); err != nil {
		return err
	}
	w, _ := c.idle.Get().(*waiting)
	if w == nil {
		w = &waiting{done: make(chan error, 1), late: time.NewTimer(c.timeout)}
	} else {
		w.late.Reset(c.timeout)
	}
	f := c.count.Begin("", 1)
	go func() {
		w.done <- call()
		f.End()
	}()
	select {
	case err := <-w.done:
		w.late.Stop()
		c.idle.Put(w)
		return err
	case <-w.late.C:
	case <-ctx.Done():
	}
	return c.abandon(ctx, what, w, f)
}

// abandon waits out the patience of a call that is late or not wanted any more, and then leaves it behind, with what it may
// yet answer on.
func (c *Calls) abandon(ctx context.Context, what string, w *waiting, f *InFlight) error {
	w.late.Reset(c.patience)
	defer w.late.Stop()
	select {
	case err := <-w.done:
		return err
	case <-w.late.C:
	}
	f.Abandon()
	select {
	case err := <-w.done: // it ended in this instant
		return err
	default:
		return c.Late(ctx, what)
	}
}

// waiting is what one call of [Calls.Run] answers on, and the timer of its deadline.
type waiting struct {
	done chan error
	late *time.Timer
}

// refuse is the error of a call that is not started, because too many hang.
func (c *Calls) refuse(what string) error {
	if n := c.Stuck(); n >= MaxStuck {
		return fmt.Errorf("%s: %d earlier calls hang and cannot be ended, so no other is started: %w", what, n, ErrTimeout)
	}
	return nil
}

// wait returns what the call gave; nil if it did not return in time.
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

// Late is the error of a call that ctx, which [Calls.Do] gave it, has ended.
func (c *Calls) Late(ctx context.Context, what string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s was interrupted: %w", what, ctx.Err())
	}
	return fmt.Errorf("%s: %w (%s): is a server of the filesystem away?", what, ErrTimeout, c.timeout)
}
