package render

import (
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
)

// mostUnchanged is how many unchanged contributions are listed. The rest is summed up.
const mostUnchanged = 20

// shared writes what each resource contributes to the shared quotas that the plan sets.
func (v *view) shared(p *printer) {
	p.put(line{in(bold, "Shared quotas, and what each resource adds to them:")})
	for i := range v.plan.Context.Shared {
		q := &v.plan.Context.Shared[i]
		p.blank()
		p.prose(text("  "), text("    | "), SharedHeading(q), bold)
		v.contributions(p, q)
	}
}

// SharedHeading names a shared quota, and says how its claims are combined.
func SharedHeading(q *planner.SharedQuota) string {
	how := map[planner.SharedPolicy]string{planner.SharedSum: "the sum of ",
		planner.SharedMax:    "the greatest of ",
		planner.SharedRefuse: "claimed by "}[q.Policy]
	return string(q.By) + " " + strconv.FormatUint(uint64(q.ID), 10) + " on " + Quote(q.System) +
		": " + how +
		plural(len(q.Contributions), "resource", "resources")
}

// contributions lists the contributions that change, and some of the others.
func (v *view) contributions(p *printer, q *planner.SharedQuota) {
	attributes := v.sharedAttributes(q)
	shown, left := contributionsShown(q, attributes)
	for _, c := range shown {
		p.prose(text("    "), text("      | "), Quote(c.Address)+contributionNote(c), plain)
		var rows []row
		for _, f := range contributionFacts(c, attributes) {
			rows = append(rows, p.rowOf(f, 24))
		}
		p.rows(6, rows)
	}
	if left > 0 {
		p.prose(text("    "), text("      | "), moreStay(left), plain)
	}
}

// contributionsShown returns the contributions that change, and some of the others; left counts the
// rest.
func contributionsShown(q *planner.SharedQuota,
	attributes []planner.Attribute) (shown []planner.Contribution, left int) {
	unchanged := 0
	for _, c := range q.Contributions {
		if !contributionChanges(c, attributes) {
			if unchanged++; unchanged > mostUnchanged {
				left++
				continue
			}
		}
		shown = append(shown, c)
	}
	return shown, left
}

func moreStay(n int) string {
	return "and " + plural(n, "more that stays", "more that stay") +
		" as they are; `show --json` lists them"
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

// contributionChanges reports whether a contribution differs from what is recorded.
func contributionChanges(c planner.Contribution, attributes []planner.Attribute) bool {
	for _, a := range attributes {
		if c.Before[a] != c.After[a] {
			return true
		}
	}
	return false
}

// sharedAttributes returns the limits of a shared quota that the plan changes; all limits if it
// changes none.
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

// contributionFacts returns the limits of one resource: before -> after, or what stays.
func contributionFacts(c planner.Contribution, attributes []planner.Attribute) []fact {
	var facts []fact
	for _, a := range attributes {
		before, after := c.Before[a].Value(), c.After[a].Value()
		f := fact{name: a.String()}
		switch {
		case before == after:
			f.is = show(a, after)
		case before.IsAbsent():
			f.mark, f.style, f.will, f.note = "+", green, show(a, after), "not recorded before"
		default:
			f.mark, f.style, f.was, f.will = "~", yellow, show(a, before), show(a, after)
		}
		facts = append(facts, f)
	}
	return facts
}
