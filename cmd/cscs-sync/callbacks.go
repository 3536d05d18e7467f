package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) callbacksCommand() *cobra.Command {
	return group("callbacks", "callbacks that Waldur has not got yet", a.callbacksListCommand(), a.callbacksRetryCommand(), a.callbacksDropCommand())
}

func (a *app) callbacksListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list callbacks that Waldur has not got yet", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print them as a JSON array")
	cmd.RunE = func(_ *cobra.Command, _ []string) error { return a.listCallbacks(*asJSON) }
	return cmd
}

func (a *app) callbacksRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry [NUMBER…]",
		Short: "send waiting callbacks now, parked ones too",
		Args:  arguments(0, -1),
		Long: `Without NUMBER, all. What may have been sent before is first looked up by its
order, so that nothing takes effect twice.

Exit codes: 0 all were delivered; 1 error; 4 some still wait.`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.retryCallbacks(cmd.Context(), args) }
	return cmd
}

func (a *app) callbacksDropCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop NUMBER",
		Short: "give a callback up",
		Args:  arguments(1, 1),
		Long: `Waldur is then not told. The history keeps who did so and why. With an approve,
all later callbacks of its order are given up: Waldur takes none without it. If
the order is still open, the next plan approves and reports it again.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.dropCallback(cmd.Context(), args[0], *reason) }
	return cmd
}

func (a *app) listCallbacks(asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	waiting := []ledger.Delivery{}
	if err := s.store.View(func(tx ledger.Tx) error {
		found, err := tx.Outbox()
		waiting = append(waiting, found...)
		return err
	}); err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(waiting)
	}
	if len(waiting) == 0 {
		return a.print("Waldur has been told everything.\n")
	}
	var b strings.Builder
	for _, d := range waiting {
		how := "tried " + planner.Count(d.Tries, "time") + ", again as soon as something is sent"
		switch {
		case d.Parked:
			how = "parked: retry or drop it"
		case d.Tries == 0:
			how = "not tried yet"
		case !d.Next.IsZero():
			how = "tried " + planner.Count(d.Tries, "time") + ", again after " + planner.Minute(d.Next)
		}
		fmt.Fprintf(&b, "%d  %s of %s\n    since %s, %s\n", d.Seq, d.Callback, render.Quote(d.Address), planner.Minute(d.Since), how)
		if d.Problem != "" {
			fmt.Fprintf(&b, "    %s\n", render.Escape(d.Problem))
		}
	}
	return a.print(b.String())
}

// retryCallbacks sends what waits, resource by resource in its order, until nothing more gets through.
func (a *app) retryCallbacks(ctx context.Context, args []string) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	if s.cfg.Waldur == nil {
		return errors.New("send callbacks: the configuration has no waldur block")
	}
	chosen, err := numbers(args)
	if err != nil {
		return &usageError{"callbacks retry", err}
	}
	told, problem, err := s.engine().Redeliver(ctx, chosen, func() error { return s.unpark(chosen) })
	if err != nil {
		return err
	}
	for _, d := range told.Dropped {
		a.tell("Dropped %s of %s: %s. The history keeps it.", d.Callback, render.Quote(d.Address), render.Escape(d.Why))
	}
	a.tell("%s delivered.", planner.Count(told.Delivered, "callback"))
	if problem != nil {
		return &outcome{exitPartial, problem}
	}
	return nil
}

// numbers reads the callbacks' numbers; none is all.
func numbers(args []string) ([]uint64, error) {
	var out []uint64
	for _, s := range args {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number of a callback; see `cscs-sync callbacks list`", s)
		}
		out = append(out, n)
	}
	return out, nil
}

// unpark makes the chosen callbacks due at once.
func (s *session) unpark(chosen []uint64) error {
	return s.store.Update(func(tx ledger.Tx) error {
		waiting, err := tx.Outbox()
		if err != nil {
			return err
		}
		for _, d := range waiting {
			if len(chosen) == 0 || slices.Contains(chosen, d.Seq) {
				if err := tx.Retry(d.Seq); err != nil {
					return err
				}
			}
		}
		for _, n := range chosen {
			if !slices.ContainsFunc(waiting, func(d ledger.Delivery) bool { return d.Seq == n }) {
				return noCallback(n)
			}
		}
		return nil
	})
}

func noCallback(number uint64) error {
	return fmt.Errorf("no callback %d waits; see `cscs-sync callbacks list`", number)
}

func (a *app) dropCallback(ctx context.Context, number, reason string) error {
	chosen, err := numbers([]string{number})
	if err != nil {
		return &usageError{"callbacks drop", err}
	}
	if strings.TrimSpace(reason) == "" {
		return &usageError{"callbacks drop", errors.New("--reason is needed: Waldur will never be told, and somebody will ask why")}
	}
	var more []ledger.Delivery
	err = a.locked(ctx, func(tx ledger.Tx) (err error) {
		more, err = tx.DropWithDependents(chosen[0], a.user, a.host, reason)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return noCallback(chosen[0])
	}
	if err != nil {
		return err
	}
	a.tell("Callback %d is given up.", chosen[0])
	for _, d := range more {
		a.tell("Callback %d, %s of %s, is given up too: Waldur does not take it without that approve.", d.Seq, d.Callback,
			render.Quote(d.Address))
	}
	return nil
}
