package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// comparison is one run of [Compare].
type comparison struct {
	g      *Graph
	seen   *Observed
	claims *claimTable
	plan   *Plan
	// needed are the tenants and customers that have to be made, by storage path.
	needed map[string]*node
	// leaving counts the claims on an identity that are given up because their directories are
	// archived.
	leaving map[Subject]int32
	// lost are the resources of which something could not be observed.
	lost map[Key]bool
	// inodes is set by [comparison.known].
	inodes *inodes
	// testimonies is set by [comparison.testimonyOf].
	testimonies map[string]testimony
	// warned counts the warnings of [comparison.warnFew].
	warned map[reason.Code]int
	// bySubject finds claims. It is set by [comparison.claimsOn].
	bySubject map[Subject]int32
	// above are the directories that [comparison.warnAbove] has named.
	above map[string]bool
	// archivedAt finds entries of the archive register by where the directories were. It is set by
	// [comparison.warnArchivedHere].
	archivedAt map[Place]Archived
	// now is the decision about the present resource. It and the buffer of [decision.same] are used
	// again for the next one, because most resources need nothing of it.
	now  decision
	same [8]Change
}

// Compare makes the plan: what must change for the storage to become what the graph wants. The
// header says who plans, when and where; Compare fills in its other members. The observation must
// be of g.Targets() and g.QuotaTargets().
func Compare(g *Graph, seen Observed, header Context) *Plan {
	c := &comparison{g: g, seen: &seen, claims: g.claimed(&seen), needed: map[string]*node{},
		leaving: map[Subject]int32{}, lost: map[Key]bool{}}
	c.plan = &Plan{Context: header}
	c.plan.Core = Core{Configuration: g.input.Settings.Fingerprint, Selection: g.input.Selection,
		Actions: []Action{}}
	c.plan.Context.Details, c.plan.Context.Configuration = []Detail{}, g.input.Settings.Parts
	c.claims.attach(seen.Mounts, seen.Quotas)
	for i := range g.nodes {
		if n := &g.nodes[i]; g.decides(n) && !n.isBranch() {
			c.resource(n)
		}
	}
	c.bringBack()
	c.parents()
	c.warnOfMore()
	c.finish()
	return c.plan
}

// decision is what is decided about one resource.
type decision struct {
	action Action
	detail Detail
	// quota says why only the resource's quota is left alone.
	quota Reason
	// same are the attributes that are as wanted, as changes from a value to itself. They are valid
	// until the next resource.
	same []Change
	// parents are the tenants and customers that have to be made for the resource.
	parents []*node
	// claim is the claims on its quota, if the quota was compared, so that the plan can show the
	// usage.
	claim *quotaClaims
	// record is the resource's record, if it has one.
	record   Record
	recorded bool
	// asked reports whether the command line asks for it.
	asked bool
	// replaced reports whether another directory than the recorded one is at the path, or perhaps
	// above it.
	replaced bool
}

// resource decides about one resource and adds the result to the plan.
func (c *comparison) resource(n *node) {
	d := &c.now
	*d = decision{action: Action{Key: n.item.Key, Address: n.address(), Target: n.item.Target,
		Storage: n.storage, Order: n.order},
		same: c.same[:0]}
	if n.system != nil {
		d.action.System = n.system.Name
	}
	d.record, d.recorded = c.g.recordOf(n)
	refusal := c.decide(n, d)
	if d.action.Kind == "" && refusal.Code == "" && d.quota.Code != "" {
		refusal = d.quota
	}
	c.keepSeen(n, d, refusal)
	if d.action.Kind == "" && refusal.Code == "" {
		c.plan.Context.Counts.Unchanged++
		return
	}
	hold := c.g.input.holdOf(n.address())
	for _, p := range d.parents {
		hold = cmp.Or(hold, c.g.input.holdOf(p.address()))
	}
	switch {
	case hold != nil:
		c.refuse(n, hold.reason(), true, false)
	case refusal.Code != "":
		c.refuse(n, refusal, n.waits || isWait(refusal.Code), false)
	default:
		d.detail.Unchanged = len(d.same)
		if d.quota.Code != "" {
			d.detail.Reasons = append(d.detail.Reasons, d.quota)
			c.refuse(n, d.quota, isWait(d.quota.Code), true)
		}
		c.add(d)
	}
}

