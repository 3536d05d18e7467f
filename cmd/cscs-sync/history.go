package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/flags"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/history"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// historyOptions are the flags of state history and of state history export.
type historyOptions struct {
	json, verify bool
	head, format string
	since, until string
	filter       history.Filter
}

func (o *historyOptions) filterFlags(f *pflag.FlagSet) {
	f.StringVar(&o.since, "since", "", "only entries from a `TIME` on: a day such as 2026-12-01, "+
		"RFC 3339, or 7d, which is 7 days ago")
	f.StringVar(&o.until, "until", "", "only entries before a `TIME`; of a day, that day too")
	f.StringVar(&o.filter.Address, "address", "",
		"only what was done about resources whose address matches `GLOB`")
	f.StringVar(&o.filter.Approver, "approver", "", "only plans that `NAME` approved")
	f.StringVar(&o.filter.Plan, "plan", "", "only the plan whose `ID` begins so")
}

func (a *app) stateHistoryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "history", Short: "show what was applied, when, and who approved it",
		Args: arguments(0, 0),
		Long: `Shows the history: each plan with what it was to change, attribute by attribute,
and how it ended; holds, rejections and everything else that people did.`}
	var o historyOptions
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print it as JSON")
	f.BoolVar(&o.verify, "verify", false, "check that no entry was edited, removed or moved")
	f.StringVar(&o.head, "head", "",
		"with --verify: the `HASH` that an apply logged; finds every edit before it")
	o.filterFlags(f)
	cmd.RunE = func(*cobra.Command, []string) error { return o.run(a) }
	cmd.AddCommand(a.historyExportCommand())
	return cmd
}

func (a *app) historyExportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "print the history for auditors, after checking it",
		Args: arguments(0, 0),
		Long: `Checks that the history is complete, and prints it: as CSV, a line for each
attribute that a plan was to change and for each other entry; or as JSON, an
entry a line. Prints nothing if the history is not complete.

Exit codes: 0 done; 1 error, or somebody edited the history.`}
	o := historyOptions{verify: true}
	f := cmd.Flags()
	flags.OneOf(f, &o.format, "format", "csv", "`FORMAT`: csv or jsonl", history.Formats()...)
	f.StringVar(&o.head, "head", "", "check against the `HASH` that an apply logged, too")
	o.filterFlags(f)
	cmd.RunE = func(*cobra.Command, []string) error { return o.export(a) }
	return cmd
}

// check parses the flags of the filter.
func (o *historyOptions) check(a *app) error {
	var errs []error
	var err error
	if o.filter.Since, err = config.ParseTime(o.since, a.now(), config.Ago, false); err != nil {
		errs = append(errs, fmt.Errorf("--since %w", err))
	}
	if o.filter.Until, err = config.ParseTime(o.until, a.now(), config.Ago, true); err != nil {
		errs = append(errs, fmt.Errorf("--until %w", err))
	}
	if o.filter.Address != "" {
		errs = append(errs, planner.CheckGlob(o.filter.Address))
	}
	return errors.Join(errs...)
}

// entries returns the chosen entries and the head.
func (o *historyOptions) entries(a *app) (list []ledger.Entry, head string, err error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, "", err
	}
	err = s.Store.View(func(tx ledger.Tx) error {
		if o.verify {
			if err := tx.VerifyHistory(o.head); err != nil {
				return err
			}
		}
		list, head, err = o.filter.Read(tx)
		return err
	})
	return list, head, err
}

func (o *historyOptions) run(a *app) error {
	all := o.filter == history.Filter{} && o.since+o.until == ""
	err := o.check(a)
	if o.head != "" && !o.verify {
		err = errors.Join(err, errors.New("--head goes with --verify"))
	}
	if err != nil {
		return &usageError{"state history", err}
	}
	entries, head, err := o.entries(a)
	switch {
	case err != nil:
		return err
	case o.verify:
		return a.term.Print("The history is whole; its head is " + head + "\n")
	case o.json:
		return a.term.PrintJSON(entries)
	case len(entries) == 0 && all:
		return a.term.Print("Nothing has happened yet.\n")
	case len(entries) == 0:
		return a.term.Print("No entry of the history is chosen.\n")
	}
	return a.term.Page(history.Text(entries) + "head " + head + "\n")
}

// export prints the history for auditors.
func (o *historyOptions) export(a *app) error {
	if err := o.check(a); err != nil {
		return &usageError{"state history export", err}
	}
	entries, _, err := o.entries(a)
	if err != nil {
		return err
	}
	out, err := history.Export(entries, o.format)
	if err != nil {
		return err
	}
	return a.term.Print(string(out))
}
