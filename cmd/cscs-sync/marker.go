package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// eventTake is the event of the history that says that this state has taken a system from another one.
const eventTake = "take"

// markers reads and writes the markers of systems: which state manages each. A mount that hangs is left behind.
type markers struct {
	root    string
	roots   map[string]planner.RootIdentity
	systems []planner.System
	own     posix.Marker
	calls   *hang.Calls
}

// markers are those of the configured systems, for a state with an id.
func (s *session) markers(id string) (*markers, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	m := &markers{root: s.cfg.Storage.Root, systems: s.cfg.Settings.Systems, calls: hang.New(s.mountTimeout),
		own: posix.Marker{State: id, Node: nodeName(s.host, s.cfg.Shared), Boot: boot, At: s.now().UTC()}}
	err = s.store.View(func(tx ledger.Tx) error {
		m.roots, err = tx.Roots()
		return err
	})
	return m, err
}

// on calls f with an opened system, for at most the time that a mount may take.
func (m *markers) on(ctx context.Context, name string, f func(*posix.System) error) error {
	i := slices.IndexFunc(m.systems, func(s planner.System) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("system %s is not in the configuration", planfile.Quote(name))
	}
	return m.calls.Do(ctx, "system "+name+": look for its marker", func(context.Context) func() error {
		err := m.opened(m.systems[i], f)
		return func() error { return err }
	})
}

// opened opens a system for one call.
func (m *markers) opened(system planner.System, f func(*posix.System) error) error {
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

// find returns the marker of a system; nil if it has none.
func (m *markers) find(ctx context.Context, system string) (found *posix.Marker, err error) {
	err = m.on(ctx, system, func(s *posix.System) error {
		marker, there, err := s.Marker()
		if there {
			found = &marker
		}
		return err
	})
	return found, err
}

// check refuses a system that another state manages.
func (m *markers) check(ctx context.Context, system string) error {
	found, err := m.find(ctx, system)
	if err == nil && found != nil && found.State != m.own.State {
		return &posix.OtherStateError{System: system, Found: *found}
	}
	return err
}

// mark puts the marker of this state on a system.
func (m *markers) mark(ctx context.Context, system string, take bool) error {
	return m.on(ctx, system, func(s *posix.System) error {
		_, err := s.Mark(m.own, take)
		return err
	})
}

// claim puts the marker of this state on some systems: those that a plan touches. If another state manages one of them, nothing is
// changed on any.
func (s *session) claim(ctx context.Context, touched []string) error {
	id, err := s.store.ID()
	if err != nil {
		return err
	}
	m, err := s.markers(id)
	if err != nil {
		return err
	}
	for _, step := range []func(string) error{
		func(system string) error { return m.check(ctx, system) },
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

func (a *app) stateTakeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "take SYSTEM",
		Short: "have this state manage a system of another one",
		Args:  arguments(1, 1),
		Long: `Each system carries a marker of the state that manages it, because two states
that change one storage undo each other's work. apply refuses a system with the
marker of another state. When that state is lost, or was replaced by this one,
a person takes the system: first make sure that no other node applies to it.
The history records who took it, from which state, and why.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.take(cmd.Context(), args[0], *reason) }
	return cmd
}

// take replaces the marker of another state.
func (a *app) take(ctx context.Context, system, reason string) (err error) {
	if strings.TrimSpace(reason) == "" {
		return &usageError{"state take", errors.New("--reason is needed")}
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	lock, err := s.store.Lock(ctx, ledger.Holder{Who: a.user, Host: a.host, PID: os.Getpid(), Since: a.now()}, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	id, err := s.store.ID()
	if err != nil {
		return err
	}
	m, err := s.markers(id)
	if err != nil {
		return err
	}
	found, err := m.find(ctx, system)
	switch {
	case err != nil:
		return err
	case found == nil:
		return engine.Refuse(engine.Input, fmt.Errorf("system %s carries no marker of a state: the next apply puts this state's on it", system))
	case found.State == m.own.State:
		return engine.Refuse(engine.Input, fmt.Errorf("system %s is managed by this state already", system))
	}
	text := fmt.Sprintf("system %s from state %s of node %s, last apply at %s: %s", system, found.State, found.Node, planner.Minute(found.At), reason)
	err = s.store.Update(func(tx ledger.Tx) error {
		_, err := tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventTake, Text: text})
		return err
	})
	if err != nil {
		return err
	}
	if err := m.mark(ctx, system, true); err != nil {
		return err
	}
	a.tell("This state manages system %s from now on; node %s can no longer apply to it.", system, planfile.Quote(found.Node))
	return nil
}
