package render

import (
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
)

// mostUnchanged bounds the contributions that are listed although they stay as they are: the rest is summed up.
const mostUnchanged = 20

// shared shows what each resource contributes to the quotas that the plan sets and several claim.
func (v *view) shared(p *printer) {
	p.put(line{in(bold, "Shared quotas, and what each resource adds to them:")})
	for i := range v.plan.Context.Shared {
		q := &v.plan.Context.Shared[i]
		p.blank()
		p.prose(text("  "), text("    | "), SharedHeading(q), bold)
		v.contributions(p, q)
	}
}

// SharedHeading names a shared quota, and how its claims are put together.
func SharedHeading(q *planner.SharedQuota) string {
	how := map[planner.SharedPolicy]string{planner.SharedSum: "the sum of ", planner.SharedMax: "the greatest of ",
		planner.SharedRefuse: "claimed by "}[q.Policy]
	return string(q.By) + " " + strconv.FormatUint(uint64(q.ID), 10) + " on " + Quote(q.System) + ": " + how +
		plural(len(q.Contributions), "resource", "resources")
}

// contributions lists those that change, and so many of the others.
func (v *view) contributions(p *printer, q *planner.SharedQuota) {
	attributes := v.sharedAttributes(q)
	unchanged, left := 0, []planner.Contribution{}
	for _, c := range q.Contributions {
		if !ContributionChanges(c, attributes) {
			if unchanged++; unchanged > mostUnchanged {
				left = append(left, c)
				continue
			}
		}
		p.prose(text("    "), text("      | "), Quote(c.Address)+contributionNote(c), plain)
		p.rows(6, p.contribution(c, attributes))
	}
	if len(left) > 0 {
		p.prose(text("    "), text("      | "), "and "+plural(len(left), "more that stays", "more that stay")+" as they are; "+
			"`show --json` lists them", plain)
	}
}

// contributionNote says why a resource counts that this plan is not about.
func contributionNote(c planner.Contribution) string {
	switch c.Counts {
	case planner.CountsArchived:
		return " (archived: its files still count)"
	case planner.CountsRecorded:
		return " (as recorded)"
	}
	return ""
}

// ContributionChanges reports whether a contribution is another than what is recorded.
func ContributionChanges(c planner.Contribution, attributes []planner.Attribute) bool {
	for _, a := range attributes {
		if c.Before[a] != c.After[a] {
			return true
		}
	}
	return false
}

// sharedAttributes are the limits of a shared quota that the plan changes; all if it changes none.
func (v *view) sharedAttributes(q *planner.SharedQuota) []planner.Attribute {
	changed := map[planner.Attribute]bool{}
	for i := range v.plan.Core.Actions {
		a := &v.plan.Core.Actions[i]
		if a.Quota == nil || a.Quota.By != q.By || a.Quota.ID != q.ID {
			continue
		}
		for _, c := range a.Changes {
			changed[c.Attribute] = true
		}
	}
	var some, all []planner.Attribute
	for _, a := range planner.LimitAttributes() {
		all = append(all, a)
		if changed[a] {
			some = append(some, a)
		}
	}
	if len(some) > 0 {
		return some
	}
	return all
}

// contribution are the rows of one resource: before -> after, or what stays.
func (p *printer) contribution(c planner.Contribution, attributes []planner.Attribute) []row {
	var rows []row
	for _, a := range attributes {
		before, after := c.Before[a].Value(), c.After[a].Value()
		r := row{name: a.String(), value: []line{text(show(a, after))}}
		switch {
		case before == after:
		case before.IsAbsent():
			r.mark, r.style, r.note = "+", green, "not recorded before"
		default:
			r.mark, r.style, r.value = "~", yellow, p.transition(show(a, before), show(a, after), 24)
		}
		rows = append(rows, r)
	}
	return rows
}
