package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
)

// Client reads and sets the quotas of one system. Its methods must be safe for concurrent use. On a
// mount that hangs, a call may outlive its context.
type Client interface {
	// Traits returns the abilities and bounds of the backend on this system.
	Traits(ctx context.Context) (planner.Traits, error)
	// Get reads limits and usage of one quota. What cannot be read is unknown in the answer, with the
	// reason. On a mount that hangs, it may never return: see [Systems.Ask].
	Get(ctx context.Context, id planner.Subject) planner.QuotaState
	// List reads quotas of the given subjects, which are sorted and of one kind. It returns those of
	// which the backend has a complete record; the caller reads the others with Get. The result is
	// complete, or it is an error. [providers.ErrNoList] means that the system cannot list quotas.
	List(ctx context.Context, of []planner.Subject) (providers.QuotaListing, error)
	// Set sets all four limits in one call. Each is a number or unlimited. It keeps the running grace
	// clocks in keep. It does not read the limits back. If the Pending is not nil, the caller must ask
	// it until the change is done. After an error that does not wrap [ErrRefused] the caller does not
	// know whether the limits were set, and may set them again.
	Set(ctx context.Context, id planner.Subject, want planner.Limits,
		keep planner.Grace) (Pending, error)
	// Remove removes the quota of a directory. It is no error if there is none. Limits of group and
	// project ids are never removed: Remove refuses them.
	Remove(ctx context.Context, id planner.Subject) (Pending, error)
}

// Checker is a [Client] that can say what would prevent setting limits. It changes nothing.
type Checker interface {
	// Check returns, for people, what is in order. The error says what is not, and what to do.
	Check(ctx context.Context) (string, error)
}

// Pending asks once whether a change on which the backend still works is done. After an error the
// change has failed, or its outcome is unknown.
type Pending func(ctx context.Context) (done bool, err error)

// Wait asks until the change is done, with a pause between two requests. A nil Pending is done.
func (p Pending) Wait(ctx context.Context, pause time.Duration) error {
	if p == nil {
		return nil
	}
	again := time.NewTicker(pause)
	defer again.Stop()
	for {
		if done, err := p(ctx); done || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Keep returns the running grace clocks that a client must keep when it sets want in place of the
// limits in before: those whose soft limit stays the same. It returns none for a backend that keeps
// clocks by itself.
func Keep(t *planner.Traits, before planner.QuotaState, want planner.Limits) planner.Grace {
	var g planner.Grace
	if t.KeepsClock || !t.Grace {
		return g
	}
	if want[planner.SpaceSoft] == before.Limits[planner.SpaceSoft] {
		g.Space = before.Ends().Space
	}
	if want[planner.InodesSoft] == before.Limits[planner.InodesSoft] {
		g.Inodes = before.Ends().Inodes
	}
	return g
}

// NotRemoved returns the error for a request to remove the limits of an id.
func NotRemoved(id planner.Subject) error {
	return fmt.Errorf("remove quota of %s: %w: limits of ids can be set, but not removed", id,
		ErrRefused)
}
