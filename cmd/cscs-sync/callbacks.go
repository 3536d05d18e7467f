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
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
)

func (a *app) callbacksCommand() *cobra.Command {
	return group("callbacks", "show and send the callbacks that still wait for Waldur", a.callbacksListCommand(),
		a.callbacksRetryCommand(), a.callbacksDropCommand())
}

func (a *app) callbacksListCommand() *cobra.Command {
	return listing(a, "list the callbacks that still wait for Waldur",
		"Waldur has been told everything.\n", upkeep.Callbacks,
		func(tx ledger.Tx) ([]ledger.Delivery, error) { return tx.Outbox() })
}

func (a *app) callbacksRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry [NUMBER…]",
		Short: "send waiting callbacks now, also parked ones",
		Args:  arguments(0, -1),
		Long: `Without NUMBER, sends all. If a callback may have been sent before, Waldur is
first asked about its order, so that nothing takes effect twice.

Exit codes: 0 all were delivered; 1 error; 4 some still wait.`,
	}
	cmd.RunE = func(cmd *cobra.Command,
		args []string) error {
		return a.retryCallbacks(cmd.Context(), args)
	}
	return cmd
}

func (a *app) callbacksDropCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop NUMBER",
		Short: "give up a callback",
		Args:  arguments(1, 1),
		Long: `Waldur never gets it. The history keeps who gave it up, and why. Giving up an
approve also gives up all later callbacks of its order, because Waldur takes
none without it. If the order is still open, the next plan approves and reports
it again.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.dropCallback(cmd.Context(), args[0], *reason)
	}
	return cmd
}

// retryCallbacks sends the waiting callbacks of each resource in order, until no more get through.
func (a *app) retryCallbacks(ctx context.Context, args []string) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	if s.Config.Waldur == nil {
		return errors.New("send callbacks: the configuration has no waldur block")
	}
	chosen, err := upkeep.Numbers(args)
	if err != nil {
		return &usageError{"callbacks retry", err}
	}
	told, problem, err := s.Engine().Redeliver(ctx, chosen, func() error {
		return upkeep.Unpark(s.Store, chosen)
	})
	if err != nil {
		return err
	}
	for _, d := range told.Dropped {
		a.term.Tell("Dropped %s of %s: %s. The history keeps it.", d.Callback, render.Quote(d.Address),
			render.Escape(d.Why))
	}
	a.term.Tell("%s delivered.", planner.Count(told.Delivered, "callback"))
	if problem != nil {
		return &outcome{exitPartial, problem}
	}
	return nil
}

func (a *app) dropCallback(ctx context.Context, number, reason string) error {
	chosen, err := upkeep.Numbers([]string{number})
	if err != nil {
		return &usageError{"callbacks drop", err}
	}
	if strings.TrimSpace(reason) == "" {
		return &usageError{"callbacks drop", errors.New("--reason is needed: Waldur will never " +
			"be told, and somebody will ask why")}
	}
	var more []ledger.Delivery
	err = a.locked(ctx, func(tx ledger.Tx, by ledger.Person) (err error) {
		more, err = tx.DropWithDependents(chosen[0], by.Who, by.Host, reason)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return upkeep.NoCallback(chosen[0])
	}
	if err != nil {
		return err
	}
	a.term.Tell("Callback %d is given up.", chosen[0])
	for _, d := range more {
		a.term.Tell("Callback %d, %s of %s, is given up too: Waldur does not take it without that "+
			"approve.", d.Seq, d.Callback,
			render.Quote(d.Address))
	}
	return nil
}
