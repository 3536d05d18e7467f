package site

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Storage implements [apply.Storage] with package posix and the quota clients.
type Storage struct {
	root    *posix.Root
	quotas  *quota.Systems
	systems map[string]planner.System
	// expected are the recorded identities of the systems' directories.
	expected map[string]planner.RootIdentity
	turns    turns
	// opened has an entry for each configured system.
	opened map[string]*openedSystem
}

// openedSystem is a system once it is opened. Each has its own lock, so that a mount that hangs
// delays no other.
type openedSystem struct {
	mu  sync.Mutex
	sys *posix.System
}

// Storage opens the storage for changes; the caller calls done at the end. recorded are the
// identities that the systems' directories had at the first apply. A system whose identity differs
// is not opened.
func (s *Site) Storage(ctx context.Context,
	recorded map[string]planner.RootIdentity) (st *Storage, done func(), err error) {
	root, err := s.openRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	quotas, err := s.Quotas()
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	st = &Storage{root: root, quotas: quotas, systems: map[string]planner.System{},
		expected: recorded, opened: map[string]*openedSystem{}}
	for _, sys := range s.cfg.Settings.Systems {
		st.systems[sys.Name], st.opened[sys.Name] = sys, &openedSystem{}
	}
	return st, st.close, nil
}

func (st *Storage) close() {
	for _, o := range st.opened {
		if o.sys != nil {
			o.sys.Close()
		}
	}
	st.root.Close()
}

// system opens a system, once. It checks that the system is mounted and is the recorded one.
func (st *Storage) system(name string) (*posix.System, error) {
	o := st.opened[name]
	if o == nil {
		return nil, fmt.Errorf("open system %s: it is not in the configuration", name)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sys == nil {
		sys, err := st.root.System(st.systems[name], st.expected[name])
		if err != nil {
			return nil, err
		}
		o.sys = sys
	}
	return o.sys, nil
}

// directory adapts a [posix.Dir] to [apply.Directory].
type directory struct{ *posix.Dir }

// Above implements [apply.Directory].
func (d directory) Above() (apply.Above, error) {
	device, inode, err := d.Parent()
	return apply.Above{Device: device, Inode: inode}, err
}

// SyncAbove implements [apply.Directory].
func (d directory) SyncAbove() error { return d.SyncParent() }

// Make implements [apply.Storage].
func (st *Storage) Make(system, path string) (apply.Directory, error) {
	sys, err := st.system(system)
	if err != nil {
		return nil, err
	}
	d, err := sys.Make(path)
	if errors.Is(err, posix.ErrExists) {
		return nil, fmt.Errorf("%w: %w", apply.ErrExists, err)
	}
	if err != nil {
		return nil, err
	}
	return directory{d}, nil
}

// Open implements [apply.Storage].
func (st *Storage) Open(system, path string, inode uint64) (apply.Directory, error) {
	sys, err := st.system(system)
	if err != nil {
		return nil, err
	}
	d, err := sys.Open(path, inode)
	if err != nil {
		return nil, err
	}
	return directory{d}, nil
}

// Look implements [apply.Storage].
func (st *Storage) Look(system, path string) planner.Directory {
	sys, err := st.system(system)
	if err != nil {
		return planner.Directory{Why: err.Error()}
	}
	return sys.Observe(path)
}

// PrepareArchive implements [apply.Storage].
func (st *Storage) PrepareArchive(m apply.Move) (apply.Archiving, error) {
	sys, err := st.system(m.System)
	if err != nil {
		return nil, err
	}
	a, err := sys.PrepareArchive(move(m), m.Manifest)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// SyncArchived implements [apply.Storage].
func (st *Storage) SyncArchived(m apply.Move) error {
	sys, err := st.system(m.System)
	if err != nil {
		return err
	}
	return sys.SyncArchived(move(m))
}

// Restore implements [apply.Storage].
func (st *Storage) Restore(m apply.Move) error {
	sys, err := st.system(m.System)
	if err != nil {
		return err
	}
	return sys.Restore(move(m), m.Path)
}

func move(m apply.Move) posix.Move {
	return posix.Move{From: m.Path, Inode: m.Inode, Folder: m.Folder, Name: m.Name}
}

// subject returns the system, and the subject of a plan's limits on the system's filesystem.
func (st *Storage) subject(system string,
	id planner.QuotaID) (planner.System, planner.Subject, error) {
	sys, err := st.system(system)
	if err != nil {
		return planner.System{}, planner.Subject{}, err
	}
	return st.systems[system], id.On(sys.Mount().Filesystem), nil
}

// Quota implements [apply.Storage].
func (st *Storage) Quota(ctx context.Context, system string,
	id planner.QuotaID) planner.QuotaState {
	sys, subject, err := st.subject(system, id)
	if err != nil {
		return planner.UnknownQuota(err.Error())
	}
	return st.quotas.Ask(ctx, sys, subject)
}

// SetQuota implements [apply.Storage].
func (st *Storage) SetQuota(ctx context.Context, system string, id planner.QuotaID,
	want planner.Limits, before planner.QuotaState) error {
	return st.change(ctx, system, id, func(sys planner.System, of planner.Subject) error {
		return st.quotas.Set(ctx, sys, of, want, quota.Keep(&sys.Traits, before, want))
	})
}

// RemoveQuota implements [apply.Storage].
func (st *Storage) RemoveQuota(ctx context.Context, system string, id planner.QuotaID) error {
	return st.change(ctx, system, id, func(sys planner.System, of planner.Subject) error {
		return st.quotas.Remove(ctx, sys, of)
	})
}

// change changes a quota when it is the turn of its filesystem.
func (st *Storage) change(ctx context.Context, system string, id planner.QuotaID,
	do func(planner.System, planner.Subject) error) error {
	sys, subject, err := st.subject(system, id)
	if err != nil {
		return err
	}
	release, err := st.turns.take(ctx, subject.Filesystem)
	if err != nil {
		return err
	}
	defer release()
	return do(sys, subject)
}

var _ apply.Storage = (*Storage)(nil)
