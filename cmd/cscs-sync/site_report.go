package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	siteReport "github.com/waldur/cscs-storage-sync/planner/report"
	"github.com/waldur/cscs-storage-sync/state"
)

// reportOptions are the flags of report.
type reportOptions struct {
	planOptions
	html, onDemand string
	csv, scan      bool
}

func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "show usage, what is promised, and what needs a person",
		Args:  arguments(0, 0),
		Long: `For each system: capacity, used, free, and how much the hard limits promise.
Then resources near or over a limit and those that use little. Then what changed
outside, what is blocked, waiting, held or on hold, and what is archived. Last
come the approvals of 30 days. Like plan, it takes no lock and changes nothing.

--scan adds what no resource wants, as the command scan lists it.

--ondemand writes version 1 of Open OnDemand's quota file, with the quotas of
users' directories.

Exit codes: 0 done; 1 error; 4 something could not be observed.`,
	}
	f := cmd.Flags()
	var o reportOptions
	f.StringVar(&o.html, "html", "", "write the report as a page into `FILE` (replaces only such a "+
		"page)")
	f.BoolVar(&o.json, "json", false, "print it as JSON")
	f.BoolVar(&o.csv, "csv", false, "print a line for each resource, as CSV")
	f.StringVar(&o.onDemand, "ondemand", "", "write a quota file for Open OnDemand into `FILE` "+
		"(replaces only such a file)")
	f.BoolVar(&o.scan, "scan", false, "add the directories and quotas that no resource wants")
	o.resourcesFlag(f)
	f.StringArrayVar(&o.selects.Targets, "target", nil, "only resources whose address matches `GLOB`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.json && o.csv {
			return &usageError{"report", errors.New("--json and --csv exclude one another")}
		}
		if o.scan && len(o.selects.Targets) > 0 {
			return &usageError{"report", errors.New("--scan and --target exclude one another: what is " +
				"wanted has to be known of all resources")}
		}
		return o.report(cmd.Context(), a)
	}
	return cmd
}

func (o *reportOptions) report(ctx context.Context, a *app) error {
	sel, err := o.selection()
	if err != nil {
		return &usageError{"report", err}
	}
	s, p, err := o.plan(ctx, a, sel)
	if err != nil {
		return err
	}
	in, err := s.ReportInput(p)
	if err != nil {
		return err
	}
	if err := o.more(ctx, s, p, &in); err != nil {
		return err
	}
	if err := o.write(a, siteReport.New(in), &in); err != nil {
		return err
	}
	return planOutcome(p.Plan, false)
}

// more reads what a report shows beyond a plan and the state: the sizes of archived directories,
// and directories and quotas that no resource wants.
func (o *reportOptions) more(ctx context.Context, s *session.Session, p *engine.Planned,
	in *siteReport.Input) (err error) {
	if in.ArchiveStates, err = s.Site().ReadQuotas(ctx, siteReport.ArchiveTargets(in)); err != nil {
		return err
	}
	if o.scan {
		in.Scan, err = s.Site().Scan(ctx, p, mostStrays)
	}
	return err
}

// write writes the requested files and prints the report in one format.
func (o *reportOptions) write(a *app, r *siteReport.Report, in *siteReport.Input) error {
	if o.html != "" {
		page, err := r.HTML()
		if err == nil {
			err = state.WriteFile(o.html, page, fs.FileMode(0o600), siteReport.OnlyPage)
		}
		if err != nil {
			return err
		}
	}
	if o.onDemand != "" {
		file, err := r.OnDemand(in.Now)
		if err == nil {
			err = state.WriteFile(o.onDemand, file, fs.FileMode(0o644), siteReport.OnlyOnDemand)
		}
		if err != nil {
			return err
		}
	}
	form := func() ([]byte, error) { return r.Text(), nil }
	switch {
	case o.json:
		form = r.JSON
	case o.csv:
		form = r.CSV
	case o.html+o.onDemand != "":
		return nil
	}
	data, err := form()
	if err != nil {
		return err
	}
	return a.term.Print(string(data))
}
