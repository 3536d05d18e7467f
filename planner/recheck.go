package planner

import (
	"fmt"
	"slices"
)

// Watched is what [Compare] saw of one resource, whether or not it differs. An approved plan is
// compared with it.
type Watched struct {
	// Address and Place are where the resource is now.
	Address string
	Place   Place
	// Order is the order's id now; empty if there is none.
	Order string
	Inode uint64
	// Replaced reports whether another directory than the recorded one is at the path, or perhaps
	// above it.
	Replaced bool
	Kind     ActionKind
	// State has every compared attribute: Before is what was observed, After is what is wanted. They
	// may be equal.
	State []Change
	// Refused says why nothing can be done, and Quota why nothing can be done with the quota.
	Refused, Quota Reason
	// Record is what to record once the resource is as wanted. Its Inode is the inode of the directory
	// that was seen, if any.
	Record Record
	// Shared reports whether others use the quota identity of a resource that is being removed.
	Shared bool
	// Limits are the identity's limits once they are as wanted, and Subject is the identity; nil if
	// the resource claims none.
	Limits  Limits
	Subject *Subject
	// Handle is the backend's name for the quota. It is empty if there is none, or if quotas have no
	// names.
	Handle string
}

// keepSeen keeps what was seen of a resource that the caller asked about.
func (c *comparison) keepSeen(n *node, d *decision, refused Reason) {
	asWanted := refused.Code == "" && d.action.Kind == "" && n.place >= 0 &&
		n.intent == intentExists
	if c.g.input.KeepRecords && asWanted && (d.quota.Code == "" || c.g.unrecorded(n)) {
		c.g.asWanted = append(c.g.asWanted, c.record(n))
	}
	if !c.g.input.Watch[n.item.Key] {
		return
	}
	w := Watched{Address: n.address(), Place: Place{n.systemName(), n.storage}, Order: n.order,
		Inode: d.action.Inode, Kind: d.action.Kind,
		Replaced: d.replaced, Refused: refused, Quota: d.quota}
	w.State = append(append(w.State, d.action.Changes...), d.same...)
	if w.Inode == 0 && n.place >= 0 && c.seen.Directories[n.place].State == DirPresent {
		w.Inode = c.seen.Directories[n.place].Inode
	}
	if n.system != nil && n.place >= 0 {
		w.Record = c.record(n)
	}
	if s := c.claim(n); s != nil && s.refused() == nil && s.state != nil {
		id := s.subject()
		w.Subject, w.Handle, w.Limits = &id, s.state.Handle(), s.want.orElse(s.state.Limits)
	}
	if n.intent == intentRemove && n.system != nil {
		if n.claims >= 0 && c.claims.list[n.claims].state != nil {
			w.Handle = c.claims.list[n.claims].state.Handle()
		}
		id, ok := n.subjectOf(c.seen.Mounts[n.system.Name])
		w.Shared = ok && c.others(n, id) > 0
	}
	c.g.watched[n.item.Key] = w
}

// record returns what to record of a resource that is as wanted.
func (c *comparison) record(n *node) Record {
	dir := &c.seen.Directories[n.place]
	r := Record{Key: n.item.Key, Address: n.address(), System: n.system.Name, Storage: n.storage,
		Target: n.item.Target,
		Inode:  dir.Inode, Born: dir.Born, Owner: n.owner, Group: n.group, Mode: n.modeOn(dir),
		Claim: n.quota}
	r.ACL = dir.ACL.Beyond()
	if was, recorded := c.g.recordOf(n); recorded && !was.IsOther(dir) {
		// an ACL that appeared since stays drift until a person removes it or has it recorded
		r.ACL = was.ACL
	}
	id, ok := n.quotaID()
	if ok && n.quota.Known() {
		r.QuotaBy, r.QuotaID = id.By, id.ID
	}
	if ok && id.By == ByProject {
		r.Project = ProjectID(id.ID)
	}
	return r
}

// AsWanted returns records of what [Compare] found as wanted, if [Input.KeepRecords] asked for
// them.
func (g *Graph) AsWanted() []Record { return g.asWanted }

// Watched returns what [Compare] saw of a resource in [Input.Watch]; false if it is no longer
// listed.
func (g *Graph) Watched(k Key) (Watched, bool) {
	w, ok := g.watched[k]
	return w, ok
}

// Stale says in which way something is no longer as a plan showed it.
type Stale struct {
	Key     Key
	Address string
	// Field is what differs: an attribute, "order", "address", "directory", "inode", "quota" or
	// "state".
	Field     string
	Then, Now string
}

// String describes the difference in one line.
func (s Stale) String() string {
	return fmt.Sprintf("%s: %s was %s when planned, is %s now", s.Address, s.Field, s.Then, s.Now)
}

