package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

func diffCommand() command {
	return command{name: "diff", args: "OLD NEW", least: 2, most: 2, short: "show what changed between two plan files",
		long: `
The re-review of a re-plan: which actions were added, are gone or changed, and
whether only the context differs, so that an approval still holds.

Exit codes: 0 the same; 1 error; 2 they differ; 3 a file fails its checks.`,
		setup: func(*pflag.FlagSet) action {
			return func(_ context.Context, a *app, args []string) error {
				old, err := a.readPlan(args[0])
				if err != nil {
					return err
				}
				latest, err := a.readPlan(args[1])
				if err != nil {
					return err
				}
				d := planfile.Diff(old.Plan, latest.Plan)
				if err := a.print(string(d.Text(planfile.Options{Color: a.colored(a.stdout), Width: a.width}))); err != nil {
					return err
				}
				if !d.Identical {
					return ended(exitChanges)
				}
				return nil
			}
		}}
}
