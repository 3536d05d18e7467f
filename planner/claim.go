package planner

import (
	"fmt"
	"math"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// quotaClaims is what the claims on one quota identity come to.
type quotaClaims struct {
	subject Subject
	system  *System
	// want is what the claims come to; with one claim, that one's own. Nil if nothing is claimed.
	want *Limits
	// refused says why the quota of this identity is left alone; nil if it is not.
	refused *Reason
	// first is the first node, by address, whose intent for this identity can be acted on; ordered
	// tells that one has an order.
	first *node
	// claims counts everything that counts for something, live or only recorded.
	claims  int32
	ordered bool
	// mixed reports whether systems with different policies share it; unlike, whether some claims say
	// of a limit what others don't.
	mixed, unlike bool
	policy        SharedPolicy
	// isLeft means that a directory leaves this identity by the plan.
	isLeft bool
	// elsewhere is where the directory lies whose quota this is, if not at its path: it is
	// archived, and has its quota there.
	elsewhere string
	// state is what was observed; nil if that was not asked.
	state *QuotaState
}

// claimTable groups all claims by identity, in the order in which the nodes name them. It needs the
// mounts, because two systems on one filesystem share their identities.
type claimTable struct {
	list []quotaClaims
	// index finds those of ids while they are collected: one map for each kind of quota on a
	// filesystem, so that its keys are small. directories finds those of directories.
	index       map[space]map[uint32]int32
	directories map[Subject]int32
}

// space is where an identity's number means something.
type space struct {
	filesystem string
	by         QuotaBy
}

// newClaimTable has room for one entry for each node that can have one.
func newClaimTable(g *Graph, mounts map[string]Mount) *claimTable {
	room := 0
	for i := range g.nodes {
		if n := &g.nodes[i]; n.system != nil {
			if _, ok := n.subjectOf(mounts[n.system.Name]); ok {
				room++
			}
		}
	}
	return &claimTable{list: make([]quotaClaims, 0, room), index: map[space]map[uint32]int32{},
		directories: map[Subject]int32{}}
}

// at is the place of what is claimed of an identity, which is added if there is none. Of the
// systems that name it the first by name is asked.
func (ss *claimTable) at(id Subject, sys *System) int32 {
	i, ok := ss.place(id)
	if !ok {
		i = int32(len(ss.list))
		ss.put(id, i)
		ss.list = append(ss.list, quotaClaims{subject: id, system: sys})
	}
	if s := &ss.list[i]; sys.Name < s.system.Name {
		s.system = sys
	}
	return i
}

// find is what is claimed of an identity; nil if nobody claims it.
func (ss *claimTable) find(id Subject) *quotaClaims {
	if i, ok := ss.place(id); ok {
		return &ss.list[i]
	}
	return nil
}

// place is where the claims on a subject are in the list; false if it has none.
func (ss *claimTable) place(id Subject) (i int32, ok bool) {
	if id.By == ByDirectory {
		i, ok = ss.directories[id]
	} else {
		i, ok = ss.index[space{id.Filesystem, id.By}][id.ID]
	}
	return i, ok
}

// put notes where the claims on a subject are in the list.
func (ss *claimTable) put(id Subject, i int32) {
	if id.By == ByDirectory {
		ss.directories[id] = i
		return
	}
	in := space{id.Filesystem, id.By}
	if ss.index[in] == nil {
		ss.index[in] = map[uint32]int32{}
	}
	ss.index[in][id.ID] = i
}

// claimed are the claims, found once for each graph: mounts and directories must have been
// observed.
func (g *Graph) claimed(seen *Observed) *claimTable {
	if g.claims == nil {
		g.assignProjects(seen)
		g.claims = g.collectClaims(seen)
	}
	return g.claims
}

// claim is what the claims on the identity of a node come to; nil if it claims none.
func (c *comparison) claim(n *node) *quotaClaims {
	if n.claims < 0 || n.intent == intentRemove {
		return nil
	}
	return &c.claims.list[n.claims]
}

// usage is what is used of the identity, as far as that is known.
func (s *quotaClaims) usage() *UsageNote {
	var state QuotaState
	if s.state != nil {
		state = *s.state
	}
	return &UsageNote{Space: state.Space.Value(), Inodes: state.Inodes.Value(),
		DefaultSpace:  state.DefaultSpace,
		DefaultInodes: state.DefaultInodes, Via: state.Via}
}

// subjectOf is the quota identity that a node claims; false if it claims none.
func (n *node) subjectOf(m Mount) (Subject, bool) {
	id, ok := n.quotaID()
	if !ok || m.Filesystem == "" {
		return Subject{}, false
	}
	return id.On(m.Filesystem), true
}

// collectClaims collects who claims what: listed resources as wanted, the rest by what is recorded
// of them.
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
			// nothing is wanted of it, but a reviewer wants to see what is used
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
	for _, r := range g.restores { // what it had is put back, so what there is has to be known
		sys := g.input.Settings.SystemNamed(r.System)
		if id, ok := sys.archivedSubject(r.Archived, mounts[r.System]); ok {
			ss.list[ss.at(id, sys)].archivedAs(r.Archived)
		}
	}
	g.addRecorded(mounts, ss)
	ss.index, ss.directories = nil, nil
	return ss
}

// archivedAs has the quota looked at where the directory lies in the archive, on a system where it
// goes with it.
func (s *quotaClaims) archivedAs(a Archived) {
	if s.subject.By == ByDirectory && s.system.Traits.FollowsRename {
		s.elsewhere = a.Archive
	}
}

