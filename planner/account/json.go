package account

import (
	"encoding/json"
	"io"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// event is one event of apply --json: docs/schema/apply-event-1.0.schema.json.
type event struct {
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

// end is the last line of apply --json.
type end struct {
	FormatVersion string `json:"format_version"`
	Plan          string `json:"plan"`
	Result        string `json:"result"`
	// Code says why the plan was refused.
	Code      engine.Code    `json:"code,omitempty"`
	Counts    map[string]int `json:"counts"`
	Resources []resource     `json:"resources"`
	// Told counts the callbacks that Waldur has taken, recorded or not.
	Told map[planner.Callback]int `json:"told,omitempty"`
}

// resource says how one resource ended.
type resource struct {
	Address string             `json:"address"`
	Action  planner.ActionKind `json:"action"`
	Status  apply.Status       `json:"status"`
	// Error is empty if the resource is done.
	Error string `json:"error"`
}

// WriteRefused writes the only line of an apply --json that was refused. id is empty if the plan is
// not known.
func WriteRefused(out io.Writer, id string, code engine.Code) {
	writeLine(out, end{FormatVersion: render.FormatVersion, Plan: id, Result: "refused", Code: code,
		Counts: allCounts(&engine.Outcome{}), Resources: []resource{}})
}

func (a *Account) write(e event) {
	e.Time = a.Now().UTC()
	writeLine(a.Out, e)
}

func (a *Account) writeEvent(e apply.Event) {
	if e.Step != "begin" && e.Step != "end" {
		a.write(event{Event: "message", Address: e.Action.Address, Text: e.Step})
		return
	}
	ev := event{Event: "resource", Address: e.Action.Address, Action: e.Action.Kind,
		Status: e.Status, Error: textOf(e.Err)}
	if e.Step == "begin" {
		ev.Status = "started"
	}
	a.write(ev)
}

func (a *Account) writeEnd(out *engine.Outcome) {
	last := end{FormatVersion: render.FormatVersion, Plan: a.Plan.ID, Result: string(out.Result),
		Counts: allCounts(out), Resources: []resource{}, Told: out.Told}
	for _, r := range out.Results {
		last.Resources = append(last.Resources, resource{Address: r.Action.Address,
			Action: r.Action.Kind, Status: r.Status, Error: textOf(r.Err)})
	}
	writeLine(a.Out, last)
}

// allCounts returns a count for every status, including those that do not occur.
func allCounts(out *engine.Outcome) map[string]int {
	counts := out.Counts()
	for _, s := range statuses() {
		counts[string(s)] += 0
	}
	return counts
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// writeLine writes a value on a line. It ignores a closed output, because the apply must go on.
func writeLine(out io.Writer, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		return
	}
	_, _ = out.Write(append(render.EscapeJSON(b), '\n'))
}
