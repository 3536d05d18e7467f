package site

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// Markers reads and writes the markers of systems, which say which state manages each. A call on a
// mount that hangs is abandoned.
type Markers struct {
	root    string
	roots   map[string]planner.RootIdentity
	systems []planner.System
	own     posix.Marker
	calls   *hang.Calls
}

// Markers returns the markers of the configured systems. own is the marker of this state. roots are
// the recorded identities of the systems' directories.
func (s *Site) Markers(own posix.Marker, roots map[string]planner.RootIdentity) *Markers {
	return &Markers{root: s.cfg.Storage.Root, roots: roots, systems: s.cfg.Settings.Systems, own: own,
		calls: hang.New(s.o.MountTimeout)}
}

// withSystem calls f with an opened system, and waits no longer than a mount may take.
func (m *Markers) withSystem(ctx context.Context, name string, f func(*posix.System) error) error {
	i := slices.IndexFunc(m.systems, func(s planner.System) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("system %s is not in the configuration", render.Quote(name))
	}
	what := "system " + name + ": look for its marker"
	return m.calls.Do(ctx, what, func(context.Context) func() error {
		err := m.opened(m.systems[i], f)
		return func() error { return err }
	})
}

// opened opens a system for one call.
func (m *Markers) opened(system planner.System, f func(*posix.System) error) error {
	root, err := posix.OpenRoot(m.root)
	if err != nil {
		return err
	}
	defer root.Close()
	opened, err := root.System(system, m.roots[system.Name])
	if err != nil {
		return err
	}
	defer opened.Close()
	return f(opened)
}

// Find returns the marker of a system, or nil if it has none.
func (m *Markers) Find(ctx context.Context, system string) (found *posix.Marker, err error) {
	err = m.withSystem(ctx, system, func(s *posix.System) error {
		marker, there, err := s.Marker()
		if there {
			found = &marker
		}
		return err
	})
	return found, err
}

// Check returns an error if another state manages the system.
func (m *Markers) Check(ctx context.Context, system string) error {
	found, err := m.Find(ctx, system)
	if err == nil && found != nil && found.State != m.own.State {
		return &posix.OtherStateError{System: system, Found: *found}
	}
	return err
}

// mark writes the marker of this state to a system. With take, it replaces another state's marker.
func (m *Markers) mark(ctx context.Context, system string, take bool) error {
	return m.withSystem(ctx, system, func(s *posix.System) error {
		_, err := s.Mark(m.own, take)
		return err
	})
}

// Take replaces another state's marker on a system by this state's, and returns the old one. Before
// it does so, it calls note with the text for the history.
func (m *Markers) Take(ctx context.Context, system string,
	note func(text string) error) (*posix.Marker, error) {
	found, err := m.Find(ctx, system)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, engine.Refuse(engine.Input, fmt.Errorf("system %s has no marker of a state yet: "+
			"the next apply writes this state's marker", system))
	case found.State == m.own.State:
		return nil, engine.Refuse(engine.Input,
			fmt.Errorf("system %s is already managed by this state", system))
	}
	if err := note(fmt.Sprintf("system %s from state %s of node %s, last apply at %s", system,
		found.State, found.Node, planner.Minute(found.At))); err != nil {
		return nil, err
	}
	return found, m.mark(ctx, system, true)
}

// Claim writes the marker of this state to all systems that a plan touches. If another state
// manages one of them, Claim changes nothing on any of them.
func (m *Markers) Claim(ctx context.Context, touched []string) error {
	for _, step := range []func(string) error{
		func(system string) error { return m.Check(ctx, system) },
		func(system string) error { return m.mark(ctx, system, false) },
	} {
		var errs []error
		for _, system := range touched {
			errs = append(errs, step(system))
		}
		if err := errors.Join(errs...); errors.As(err, new(*posix.OtherStateError)) {
			return engine.Refuse(engine.OtherState, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// ForEngine adapts a site's storage to [engine.Storage].
type ForEngine struct {
	Site *Site
	// Markers returns the markers of the systems, which say which state manages each. It is nil where
	// systems are not marked.
	Markers func() (*Markers, error)
}

var _ engine.Storage = ForEngine{}

// Wake implements [engine.Storage].
func (f ForEngine) Wake(ctx context.Context, parallelism int) error {
	return f.Site.Wake(ctx, parallelism)
}

// Observer implements [engine.Storage].
func (f ForEngine) Observer(ctx context.Context, parallelism int) (engine.Observer, func(), error) {
	o, done, err := f.Site.Observer(ctx, parallelism)
	return o, done, err
}

// Claim implements [engine.Storage].
func (f ForEngine) Claim(ctx context.Context, systems []string) error {
	if f.Markers == nil {
		return nil
	}
	m, err := f.Markers()
	if err != nil {
		return err
	}
	return m.Claim(ctx, systems)
}

// Change implements [engine.Storage].
func (f ForEngine) Change(ctx context.Context,
	recorded map[string]planner.RootIdentity) (apply.Storage, func(), error) {
	st, done, err := f.Site.Storage(ctx, recorded)
	return st, done, err
}
