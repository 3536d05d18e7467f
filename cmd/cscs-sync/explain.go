package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/explain"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ADDRESS|GID|ORDER|PATH",
		Short: "say what is wanted, what is there, and why nothing happens",
		Args:  arguments(1, 1),
		Long: `Answers the helpdesk's question. Takes an address, a group id, an order's id
(or its first digits), or the path of a directory that nobody claims. Asks the
proxy, Waldur and the storage, and changes nothing.`,
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
		return errors.Join(err, s.recall(what))
	}
	if err != nil {
		return err
	}
	in, err := s.explainInput(p)
	if err != nil {
		return err
	}
	text, err := explain.Listed(ctx, in, what)
	if err != nil {
		return err
	}
	return a.term.Page(text)
}

// recall says what is known without a listing.
func (s *session) recall(what string) error {
	p := &engine.Planned{}
	err := s.store.View(func(tx ledger.Tx) (err error) {
		p.Recorded, err = tx.Recorded()
		return err
	})
	if err != nil {
		return err
	}
	text, err := explain.Recorded(s.explainAlone(p), what)
	if err != nil {
		return err
	}
	return s.app.term.Print(text)
}

// explainAlone is what an explanation needs beside a plan.
func (s *session) explainAlone(p *engine.Planned) *explain.Input {
	history, err := loop.ReadHistory(s.store.Files())
	if err != nil {
		s.app.term.Tell("Warning: %v", err)
	}
	return &explain.Input{Planned: p, Settings: &s.cfg.Settings, Root: s.cfg.Storage.Root,
		Failures: history.Failures, Ledger: s.store, Now: s.app.now(), Width: s.app.term.Width}
}

// explainInput asks the policy about the whole plan, and finds the plans that wait for people.
func (s *session) explainInput(p *engine.Planned) (*explain.Input, error) {
	in, e := s.explainAlone(p), s.engine()
	in.Policy, in.Waldur, in.Storage = e.AskPolicy(p), e, e.Storage
	var err error
	if in.Trusted, err = loop.IsTrusted(s.store); err != nil {
		return nil, err
	}
	if in.Held, err = s.plansByResource(loop.PendingFolder(s.store.Dir())); err != nil {
		return nil, err
	}
	if in.Begun, err = s.plansByResource(loop.BegunFolder(s.store.Dir())); err != nil {
		return nil, err
	}
	err = s.store.View(func(tx ledger.Tx) error {
		rejected, err := held.Rejected(tx)
		in.Rejected = held.ByAddress(rejected)
		return err
	})
	return in, err
}

// plansByResource are the plan files of a folder, by the resources that they touch.
func (s *session) plansByResource(dir string) (map[planner.Key]string, error) {
	names, err := s.store.Files().Plans(dir)
	by := map[planner.Key]string{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		file, why, err := loop.ReadUsable(s.store.Files(), path)
		if why != nil || err != nil {
			continue // doctor names it
		}
		for _, k := range engine.KeysOf(file.Plan) {
			by[k] = path
		}
	}
	return by, err
}
