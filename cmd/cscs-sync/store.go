package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) stateNodesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "which node may change the storage, and which loop leads",
		Args:  arguments(0, 0),
	}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.nodes(cmd.Context(), *asJSON) }
	return cmd
}

func (a *app) nodes(ctx context.Context, asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	nodes, err := s.Store.Nodes(ctx, s.Node())
	if err != nil {
		return err
	}
	if asJSON {
		return a.term.PrintJSON(nodes)
	}
	return a.term.Print(nodes.Text())
}

func (a *app) stateFenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fence",
		Short: "confirm that another node is off, so that this one can continue",
		Args:  arguments(0, 0),
		Long: `A node that has not renewed its lease may be paused. When it wakes up, it makes
the call that it was about to make, and no lease prevents that. So the next node
does nothing until the old one is known to be gone. Switch it off, make sure
that it is off, and then run this command. The history records it.`,
	}
	f := cmd.Flags()
	node := f.String("node", "", "the `NODE` that is off (needed)")
	reason := f.String("reason", "", "how you know (`TEXT`, needed)")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *node == "" || strings.TrimSpace(*reason) == "" {
			return &usageError{"state fence", errors.New("--node and --reason are needed")}
		}
		s, err := a.open(config.Skip)
		if err != nil {
			return err
		}
		if err := s.Store.Fence(*node, a.user, a.host, *reason); err != nil {
			return err
		}
		a.term.Tell("Node %s no longer holds the state: the next apply on another node takes it.",
			render.Quote(*node))
		return nil
	}
	return cmd
}

func (a *app) stateCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "move the state to the place that another configuration names",
		Args:  arguments(0, 0),
		Long: `Moves the state from a file to a database, or back: all of it, with the same id
and the same history, held plans and begun plans. After that, every command
refuses the old state. The new place must be empty, or be where this state came
from. Stop the loop first.`,
	}
	f := cmd.Flags()
	to := f.String("to", "", "the other `CONFIG`, a file or a folder (needed)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *to == "" {
			return &usageError{"state copy", errors.New("--to is needed")}
		}
		return a.copyState(cmd.Context(), *to)
	}
	return cmd
}

func (a *app) copyState(ctx context.Context, to string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	at, err := s.CopyTo(ctx, to)
	if err != nil {
		return err
	}
	a.term.Tell("The state is %s now. Use %s on every node from here on.", at, render.ShellWord(to))
	return nil
}
