package hang

import (
	"context"
	"errors"
	"time"
)

// ErrHangs means that an earlier call on the same target still hangs, so no other was started.
var ErrHangs = errors.New("an earlier call hangs")

// Ask makes a call on a target, named by what, and waits for it. If the call does not return within
// the given time, or ctx ends, Ask abandons and counts it, and the error is [ErrTimeout] or the
// cause of ctx. While an abandoned call on the target is counted, Ask starts no other and returns
// [ErrHangs].
func Ask[T any](ctx context.Context, c *Count, what string, within time.Duration,
	call func() T) (answer T, err error) {
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

// await waits for a value on done.
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

// Single makes one call at a time. If it abandoned a call, it waits for that one again before it
// makes another. The zero value is ready to use. A Single serves one goroutine.
type Single[T any] struct {
	what string
	done chan T
}

// Ask makes a call on a target, named by what. If the last call was on the same target and has not
// returned, Ask continues to wait for that one. If there is no answer within the given time, or ctx
// ends, the error is [ErrTimeout] or the cause of ctx.
func (s *Single[T]) Ask(ctx context.Context, what string, within time.Duration,
	call func() T) (T, error) {
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