// Recheck compares an approved plan with what is wanted and observed now; g must have been
// compared, with the plan's keys watched. Recheck compares desired and observed attributes and the
// order, but not the usage and not which URLs there are. An attribute that is already as wanted is
// not stale.
func Recheck(approved *Plan, g *Graph) []Stale {
	var stale []Stale
	for i := range approved.Core.Actions {
		a := &approved.Core.Actions[i]
		if a.Target.IsBranch() && a.Kind == Create {
			continue // it is made only if it is missing; an existing directory stays as it is
		}
		stale = append(stale, recheckAction(a, approved.Context.Details[i].Kept, g)...)
	}
	return append(stale, recheckOvercommit(approved, g)...)
}

func recheckAction(a *Action, kept []KeptLimit, g *Graph) []Stale {
	one := func(field, then, now string) []Stale {
		return []Stale{{a.Key, a.Address, field, then, now}}
	}
	w, listed := g.Watched(a.Key)
	switch {
	case !listed:
		return one("state", "listed", "not listed by the proxy")
	case w.Order != a.Order:
		return one("order", orNone(a.Order), orNone(w.Order))
	case w.Refused.Code != "":
		return one("state", string(a.Kind), string(w.Refused.Code)+": "+w.Refused.Text)
	case w.Address != a.Address:
		return one("address", a.Address, w.Address)
	case w.Place != Place{a.System, a.Storage}:
		return one("directory", a.Storage+" on "+a.System, w.Place.Path+" on "+w.Place.System)
	case a.Quota != nil && w.Quota.Code != "" && a.Kind != Archive:
		return one("quota", "to be set", w.Quota.Text)
	case a.Inode != 0 && w.Inode != 0 && w.Inode != a.Inode && a.Kind != Restore:
		return one("directory", fmt.Sprintf("inode %d", a.Inode), fmt.Sprintf("inode %d", w.Inode))
	case w.Replaced && !slices.Contains(a.Danger, DangerReplaced):
		now := fmt.Sprintf("%d, which is another directory", w.Inode)
		if w.Inode == 0 {
			now = "in doubt: no directory that is recorded beside it stands there"
		}
		return one("inode", "the recorded directory, or none", now)
	}
	switch a.Kind {
	case Archive, Restore, RejectOrder, FailOrder:
		if w.Kind != a.Kind {
			return one("state", string(a.Kind), orNone(string(w.Kind)))
		}
	}
	if a.Quota != nil && a.Handle != w.Handle && (a.Kind == Archive || w.setsLimits()) {
		return one("quota", namedQuota(a.Handle), namedQuota(w.Handle))
	}
	if a.Freeze && w.Shared {
		return one("quota", "to be frozen, because nobody else used it", "used by others")
	}
	return recheckState(a, kept, w.State)
}

// setsLimits reports whether a limit is still to be set. Once all limits are as wanted, it does not
// matter in which quota.
func (w *Watched) setsLimits() bool {
	return slices.ContainsFunc(w.State,
		func(c Change) bool { return c.Attribute.IsQuota() && c.Before != c.After })
}

// namedQuota returns a quota by its handle, for a sentence.
func namedQuota(handle string) string {
	if handle == "" {
		return "none there"
	}
	return "quota " + handle
}

// recheckState compares the state attribute by attribute.
func recheckState(a *Action, kept []KeptLimit, now []Change) []Stale {
	var stale []Stale
	add := func(c Change, field string, then, now Value) {
		stale = append(stale, Stale{a.Key, a.Address, field, Show(c.Attribute, then),
			Show(c.Attribute, now)})
	}
	for _, n := range now {
		i := slices.IndexFunc(a.Changes, func(c Change) bool { return c.Attribute == n.Attribute })
		switch {
		case i < 0 && n.Before == n.After:
		case i < 0:
			k := slices.IndexFunc(kept,
				func(l KeptLimit) bool { return l.Attribute == n.Attribute })
			switch {
			case k >= 0 && kept[k].Value == n.Before:
				add(n, "desired "+n.Attribute.String(), kept[k].Value, n.After)
			case k >= 0 && kept[k].Value == n.After:
				add(n, "observed "+n.Attribute.String(), kept[k].Value, n.Before)
			default: // the plan does not say what it was, only that it was as wanted
				stale = append(stale, Stale{a.Key, a.Address, n.Attribute.String(), "as wanted",
					Show(n.Attribute, n.Before) + ", with " +
						Show(n.Attribute, n.After) + " wanted"})
			}
		case n.After != a.Changes[i].After:
			add(n, "desired "+n.Attribute.String(), a.Changes[i].After, n.After)
		case !sameBefore(a.Changes[i], n) && n.Before != n.After:
			add(n, "observed "+n.Attribute.String(), a.Changes[i].Before, n.Before)
		}
	}
	for _, c := range a.Changes {
		if !slices.ContainsFunc(now, func(n Change) bool { return n.Attribute == c.Attribute }) {
			add(c, c.Attribute.String(), c.After, Value{})
		}
	}
	return stale
}

// sameBefore compares what was observed. A quota that was never set is null for a directory that
// did not exist, and unlimited for one that does.
func sameBefore(then, now Change) bool {
	if then.Attribute.IsQuota() && (then.Before.IsAbsent() || then.Before.IsUnlimited()) {
		return now.Before.IsAbsent() || now.Before.IsUnlimited()
	}
	return then.Before == now.Before
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
