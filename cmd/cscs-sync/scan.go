package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// mostStrays is the default number of directories and quotas that are listed for each system.
const mostStrays = 1000

// scanOptions are the flags of scan.
type scanOptions struct {
	planOptions
	most int
}

func (a *app) scanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "list directories and quotas that no resource wants",
		Args:  arguments(0, 0),
		Long: `Reads the folders in which resources lie, and lists the directories there that
no resource wants: with owner, age and, where a quota of their own counts them,
size. Lists the quotas that limit something and that nobody claims.

A scan never enters a project's or a user's directory, follows no link, and
leaves out archives. It takes no lock, changes nothing, and proposes nothing.

Exit codes: 0 done; 1 error; 4 something could not be seen.`,
	}
	f := cmd.Flags()
	var o scanOptions
	f.BoolVar(&o.json, "json", false, "print it as JSON")
	f.IntVar(&o.most, "max", mostStrays, "list at most `N` directories and N quotas of a system; "+
		"all are counted")
	o.resourcesFlag(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.most < 1 || o.most > 100_000 {
			return &usageError{"scan", errors.New("--max: want 1 to 100000")}
		}
		return o.scan(cmd.Context(), a)
	}
	return cmd
}

func (o *scanOptions) scan(ctx context.Context, a *app) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	p, err := o.make(ctx, a, s, planner.Selection{})
	if err != nil {
		return err
	}
	r, err := s.Site().Scan(ctx, p, o.most)
	if err != nil {
		return err
	}
	text := r.Text()
	if o.json {
		if text, err = r.JSON(); err != nil {
			return err
		}
	}
	if err := a.term.Print(string(text)); err != nil {
		return err
	}
	if !r.Complete() {
		return ended(exitPartial)
	}
	return nil
}
