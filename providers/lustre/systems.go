package lustre

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Options are what the clients need of the process.
type Options struct {
	// Root is storage.root.
	Root string
	// Timeout bounds each call; 0 is 30 seconds.
	Timeout time.Duration
	Now     func() time.Time
	// Kernel makes the ioctl on a directory in place of the kernel, with the bytes of struct if_quotactl, whatever the
	// configured client; nil outside of tests.
	Kernel func(dir string, quotactl []byte) error
}

// Systems has a client for each system with quotas, as its quota block says. Calls are made at the system's directory.
type Systems struct {
	root    string
	clients map[string]Client
}

// NewSystems makes the clients of all systems whose quota block is "lustre".
func NewSystems(systems []planner.System, o Options) (*Systems, error) {
	s := &Systems{root: o.Root, clients: map[string]Client{}}
	for _, system := range systems {
		if system.Quota.Kind != planner.QuotaLustre {
			continue
		}
		c, err := newClient(system.Quota, o)
		if err != nil {
			return nil, fmt.Errorf("system %s: %w", system.Name, err)
		}
		s.clients[system.Name] = c
	}
	return s, nil
}

func newClient(q planner.QuotaSettings, o Options) (Client, error) {
	ioctl := NewIOCTL(o.Timeout)
	if o.Kernel != nil {
		ioctl.ioctl = func(dir string, q *quotactl) error { return o.Kernel(dir, q[:]) }
		return ioctl, nil
	}
	if q.Client == "ioctl" {
		return ioctl, nil
	}
	lfs, err := NewLFS(q.LFS, o.Timeout, o.Now)
	if err != nil {
		return nil, err
	}
	switch q.Client {
	case "lfs":
		return lfs, nil
	case "auto", "":
		return NewAuto(ioctl, lfs), nil
	}
	return nil, fmt.Errorf("quota client %q: want auto, ioctl or lfs", q.Client)
}

// Get reads a quota identity at the system's directory.
func (s *Systems) Get(ctx context.Context, system planner.System, id planner.Identity) planner.QuotaState {
	c := s.clients[system.Name]
	if c == nil {
		return quota.Unknown("", "system "+system.Name+" has no quotas")
	}
	return c.Get(ctx, s.dir(system), id.By, id.ID)
}

// Set sets the four limits of a quota identity at the system's directory. It does not read them back.
func (s *Systems) Set(ctx context.Context, system planner.System, id planner.Identity, want planner.Quota, keep planner.Grace) error {
	c := s.clients[system.Name]
	if c == nil {
		return fmt.Errorf("set quota of %s %d: system %s has no quotas", id.By, id.ID, system.Name)
	}
	return c.Set(ctx, s.dir(system), id.By, id.ID, want, keep)
}

func (s *Systems) dir(system planner.System) string { return filepath.Join(s.root, system.Directory) }

var _ providers.QuotaLister = (*Systems)(nil)
