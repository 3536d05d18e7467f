package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
)

func (a *app) archiveCommand() *cobra.Command {
	return group("archive", "list, restore and find archived directories", a.archiveListCommand(),
		a.archiveRestoreCommand(), a.archiveRescanCommand())
}

func (a *app) archiveListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list archived directories",
		Args:  arguments(0, 0),
		Long: `cscs-sync never deletes anything. With --expired, lists only directories that
are past their retention, so that people can decide what to do with them.`,
	}
	expired := cmd.Flags().Bool("expired", false, "only what is past its retention")
	asJSON := cmd.Flags().Bool("json", false, "print them as a JSON array")
	cmd.RunE = func(*cobra.Command, []string) error {
		none := "Nothing is archived.\n"
		if *expired {
			none = "Nothing is past its retention.\n"
		}
		text := func(list []planner.Archived) string { return upkeep.Archive(list, a.now()) }
		return printList(a, *asJSON, none, text, func(tx ledger.Tx) ([]planner.Archived, error) {
			return upkeep.Register(tx, *expired)
		})
	}
	return cmd
}

func (a *app) archiveRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "restore ADDRESS", Short: "write a plan that brings an archived " +
		"directory back", Args: arguments(1, 1)}
	f := cmd.Flags()
	var o planOptions
	f.StringVar(&o.out, "out", "", "write the plan to `FILE` (needed)")
	o.resourcesFlag(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return o.restore(cmd.Context(), a, args[0])
	}
	return cmd
}

func (a *app) archiveRescanCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rescan", Short: "rebuild the archive register from the manifests",
		Args: arguments(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.rescan(cmd.Context()) }
	return cmd
}

// restore writes a plan that restores one archived directory.
func (o *planOptions) restore(ctx context.Context, a *app, address string) error {
	if o.out == "" {
		return &usageError{"archive restore", errors.New("--out FILE is needed: a restore is " +
			"approved and applied like every plan")}
	}
	if err := checkOut(o.out); err != nil {
		return &usageError{"archive restore", err}
	}
	_, p, err := o.plan(ctx, a, planner.Selection{Restores: []string{address}})
	if err != nil {
		return err
	}
	if err := a.showPlan(p.Plan); err != nil {
		return err
	}
	if len(p.Plan.Core.Actions) == 0 {
		return engine.Refuse(engine.Input, fmt.Errorf("%s cannot be restored; see above, and "+
			"`cscs-sync archive list`", address))
	}
	return a.writePlan(o.out, p.Plan)
}

// rescan reads all manifests and rebuilds the register from those whose directories exist.
func (a *app) rescan(ctx context.Context) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	recorded, err := s.Store.Recorded()
	if err != nil {
		return err
	}
	found, problems, err := s.Site().Manifests(ctx, recorded.Roots)
	if err != nil {
		return err
	}
	for _, p := range problems {
		a.term.Tell("Warning: %v", p)
	}
	err = a.locked(ctx, func(tx ledger.Tx, by ledger.Person) error { return upkeep.Rebuild(tx, found, by) })
	if err != nil {
		return err
	}
	said := fmt.Sprintf("%d archived directories are in the register.\n", len(found))
	if len(found) == 1 {
		said = "1 archived directory is in the register.\n"
	}
	if err := a.term.Print(said); err != nil {
		return err
	}
	if len(problems) > 0 {
		return ended(exitPartial)
	}
	return nil
}
