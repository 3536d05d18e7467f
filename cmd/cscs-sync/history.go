package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// historyOptions are the flags of state history, and of export below it.
type historyOptions struct {
	json, verify   bool
	head, format   string
	since, until   string
	address        string
	approver, plan string
}

func (o *historyOptions) filterFlags(f *pflag.FlagSet) {
	f.StringVar(&o.since, "since", "", "only entries from a `TIME` on: a day such as 2026-12-01, RFC 3339, or 7d, which is 7 days ago")
	f.StringVar(&o.until, "until", "", "only entries before a `TIME`; of a day, that day too")
	f.StringVar(&o.address, "address", "", "only what was done about resources whose address matches `GLOB`")
	f.StringVar(&o.approver, "approver", "", "only plans that `NAME` approved")
	f.StringVar(&o.plan, "plan", "", "only the plan whose `ID` begins so")
}

func (a *app) stateHistoryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "history", Short: "who applied what, when, approved by whom", Args: arguments(0, 0),
		Long: `Shows the history: each plan with what it was to change, attribute by attribute,
and how it went; holds, rejections and all else that people did.`}
	var o historyOptions
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print it as JSON")
	f.BoolVar(&o.verify, "verify", false, "check that no entry was edited, removed or moved")
	f.StringVar(&o.head, "head", "", "with --verify: the `HASH` that an apply logged; finds every edit before it")
	o.filterFlags(f)
	cmd.RunE = func(*cobra.Command, []string) error { return o.run(a) }
	cmd.AddCommand(a.historyExportCommand())
	return cmd
}

func (a *app) historyExportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "print the history for auditors, after checking it", Args: arguments(0, 0),
		Long: `Checks that the history is whole, and prints it: as CSV a line for each
attribute that a plan was to change and for each other entry, or as JSON an
entry a line. Nothing is printed of a history that is not whole.

Exit codes: 0 done; 1 error, also of a history that was edited.`}
	var o historyOptions
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "csv", "`FORMAT`: csv or jsonl")
	f.StringVar(&o.head, "head", "", "check against the `HASH` that an apply logged, too")
	o.filterFlags(f)
	cmd.RunE = func(*cobra.Command, []string) error { return o.export(a) }
	return cmd
}

// historyFilter chooses entries.
type historyFilter struct {
	since, until            time.Time
	address, approver, plan string
	// plans are those that changed something at the address.
	plans map[string]bool
}

func (o *historyOptions) filter(a *app) (*historyFilter, error) {
	f := &historyFilter{address: o.address, approver: o.approver, plan: strings.TrimPrefix(o.plan, "sha256:"), plans: map[string]bool{}}
	var errs []error
	var err error
	if f.since, err = a.parsePast(o.since, false); err != nil {
		errs = append(errs, fmt.Errorf("--since %w", err))
	}
	if f.until, err = a.parsePast(o.until, true); err != nil {
		errs = append(errs, fmt.Errorf("--until %w", err))
	}
	if o.address != "" {
		errs = append(errs, planner.CheckGlob(o.address))
	}
	return f, errors.Join(errs...)
}

// parsePast reads a time that is over. Of a day it is the begin, or the end.
func (a *app) parsePast(s string, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := config.ParseDuration(s); err == nil {
		return a.now().Add(-d).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q: want a day such as 2026-12-01, a time as in RFC 3339, or a duration such as 7d", s)
}

// entries reads the chosen entries, and the head.
func (o *historyOptions) entries(a *app, f *historyFilter, verify bool) (list []ledger.Entry, head string, err error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, "", err
	}
	list = []ledger.Entry{}
	err = s.store.View(func(tx ledger.Tx) error {
		_, head = tx.Head()
		if verify {
			if err := tx.VerifyHistory(o.head); err != nil {
				return err
			}
		}
		return tx.History(0, func(e ledger.Entry) error {
			if f.takes(&e) {
				list = append(list, e)
			}
			return nil
		})
	})
	return list, head, err
}

// takes reports whether an entry is chosen. It leaves in it only what was changed at the address.
func (f *historyFilter) takes(e *ledger.Entry) bool {
	if f.address != "" {
		e.Changed = slices.DeleteFunc(e.Changed, func(c ledger.Changed) bool { return !planner.MatchGlob(f.address, c.Address) })
		if len(e.Changed) > 0 {
			f.plans[e.Plan] = true
		}
		if !f.plans[e.Plan] && !strings.Contains(e.Text, f.address) || e.Event == ledger.EventChanges && len(e.Changed) == 0 {
			return false
		}
	}
	switch {
	case !f.since.IsZero() && e.Time.Before(f.since), !f.until.IsZero() && !e.Time.Before(f.until):
		return false
	case f.plan != "" && !strings.HasPrefix(strings.TrimPrefix(e.Plan, "sha256:"), f.plan):
		return false
	}
	return f.approver == "" || slices.ContainsFunc(e.Approvals, func(x ledger.Approval) bool { return x.Name == f.approver })
}

