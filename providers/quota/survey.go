package quota

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/scan"
	"github.com/waldur/cscs-storage-sync/providers"
)

// DirectoryLister is a [Client] that can list all directories of its system that have a quota.
type DirectoryLister interface {
	Directories(ctx context.Context) ([]planner.QuotaID, error)
}

// Survey returns the ids and directories in one range of a system that have limits, whether or not
// anybody claims them. The result is complete, or it is an error.
func (s *Systems) Survey(ctx context.Context, system planner.System,
	of scan.Range) ([]planner.QuotaID, error) {
	c := s.clients[system.Name]
	if c == nil {
		return nil, fmt.Errorf("list quotas: system %s has none", system.Name)
	}
	if of.By == planner.ByDirectory {
		d, can := c.(DirectoryLister)
		if !can {
			return nil, fmt.Errorf("list quotas: %w", providers.ErrNoList)
		}
		return d.Directories(ctx)
	}
	first := planner.Subject{Filesystem: of.Filesystem, By: of.By, ID: of.First}
	last := planner.Subject{Filesystem: of.Filesystem, By: of.By, ID: of.Last}
	// A client that has to choose between two ways does so at the first read. And a list silently
	// leaves out a server that is down, but a single read does not.
	if q := c.Get(ctx, first); q.LimitsWhy() != "" {
		return nil, fmt.Errorf("list quotas: %s", q.LimitsWhy())
	}
	list, err := c.List(ctx, []planner.Subject{first, last})
	if err != nil {
		return nil, err
	}
	var found []planner.QuotaID
	for id, q := range list.IDs {
		if id != 0 && limitsAnything(&q) {
			found = append(found, planner.QuotaID{By: of.By, ID: id})
		}
	}
	slices.SortFunc(found, func(a, b planner.QuotaID) int { return cmp.Compare(a.ID, b.ID) })
	return found, nil
}

// limitsAnything reports whether a quota has a limit, or may have a limit that could not be read.
func limitsAnything(q *planner.QuotaState) bool {
	return q.LimitsWhy() != "" || slices.ContainsFunc(q.Limits[:], func(l planner.Limit) bool {
		return !l.IsUnlimited()
	})
}

var _ providers.QuotaSurveyor = (*Systems)(nil)
