package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/site"
)

// eventTake is the event of the history that says that this state has taken a system from another one.
const eventTake = "take"

// markers are those of the configured systems, for a state with an id.
func (s *session) markers(id string) (*site.Markers, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	var roots map[string]planner.RootIdentity
	err = s.store.View(func(tx ledger.Tx) error {
		roots, err = tx.Roots()
		return err
	})
	if err != nil {
		return nil, err
	}
	own := posix.Marker{State: id, Node: nodeName(s.host, s.cfg.Shared), Boot: boot, At: s.now().UTC()}
	return s.site().Markers(own, roots), nil
}

// ownMarkers are those for the state of this session.
func (s *session) ownMarkers() (*site.Markers, error) {
	id, err := s.store.ID()
	if err != nil {
		return nil, err
	}
	return s.markers(id)
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
	found, err := m.Find(ctx, system)
	switch {
	case err != nil:
		return err
	case found == nil:
		return engine.Refuse(engine.Input, fmt.Errorf("system %s carries no marker of a state: the next apply puts this state's on it", system))
	case found.State == id:
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
	if err := m.Mark(ctx, system, true); err != nil {
		return err
	}
	a.tell("This state manages system %s from now on; node %s can no longer apply to it.", system, render.Quote(found.Node))
	return nil
}
