package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
	"github.com/waldur/cscs-storage-sync/state"
)

func (a *app) holdCommand() *cobra.Command {
	return group("hold", "leave resources alone for a while", a.holdAddCommand(), a.holdRmCommand(),
		a.holdListCommand())
}

func (a *app) holdAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add GLOB",
		Short: "leave matching resources alone",
		Args:  arguments(1, 1),
		Long: `For maintenance and incidents. apply and the loop leave resources alone whose
whole address matches GLOB, until the time is over or somebody lifts the hold.
A GLOB that matches no recorded resource, and nothing in the loop's last
complete listing, is refused, because it is probably misspelt.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	until := f.String("until", "", "until when: a `TIME` such as 2026-12-01, RFC 3339, or 7d; "+
		"without it until lifted")
	force := f.Bool("force", false, "hold GLOB although it matches nothing that is known yet")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.addHold(args[0], *reason, *until, *force)
	}
	return cmd
}

func (a *app) holdRmCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rm GLOB", Short: "lift a hold", Args: arguments(1, 1)}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.removeHold(args[0]) }
	return cmd
}

func (a *app) holdListCommand() *cobra.Command {
	return listing(a, "list the holds in force", "No holds.\n", upkeep.Holds,
		func(tx ledger.Tx) ([]planner.Hold, error) { return tx.Holds(a.now()) })
}

func (a *app) addHold(glob, reason, until string, force bool) error {
	if err := planner.CheckGlob(glob); err != nil {
		return &usageError{"hold add", err}
	}
	if strings.TrimSpace(reason) == "" {
		return &usageError{"hold add", errors.New("--reason is needed: people who find the hold " +
			"later " +
			"have to know why")}
	}
	end, err := config.ParseTime(until, a.now(), config.Ahead, true)
	if err == nil && !end.IsZero() && !end.After(a.now()) {
		err = errors.New(until + " is over already")
	}
	if err != nil {
		return &usageError{"hold add", fmt.Errorf("--until %w", err)}
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	if !force {
		warning, err := s.CheckHold(glob)
		if warning != "" {
			a.term.Tell("Warning: %s", warning)
		}
		if err != nil {
			return err
		}
	}
	h := planner.Hold{Glob: glob, Reason: reason, Until: end}
	already, err := upkeep.Hold(s.Store, h, s.Person())
	if err != nil {
		return err
	}
	if already {
		a.term.Tell("%s is held already, by you, for this reason and as long.", glob)
	} else {
		a.term.Tell("Held: %s, %s. To lift it: cscs-sync hold rm '%s'", glob, upkeep.Until(end), glob)
	}
	// This check follows the write of the hold: an apply that begins later sees the hold.
	holder, running, err := state.LockHolder(s.Store.Dir())
	if err != nil {
		return fmt.Errorf("the hold is in force, and whether an apply is running could not be "+
			"found out: %w", err)
	}
	if running {
		a.term.Tell("%s", upkeep.Running(holder))
	}
	return nil
}

func (a *app) removeHold(glob string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	lifted, err := upkeep.Lift(s.Store, glob, s.Person())
	if err != nil {
		return err
	}
	a.term.Tell("Lifted: %s (%s).", glob, planner.Count(lifted, "hold"))
	return nil
}

// listing returns a command that lists values of the state, as text or as JSON. It prints none if
// there are no values.
func listing[T any](a *app, short, none string, text func([]T) string,
	read func(ledger.Tx) ([]T, error)) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: short, Args: arguments(0, 0)}
	asJSON := cmd.Flags().Bool("json", false, "print them as a JSON array")
	cmd.RunE = func(*cobra.Command, []string) error {
		return printList(a, *asJSON, none, text, read)
	}
	return cmd
}

// printList reads a list from the state and prints it.
func printList[T any](a *app, asJSON bool, none string, text func([]T) string,
	read func(ledger.Tx) ([]T, error)) error {
	list := []T{} // empty, and not null
	err := a.view(func(tx ledger.Tx) error {
		found, err := read(tx)
		list = append(list, found...)
		return err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		return a.term.PrintJSON(list)
	case len(list) == 0:
		return a.term.Print(none)
	}
	return a.term.Print(text(list))
}

// view opens the configuration and reads the state.
func (a *app) view(read func(ledger.Tx) error) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	return s.Store.View(read)
}
