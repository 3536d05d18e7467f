package site

import (
	"context"
	"fmt"
	"sync"
)

// inFlight is how many setquota calls run at the same time on one filesystem. More would only queue
// at its one quota master.
const inFlight = 4

// turns hands out turns to set a quota. Each filesystem has its own, so that one that hangs delays
// no other.
type turns struct {
	mu     sync.Mutex
	byName map[string]chan struct{}
}

// take waits for a turn on a filesystem, or for the end of ctx. The caller calls release after its
// turn.
func (s *turns) take(ctx context.Context, filesystem string) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, err)
	}
	free := s.turnsOf(filesystem)
	select {
	case free <- struct{}{}:
		return func() { <-free }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to set a quota on %s: %w", filesystem, ctx.Err())
	}
}

// turnsOf returns the turns of a filesystem.
func (s *turns) turnsOf(filesystem string) chan struct{} {
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
