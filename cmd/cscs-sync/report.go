package main

import (
	"encoding/json"
	"fmt"
	"io"
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

// report shows an apply as it goes, and gives the account at its end: for people, or as JSON events.
type report struct {
	*app
	plan *engine.Proposal
	json bool
	out  io.Writer
	n    int
	// began is when each resource's turn came.
	began map[planner.Key]time.Time
	// told counts what Waldur has taken.
	told map[planner.Callback]int
}

func newReport(a *app, p *engine.Proposal, asJSON bool) *report {
	return &report{app: a, plan: p, json: asJSON, out: a.stdout}
}

// jsonEvent is one event of apply --json: docs/schema/apply-event-1.0.schema.json.
type jsonEvent struct {
	Event   string             `json:"event"`
	Time    time.Time          `json:"time"`
	Plan    string             `json:"plan,omitempty"`
	Total   *int               `json:"total,omitempty"`
	Address string             `json:"address,omitempty"`
	Action  planner.ActionKind `json:"action,omitempty"`
	Status  apply.Status       `json:"status,omitempty"`
	Error   string             `json:"error,omitempty"`
	Text    string             `json:"text,omitempty"`
}

// begin tells that the first change is next.
func (r *report) begin() {
	if total := len(r.plan.Plan.Core.Actions); r.json {
		r.line(jsonEvent{Event: "begin", Time: r.now().UTC(), Plan: r.plan.ID, Total: &total})
	}
}

// event shows one event. Calls come one at a time.
func (r *report) event(e apply.Event) {
	if e.Step != "begin" && e.Step != "end" {
		r.progress(e)
		return
	}
	took := r.took(e)
	if r.json {
		ev := jsonEvent{Event: "resource", Time: r.now().UTC(), Address: e.Action.Address, Action: e.Action.Kind, Status: e.Status}
		if e.Step == "begin" {
			ev.Status = "started"
		}
		if e.Err != nil {
			ev.Error = e.Err.Error()
		}
		r.line(ev)
		return
	}
	if e.Step != "end" {
		return
	}
	r.n++
	total := len(r.plan.Plan.Core.Actions)
	r.tellProgress("Applying", r.n, total)
	text := fmt.Sprintf("[%*d/%d] %s: %s", len(fmt.Sprint(total)), r.n, total, render.Quote(e.Action.Address),
		words(e.Action.Kind, e.Status, e.Err))
	if took >= longStep {
		text += fmt.Sprintf(" after %s", took.Round(time.Second))
	}
	if e.Err != nil {
		text += ": " + render.Escape(strings.ReplaceAll(e.Err.Error(), "\n", "; "))
	}
	if e.Status == apply.Done {
		fmt.Fprintln(besideProgress{r.app, r.out}, text)
		return
	}
	fmt.Fprintln(besideProgress{r.app, r.out}, r.paint(r.out, text, color.FgRed))
}

// longStep is how long a resource may take before its line says how long it took.
const longStep = 10 * time.Second

// took is how long a resource took, at its end.
func (r *report) took(e apply.Event) time.Duration {
	if e.Step == "begin" {
		if r.began == nil {
			r.began = map[planner.Key]time.Time{}
		}
		r.began[e.Action.Key] = r.now()
		return 0
	}
	start, known := r.began[e.Action.Key]
	delete(r.began, e.Action.Key)
	if !known {
		return 0
	}
	return r.now().Sub(start)
}

// byAction says what was done, by action: "12 created, 3 updated".
func byAction(results []apply.Result) string {
	counts := map[planner.ActionKind]int{}
	for _, x := range results {
		if x.Status == apply.Done {
			counts[x.Action.Kind]++
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

// nothing is the account of a plan without actions.
func (r *report) nothing() error {
	r.tell("Plan %s has nothing to do.", render.ShellWord(r.plan.Name()))
	if r.json {
		r.end(nil, ledger.Done)
	}
	return nil
}

// progress tells how far a long step is.
func (r *report) progress(e apply.Event) {
	if r.json {
		r.line(jsonEvent{Event: "message", Time: r.now().UTC(), Address: e.Action.Address, Text: e.Step})
		return
	}
	r.tell("%s: %s", render.Quote(e.Action.Address), e.Step)
}

// refusedResult is the only line of an apply --json that was refused.
func (a *app) refusedResult(id string, code engine.Code) {
	r := report{app: a, plan: &engine.Proposal{ID: id}, json: true, out: a.stdout}
	r.line(jsonEnd{FormatVersion: render.FormatVersion, Plan: id, Result: "refused", Code: code, Counts: allStatuses(nil), Resources: []jsonResource{}})
}

// reportedStatuses are the statuses in the order in which the account gives them.
func reportedStatuses() []apply.Status {
	return []apply.Status{apply.Done, apply.Failed, apply.Skipped, apply.Undelivered, apply.Unrecorded, apply.NotBegun}
}

// allStatuses counts every status, those that do not occur too.
func allStatuses(results []apply.Result) map[string]int {
	counts := (&engine.Outcome{Results: results}).Counts()
	for _, s := range reportedStatuses() {
		counts[string(s)] += 0
	}
	return counts
}

// words tell what became of an action.
func words(k planner.ActionKind, s apply.Status, err error) string {
	done := map[planner.ActionKind]string{planner.Create: "created", planner.Adopt: "adopted",
		planner.Update: "updated", planner.Archive: "archived",
		planner.Restore: "restored", planner.RejectOrder: "order rejected", planner.FailOrder: "order failed", planner.Report: "reported"}[k]
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
	case apply.NotBegun: // and yet told of
		return "left in the middle"
	}
	return "failed"
}

// jsonEnd is the last line of apply --json.
type jsonEnd struct {
	FormatVersion string `json:"format_version"`
	Plan          string `json:"plan"`
	Result        string `json:"result"`
	// Code says why the plan was refused.
	Code      engine.Code    `json:"code,omitempty"`
	Counts    map[string]int `json:"counts"`
	Resources []jsonResource `json:"resources"`
	// Told counts what Waldur has taken, whether or not it could be recorded.
	Told map[planner.Callback]int `json:"told,omitempty"`
}

type jsonResource struct {
	Address string             `json:"address"`
	Action  planner.ActionKind `json:"action"`
	Status  apply.Status       `json:"status"`
	// Error is empty for what is done.
	Error string `json:"error"`
}

// end gives the account.
func (r *report) end(results []apply.Result, result ledger.Result) {
	r.statusLine.Load().end()
	if r.json {
		end := jsonEnd{FormatVersion: render.FormatVersion, Plan: r.plan.ID, Result: string(result), Counts: allStatuses(results), Resources: []jsonResource{}, Told: r.told}
		for _, x := range results {
			j := jsonResource{Address: x.Action.Address, Action: x.Action.Kind, Status: x.Status}
			if x.Err != nil {
				j.Error = x.Err.Error()
			}
			end.Resources = append(end.Resources, j)
		}
		r.line(end)
		return
	}
	counts := (&engine.Outcome{Results: results}).Counts()
	head, paint := "Apply complete!", color.FgGreen
	if result != ledger.Done {
		head, paint = "Apply incomplete!", color.FgRed
	}
	var parts []string
	for _, s := range reportedStatuses() {
		if n := counts[string(s)]; n > 0 || s == apply.Done {
			parts = append(parts, fmt.Sprintf("%d %s", n, statusWords(s)))
		}
		if by := byAction(results); s == apply.Done && by != "" {
			parts[len(parts)-1] += " (" + by + ")"
		}
	}
	fmt.Fprintf(r.out, "\n%s %s.\n", r.paint(r.out, head, paint, color.Bold), strings.Join(parts, ", "))
	if result != ledger.Done {
		r.tellTold()
	}
	r.next(results, counts, result)
}

// tellTold says what Waldur has taken: where not all went well, the statuses alone do not show it.
func (r *report) tellTold() {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(r.told)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.told[c], c))
	}
	if len(parts) > 0 {
		fmt.Fprintf(r.out, "Waldur was told: %s.\n", strings.Join(parts, ", "))
	}
}

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

// next names the command that goes on.
func (r *report) next(results []apply.Result, counts map[string]int, result ledger.Result) {
	switch {
	case result == ledger.Interrupted && r.plan.Path != "":
		fmt.Fprintf(r.out, "To continue where it stopped: cscs-sync apply %s\n", render.ShellWord(r.plan.Path))
	case result == ledger.Interrupted:
		fmt.Fprintf(r.out, "Plan %s has begun; end it with `cscs-sync state abandon %s`, then apply again.\n",
			canonical.ShortID(r.plan.ID), r.plan.ID)
	case counts[string(apply.Failed)]+counts[string(apply.Skipped)] > 0:
		fmt.Fprintln(r.out, "To see what is left: cscs-sync plan")
	}
	if slices.ContainsFunc(results, func(x apply.Result) bool { return x.Status == apply.Undelivered && apply.Waits(x.Err) }) {
		fmt.Fprintln(r.out, "To see what Waldur was not told: cscs-sync callbacks list")
	}
}

func (r *report) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		return
	}
	fmt.Fprintf(r.out, "%s\n", render.EscapeJSON(b))
}
