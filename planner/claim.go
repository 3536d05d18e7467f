package planner

import (
	"cmp"
	"fmt"
	"slices"
)

// share is what the claims on one quota identity come to.
type share struct {
	identity Identity
	system   *System
	// live are the nodes whose wish for this identity can be acted on, by address.
	live []*node
	// claims counts everything that counts for something, live or only recorded.
	claims int
	want   Quota
	// refused says why the quota of this identity is left alone; empty if it is not.
	refused Reason
	state   QuotaState
	known   bool
}

// shares groups all claims by identity. It needs the mounts, because two systems on one filesystem share their identities.
type shares struct {
	list   []*share
	byNode map[*node]*share
}

// identityOf is the quota identity that a node claims; false if it claims none.
func (n *node) identityOf(m Mount) (Identity, bool) {
	id, ok := n.quotaID()
	if !ok || m.Filesystem == "" {
		return Identity{}, false
	}
	return Identity{Filesystem: m.Filesystem, By: id.By, ID: id.ID}, true
}

// claimants collects who claims what: listed resources by their wish, the rest by what is recorded of them.
func (g *Graph) shares(mounts map[string]Mount) *shares {
	ss := &shares{byNode: map[*node]*share{}}
	byID := map[Identity]*share{}
	at := func(id Identity, sys *System) *share {
		s := byID[id]
		if s == nil {
			s = &share{identity: id, system: sys}
			byID[id] = s
			ss.list = append(ss.list, s)
		}
		if sys.Name < s.system.Name {
			s.system = sys
		}
		return s
	}
	counted := make(map[Key]bool, len(g.nodes))
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.system == nil {
			continue
		}
		id, ok := n.identityOf(mounts[n.system.Name])
		if !ok {
			continue
		}
		if n.wish == wishRemove && g.decides(n) {
			at(id, n.system) // nothing is wanted of it, but a reviewer wants to see what is used
		}
		if n.countsByWish() {
			counted[n.item.Key] = true
			s := at(id, n.system)
			s.add(n)
			ss.byNode[n] = s
		}
	}
	for _, r := range g.restores { // what it had is put back, so what there is has to be known
		sys := g.world.Settings.SystemNamed(r.System)
		if id, ok := sys.archivedIdentity(r.Archived, mounts[r.System]); ok {
			at(id, sys)
		}
	}
	g.addRecorded(mounts, counted, byID)
	slices.SortFunc(ss.list, func(a, b *share) int { return compareIdentities(a.identity, b.identity) })
	return ss
}

func compareIdentities(a, b Identity) int {
	return cmp.Or(cmp.Compare(a.Filesystem, b.Filesystem), cmp.Compare(a.By, b.By), cmp.Compare(a.ID, b.ID))
}

// countsByWish tells whether a listed resource's claim counts at what it asks for now. A removing, blocked, unmanaged or
// unselected one counts at its recorded value; a waiting create counts nothing.
func (n *node) countsByWish() bool {
	if n.verdict.Code != "" || !n.managed {
		return false
	}
	switch n.wish {
	case wishExists, wishCreate, wishUpdate:
		return n.selected || n.system.Quota.Shared == SharedRefuse
	}
	return n.item.Status == StatusError && n.order == ""
}

func (s *share) add(n *node) {
	s.combine(n.quota, n.system.Quota.Shared)
	if n.selected && n.wish != wishNothing && n.quota.Known() {
		s.live = append(s.live, n)
	}
	if !n.quota.Known() {
		s.refused = Reason{"claim_unknown", fmt.Sprintf("%s shares %s %d, and the proxy does not say which quota it has", n.address(), s.identity.By, s.identity.ID)}
	}
}

