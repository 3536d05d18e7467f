package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Change is one plan that ended.
type Change struct {
	Time time.Time `json:"time"`
	Plan string    `json:"plan"`
	// By applied the plan, and Approvers approved it.
	By        string         `json:"by"`
	Approvers []string       `json:"approvers"`
	Event     string         `json:"event"`
	Counts    map[string]int `json:"counts"`
	// Actions counts the changed resources by action. It is empty if the history does not say it.
	Actions map[planner.ActionKind]int `json:"actions"`
}

// Done counts the resources that were changed with somebody's approval in the last [Period].
type Done struct {
	// Approver is a person, or the policy, such as "anna (signed)".
	Approver string `json:"approver"`
	// Actions counts resources, and Plans the plans that they were in.
	Actions map[planner.ActionKind]int `json:"actions"`
	Plans   int                        `json:"plans"`
}

// planned is what the history says about a plan before it ends.
type planned struct {
	approvers []string
	actions   map[planner.Key]planner.ActionKind
	steps     []ledger.Step
}

// changes returns the plans that ended in the period, with the approvals with which they began,
// latest first.
func changes(history []ledger.Entry, now time.Time) []Change {
	plans := map[string]*planned{}
	list := []Change{}
	for i := range history {
		e := &history[i]
		p := plans[e.Plan]
		if p == nil {
			p = &planned{actions: map[planner.Key]planner.ActionKind{}}
			plans[e.Plan] = p
		}
		switch e.Event {
		case ledger.EventBegin, ledger.EventResume, ledger.EventChanges:
			for _, a := range e.Approvals {
				if who := a.Name + " (" + a.Kind + ")"; !slices.Contains(p.approvers, who) {
					p.approvers = append(p.approvers, who)
				}
			}
			for _, c := range e.Changed {
				p.actions[c.Key] = c.Action
			}
		case ledger.EventJournal:
			p.steps = append(p.steps, e.Steps...)
		case ledger.EventFinish, ledger.EventAbandon:
			p.steps = append(p.steps, e.Steps...)
			if !e.Time.Before(now.Add(-Period)) {
				list = append(list, Change{e.Time, e.Plan, e.Who, present(p.approvers), e.Event,
					e.Counts, p.done()})
			}
			delete(plans, e.Plan) // the same plan may be made and applied again
		}
	}
	slices.Reverse(list)
	return list
}

// done counts, by action, what was done according to the last steps.
func (p *planned) done() map[planner.ActionKind]int {
	counts := map[planner.ActionKind]int{}
	for _, s := range p.steps {
		if kind, known := p.actions[s.Key]; known && s.Name == ledger.StepDone {
			counts[kind]++
		}
	}
	return counts
}

// byApprover sums up changes. A plan that several people approved counts for each of them.
func byApprover(list []Change) []Done {
	sums := map[string]*Done{}
	for _, c := range list {
		for _, who := range c.Approvers {
			d := sums[who]
			if d == nil {
				d = &Done{Approver: who, Actions: map[planner.ActionKind]int{}}
				sums[who] = d
			}
			d.Plans++
			for kind, n := range c.Actions {
				d.Actions[kind] += n
			}
		}
	}
	out := []Done{}
	for _, who := range slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b].Plans, sums[a].Plans), cmp.Compare(a, b))
	}) {
		out = append(out, *sums[who])
	}
	return out
}
