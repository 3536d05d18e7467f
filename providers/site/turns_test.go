package site

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestTurns: if all turns of a filesystem are taken, its callers wait until their context ends.
// Other filesystems' callers do not wait.
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
