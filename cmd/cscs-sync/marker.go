package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) stateTakeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "take SYSTEM",
		Short: "let this state manage a system that another state manages",
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

// take replaces another state's marker by this state's.
func (a *app) take(ctx context.Context, system, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &usageError{"state take", errors.New("--reason is needed")}
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	from, err := s.Take(ctx, system, reason)
	if err != nil {
		return err
	}
	a.term.Tell("This state manages system %s from now on; node %s can no longer apply to it.", system,
		render.Quote(from.Node))
	return nil
}
