package planner

import (
	"fmt"
	"math"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// claimed returns the claims. They are collected once for each graph, after mounts and directories
// were observed.
func (g *Graph) claimed(seen *Observed) *claimTable {
	if g.claims == nil {
		g.assignProjects(seen)
		g.claims = g.collectClaims(seen)
	}
	return g.claims
}

// claim returns the claims on the identity of a node; nil if the node claims none.
func (c *comparison) claim(n *node) *quotaClaims {
	if n.claims < 0 || n.intent == intentRemove {
		return nil
	}
	return &c.claims.list[n.claims]
}

// usage returns what is used of the identity, as far as it is known.
func (s *quotaClaims) usage() *UsageNote {
	var state QuotaState
	if s.state != nil {
		state = *s.state
	}
	return &UsageNote{Space: state.UsedValue(SpaceHard), Inodes: state.UsedValue(InodesHard),
		DefaultSpace:  state.DefaultSpace,
		DefaultInodes: state.DefaultInodes, Via: state.Via()}
}

// subjectOf returns the quota identity that a node claims; false if it claims none.
func (n *node) subjectOf(m Mount) (Subject, bool) {
	id, ok := n.quotaID()
	if !ok || m.Filesystem == "" {
		return Subject{}, false
	}
	return id.On(m.Filesystem), true
}

// collectClaims collects all claims: those of listed resources as wanted, the others as recorded.
func (g *Graph) collectClaims(seen *Observed) *claimTable {
	mounts := seen.Mounts
	ss := newClaimTable(g, mounts)
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.system == nil {
			continue
		}
		id, ok := n.subjectOf(mounts[n.system.Name])
		if !ok {
			continue
		}
		if n.intent == intentRemove && g.decides(n) {
			// nothing is wanted, but a reviewer wants to see the usage
			n.claims = ss.at(id, n.system)
		}
		if n.countsAsWanted() {
			n.claims = ss.at(id, n.system)
			ss.list[n.claims].add(n)
		}
		if a, ok := g.input.Recorded.Archived[n.item.Key]; ok && n.claims >= 0 && n.place >= 0 &&
			seen.Directories[n.place].State == DirAbsent {
			ss.list[n.claims].archivedAs(a)
		}
	}
	for i := range g.nodes { // what is left behind is shown
		if id, ok := g.leftBehind(&g.nodes[i], seen); ok {
			ss.list[ss.at(id, g.nodes[i].system)].isLeft = true
		}
	}
	for _, r := range g.restores { // its old limits are put back, so the present ones have to be known
		sys := g.input.Settings.SystemNamed(r.System)
		if id, ok := sys.archivedSubject(r.Archived, mounts[r.System]); ok {
			ss.list[ss.at(id, sys)].archivedAs(r.Archived)
		}
	}
	g.addRecorded(mounts, ss)
	if g.asksLittle() {
		g.spare(ss, mounts)
	}
	ss.judge()
	ss.index = nil
	return ss
}

// asksLittle reports whether only the quotas are asked about that matter for the resources that are
// decided about. That is so in a recheck, whose plan nobody sees, in a plan from a part of the
// listing, and in one for targets. Such a plan says how much is promised only where a guard adds up
// all limits.
func (g *Graph) asksLittle() bool {
	w := g.input
	few := w.Watch != nil && (w.MustAsk || !w.Complete) || len(w.Selection.Targets) > 0
	return few && len(g.restores) == 0
}

// spare leaves out the quotas that do not matter for what is decided about. The claims of all count,
// but limits and usage matter only of what those resources claim or leave, and where a guard adds up
// all limits.
func (g *Graph) spare(ss *claimTable, mounts map[string]Mount) {
	guarded := map[string]bool{}
	for i := range g.input.Settings.Systems {
		if s := &g.input.Settings.Systems[i]; s.Overcommit != 0 {
			guarded[mounts[s.Name].Filesystem] = true
		}
	}
	for i := range ss.list {
		s := &ss.list[i]
		s.spared = !s.isLeft && !guarded[s.in.filesystem]
	}
	for i := range g.nodes {
		if n := &g.nodes[i]; n.claims >= 0 && g.decides(n) {
			ss.list[n.claims].spared = false
		}
	}
}

