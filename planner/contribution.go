package planner

import (
	"cmp"
	"slices"
)

// SharedQuota says what the claims on one shared quota identity are, so that a reviewer can check
// the total.
type SharedQuota struct {
	// System is the first, by name, of the systems on the identity's filesystem.
	System string       `json:"system"`
	By     QuotaBy      `json:"by"`
	ID     uint32       `json:"id"`
	Policy SharedPolicy `json:"policy"`
	// Contributions are sorted by address.
	Contributions []Contribution `json:"contributions"`
}

// Contribution is what one resource adds to a shared quota.
type Contribution struct {
	Address string       `json:"address"`
	Counts  Contributing `json:"counts"`
	// Before is what is recorded of the resource, and After is what counts now. Before is absent if
	// nothing is recorded.
	Before Limits `json:"before"`
	After  Limits `json:"after"`
}

// Contributing says how a resource counts in a shared quota.
type Contributing string

// A resource counts as it is wanted; or as it is recorded, while nothing is done about it; or as it
// was when it was archived, because its files still belong to the identity.
const (
	CountsWanted   Contributing = "wanted"
	CountsRecorded Contributing = "recorded"
	CountsArchived Contributing = "archived"
)

// SharedQuotas returns the quotas that several resources claim, with what each contributes.
func (g *Graph) SharedQuotas(seen Observed) []SharedQuota {
	return g.sharedQuotas(g.claimed(&seen), seen.Mounts,
		func(s *quotaClaims) bool { return s.claims > 1 })
}

// sharedQuotas returns the shared quotas that are asked for, in the order of their systems and ids.
func (g *Graph) sharedQuotas(ss *claimTable, mounts map[string]Mount,
	asked func(*quotaClaims) bool) []SharedQuota {
	found := map[Subject]*SharedQuota{}
	for i := range ss.list {
		if s := &ss.list[i]; asked(s) {
			found[s.subject()] = &SharedQuota{System: s.system.Name, By: s.subject().By,
				ID: s.subject().ID, Policy: *s.policy}
		}
	}
	if len(found) == 0 {
		return nil
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.claims < 0 || !n.countsAsWanted() {
			continue
		}
		if q := found[ss.list[n.claims].subject()]; q != nil {
			rec, _ := g.recordOf(n)
			q.Contributions = append(q.Contributions, Contribution{n.address(), CountsWanted,
				rec.Claim, n.quota})
		}
	}
	g.eachRecorded(mounts, func(r recordedClaim) bool {
		q := found[r.subject]
		if q == nil || !r.counts() {
			return false
		}
		counts := CountsRecorded
		if r.archived {
			counts = CountsArchived
		}
		q.Contributions = append(q.Contributions, Contribution{r.address, counts, r.claim, r.claim})
		return true
	})
	list := make([]SharedQuota, 0, len(found))
	for _, q := range found {
		slices.SortFunc(q.Contributions, func(a, b Contribution) int {
			return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Counts, b.Counts))
		})
		list = append(list, *q)
	}
	slices.SortFunc(list, func(a, b SharedQuota) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.By, b.By),
			cmp.Compare(a.ID, b.ID))
	})
	return list
}

// contributions adds to the plan where the shared quotas that it sets come from.
func (c *comparison) contributions() {
	set := map[Subject]bool{}
	for i := range c.plan.Core.Actions {
		if a := &c.plan.Core.Actions[i]; a.Quota != nil {
			set[a.Quota.On(c.seen.Mounts[a.System].Filesystem)] = true
		}
	}
	c.plan.Context.Shared = c.g.sharedQuotas(c.claims, c.seen.Mounts,
		func(s *quotaClaims) bool { return s.claims > 1 && set[s.subject()] })
}
