package main

import (
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) diffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "show what changed between two plan files",
		Args:  arguments(2, 2),
		Long: `Helps to review a plan that was made again: shows which actions were added,
removed or changed, and whether only the context differs, so that an approval
still holds.

Exit codes: 0 the same; 1 error; 2 they differ; 3 a file fails its checks.`,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		old, err := a.readPlan(args[0])
		if err != nil {
			return err
		}
		latest, err := a.readPlan(args[1])
		if err != nil {
			return err
		}
		d := render.Diff(old.Plan, latest.Plan)
		if err := a.term.Print(string(d.Text(a.term.Rendering(a.term.Out)))); err != nil {
			return err
		}
		if !d.Identical {
			return ended(exitChanges)
		}
		return nil
	}
	return cmd
}