// archivedAs makes the observer read the quota where the directory is in the archive, on a system
// where the quota follows the directory.
func (s *quotaClaims) archivedAs(a Archived) {
	if s.in.by == ByDirectory && s.system.Traits.FollowsRename {
		s.note().elsewhere = a.Archive
	}
}

// target returns the subject to observe.
func (s *quotaClaims) target() QuotaTarget {
	t := QuotaTarget{Subject: s.subject(), System: s.system.Name}
	if at := s.elsewhere(); at != "" {
		t.Subject.Path = at
	}
	return t
}

// countsAsWanted reports whether a listed resource's claim counts at what it asks for now. The
// claim of a removing, blocked, unmanaged or unselected resource counts at its recorded value, and
// a waiting create does not count.
func (n *node) countsAsWanted() bool {
	if n.verdict != nil || !n.managed {
		return false
	}
	switch n.intent {
	case intentExists, intentCreate, intentUpdate, intentRestore:
		return n.selected || n.system.Quota.Shared == SharedRefuse
	}
	return n.item.Status == StatusError && n.order == ""
}

func (s *quotaClaims) add(n *node) {
	s.combine(&n.quota, &n.system.Quota.Shared)
	if n.selected && n.intent != intentNothing && n.quota.Known() {
		if s.first == nil {
			s.first = n
		}
		s.ordered = s.ordered || n.order != ""
	}
}

// combine adds the value of one claim.
func (s *quotaClaims) combine(q *Limits, policy *SharedPolicy) {
	if s.claims++; s.claims == 1 {
		s.want, s.policy = q, policy
		return
	}
	w := s.want
	s.mixed = s.mixed || *s.policy != *policy
	s.unlike = s.unlike || !w.sameKnown(*q)
	sum := w.each(*q, func(a, b Limit) Limit { return combineLimits(a, b, *policy) })
	s.want = &sum
}

// combineLimits returns the sum or the greater of two limits. A sum that overflows becomes the
// largest value, which no check accepts.
func combineLimits(a, b Limit, policy SharedPolicy) Limit {
	x, okX := a.Number()
	y, okY := b.Number()
	switch {
	case !a.Known() || !b.Known():
		return Limit{}
	case !okX || !okY:
		return Unlimited()
	case policy == SharedMax:
		return limitOf(max(x, y))
	}
	return limitOf(plus(x, y))
}

