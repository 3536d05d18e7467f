// Package account reports an apply: each change as it happens, and at the end what was done, what
// failed, and what to do next. It writes text for people, or events as JSON.
package account

import (
	"io"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Account reports one apply. Its methods are called one at a time.
type Account struct {
	Plan *engine.Proposal
	Out  io.Writer
	// JSON writes events instead of text. Color colours the text.
	JSON, Color bool
	Now         func() time.Time
	// Say prints what is not part of the report, and Progress shows how many resources are done.
	Say      func(format string, args ...any)
	Progress func(done, total int)

	done int
	// began is when the work on each resource began.
	began map[planner.Key]time.Time
}

// Begin reports that the first change is next.
func (a *Account) Begin() {
	if a.JSON {
		total := len(a.Plan.Plan.Core.Actions)
		a.write(event{Event: "begin", Plan: a.Plan.ID, Total: &total})
	}
}

// Event reports what happens to a resource.
func (a *Account) Event(e apply.Event) {
	switch e.Step {
	case "begin":
		if a.began == nil {
			a.began = map[planner.Key]time.Time{}
		}
		a.began[e.Action.Key] = a.Now()
	case "end":
		a.done++
	}
	switch {
	case a.JSON:
		a.writeEvent(e)
	case e.Step == "end":
		a.Progress(a.done, len(a.Plan.Plan.Core.Actions))
		a.show(e)
	case e.Step != "begin":
		a.Say("%s: %s", render.Quote(e.Action.Address), e.Step)
	}
}

// took returns how long a resource took, at its end; 0 if it never began.
func (a *Account) took(key planner.Key) time.Duration {
	start, known := a.began[key]
	delete(a.began, key)
	if !known {
		return 0
	}
	return a.Now().Sub(start)
}

// Nothing reports on a plan without actions.
func (a *Account) Nothing() {
	a.Say("Plan %s has nothing to do.", render.ShellWord(a.Plan.Name()))
	if a.JSON {
		a.End(&engine.Outcome{Result: ledger.Done})
	}
}

// End reports what was done, what was not, and what to do next.
func (a *Account) End(out *engine.Outcome) {
	if a.JSON {
		a.writeEnd(out)
		return
	}
	a.showEnd(out)
}

// statuses lists the statuses in the order of the report.
func statuses() []apply.Status {
	return []apply.Status{apply.Done, apply.Failed, apply.Skipped, apply.Undelivered,
		apply.Unrecorded, apply.NotBegun}
}
