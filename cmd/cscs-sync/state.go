package main

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
)

func (a *app) stateCommand() *cobra.Command {
	return group("state", "show and repair what is recorded", a.stateListCommand(),
		a.stateShowCommand(), a.stateRmCommand(), a.stateHistoryCommand(), a.statePullCommand(),
		a.stateAbandonCommand(), a.stateTakeCommand(), a.stateNodesCommand(),
		a.stateFenceCommand(), a.stateCopyCommand())
}

func (a *app) stateListCommand() *cobra.Command {
	return listing(a, "list what is recorded", "Nothing is recorded yet.\n", upkeep.Table,
		func(tx ledger.Tx) ([]upkeep.Record, error) { return upkeep.Records(tx) })
}

func (a *app) stateShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ADDRESS", Short: "show what is recorded about a resource",
		Args: arguments(1, 1)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.showState(args[0], *asJSON) }
	return cmd
}

func (a *app) stateRmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm [ADDRESS]",
		Short: "forget a resource, or the identity of a system's directory",
		Args:  arguments(0, 1),
		Long: `Changes nothing on the storage. The next plan adopts or creates a forgotten
resource as if it were new. With --root, forgets the recorded identity of a
system's directory, after somebody has replaced its filesystem on purpose.`,
	}
	f := cmd.Flags()
	root := f.String("root", "", "forget the root's identity of `SYSTEM`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (*root == "") == (len(args) == 0) {
			return &usageError{"state rm", errors.New("want either ADDRESS or --root SYSTEM")}
		}
		return a.forget(cmd.Context(), strings.Join(args, ""), *root)
	}
	return cmd
}

func (a *app) statePullCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pull", Short: "print the whole state as JSON",
		Args: arguments(0, 0)}
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		s, err := a.open(config.Skip)
		if err != nil {
			return err
		}
		var document bytes.Buffer
		if err := s.Store.Pull(&document); err != nil {
			return err
		}
		return a.term.Print(string(render.EscapeJSON(document.Bytes())))
	}
	return cmd
}

func (a *app) stateAbandonCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "abandon PLAN",
		Short: "give up a plan that has begun",
		Args:  arguments(1, 1),
		Long: `PLAN is a plan file, a plan's id, or the beginning of one. What the plan has
done stays done; apply no longer resumes it.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.abandon(cmd.Context(), args[0], *reason)
	}
	return cmd
}

// locked changes the state under the lock that an apply takes, too.
func (a *app) locked(ctx context.Context, change func(ledger.Tx, ledger.Person) error) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	return s.Change(ctx, change)
}

func (a *app) showState(address string, asJSON bool) error {
	return printList(a, asJSON, "", upkeep.Details, func(tx ledger.Tx) ([]upkeep.Record, error) {
		return upkeep.RecordsOf(tx, address)
	})
}

// forget removes one record or one root identity.
func (a *app) forget(ctx context.Context, address, root string) error {
	shown := render.Quote(address)
	if root != "" {
		shown = upkeep.Root(root)
	}
	err := a.locked(ctx, func(tx ledger.Tx, by ledger.Person) error {
		if root != "" {
			return upkeep.ForgetRoot(tx, root, by)
		}
		return upkeep.Forget(tx, address, by)
	})
	if err != nil {
		return err
	}
	a.term.Tell("Forgot %s. The storage is as it was.", shown)
	return nil
}

// abandon ends a begun plan.
func (a *app) abandon(ctx context.Context, plan, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &usageError{"state abandon", errors.New("--reason is needed")}
	}
	id := plan
	if file, err := a.readPlan(plan); err == nil {
		id = file.ID()
	}
	err := a.locked(ctx, func(tx ledger.Tx, by ledger.Person) (err error) {
		id, err = upkeep.Abandon(tx, id, reason, by)
		return err
	})
	if err != nil {
		return err
	}
	a.term.Tell("Plan %s is given up. To see what is left: cscs-sync plan", canonical.ShortID(id))
	return nil
}