// plus returns a + b, or the largest value if that overflows.
func plus[U ~uint64](a, b U) U {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// addRecorded adds the recorded claims of resources that do not count as wanted.
func (g *Graph) addRecorded(mounts map[string]Mount, ss *claimTable) {
	g.eachRecorded(mounts, func(r recordedClaim) bool {
		s := ss.find(r.subject)
		if s == nil || !r.counts() {
			return false
		}
		s.combine(&r.claim, &r.system.Quota.Shared)
		return true
	})
}

// recordedClaim is a claim that counts at its recorded value.
type recordedClaim struct {
	address  string
	system   *System
	subject  Subject
	claim    Limits
	archived bool
}

// counts reports whether the claim counts. The claim of an archived directory counts if its files
// still belong to a subject that others may share.
func (r *recordedClaim) counts() bool {
	return !r.archived || r.subject.By != ByDirectory && r.system.Quota.Shared != SharedRefuse
}

// eachRecorded calls count with each claim that counts as recorded and not as wanted: of blocked,
// unlisted, unmanaged, removing, archived and unselected resources. count reports whether the claim
// counts; of each resource at most one does on each quota. The files of an archived directory still
// belong to its group, but nothing is wanted for it, so it does not conflict under
// shared = "refuse".
func (g *Graph) eachRecorded(mounts map[string]Mount, count func(recordedClaim) bool) {
	counted := map[Key]bool{} // resources that do not count as wanted
	add := func(key Key, system string, id QuotaID, r recordedClaim) {
		r.system = g.input.Settings.SystemNamed(system)
		if id.By == "" || r.system == nil || !r.system.Quota.Sets() {
			return
		}
		r.subject = id.On(mounts[system].Filesystem)
		if !counted[key] || r.archived && g.recordedSubject(key, mounts) != r.subject {
			counted[key] = count(r) || counted[key]
		}
	}
	for i := range g.nodes {
		if n := &g.nodes[i]; n.record >= 0 && !n.counted() {
			r, _ := g.recordOf(n)
			id, _ := r.Limited()
			add(r.Key, r.System, id, recordedClaim{address: r.Address, claim: r.Claim})
		}
	}
	for _, r := range g.unlisted {
		id, _ := r.Limited()
		add(r.Key, r.System, id, recordedClaim{address: r.Address, claim: r.Claim})
	}
	for key, a := range g.input.Recorded.Archived {
		id, _ := a.Limited()
		if n := g.listed(key); n == nil || !n.countsOn(id.On(mounts[a.System].Filesystem), mounts) {
			add(key, a.System, id, recordedClaim{address: a.Address, claim: a.Claim,
				archived: true})
		}
	}
}

// recordedSubject returns the quota identity that a resource is recorded with.
func (g *Graph) recordedSubject(k Key, mounts map[string]Mount) Subject {
	r, _ := g.input.Recorded.Records.Of(k)
	id, _ := r.Limited()
	return id.On(mounts[r.System].Filesystem)
}

// counted reports whether the node's claim counts as wanted.
func (n *node) counted() bool { return n.claims >= 0 && n.intent != intentRemove }

// countsOn reports whether the node's claim counts as wanted on a quota.
func (n *node) countsOn(quota Subject, mounts map[string]Mount) bool {
	if !n.counted() {
		return false
	}
	on, _ := n.subjectOf(mounts[n.system.Name])
	return on == quota
}

// judge finds the claims that cannot be combined.
func (ss *claimTable) judge() {
	for i := range ss.list {
		if s := &ss.list[i]; s.claims > 1 {
			if why := s.refuse(); why != nil {
				s.note().refused = why
			}
		}
	}
}

// attach gives each identity what was observed. It changes nothing that [quotaClaims.target] reads,
// because a mount that hangs may still be asked about.
func (ss *claimTable) attach(mounts map[string]Mount, observed []QuotaState) {
	for i := range ss.list {
		if s := &ss.list[i]; s.asked(mounts) && len(observed) > 0 {
			s.state, observed = &observed[0], observed[1:]
		}
	}
}

// refuse says why several claims cannot be combined; nil if they can.
func (s *quotaClaims) refuse() *Reason {
	who := s.subject().String()
	switch {
	case s.mixed:
		return &Reason{reason.Shared,
			fmt.Sprintf("the claims on the quota of %s come from several systems on one filesystem, and "+
				"their quota blocks have different values of `shared`: write the same value in "+
				"all of them", who)}
	case *s.policy == SharedRefuse:
		return &Reason{reason.Shared,
			fmt.Sprintf("%d resources claim the quota of %s on one filesystem; decide how their limits "+
				`combine: in system %q, quota block, set shared = "sum" or shared = "max"`,
				s.claims, who, s.system.Name)}
	case s.unlike:
		return &Reason{reason.ClaimUnknown,
			fmt.Sprintf("%d resources share the quota of %s, and the limits of some of them are not "+
				"known: the quota stays as it is", s.claims, who)}
	case !s.valid():
		return &Reason{reason.Shared,
			fmt.Sprintf("the %d claims on the quota of %s add up to limits that no file system accepts",
				s.claims, who)}
	}
	return nil
}

// valid repeats the checks of single limits for the combined ones.
func (s *quotaClaims) valid() bool {
	var n node
	n.item, n.system = &Item{}, s.system
	n.quota = *s.want
	n.checkQuota()
	return n.verdict == nil
}

// carries reports whether the node's action sets the identity's quota. That is so for nodes with an
// order, or else for the first node by address: one is enough, because there is only one quota.
func (s *quotaClaims) carries(n *node) bool {
	if s.ordered {
		return n.order != ""
	}
	return s.first == n
}

// asked reports whether the identity is observed, which needs the mount of its system.
func (s *quotaClaims) asked(mounts map[string]Mount) bool {
	m := mounts[s.system.Name]
	return m.Problem == "" && m.Unknown == "" && !s.spared
}

// QuotaTargets returns the identities to observe, each once, in the order that [Observed.Quotas]
// must have. Mounts and directories must have been observed before.
func (g *Graph) QuotaTargets(seen Observed) Targets[QuotaTarget] {
	all := g.claimed(&seen).list
	asked := make([]int32, 0, len(all))
	for i := range all {
		if all[i].asked(seen.Mounts) {
			asked = append(asked, int32(i))
		}
	}
	return Targets[QuotaTarget]{len(asked),
		func(i int) QuotaTarget { return all[asked[i]].target() }}
}
