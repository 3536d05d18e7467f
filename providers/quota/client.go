package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
)

// Client reads and sets the quotas of one system. Its methods may be called at the same time, and
// those of a mount that hangs may outlive their context.
type Client interface {
	// Traits returns what the backend can do on this system.
	Traits(ctx context.Context) (planner.Traits, error)
	// Get reads limits and usage of one identity. What could not be read is unknown in the answer,
	// with the reason.
	Get(ctx context.Context, id planner.Subject) planner.QuotaState
	// List reads those of the subjects, which are sorted and of one kind, that the backend has a
	// whole record of. The others are to be read by Get. It is complete, or an error; one that is
	// [providers.ErrNoList] says that nothing can be listed.
	List(ctx context.Context, of []planner.Subject) (providers.QuotaListing, error)
	// Set sets all four limits, each a number or unlimited, in one call, and keeps the grace clocks
	// that keep names. It does not read them back. A pending that is not nil is to be asked until
	// it says that the change is done. After an error that does not wrap [ErrRefused] it is not
	// known whether the limits were set; they may be set again.
	Set(ctx context.Context, id planner.Subject, want planner.Limits, keep planner.Grace) (Pending,
		error)
	// Remove removes the quota of a directory, and is done if there is none. Limits of group and
	// project ids are never removed: they are refused.
	Remove(ctx context.Context, id planner.Subject) (Pending, error)
}

// Checker is a [Client] that can say what stands in the way of setting limits. It asks, and changes
// nothing.
type Checker interface {
	// Check returns what was found to be in order, for people, or what is not, with the way out.
	Check(ctx context.Context) (string, error)
}

// Pending asks once how far a change is that the backend still works on. After an error the change
// failed, or it is not known how it ended.
type Pending func(ctx context.Context) (done bool, err error)

// Wait asks until the change is done, with a pause between two questions. A nil Pending is done.
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

// Keep returns the running clocks that a client has to set again when want is set in place of what
// was observed: those whose soft limit stays. A backend that keeps them itself gets none.
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

// NotRemoved is the refusal to remove limits of an id.
func NotRemoved(id planner.Subject) error {
	return fmt.Errorf("remove quota of %s: %w: limits of ids are set, never removed", id,
		ErrRefused)
}
