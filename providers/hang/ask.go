package hang

import (
	"context"
	"errors"
	"time"
)

// ErrHangs means that an earlier call on the same thing hangs, so that no other was started.
var ErrHangs = errors.New("an earlier call hangs")

// Ask makes a call on one thing and waits for it. When it has not come back within that time, or ctx ends, it is left behind
// and counted, and the error is [ErrTimeout] or the cause of ctx. While one is counted no other is started: [ErrHangs].
func Ask[T any](ctx context.Context, c *Count, what string, within time.Duration, call func() T) (answer T, err error) {
	if c.On(what) > 0 {
		return answer, ErrHangs
	}
	done := make(chan T, 1)
	f := c.Begin(what, 1)
	go func() {
		got := call()
		f.End()
		done <- got
	}()
	answer, err = await(ctx, done, within)
	if err != nil {
		f.Abandon()
	}
	return answer, err
}

// await waits for what comes on done.
func await[T any](ctx context.Context, done <-chan T, within time.Duration) (answer T, err error) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case answer = <-done:
		return answer, nil
	case <-late.C:
		return answer, ErrTimeout
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	}
}

// Single makes one call at a time, and waits again for one that it left behind before it makes another. The zero value has
// made none. It serves one goroutine.
type Single[T any] struct {
	what string
	done chan T
}

// Ask makes a call on one thing, or goes on waiting for the last one if that was on the same thing and has not come back.
// When there is no answer within that time, or ctx ends, the error is [ErrTimeout] or the cause of ctx.
func (s *Single[T]) Ask(ctx context.Context, what string, within time.Duration, call func() T) (T, error) {
	if s.done == nil || s.what != what {
		done := make(chan T, 1)
		s.what, s.done = what, done
		go func() { done <- call() }()
	}
	answer, err := await(ctx, s.done, within)
	if err == nil {
		s.done = nil
	}
	return answer, err
}
