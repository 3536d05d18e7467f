package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// Options are what backends need from the process.
type Options struct {
	// Root is storage.root.
	Root string
	// Timeout bounds each call; 0 means 30 seconds.
	Timeout time.Duration
	Now     func() time.Time
	// Trusted returns an error for a program that others could replace. It is called before each run
	// of a program. Nil trusts every program.
	Trusted func(program string) error
	// Hidden are the secrets that no message may show.
	Hidden planner.Hidden
	// Access are the credentials for management APIs, by system.
	Access map[string]Access
	// Kernel makes Lustre's ioctl on a directory in place of the kernel, with the bytes of struct
	// if_quotactl, whatever client is configured. It is nil outside of tests.
	Kernel func(dir string, quotactl []byte) error
}

// Access are the credentials for a management API: a token, or a user and a password.
type Access struct {
	Token    web.Secret
	User     string
	Password web.Secret
}

// Open returns the client of a system, as its quota block says. It makes no request yet.
type Open func(planner.System, Options) (Client, error)

// Systems has a client for each system with quotas.
type Systems struct {
	clients map[string]Client
	// calls are those of [Systems.Ask], by system.
	calls map[string]*hang.Calls
}

// OpenSystems returns the clients of all systems with quotas. The quota block of each system names
// its backend.
func OpenSystems(systems []planner.System, backends map[string]Open, o Options) (*Systems, error) {
	s := &Systems{map[string]Client{}, map[string]*hang.Calls{}}
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
		s.clients[system.Name], s.calls[system.Name] = c, hang.New(o.Timeout)
	}
	return s, nil
}

// Of returns the client of a system, or nil if the system has no quotas.
func (s *Systems) Of(system string) Client { return s.clients[system] }

// Get reads one quota of a system. It is for callers that read many, and that watch whether it
// returns: on a mount that hangs, it may never do so, even after the end of ctx.
func (s *Systems) Get(ctx context.Context, system planner.System,
	id planner.Subject) planner.QuotaState {
	c := s.clients[system.Name]
	if c == nil {
		return Unknown(nil, "system "+system.Name+" has no quotas")
	}
	return c.Get(ctx, id)
}

// Ask reads one quota of a system, and gives up if that takes too long. The quota is then unknown.
func (s *Systems) Ask(ctx context.Context, system planner.System,
	id planner.Subject) (q planner.QuotaState) {
	calls := s.calls[system.Name]
	if calls == nil {
		return s.Get(ctx, system, id) // which says that there are none
	}
	err := calls.Do(ctx, "read quota", func(ctx context.Context) func() error {
		got := s.Get(ctx, system, id)
		return func() error { q = got; return nil }
	})
	if err != nil {
		return Unknown(nil, err.Error())
	}
	return q
}

// List reads quotas of the given subjects, which are sorted and of one kind. It returns those of
// which the system's backend has a complete record.
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
	// pause is the time between two requests about a pending change. patience is the longest time to
	// wait for its end.
	pause    = time.Second
	patience = 10 * time.Minute
)

// errPending is the error when a pending change takes longer than patience.
var errPending = fmt.Errorf("the storage system is still working on it after %s: plan again when "+
	"it is done",
	patience)

// Set sets the four limits of one quota of a system, and waits until the backend is done. It does
// not read the limits back.
func (s *Systems) Set(ctx context.Context, system planner.System, id planner.Subject,
	want planner.Limits, keep planner.Grace) error {
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

// Remove removes the quota of a directory of a system, and waits until the backend is done.
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
