package site

import (
	"context"
	"fmt"
	"sync"
)

// inFlight is how many setquota calls run at a time on one filesystem: they all queue at one server anyway.
const inFlight = 4

// turns hands out the turns to set a quota, for each filesystem on its own, so that one that hangs holds up no other.
type turns struct {
	mu     sync.Mutex
	byName map[string]chan struct{}
}

// take waits for a turn on a filesystem, or for the end of ctx; release gives the turn back.
func (s *turns) take(ctx context.Context, filesystem string) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, err)
	}
	free := s.on(filesystem)
	select {
	case free <- struct{}{}:
		return func() { <-free }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, ctx.Err())
	}
}

// on is the turns of a filesystem.
func (s *turns) on(filesystem string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[string]chan struct{}{}
	}
	if s.byName[filesystem] == nil {
		s.byName[filesystem] = make(chan struct{}, inFlight)
	}
	return s.byName[filesystem]
}
