package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// wanted writes what is wanted, and who wants it.
func (a *answer) wanted(v *planner.View) {
	if v.System == "" || v.Target.IsBranch() {
		return
	}
	a.line("wanted", "owner %d (%s), group %d (%s), mode %s (%s)", v.Owner,
		source(v, planner.Owner),
		v.Group, source(v, planner.Group), v.Mode, source(v, planner.ModeAttr))
	if v.Quota.Known() {
		var parts []string
		for _, q := range planner.Quantities() {
			parts = append(parts, v.Quota.Of(q)+" ("+source(v, q.Hard)+")")
		}
		a.line("", "%s", strings.Join(parts, "; "))
	}
	if !v.Managed {
		a.line("", "an override says manage = false: it is left alone")
	}
}

// source says where a wanted value comes from.
func source(v *planner.View, at planner.Attribute) string {
	p := v.From[at]
	if p.From == planner.FromOverride {
		return fmt.Sprintf("override %q, %s", p.Override, p.At)
	}
	return string(p.From)
}

// order writes what Waldur says about the order. A plan asks only if the answer matters; this
// always asks.
func (a *answer) order(ctx context.Context, v *planner.View) {
	answer, asked := a.p.Orders[v.Order]
	for i := 0; i < len(a.p.Items) && !asked; i++ {
		if a.p.Items[i].Key != v.Key {
			continue
		}
		for _, q := range planner.AllQuestions(a.in.Settings, a.p.Items[i:i+1],
			map[planner.Key]bool{v.Key: true}) {
			answer = a.in.Waldur.Ask(ctx, []planner.Question{q}, true)[q.ID]
		}
	}
	switch {
	case answer.Why != "":
		a.line("order", "%s; Waldur could not be asked: %s", v.Order, planner.Clause(answer.Why))
	case answer.Order.ID == "":
		a.line("order", "%s", v.Order)
	default:
		a.line("order", "%s: %s, %s", v.Order, answer.Order.Type, answer.Order.State)
	}
}

// next writes what a plan would do now, or why it would do nothing.
func (a *answer) next(v *planner.View) {
	c := &a.p.Plan.Context
	said := a.actions(v)
	said = a.refusals("blocked", c.Blocked, v.Key) || said
	said = a.refusals("waiting", c.Waiting, v.Key) || said
	if said || v.Target.IsBranch() {
		return
	}
	what := "it is as wanted"
	if dir, ok := a.seenAt(v); ok && dir.ACL != nil {
		what = "owner, group, mode and quota are as wanted; its ACL decides who gets in"
	}
	a.line("next", "nothing: %s", what)
}

// actions writes what the plan does with the resource; false if it does nothing.
func (a *answer) actions(v *planner.View) (any bool) {
	for i := range a.p.Plan.Core.Actions {
		act := &a.p.Plan.Core.Actions[i]
		if act.Key != v.Key {
			continue
		}
		any = true
		var why []string
		for _, r := range a.p.Plan.Context.Details[i].Reasons {
			why = append(why, r.Text)
		}
		a.line("next", "%s, once a plan is approved: %s", act.Kind, strings.Join(why, "; "))
		for _, c := range act.Changes {
			a.line("", "%s: %s -> %s", c.Attribute, planner.Show(c.Attribute, c.Before),
				planner.Show(c.Attribute, c.After))
		}
		a.policy(i)
	}
	return any
}

// refusals writes why the plan does nothing with a resource; false if it does not refuse it.
func (a *answer) refusals(kind string, list []planner.Refusal, key planner.Key) (any bool) {
	for _, r := range list {
		if r.Key != key {
			continue
		}
		any = true
		for _, why := range r.Reasons {
			lines := slices.Collect(strings.SplitSeq(why.Text, "\n"))
			a.line(kind, "%s", lines[0])
			for _, line := range lines[1:] {
				a.verbatim("", render.Escape(line))
			}
		}
	}
	return any
}

// policy writes what the loop does about an action.
func (a *answer) policy(i int) {
	d, key := a.in.Policy[i], a.p.Plan.Core.Actions[i].Key
	switch begun := a.in.Begun[key]; {
	case begun != "":
		a.line("policy", "the loop has begun a plan for it, and continues that plan by itself:")
		a.verbatim("", render.Escape(begun))
	case (d.Approved || d.Code.Later()) && !a.in.Trusted:
		a.line("policy", "allows it, but holds everything until one plan that a person approved "+
			"has been applied on this state")
	case d.Approved:
		a.line("policy", "%s: the loop does it by itself", d.Rule)
	case d.Code.Later():
		a.line("policy", "the loop does it later: %s", d.Rule)
	default:
		a.line("policy", "the loop holds it: %s", d.Rule)
	}
	if path := a.in.Held[key]; path != "" {
		a.verbatim("held in", render.Escape(path))
	}
	if rejected := a.in.Rejected[a.p.Plan.Core.Actions[i].Address]; rejected != "" {
		a.line("rejected", "%s", render.Escape(rejected))
	}
}