func (o *historyOptions) run(a *app) error {
	f, err := o.filter(a)
	if o.head != "" && !o.verify {
		err = errors.Join(err, errors.New("--head goes with --verify"))
	}
	if err != nil {
		return &usageError{"state history", err}
	}
	entries, head, err := o.entries(a, f, o.verify)
	switch {
	case err != nil:
		return err
	case o.verify:
		return a.print("The history is whole; its head is " + head + "\n")
	case o.json:
		return a.printJSON(entries)
	case len(entries) == 0 && *o == (historyOptions{}):
		return a.print("Nothing has happened yet.\n")
	case len(entries) == 0:
		return a.print("No entry of the history is chosen.\n")
	}
	var b strings.Builder
	for i := range entries {
		b.WriteString(historyLine(&entries[i]))
		writeChanged(&b, entries[i].Changed)
	}
	fmt.Fprintf(&b, "head %s\n", head)
	return a.page(b.String())
}

// historyLine is one entry for people.
func historyLine(e *ledger.Entry) string {
	line := fmt.Sprintf("%s  %-8s %s@%s", planner.Minute(e.Time), e.Event, render.Escape(e.Who), render.Escape(e.Host))
	if e.Plan != "" {
		line += "  plan " + canonical.ShortID(e.Plan)
	}
	for _, x := range e.Approvals {
		line += ", approved by " + render.Escape(x.Name)
		if x.Ticket != "" {
			line += " (" + render.Escape(x.Ticket) + ")"
		}
	}
	if counts := countsOf(e.Counts); counts != "" {
		line += "  " + counts
	}
	if e.Text != "" && !strings.HasPrefix(e.Text, "context ") {
		line += "  " + render.Escape(e.Text)
	}
	return line + "\n"
}

// countsOf says how many resources went how: "3 done, 1 failed".
func countsOf(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[name], render.Escape(name)))
		}
	}
	return strings.Join(parts, ", ")
}

// mostChanged is how many resources of one entry people are shown.
const mostChanged = 20

// writeChanged shows what was to be changed, attribute by attribute.
func writeChanged(b *strings.Builder, changed []ledger.Changed) {
	for _, c := range changed[:min(mostChanged, len(changed))] {
		fmt.Fprintf(b, "    %s %s\n", c.Action, render.Quote(c.Address))
		for _, x := range c.Changes {
			fmt.Fprintf(b, "        %s = %s -> %s\n", x.Attribute, planner.Show(x.Attribute, x.Before), planner.Show(x.Attribute, x.After))
		}
	}
	if more := len(changed) - mostChanged; more > 0 {
		fmt.Fprintf(b, "    and %s; --json shows all\n", planner.Count(more, "more resource"))
	}
}

// export prints the history for auditors.
func (o *historyOptions) export(a *app) error {
	f, err := o.filter(a)
	if o.format != "csv" && o.format != "jsonl" {
		err = errors.Join(err, fmt.Errorf("--format %q: want csv or jsonl", o.format))
	}
	if err != nil {
		return &usageError{"state history export", err}
	}
	entries, _, err := o.entries(a, f, true)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if o.format == "jsonl" {
		for _, e := range entries {
			line, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("export entry %d: %w", e.Seq, err)
			}
			out.Write(append(render.EscapeJSON(line), '\n'))
		}
	} else if err := writeCSV(&out, entries); err != nil {
		return err
	}
	return a.print(out.String())
}

// writeCSV writes a line for each attribute that was to be changed, and for each entry without any.
func writeCSV(out io.Writer, entries []ledger.Entry) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"seq", "time", "event", "who", "host", "plan", "approvers", "tickets", "result", "address", "action",
		"attribute", "before", "after", "text", "hash"}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for i := range entries {
		for _, row := range csvRows(&entries[i]) {
			for j := range row {
				row[j] = cell(row[j])
			}
			if err := w.Write(row); err != nil {
				return fmt.Errorf("export: %w", err)
			}
		}
	}
	w.Flush()
	return w.Error()
}

func csvRows(e *ledger.Entry) (rows [][]string) {
	var approvers, tickets []string
	for _, x := range e.Approvals {
		approvers = append(approvers, x.Name)
		if x.Ticket != "" {
			tickets = append(tickets, x.Ticket)
		}
	}
	add := func(of ...string) {
		row := []string{strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339), e.Event, e.Who, e.Host, e.Plan,
			strings.Join(approvers, " "), strings.Join(tickets, " "), countsOf(e.Counts)}
		rows = append(rows, append(append(row, of...), e.Text, e.Hash))
	}
	for _, c := range e.Changed {
		for _, x := range c.Changes {
			add(c.Address, string(c.Action), x.Attribute.String(), x.Before.String(), x.After.String())
		}
		if len(c.Changes) == 0 {
			add(c.Address, string(c.Action), "", "", "")
		}
	}
	if len(rows) == 0 {
		add("", "", "", "", "")
	}
	return rows
}

// cell is a text that no spreadsheet takes for a formula, and no terminal for a command.
func cell(s string) string {
	if s = render.Escape(s); s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
