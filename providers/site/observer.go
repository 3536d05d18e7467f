package site

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// openRoot opens storage.root. One that lies on a mount that hangs is waited for as long as for any mount.
func (s *Site) openRoot(ctx context.Context) (*posix.Root, error) {
	defer s.o.Waits("storage.root " + s.cfg.Storage.Root)()
	root, err := s.opening.Open(ctx, s.cfg.Storage.Root, s.o.MountTimeout)
	if errors.As(err, new(*posix.RootHangsError)) {
		return nil, &engine.HangsError{Err: err}
	}
	return root, err
}

// Observer returns what looks at the storage; done lets go of it. The root is opened for each look, so that mounts are not
// kept busy between two; while a call hangs, the root that it uses stays open. Parallelism is how many directories of a mount
// are looked at at a time, as the first call says; 0 is the default.
func (s *Site) Observer(ctx context.Context, parallelism int) (o *providers.StorageObserver, done func(), err error) {
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
		s.observer = providers.NewObserver(providers.Options{Systems: s.cfg.Settings.Systems, Directories: s.lease,
			Quotas: quotas, Deadline: s.o.MountTimeout, QuotaDeadline: QuotaTimeout, StatWorkers: parallelism, Progress: s.o.Observing})
	}
	return s.observer, s.lease.Begin(root), nil
}

// Wake has the mounts asked while there is something else to do: one that hangs has then been waited for.
func (s *Site) Wake(ctx context.Context, parallelism int) error {
	o, done, err := s.Observer(ctx, parallelism)
	if err == nil {
		o.Wake(ctx, s.cfg.Settings.Systems, done)
	}
	return err
}

// Hanging counts the calls to the storage that were left behind and have not come back.
func (s *Site) Hanging() int {
	if s.observer == nil {
		return 0
	}
	return s.observer.Hanging()
}
