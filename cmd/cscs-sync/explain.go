package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/explain"
)

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ADDRESS|GID|ORDER|PATH",
		Short: "explain what is wanted, what exists, and why nothing happens",
		Args:  arguments(1, 1),
		Long: `Takes an address, a group id, an order's id (or its first digits), or the path
of a directory that no resource claims. Asks the proxy, Waldur and the storage,
and changes nothing.`,
	}
	f := cmd.Flags()
	var o planOptions
	o.resourcesFlag(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return o.explain(cmd.Context(), a, args[0])
	}
	return cmd
}

func (o *planOptions) explain(ctx context.Context, a *app, what string) error {
	s, p, err := o.plan(ctx, a, planner.Selection{})
	var unlisted *engine.ListingError
	if errors.As(err, &unlisted) {
		return errors.Join(err, a.recall(s, what))
	}
	if err != nil {
		return err
	}
	in := a.explainInput(s, p)
	if err := in.Read(s.Engine(), s.Store.Files()); err != nil {
		return err
	}
	text, err := explain.Listed(ctx, in, what)
	if err != nil {
		return err
	}
	return a.term.Page(text)
}

// recall explains what the state knows, without a listing.
func (a *app) recall(s *session.Session, what string) error {
	recorded, err := s.Store.Recorded()
	if err != nil {
		return err
	}
	text, err := explain.Recorded(a.explainInput(s, &engine.Planned{Recorded: recorded}), what)
	if err != nil {
		return err
	}
	return a.term.Print(text)
}

// explainInput returns what an explanation needs: a plan, and what the loop remembers.
func (a *app) explainInput(s *session.Session, p *engine.Planned) *explain.Input {
	in := &explain.Input{Planned: p, Settings: &s.Config.Settings, Root: s.Config.Storage.Root,
		Ledger: s.Store, Now: a.now(), Width: a.term.Width}
	if err := in.Recall(s.Store.Files()); err != nil {
		a.term.Tell("Warning: %v", err)
	}
	return in
}
