package site

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// openRoot opens storage.root. If its mount hangs, openRoot waits as long as for any mount.
func (s *Site) openRoot(ctx context.Context) (*posix.Root, error) {
	defer s.o.Waits("storage.root " + s.cfg.Storage.Root)()
	root, err := s.opening.Open(ctx, s.cfg.Storage.Root, s.o.MountTimeout)
	if errors.As(err, new(*posix.RootHangsError)) {
		return nil, &engine.HangsError{Err: err}
	}
	return root, err
}

// Observer returns the observer of the storage; the caller calls done when the look is over. The
// root is opened for each look, so that mounts are not kept busy between two looks. A call that
// hangs keeps its root open. parallelism is how many directories of a mount are read at the same
// time; 0 means the default. Only the value of the first call counts.
func (s *Site) Observer(ctx context.Context,
	parallelism int) (o *providers.StorageObserver, done func(), err error) {
	root, err := s.openRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s.observer == nil {
		quotas, err := s.Quotas()
		if err != nil {
			root.Close()
			return nil, nil, err
		}
		s.lease = &posix.Lease{}
		s.observer = providers.NewObserver(providers.Options{Systems: s.cfg.Settings.Systems,
			Directories: s.lease, Quotas: quotas, Deadline: s.o.MountTimeout,
			QuotaDeadline: QuotaTimeout, StatWorkers: parallelism, Progress: s.o.Observing})
	}
	return s.observer, s.lease.Begin(root), nil
}

// Wake starts to probe the mounts while the caller does something else. That time then counts when
// the caller waits for a mount that hangs.
func (s *Site) Wake(ctx context.Context, parallelism int) error {
	o, done, err := s.Observer(ctx, parallelism)
	if err == nil {
		o.Wake(ctx, s.cfg.Settings.Systems, done)
	}
	return err
}

// Hanging returns the number of calls to the storage that were abandoned and have not returned.
func (s *Site) Hanging() int {
	if s.observer == nil {
		return 0
	}
	return s.observer.Hanging()
}
