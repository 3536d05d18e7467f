package explain

import (
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// shared writes who else claims the quotas of the resources that were found.
func (a *answer) shared(found []planner.View) {
	asked := map[planner.QuotaID]bool{}
	for _, v := range found {
		if v.Subject != nil {
			asked[*v.Subject] = true
		}
	}
	for _, q := range a.p.Graph.SharedQuotas(a.p.Seen) {
		if !asked[planner.QuotaID{By: q.By, ID: q.ID}] {
			continue
		}
		a.heading("shared quota of " + render.SharedHeading(&q))
		for _, c := range q.Contributions {
			a.verbatim("adds", render.Quote(c.Address))
			a.line("", "%s", contribution(&c))
		}
	}
}

// contribution returns what one resource adds, and what is recorded of it if that differs.
func contribution(c *planner.Contribution) string {
	text := c.After.Words()
	switch {
	case c.Counts == planner.CountsArchived:
		text += " (archived: its files still count)"
	case c.Counts == planner.CountsRecorded:
		text += " (as recorded)"
	case !c.Before.Known():
		text += " (not recorded yet)"
	case c.Before != c.After:
		text += "; recorded: " + c.Before.Words()
	}
	return text
}