func (h *Hold) reason() Reason {
	until := "somebody removes the hold"
	if !h.Until.IsZero() {
		until = h.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	return Reason{reason.Hold, fmt.Sprintf("held until %s by %s: %s", until, h.By, h.Reason)}
}

// isWait reports whether a reason goes away by itself or when somebody else acts. All other reasons
// need a fix here.
func isWait(code reason.Code) bool {
	return code == reason.OrdersHeld || code == reason.Undelivered ||
		code == reason.OrderNotReady || code == reason.PathBeingRemoved
}

func (c *comparison) refuse(n *node, why Reason, waits, quotaOnly bool) {
	r := Refusal{Key: n.item.Key, Address: n.address(), System: n.systemName(),
		Reasons: []Reason{why}, QuotaOnly: quotaOnly}
	if waits {
		c.plan.Context.Waiting = append(c.plan.Context.Waiting, r)
	} else {
		c.plan.Context.Blocked = append(c.plan.Context.Blocked, r)
	}
	if quotaOnly {
		return
	}
	if waits {
		c.plan.Context.Counts.Waiting++
	} else {
		c.plan.Context.Counts.Blocked++
	}
}

// add adds a decision to the plan. It keeps nothing of d but what the plan has.
func (c *comparison) add(d *decision) {
	if s := d.claim; s != nil {
		d.detail.Usage = s.usage()
		if s.claims > 1 {
			d.detail.Usage.Claims = int(s.claims)
		}
	}
	if len(d.detail.Reasons) == 0 {
		d.detail.Reasons = []Reason{}
	}
	d.action.sortDangers()
	for _, p := range d.parents {
		c.needed[p.storage] = p
	}
	c.plan.Core.Actions = append(c.plan.Core.Actions, d.action)
	c.plan.Context.Details = append(c.plan.Context.Details, d.detail)
}

// decide finds the action for a resource, or the Reason to refuse it. The rules are in the order in
// which they take precedence.
func (c *comparison) decide(n *node, d *decision) Reason {
	if !n.managed {
		return Reason{}
	}
	if kind, verdict, ok := c.verdictOf(n); ok {
		return c.tellOrder(n, d, kind, verdict)
	}
	switch {
	case n.asksNothing(): // it does not matter then what is wrong with it
		if n.item.Status == StatusRemoved {
			c.removed(n)
		}
		return Reason{}
	case n.verdict != nil:
		if n.verdict.Code == reason.OrdersUnseen {
			c.lost[n.item.Key] = true
		}
		return *n.verdict
	}
	dir, why := c.look(n)
	if why.Code != "" {
		return why
	}
	if n.intent == intentRemove {
		return c.remove(n, dir, d)
	}
	if dir.State == DirAbsent {
		return c.absent(n, dir, d)
	}
	return c.present(n, dir, d)
}

// look returns what was observed of the node's directory. A Reason says why nothing can be done
// with it; there is no directory then.
func (c *comparison) look(n *node) (*Directory, Reason) {
	m := c.seen.Mounts[n.system.Name]
	if m.Unknown != "" {
		c.lost[n.item.Key] = true
		return nil, Reason{reason.Unknown, "it could not be observed: " + m.Unknown}
	}
	if m.Problem != "" {
		return nil, Reason{reason.SystemUnavailable, m.Problem}
	}
	if root, ok := c.g.input.Recorded.Roots[n.system.Name]; ok &&
		(root.Filesystem != m.Filesystem || root.Inode != m.Inode) {
		return nil, Reason{reason.RootChanged,
			fmt.Sprintf("another filesystem is mounted in place of system %s: recorded is %s (inode %d), "+
				"mounted is %s (inode %d). If that is right, remove the old identity with "+
				"`cscs-sync state rm --root %s`",
				n.system.Name, root.Filesystem, root.Inode, m.Filesystem, m.Inode, n.system.Name)}
	}
	dir := &c.seen.Directories[n.place]
	switch dir.State {
	case DirUnknown:
		c.lost[n.item.Key] = true
		return nil, Reason{reason.Unknown, "its directory could not be observed: " + dir.Why}
	case DirObstructed:
		return nil, Reason{reason.Obstructed, "its directory cannot be used: " + dir.Why}
	}
	return dir, Reason{}
}

// removed warns about a directory that still exists although Waldur has terminated its resource.
func (c *comparison) removed(n *node) {
	if n.place < 0 || c.seen.Directories[n.place].State != DirPresent {
		return
	}
	c.g.warn(reason.RemovedStands, n.address(),
		"Waldur lists it as removed, but its directory %s still exists; cscs-sync does "+
			"nothing about it",
		n.storage)
}

// parents adds the tenants and customers that have to be made and, with parents = "enforce", those
// that differ.
func (c *comparison) parents() {
	for i := range c.g.nodes {
		n := &c.g.nodes[i]
		if !n.isBranch() || n.storage == "" || c.g.branchAt(n.storage) != n {
			continue
		}
		d := &decision{action: Action{Key: n.item.Key, Address: n.address(), Target: n.item.Target,
			System: n.system.Name, Storage: n.storage}}
		switch {
		case c.needed[n.storage] != nil:
			d.action.Kind = Create
			d.detail.Reasons = []Reason{{reason.Parent, "resources below it need it"}}
			c.changeDirectory(n, nil, d)
			c.wideMode(n, d)
			c.add(d)
		case n.place >= 0 && c.finishParent(n, d):
			c.add(d)
		case n.place >= 0 && c.g.input.Settings.Parents == ParentsEnforce:
			c.enforce(n, d)
		}
	}
}

// enforce compares an existing directory of a tenant or customer, with parents = "enforce".
func (c *comparison) enforce(n *node, d *decision) {
	dir, why := c.look(n)
	if why.Code != "" {
		c.refuse(n, why, false, false)
		return
	}
	if dir.State != DirPresent {
		return // made only for a resource that needs it
	}
	c.changeDirectory(n, dir, d)
	d.action.Inode = dir.Inode
	c.keepSeen(n, d, Reason{})
	if len(d.action.Changes) == 0 {
		c.warnOfWhatStands(n, dir)
		return
	}
	if hold := c.g.input.holdOf(n.address()); hold != nil {
		c.refuse(n, hold.reason(), true, false)
		return
	}
	for i := range d.action.Changes {
		c.dangerOf(&d.action.Changes[i], dir, d)
	}
	d.action.Kind = Update
	d.detail.Reasons = []Reason{{reason.ParentsEnforced, "storage.parents is \"enforce\""}}
	c.wideMode(n, d)
	c.sayACL(d, dir)
	c.add(d)
}

// finish sorts the plan, and counts and sums up what is in it.
func (c *comparison) finish() {
	p := c.plan
	order := make([]int, len(p.Core.Actions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order,
		func(a, b int) int { return compareActions(&p.Core.Actions[a], &p.Core.Actions[b]) })
	actions, details := make([]Action, len(order)), make([]Detail, len(order))
	for to, from := range order {
		actions[to], details[to] = p.Core.Actions[from], p.Context.Details[from]
		*p.Context.Counts.Of(actions[to].Kind)++
	}
	p.Core.Actions, p.Context.Details = actions, details
	slices.SortStableFunc(c.g.warnings, func(a, b Warning) int {
		return compareStrings([3]string{a.Address, string(a.Code), a.Text},
			[3]string{b.Address, string(b.Code), b.Text})
	})
	p.Context.Warnings = slices.Compact(c.g.warnings)
	p.Context.Overrides = len(c.g.from) - 2
	p.Context.Unobserved = len(c.lost)
	p.Context.Undelivered = c.g.input.Recorded.Undelivered
	for i := range c.g.input.Settings.Systems {
		p.Context.Systems = append(p.Context.Systems, c.g.input.Settings.Systems[i].Name)
	}
	c.overcommit()
	c.promise()
	c.contributions()
}

func compareActions(a, b *Action) int {
	if c := strings.Compare(a.Address, b.Address); c != 0 {
		return c
	}
	return a.Key.Compare(b.Key)
}

// Of returns the counter of one kind.
func (c *Counts) Of(k ActionKind) *int {
	switch k {
	case Create:
		return &c.Create
	case Adopt:
		return &c.Adopt
	case Update:
		return &c.Update
	case Archive:
		return &c.Archive
	case Restore:
		return &c.Restore
	case RejectOrder:
		return &c.Reject
	case FailOrder:
		return &c.Fail
	case Report:
		return &c.Report
	case Blocked:
		return &c.Blocked
	case Waiting:
		return &c.Waiting
	}
	return &c.Unchanged
}

// promise sums the hard space limits by system: those that are set now, and those after the plan.
func (c *comparison) promise() {
	sums := map[string]*Promise{}
	after, then := map[Subject]Bytes{}, map[Subject]Bytes{}
	for i := range c.plan.Core.Actions {
		a := &c.plan.Core.Actions[i]
		for _, ch := range a.Changes {
			if n, ok := ch.After.Number(); ok && ch.Attribute == SpaceHard && a.Quota != nil {
				after[a.Quota.On(c.seen.Mounts[a.System].Filesystem)] = Bytes(n)
			}
		}
	}
	for i := range c.claims.list {
		s := &c.claims.list[i]
		if s.state == nil || s.state.LimitsWhy() != "" {
			continue
		}
		sum := sums[s.system.Name]
		if sum == nil {
			sum = &Promise{System: s.system.Name}
			sums[s.system.Name] = sum
		}
		limit, _ := s.state.Limits[SpaceHard].Number()
		now := Bytes(limit)
		sum.Before = plus(sum.Before, now)
		left, leaves := c.leaving[s.subject()]
		if then, ok := after[s.subject()]; ok {
			now = then
		} else if leaves && left == s.claims {
			now = 0 // set, but promised to nobody any more
		} else if s.isLeft && s.claims == 0 {
			now = 0 // the same
		}
		sum.After = plus(sum.After, now)
		if c.g.guards != nil {
			then[s.subject()] = now
		}
	}
	for i := range c.g.input.Settings.Systems {
		sys := &c.g.input.Settings.Systems[i]
		s := sums[sys.Name]
		if c.g.asksLittle() {
			s = nil // not all quotas were asked about
		}
		if g := c.g.guards[c.seen.Mounts[sys.Name].Filesystem]; g != nil && sys.Overcommit > 0 {
			guarded := g.promise(sys.Name, then)
			s = &guarded
		}
		if s != nil {
			c.plan.Context.Promised = append(c.plan.Context.Promised, *s)
		}
	}
}
