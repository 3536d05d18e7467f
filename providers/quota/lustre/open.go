package lustre

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Traits returns the abilities and bounds of Lustre.
func Traits() planner.Traits {
	return planner.Traits{Unit: kib, Soft: true, Grace: true, MaxSpace: maxBytes,
		MaxInodes: maxInodes}
}

// onSystem is the client of one system. It makes its calls at the system's directory.
type onSystem struct {
	client client
	dir    string
}

// Open implements [quota.Open].
func Open(system planner.System, o quota.Options) (quota.Client, error) {
	c, err := newClient(system.Quota, o)
	if err != nil {
		return nil, err
	}
	return &onSystem{c, filepath.Join(o.Root, system.Directory)}, nil
}

func newClient(q planner.QuotaSettings, o quota.Options) (client, error) {
	ioctl := newIOCTL(o.Timeout)
	if o.Kernel != nil {
		ioctl.ioctl = func(dir string, q *quotactl) error { return o.Kernel(dir, q[:]) }
		return ioctl, nil
	}
	if q.Client == "ioctl" {
		return ioctl, nil
	}
	lfs, err := newLFS(q.LFS, o.Timeout, o.Now)
	if err != nil {
		return nil, err
	}
	lfs.trusted = o.Trusted
	switch q.Client {
	case "lfs":
		return lfs, nil
	case "auto", "":
		return newAuto(ioctl, lfs), nil
	}
	return nil, fmt.Errorf("quota client %q: want auto, ioctl or lfs", q.Client)
}

// Traits implements [quota.Client].
func (s *onSystem) Traits(context.Context) (planner.Traits, error) { return Traits(), nil }

// Get implements [quota.Client].
func (s *onSystem) Get(ctx context.Context, id planner.Subject) planner.QuotaState {
	return s.client.Get(ctx, s.dir, id.By, id.ID)
}

// List implements [quota.Client].
func (s *onSystem) List(ctx context.Context, of []planner.Subject) (providers.QuotaListing, error) {
	ids, err := s.client.List(ctx, s.dir, of[0].By, of[0].ID, of[len(of)-1].ID)
	return providers.QuotaListing{IDs: ids}, err
}

// Set implements [quota.Client].
func (s *onSystem) Set(ctx context.Context, id planner.Subject, want planner.Limits,
	keep planner.Grace) (quota.Pending, error) {
	return nil, s.client.Set(ctx, s.dir, id.By, id.ID, want, keep)
}

// Remove implements [quota.Client].
func (s *onSystem) Remove(_ context.Context, id planner.Subject) (quota.Pending, error) {
	return nil, quota.NotRemoved(id)
}
