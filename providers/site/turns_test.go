package site

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestTurns: a filesystem whose turns are all taken makes its own callers wait, until their context ends, and no other's.
func TestTurns(t *testing.T) {
	var s turns
	var releases []func()
	for range inFlight {
		release, err := s.take(t.Context(), "scratch")
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.take(short, "scratch"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fifth turn: got %v, want to wait until the deadline", err)
	}
	long, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := s.take(long, "store"); err != nil {
		t.Errorf("another filesystem: %v", err)
	}
	releases[0]()
	if _, err := s.take(long, "scratch"); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
}
