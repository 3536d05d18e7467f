package main

import (
	"context"
	"fmt"
	"sync"
)

// settingsInFlight is how many setquota calls run at a time on one filesystem: they all queue at one server anyway.
const settingsInFlight = 4

// settings hands out the turns to set a quota, for each filesystem on its own, so that one that hangs holds up no other.
type settings struct {
	mu    sync.Mutex
	turns map[string]chan struct{}
}

// take waits for a turn on a filesystem, or for the end of ctx; release gives the turn back.
func (s *settings) take(ctx context.Context, filesystem string) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, err)
	}
	turns := s.of(filesystem)
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, ctx.Err())
	}
}

// of is the turns of a filesystem.
func (s *settings) of(filesystem string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = map[string]chan struct{}{}
	}
	if s.turns[filesystem] == nil {
		s.turns[filesystem] = make(chan struct{}, settingsInFlight)
	}
	return s.turns[filesystem]
}