// combine adds one claim's value to what the claims come to.
func (s *share) combine(q Quota, policy SharedPolicy) {
	s.claims++
	if s.claims == 1 {
		s.want = q
		return
	}
	s.want = Quota{
		SpaceSoft:  combineLimits(s.want.SpaceSoft, q.SpaceSoft, policy),
		SpaceHard:  combineLimits(s.want.SpaceHard, q.SpaceHard, policy),
		InodesSoft: combineLimits(s.want.InodesSoft, q.InodesSoft, policy),
		InodesHard: combineLimits(s.want.InodesHard, q.InodesHard, policy),
	}
}

func combineLimits[U Bytes | Inodes](a, b Limit[U], policy SharedPolicy) Limit[U] {
	x, okX := a.Number()
	y, okY := b.Number()
	switch {
	case !a.Known() || !b.Known():
		return Limit[U]{}
	case !okX || !okY:
		return Unlimited[U]()
	case policy == SharedMax:
		return LimitOf(max(x, y))
	}
	return LimitOf(x + y)
}

// addRecorded counts what is recorded and does not count by its wish: blocked, unlisted, unmanaged, removing, archived,
// or not selected. An archived directory's files still belong to its group, but nothing is wanted for it, so under
// "refuse" it does not stand in the way.
func (g *Graph) addRecorded(mounts map[string]Mount, counted map[Key]bool, byID map[Identity]*share) {
	add := func(key Key, system string, by QuotaBy, id uint32, c Claim, archived bool) {
		sys := g.world.Settings.SystemNamed(system)
		if counted[key] || by == "" || sys == nil || sys.Quota.Kind != QuotaLustre {
			return
		}
		s := byID[Identity{mounts[system].Filesystem, by, id}]
		if s == nil || archived && sys.Quota.Shared == SharedRefuse {
			return
		}
		counted[key] = true
		s.combine(c.Quota(), sys.Quota.Shared)
	}
	for key, r := range g.world.Recorded.Records {
		add(key, r.System, r.QuotaBy, r.QuotaID, r.Claim, false)
	}
	for key, a := range g.world.Recorded.Archived {
		add(key, a.System, a.QuotaBy, a.QuotaID, a.Claim, true)
	}
}

// settle decides what happens to each identity, once it is observed.
func (ss *shares) settle(observed map[Identity]QuotaState) {
	for _, s := range ss.list {
		s.state, s.known = observed[s.identity]
		if s.claims == 1 {
			s.refused = Reason{}
			continue
		}
		if s.refused.Code == "" && s.system.Quota.Shared == SharedRefuse {
			s.refused = Reason{"shared", fmt.Sprintf("%d resources claim the quota of %s %d on one filesystem; decide what they make together: in system %q, quota block, set shared = \"sum\" or shared = \"max\"",
				s.claims, s.identity.By, s.identity.ID, s.system.Name)}
		}
		if s.refused.Code == "" && !s.valid() {
			s.refused = Reason{"shared", fmt.Sprintf("the %d claims on the quota of %s %d come to limits that no file system takes", s.claims, s.identity.By, s.identity.ID)}
		}
	}
}

// valid repeats the checks of single limits on what several come to.
func (s *share) valid() bool {
	var n node
	n.item = &Item{}
	n.quota = s.want
	n.checkQuota()
	return n.verdict.Code == ""
}

// carriers are the nodes whose action sets the identity's quota: those with an order, or else the first by address. One
// is enough, for the quota is one.
func (s *share) carries(n *node) bool {
	ordered := false
	for _, l := range s.live {
		if l.order != "" {
			ordered = true
		}
	}
	if ordered {
		return n.order != ""
	}
	return len(s.live) > 0 && s.live[0] == n
}

// QuotaTargets are the identities to be observed, once mounts and directories are, sorted.
func (g *Graph) QuotaTargets(seen Observed) []QuotaTarget {
	g.assignProjects(&seen)
	mounts := seen.Mounts
	var targets []QuotaTarget
	for _, s := range g.shares(mounts).list {
		if m := mounts[s.system.Name]; m.Problem == "" && m.Unknown == "" {
			targets = append(targets, QuotaTarget{Identity: s.identity, System: s.system.Name})
		}
	}
	return targets
}
