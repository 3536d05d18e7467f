package explain

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// recorded writes what is known about the resources that the listing does not have. listed says why
// they are not listed. recorded calls more for what else there is to say about each.
func (a *answer) recorded(what, listed string, more func(planner.Key) error) error {
	gid, byGroup := groupOf(what)
	known := map[planner.Key]string{}
	for r := range a.p.Recorded.Records.All() {
		if r.Address == what || byGroup && !r.Target.IsBranch() && r.Group == gid {
			known[r.Key] = r.Address
		}
	}
	for k, x := range a.p.Recorded.Archived {
		if x.Address == what || byGroup && x.Group == gid {
			known[k] = x.Address
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(known), planner.Key.Compare) {
		a.heading(render.Quote(known[k]))
		a.line("listed", "%s", listed)
		if err := a.lately(k); err != nil {
			return err
		}
		if err := more(k); err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) isRecorded(k planner.Key) bool {
	_, recorded := a.p.Recorded.Records.Of(k)
	_, archived := a.p.Recorded.Archived[k]
	return recorded || archived
}

// lately writes what is recorded, what happened last, and which callbacks Waldur does not have yet.
func (a *answer) lately(k planner.Key) error {
	if r, ok := a.p.Recorded.Records.Of(k); ok {
		a.line("recorded", "%s: owner %d, group %d, mode %s, at %s", planner.Minute(r.At), r.Owner,
			r.Group, r.Mode, r.Storage)
	}
	if x, ok := a.p.Recorded.Archived[k]; ok {
		a.line("archived", "%s, kept until %s, in", planner.Minute(x.At),
			x.Until.UTC().Format("2006-01-02"))
		a.verbatim("", render.Escape(filepath.Join(a.in.Root, x.Archive)))
		a.verbatim("", "cscs-sync archive restore "+render.Escape(x.Address)+" --out restore.plan")
	}
	a.tries(k)
	for _, u := range a.p.Recorded.Undelivered {
		if u.Key == k {
			a.line("outbox", "%s %s", u.Callback, u.Words(planner.Minute))
		}
	}
	return a.in.Ledger.View(func(tx ledger.Tx) error { return a.last(tx, k) })
}

// tries writes how often the loop failed with a resource, and when it tries again.
func (a *answer) tries(k planner.Key) {
	f, ok := a.in.Failures[k]
	if !ok {
		return
	}
	again, next := "tries it again ", "at "+planner.Minute(f.Until)
	if f.Quarantined() {
		again = "has it in quarantine: it tries it once an hour, next "
	}
	if !f.IsWaiting(a.in.Now) {
		next = "in its next round"
	}
	often := "once"
	if f.Count > 1 {
		often = fmt.Sprintf("%d times in a row", f.Count)
	}
	a.line("failed", "%s, %s; the loop %s. The last time: %s", f.Action, often, again+next, f.Error)
}

// last writes which plan changed a resource last, and who approved it.
func (a *answer) last(tx ledger.Tx, k planner.Key) error {
	plan := ""
	var at ledger.Entry
	err := tx.History(0, func(e ledger.Entry) error {
		if slices.ContainsFunc(e.Steps, func(s ledger.Step) bool { return s.Key == k }) {
			plan, at = e.Plan, e
		}
		return nil
	})
	if plan == "" || err != nil {
		return err
	}
	p, known, err := tx.Plan(plan)
	if err != nil || !known {
		return err
	}
	text := fmt.Sprintf("%s: plan %s, %s, by %s", planner.Minute(at.Time), canonical.ShortID(plan),
		orElse(string(p.Result), "not finished"), p.By)
	for _, x := range p.Approvals {
		text += ", approved by " + x.Name
		if x.Ticket != "" {
			text += " (" + x.Ticket + ")"
		}
	}
	a.line("last", "%s", text)
	return nil
}
