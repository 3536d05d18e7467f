package linux

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// onSystem is the client of one system. It makes its calls at the system's directory.
type onSystem struct {
	client *Client
	dir    string
	by     planner.QuotaBy
	// unit is the unit in the configuration's traits, to which a plan rounds limits.
	unit planner.Bytes
}

// Open implements [quota.Open].
func Open(system planner.System, o quota.Options) (quota.Client, error) {
	return &onSystem{New(o.Timeout), filepath.Join(o.Root, system.Directory), system.Quota.By,
		system.Traits.Unit}, nil
}

// Traits implements [quota.Client].
func (s *onSystem) Traits(ctx context.Context) (planner.Traits, error) {
	return s.client.Traits(ctx, s.dir)
}

// Check implements [quota.Checker]. Quotas of the system's kind must be enforced, and every limit
// to which plans round must be a whole number of the filesystem's units.
func (s *onSystem) Check(ctx context.Context) (string, error) {
	t, err := s.client.Traits(ctx, s.dir)
	if err != nil {
		return "", err
	}
	if s.unit%t.Unit != 0 {
		return "", fmt.Errorf("the filesystem keeps limits in units of %s, but plans round them to %s, "+
			"so some limits would be refused: use a filesystem with blocks of %[2]s", t.Unit, s.unit)
	}
	ok := fmt.Sprintf("quotas by %s are enforced, in units of %s", s.by, t.Unit)
	return ok, s.client.Enforced(ctx, s.dir, s.by)
}

// Get implements [quota.Client].
func (s *onSystem) Get(ctx context.Context, of planner.Subject) planner.QuotaState {
	return s.client.Get(ctx, s.dir, of.By, of.ID)
}

// List implements [quota.Client].
func (s *onSystem) List(ctx context.Context, of []planner.Subject) (providers.QuotaListing, error) {
	ids, err := s.client.List(ctx, s.dir, of[0].By, of[0].ID, of[len(of)-1].ID)
	return providers.QuotaListing{IDs: ids}, err
}

// Set implements [quota.Client].
func (s *onSystem) Set(ctx context.Context, of planner.Subject, want planner.Limits,
	keep planner.Grace) (quota.Pending, error) {
	return nil, s.client.Set(ctx, s.dir, of.By, of.ID, want, keep)
}

// Remove implements [quota.Client].
func (s *onSystem) Remove(_ context.Context, of planner.Subject) (quota.Pending, error) {
	return nil, quota.NotRemoved(of)
}
