package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// Options are what backends need of the process.
type Options struct {
	// Root is storage.root.
	Root string
	// Timeout bounds each call; 0 is 30 seconds.
	Timeout time.Duration
	Now     func() time.Time
	// Trusted refuses a program that others could replace; it is asked before each run of one. Nil
	// allows all.
	Trusted func(program string) error
	// Hidden is what no message may show.
	Hidden planner.Hidden
	// Access is what management APIs let us in with, by system.
	Access map[string]Access
	// Kernel makes Lustre's ioctl on a directory in place of the kernel, with the bytes of struct
	// if_quotactl, whatever the configured client; nil outside of tests.
	Kernel func(dir string, quotactl []byte) error
}

// Access is what a management API lets us in with: a token, or a user with a password.
type Access struct {
	Token    web.Secret
	User     string
	Password web.Secret
}

// Open makes the client of a system, as its quota block says. It asks nothing yet.
type Open func(planner.System, Options) (Client, error)

// Systems has a client for each system with quotas.
type Systems struct{ clients map[string]Client }

// OpenSystems makes the clients of all systems with quotas, each by the backend that its quota
// block names.
func OpenSystems(systems []planner.System, backends map[string]Open, o Options) (*Systems, error) {
	s := &Systems{map[string]Client{}}
	for _, system := range systems {
		if system.Quota.Kind == planner.QuotaNone {
			continue
		}
		open := backends[system.Quota.Kind]
		if open == nil {
			return nil, fmt.Errorf("system %s: there is no quota backend %q", system.Name,
				system.Quota.Kind)
		}
		c, err := open(system, o)
		if err != nil {
			return nil, fmt.Errorf("system %s: %w", system.Name, err)
		}
		s.clients[system.Name] = c
	}
	return s, nil
}

// Of returns the client of a system; nil if it has no quotas.
func (s *Systems) Of(system string) Client { return s.clients[system] }

// Get reads a quota identity of a system.
func (s *Systems) Get(ctx context.Context, system planner.System,
	id planner.Subject) planner.QuotaState {
	c := s.clients[system.Name]
	if c == nil {
		return Unknown("", "system "+system.Name+" has no quotas")
	}
	return c.Get(ctx, id)
}

// List reads those of the subjects, which are sorted and of one kind, that the system's backend has
// a whole record of.
func (s *Systems) List(ctx context.Context, system planner.System,
	of []planner.Subject) (providers.QuotaListing, error) {
	c := s.clients[system.Name]
	if c == nil || len(of) == 0 {
		return providers.QuotaListing{}, fmt.Errorf("list quotas: system %s has none: %w",
			system.Name, providers.ErrNoList)
	}
	return c.List(ctx, of)
}

const (
	// pause is how long is waited between two questions about a change that is pending, and
	// patience how long for its end.
	pause    = time.Second
	patience = 10 * time.Minute
)

// errPending is why nobody waits any longer for a change.
var errPending = fmt.Errorf("the storage system still works on it after %s: plan again when it has ended", patience)

// Set sets the four limits of a quota identity of a system, and waits until the backend has done
// it. It does not read them back.
func (s *Systems) Set(ctx context.Context, system planner.System, id planner.Subject,
	want planner.Limits,
	keep planner.Grace) error {
	c := s.clients[system.Name]
	if c == nil {
		return fmt.Errorf("set quota of %s: system %s has no quotas", id, system.Name)
	}
	pending, err := c.Set(ctx, id, want, keep)
	if err != nil {
		return err
	}
	return wait(ctx, pending)
}

// Remove removes the quota of a directory of a system, and waits until the backend has done it.
func (s *Systems) Remove(ctx context.Context, system planner.System, id planner.Subject) error {
	c := s.clients[system.Name]
	if c == nil {
		return fmt.Errorf("remove quota of %s: system %s has no quotas", id, system.Name)
	}
	pending, err := c.Remove(ctx, id)
	if err != nil {
		return err
	}
	return wait(ctx, pending)
}

func wait(ctx context.Context, p Pending) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPending)
	defer cancel()
	return p.Wait(ctx, pause)
}

var _ providers.QuotaLister = (*Systems)(nil)
