package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// planOptions are the flags of plan and of apply without a plan file.
type planOptions struct {
	out                     string
	json, detailed, compact bool
	events                  bool
	jsonInto                string
	selects                 engine.SelectionText
	resources               []string
	parallelism             int
	// keepRecords keeps the resources that are as wanted, so that an apply can record them.
	keepRecords bool
}

func (o *planOptions) selectionFlags(f *pflag.FlagSet) {
	sel := &o.selects
	f.StringArrayVar(&sel.Targets, "target", nil,
		"plan only resources whose address matches `GLOB` (may be repeated)")
	f.StringArrayVar(&sel.Excludes, "exclude", nil,
		"leave out resources whose address matches `GLOB`")
	f.StringArrayVar(&sel.TargetFiles, "target-file", nil,
		"take more targets from `FILE`, one glob a line")
	f.StringArrayVar(&sel.ExcludeFiles, "exclude-file", nil,
		"take more globs to leave out from `FILE`, one a line")
	f.StringArrayVar(&sel.Rejects, "reject", nil, "reject the order of `ADDRESS=REASON`")
	f.StringArrayVar(&sel.Fails, "fail", nil,
		"fail the order of `ADDRESS=REASON`: on a create this ends the customer's resource")
	f.IntVar(&o.parallelism, "parallelism", 0, "most directories to look at, or resources to "+
		"work on, at a time (`N`; default 16, and 8)")
}

func (a *app) planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "show what would change, and write it to a plan file",
		Args:  arguments(0, 0),
		Long: `Reads the proxy's listing and the overrides, looks at the storage, and prints
what would change. Takes no lock and changes nothing. With --out, plan also
writes a plan file, which people review and approve, and apply runs.

Exit codes: 0 done; 1 error; 4 something could not be observed; and with
--detailed-exitcode 2 when there are changes.`,
	}
	f := cmd.Flags()
	var o planOptions
	f.StringVar(&o.out, "out", "", "write the plan to `FILE` (replaces only a plan file)")
	f.BoolVar(&o.json, "json", false, "print the plan as JSON")
	f.BoolVar(&o.events, "events", false, "with --json: print progress first, an event a line, "+
		"and the plan as the last line")
	f.StringVar(&o.jsonInto, "json-into", "", "also write the plan as JSON into `FILE` (replaces "+
		"only such a file)")
	f.BoolVar(&o.detailed, "detailed-exitcode", false, "exit 2 when there are changes")
	f.BoolVar(&o.compact, "compact", false, "fold changes of the same shape")
	o.selectionFlags(f)
	o.resourcesFlag(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) }
	return cmd
}