// target is the subject to be observed.
func (s *quotaClaims) target() QuotaTarget {
	t := QuotaTarget{Subject: s.subject, System: s.system.Name}
	if s.elsewhere != "" {
		t.Subject.Path = s.elsewhere
	}
	return t
}

// countsAsWanted reports whether a listed resource's claim counts at what it asks for now. A
// removing, blocked, unmanaged or unselected one counts at its recorded value; a waiting create
// counts nothing.
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
	s.combine(&n.quota, n.system.Quota.Shared)
	if n.selected && n.intent != intentNothing && n.quota.Known() {
		if s.first == nil {
			s.first = n
		}
		s.ordered = s.ordered || n.order != ""
	}
}

// combine adds one claim's value to what the claims come to.
func (s *quotaClaims) combine(q *Limits, policy SharedPolicy) {
	if s.claims++; s.claims == 1 {
		s.want, s.policy = q, policy
		return
	}
	w := s.want
	s.mixed = s.mixed || s.policy != policy
	s.unlike = s.unlike || !w.sameKnown(*q)
	sum := w.each(*q, func(a, b Limit) Limit { return combineLimits(a, b, policy) })
	s.want = &sum
}

// combineLimits adds, or takes the greater. A sum that is too much for the type stays the most,
// which no check lets through.
func combineLimits(a, b Limit, policy SharedPolicy) Limit {
	x, okX := a.Number()
	y, okY := b.Number()
	switch {
	case !a.Known() || !b.Known():
		return Limit{}
	case !okX || !okY:
		return Unlimited()
	case policy == SharedMax:
		return Limit{limitSet, max(x, y)}
	}
	return Limit{limitSet, plus(x, y)}
}

// plus is a sum, or where that is too much for the type the most.
func plus[U ~uint64](a, b U) U {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

// addRecorded counts what is recorded and does not count as wanted.
func (g *Graph) addRecorded(mounts map[string]Mount, ss *claimTable) {
	g.eachRecorded(mounts, func(r recordedClaim) bool {
		s := ss.find(r.subject)
		if s == nil || !r.counts() {
			return false
		}
		s.combine(&r.claim, r.system.Quota.Shared)
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

// counts reports whether the claim counts: that of an archived directory does where its files still
// belong to a subject that others may share.
func (r *recordedClaim) counts() bool {
	return !r.archived || r.subject.By != ByDirectory && r.system.Quota.Shared != SharedRefuse
}

// eachRecorded calls count with the claims of what is recorded and does not count as wanted:
// blocked, unlisted, unmanaged, removing, archived, or not selected. count reports whether the
// claim counts; of one resource one does. An archived directory's files still belong to its group,
// but nothing is wanted for it, so under "refuse" it does not stand in the way.
func (g *Graph) eachRecorded(mounts map[string]Mount, count func(recordedClaim) bool) {
	counted := map[Key]bool{} // those that are not counted as wanted
	add := func(key Key, system string, id QuotaID, r recordedClaim) {
		r.system = g.input.Settings.SystemNamed(system)
		if counted[key] || id.By == "" || r.system == nil || !r.system.Quota.Sets() {
			return
		}
		r.subject = id.On(mounts[system].Filesystem)
		counted[key] = count(r)
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
		if n := g.listed(key); n == nil || !n.counted() {
			id, _ := a.Limited()
			add(key, a.System, id, recordedClaim{address: a.Address, claim: a.Claim,
				archived: true})
		}
	}
}

// counted reports whether the node's claim counts as it is wanted.
func (n *node) counted() bool { return n.claims >= 0 && n.intent != intentRemove }

// attach gives each identity what was observed of it, and says which claims make nothing together.
func (ss *claimTable) attach(mounts map[string]Mount, observed []QuotaState) {
	for i := range ss.list {
		s := &ss.list[i]
		if s.asked(mounts) && len(observed) > 0 {
			s.state, observed = &observed[0], observed[1:]
		}
		if s.claims > 1 {
			s.refused = s.refuse()
		}
	}
}

// refuse says why several claims make nothing together; nil if they do.
func (s *quotaClaims) refuse() *Reason {
	who := s.subject.String()
	switch {
	case s.mixed:
		return &Reason{reason.Shared,
			fmt.Sprintf("the claims on the quota of %s come from several systems on one filesystem, and "+
				"their quota blocks have different values of `shared`: write the same value in "+
				"all of them", who)}
	case s.policy == SharedRefuse:
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

// valid repeats the checks of single limits on what several come to.
func (s *quotaClaims) valid() bool {
	var n node
	n.item, n.system = &Item{}, s.system
	n.quota = *s.want
	n.checkQuota()
	return n.verdict == nil
}

// carriers are the nodes whose action sets the identity's quota: those with an order, or else the
// first by address. One is enough, for the quota is one.
func (s *quotaClaims) carries(n *node) bool {
	if s.ordered {
		return n.order != ""
	}
	return s.first == n
}

// asked reports whether the identity is observed: its system's mount can be.
func (s *quotaClaims) asked(mounts map[string]Mount) bool {
	m := mounts[s.system.Name]
	return m.Problem == "" && m.Unknown == ""
}

// QuotaTargets are the identities to be observed, once mounts and directories are, each once, in
// the order that [Observed.Quotas] must have.
func (g *Graph) QuotaTargets(seen Observed) []QuotaTarget {
	all := g.claimed(&seen).list
	targets := make([]QuotaTarget, 0, len(all))
	for i := range all {
		if s := &all[i]; s.asked(seen.Mounts) {
			targets = append(targets, s.target())
		}
	}
	return targets
}
