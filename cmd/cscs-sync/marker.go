package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/site"
)

// markers are those of the configured systems, for a state with an id.
func (s *session) markers(id string) (*site.Markers, error) {
	boot, err := site.BootID()
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
	own := posix.Marker{State: id, Node: s.cfg.Node(s.app.host), Boot: boot, At: s.app.now().UTC()}
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
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.take(cmd.Context(), args[0], *reason)
	}
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
	lock, err := s.store.Lock(ctx, a.holder(), 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	m, err := s.ownMarkers()
	if err != nil {
		return err
	}
	found, err := m.Take(ctx, system, func(text string) error {
		return s.store.Update(func(tx ledger.Tx) error {
			return a.person().Notes(tx, ledger.EventTake, text+": "+reason)
		})
	})
	if err != nil {
		return err
	}
	a.term.Tell("This state manages system %s from now on; node %s can no longer apply to it.", system,
		render.Quote(found.Node))
	return nil
}
