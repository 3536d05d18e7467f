package main

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// shared says what the quotas come from that the resources found share with others.
func (e *explanation) shared(found []planner.View) {
	asked := map[planner.QuotaID]bool{}
	for _, v := range found {
		if v.Subject != nil {
			asked[*v.Subject] = true
		}
	}
	for _, q := range e.p.Graph.SharedQuotas(e.p.Seen) {
		if !asked[planner.QuotaID{By: q.By, ID: q.ID}] {
			continue
		}
		fmt.Fprintf(&e.b, "\nshared quota of %s\n", render.SharedHeading(&q))
		for _, c := range q.Contributions {
			e.verbatim("adds", render.Quote(c.Address))
			e.line("", "%s", contributionText(c))
		}
	}
}

// contributionText is what one resource adds, with what is recorded of it where that is something else.
func contributionText(c planner.Contribution) string {
	limits := func(x planner.Limits) string {
		return fmt.Sprintf("space %s soft, %s hard; inodes %s soft, %s hard", x.Show(planner.SpaceSoft),
			x.Show(planner.SpaceHard), x.Show(planner.InodesSoft),
			x.Show(planner.InodesHard))
	}
	text := limits(c.After)
	switch {
	case c.Counts == planner.CountsArchived:
		text += " (archived: its files still count)"
	case c.Counts == planner.CountsRecorded:
		text += " (as recorded)"
	case c.Before == planner.Limits{}:
		text += " (not recorded yet)"
	case c.Before != c.After:
		text += "; recorded: " + limits(c.Before)
	}
	return text
}