// resourcesFlag adds the flag --resources, which all commands that plan have.
func (o *planOptions) resourcesFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` instead "+
		"of the proxy: one complete listing, or all pages of one (- is stdin)")
}

// maxSelectionFile is the greatest size of a file of globs, in bytes.
const maxSelectionFile = 1 << 20

// selection parses the selection flags.
func (o *planOptions) selection() (planner.Selection, error) {
	sel, err := o.selects.Parse(func(path string) ([]byte, error) {
		return state.ReadFile(path, maxSelectionFile)
	})
	if o.parallelism < 0 {
		err = errors.Join(err, fmt.Errorf("--parallelism %d: want 1 or more", o.parallelism))
	}
	return sel, err
}

func (o *planOptions) run(ctx context.Context, a *app) error {
	sel, err := o.selection()
	if err := errors.Join(err, checkOut(o.out), o.checkJSON()); err != nil {
		return &usageError{"plan", err}
	}
	_, p, err := o.plan(ctx, a, sel)
	if err != nil {
		return err
	}
	if o.jsonInto != "" {
		err := state.WriteFile(o.jsonInto, render.JSON(p.Plan), 0o600, planfile.MayReplaceJSON)
		if err != nil {
			return err
		}
	}
	if err := o.show(a, p.Plan); err != nil {
		return err
	}
	if o.out != "" && !selectsNothing(p.Plan) {
		if err := a.writePlan(o.out, p.Plan); err != nil {
			return err
		}
	}
	return planOutcome(p.Plan, o.detailed)
}

// plan opens the configuration and makes a plan. It returns the session even if planning fails.
func (o *planOptions) plan(ctx context.Context, a *app, sel planner.Selection) (*session.Session,
	*engine.Planned, error) {
	s, err := a.open(config.Read)
	if err != nil {
		return nil, nil, err
	}
	p, err := o.make(ctx, a, s, sel)
	return s, p, err
}

// make makes a plan from the proxy or from files.
func (o *planOptions) make(ctx context.Context, a *app, s *session.Session,
	sel planner.Selection) (*engine.Planned, error) {
	source, err := s.Source(o.resources)
	if err != nil {
		return nil, err
	}
	switch {
	case o.events:
		defer a.term.StreamProgress()()
	case !o.json:
		defer a.term.ShowProgress()()
	}
	p, err := s.Engine().Plan(ctx, engine.Request{Source: source, Selection: sel,
		Parallelism: o.parallelism, KeepRecords: o.keepRecords})
	if err != nil {
		return nil, err
	}
	return p, engine.CheckAddresses(&sel, p.Items)
}

// showPlan prints a plan as text.
func (a *app) showPlan(p *planner.Plan) error {
	return a.term.Print(string(render.Text(p, a.term.Rendering(a.term.Out))))
}

// show prints the plan as the flags say.
func (o *planOptions) show(a *app, p *planner.Plan) error {
	if o.events {
		var line bytes.Buffer
		if err := json.Compact(&line, render.JSON(p)); err != nil {
			return fmt.Errorf("print the plan: %w", err)
		}
		return a.term.Print(line.String() + "\n")
	}
	if o.json {
		return a.term.Print(string(render.JSON(p)))
	}
	how := a.term.Rendering(a.term.Out)
	how.Compact = o.compact
	return a.term.Page(string(render.Text(p, how)))
}

// checkJSON refuses combinations of JSON flags that make no sense.
func (o *planOptions) checkJSON() error {
	switch {
	case o.events && !o.json:
		return errors.New("--events goes with --json")
	case o.jsonInto == "-":
		return errors.New("--json-into -: --json prints it on standard output; name a file, or " +
			"./- for a file of that name")
	case o.jsonInto != "" && o.jsonInto == o.out:
		return errors.New("--json-into and --out name the same file")
	}
	return nil
}

// checkOut refuses to write the plan file to standard output, where the plan is printed.
func checkOut(path string) error {
	if path == "-" {
		return errors.New("--out -: the plan is printed on standard output anyway; name a file, " +
			"or ./- for a file of that name")
	}
	return nil
}

// writePlan writes a plan file, mode 0600. It replaces only a plan file, and never follows a link.
func (a *app) writePlan(path string, p *planner.Plan) error {
	data, err := planfile.Marshal(p, render.Options{Color: a.term.Colored(a.term.Out)})
	if err != nil {
		return fmt.Errorf("write plan %s: %w", path, err)
	}
	if err := state.WriteFile(path, data, 0o600, planfile.MayReplace); err != nil {
		return err
	}
	word := render.ShellWord(path)
	if len(p.Core.Actions) == 0 {
		a.term.Tell("\nSaved the plan to %s. It has no actions: there is nothing to approve or to "+
			"apply.", word)
		return nil
	}
	a.term.Tell("\nSaved the plan to %s. To have exactly these actions done:\n\n"+
		"    cscs-sync approve %[1]s\n    cscs-sync apply %[1]s\n\n"+
		"For a ticket, without colour: cscs-sync show --plain %[1]s", word)
	return nil
}

// selectsNothing reports whether targets are given and none of them matches a resource, so they are
// probably misspelt.
func selectsNothing(p *planner.Plan) bool {
	return len(p.Core.Selection.Targets) > 0 &&
		slices.ContainsFunc(p.Context.Warnings,
			func(w planner.Warning) bool { return w.Code == codes.SelectionEmpty })
}

// planOutcome returns how plan ends: 1 if the targets match nothing, 4 if something could not be
// observed, 2 if there are changes. 4 wins over 2.
func planOutcome(p *planner.Plan, detailed bool) error {
	if selectsNothing(p) {
		return ended(exitError)
	}
	if p.Context.Unobserved > 0 {
		return ended(exitPartial)
	}
	if detailed && len(p.Core.Actions) > 0 {
		return ended(exitChanges)
	}
	return nil
}
