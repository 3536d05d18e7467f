package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// longStep is how long a resource must take for its line to say how long it took.
const longStep = 10 * time.Second

// show writes how a resource ended.
func (a *Account) show(e apply.Event) {
	total := len(a.Plan.Plan.Core.Actions)
	text := fmt.Sprintf("[%*d/%d] %s: %s", len(fmt.Sprint(total)), a.done, total,
		render.Quote(e.Action.Address), words(e.Action.Kind, e.Status, e.Err))
	if took := a.took(e.Action.Key); took >= longStep {
		text += fmt.Sprintf(" after %s", took.Round(time.Second))
	}
	if e.Err != nil {
		text += ": " + render.Escape(strings.ReplaceAll(e.Err.Error(), "\n", "; "))
	}
	if e.Status != apply.Done {
		text = a.paint(text, color.FgRed)
	}
	fmt.Fprintln(a.Out, text)
}

// paint colours a text if colours are wanted.
func (a *Account) paint(s string, attributes ...color.Attribute) string {
	if !a.Color {
		return s
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(s)
}

// words say how an action ended.
func words(k planner.ActionKind, s apply.Status, err error) string {
	done := map[planner.ActionKind]string{planner.Create: "created", planner.Adopt: "adopted",
		planner.Update: "updated", planner.Archive: "archived", planner.Restore: "restored",
		planner.RejectOrder: "order rejected", planner.FailOrder: "order failed",
		planner.Report: "reported"}[k]
	switch s {
	case apply.Done:
		return done
	case apply.Undelivered:
		if !apply.Waits(err) {
			return done + ", but not reported"
		}
		return done + ", but Waldur does not know yet"
	case apply.Unrecorded:
		return done + ", but that could not be recorded"
	case apply.Skipped:
		return "skipped"
	case apply.NotBegun: // it has an event, so it has begun and was stopped
		return "left in the middle"
	}
	return "failed"
}

// statusWords returns the name of a status in the last line.
func statusWords(s apply.Status) string {
	switch s {
	case apply.Undelivered:
		return "done but not reported"
	case apply.Unrecorded:
		return "done but not recorded"
	case apply.NotBegun:
		return "not begun"
	}
	return string(s)
}

// byAction says what was done, by action: "12 created, 3 updated".
func byAction(results []apply.Result) string {
	counts := map[planner.ActionKind]int{}
	for _, r := range results {
		if r.Status == apply.Done {
			counts[r.Action.Kind]++
		}
	}
	var parts []string
	for _, k := range planner.ActionKinds() {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[k], words(k, apply.Done, nil)))
		}
	}
	return strings.Join(parts, ", ")
}

func (a *Account) showEnd(out *engine.Outcome) {
	counts := out.Counts()
	head, paint := "Apply complete!", color.FgGreen
	if out.Result != ledger.Done {
		head, paint = "Apply incomplete!", color.FgRed
	}
	var parts []string
	for _, s := range statuses() {
		if n := counts[string(s)]; n > 0 || s == apply.Done {
			parts = append(parts, fmt.Sprintf("%d %s", n, statusWords(s)))
		}
		if by := byAction(out.Results); s == apply.Done && by != "" {
			parts[len(parts)-1] += " (" + by + ")"
		}
	}
	fmt.Fprintf(a.Out, "\n%s %s.\n", a.paint(head, paint, color.Bold), strings.Join(parts, ", "))
	if out.Result != ledger.Done {
		a.showTold(out.Told)
	}
	a.next(out, counts)
}

// showTold says which callbacks Waldur has taken, because after a failure the statuses alone do not
// show it.
func (a *Account) showTold(told map[planner.Callback]int) {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(told)) {
		parts = append(parts, fmt.Sprintf("%d %s", told[c], c))
	}
	if len(parts) > 0 {
		fmt.Fprintf(a.Out, "Waldur was told: %s.\n", strings.Join(parts, ", "))
	}
}

// next names the command to run next.
func (a *Account) next(out *engine.Outcome, counts map[string]int) {
	switch {
	case out.Result == ledger.Interrupted && a.Plan.Path != "":
		fmt.Fprintf(a.Out, "To continue where it stopped: cscs-sync apply %s\n",
			render.ShellWord(a.Plan.Path))
	case out.Result == ledger.Interrupted:
		fmt.Fprintf(a.Out, "Plan %s has begun; end it with `cscs-sync state abandon %s`, then "+
			"apply "+
			"again.\n", canonical.ShortID(a.Plan.ID), a.Plan.ID)
	case counts[string(apply.Failed)]+counts[string(apply.Skipped)] > 0:
		fmt.Fprintln(a.Out, "To see what is left: cscs-sync plan")
	}
	if slices.ContainsFunc(out.Results, func(r apply.Result) bool {
		return r.Status == apply.Undelivered && apply.Waits(r.Err)
	}) {
		fmt.Fprintln(a.Out, "To see what Waldur was not told: cscs-sync callbacks list")
	}
}
