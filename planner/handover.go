package planner

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// This file reports what a change of group or project id leaves behind. The files below a directory
// keep the old id, and the limits of the old id stay. Only a plan tells people about that.

// leftBehind returns the quota identity under which a directory counts now and will not count after
// the plan; false if there is none.
func (g *Graph) leftBehind(n *node, seen *Observed) (Subject, bool) {
	if n.place < 0 || n.isBranch() || n.system == nil || n.intent == intentRemove ||
		n.verdict != nil || !g.decides(n) ||
		!n.system.Quota.Sets() || n.system.Quota.By == ByDirectory ||
		seen.Mounts[n.system.Name].Filesystem == "" {
		return Subject{}, false
	}
	dir := &seen.Directories[n.place]
	old := Subject{Filesystem: seen.Mounts[n.system.Name].Filesystem, By: n.system.Quota.By}
	if old.By == ByProject {
		old.ID = uint32(dir.Project)
	} else {
		old.ID = uint32(dir.Group)
	}
	now, ok := n.quotaID()
	return old, ok && dir.State == DirPresent && old.ID != 0 && old.ID != now.ID
}

// claimsOn returns the claims on an identity, or what was observed of an identity that nobody
// claims; nil if it was not asked for.
func (c *comparison) claimsOn(id Subject) *quotaClaims {
	if c.bySubject == nil {
		c.bySubject = make(map[Subject]int32, len(c.claims.list))
		for i := range c.claims.list {
			c.bySubject[c.claims.list[i].subject()] = int32(i)
		}
	}
	if i, ok := c.bySubject[id]; ok {
		return &c.claims.list[i]
	}
	return nil
}

// sayLeftBehind adds the reasons that say what a change of group or project id leaves behind.
func (c *comparison) sayLeftBehind(n *node, dir *Directory, d *decision) {
	for i := range d.action.Changes {
		if ch := &d.action.Changes[i]; ch.Attribute == Group &&
			dir.Group != c.g.input.Settings.Root.GID {
			after, _ := ch.After.Number()
			d.detail.Reasons = append(d.detail.Reasons, Reason{reason.ContentKeepsGroup,
				fmt.Sprintf("everything below it keeps group %d until a recursive chgrp: members of group %d "+
					"have access there only where others have",
					dir.Group, after)})
		}
	}
	old, ok := c.g.leftBehind(n, c.seen)
	if !ok || !slices.ContainsFunc(d.action.Changes, func(ch Change) bool {
		return ch.Attribute == Group && old.By == ByGroup || ch.Attribute == Project &&
			old.By == ByProject
	}) {
		return
	}
	if s := c.claimsOn(old); s != nil {
		d.detail.Reasons = append(d.detail.Reasons, Reason{reason.QuotaLeft, s.left(d.action.Tag)})
	}
}

// left says which limits and usage stay with an identity that a directory leaves.
func (s *quotaClaims) left(tagged bool) string {
	who := s.subject().String()
	if s.state == nil || s.state.LimitsWhy() != "" {
		return fmt.Sprintf("the quota of %s, which it used until now, stays as it is; "+
			"it could not be observed", who)
	}
	files := fmt.Sprintf("its files still count for %s (%s used)", who, usedWords(s.state))
	if tagged {
		files = fmt.Sprintf("%s has %s used until the files are tagged", who, usedWords(s.state))
	}
	after := "which no listed resource claims any more"
	if s.claims > 0 {
		after = "which other resources claim"
	}
	return fmt.Sprintf("%s, and the limits of %s stay: %s, %s", files, who,
		limitWords(s.state.Limits), after)
}

func usedWords(q *QuotaState) string {
	if !q.Space.Known() {
		return "its usage is not known"
	}
	return Show(SpaceHard, q.UsedValue(SpaceHard))
}

// limitWords returns the hard limits of a quota, for a sentence.
func limitWords(l Limits) string {
	return fmt.Sprintf("%s and %s inodes hard", l.Show(SpaceHard), l.Show(InodesHard))
}

// sayLimitsExist says whose limits an identity already has when a directory comes under it. An
// existing directory usually has its own limits, so for that one it says so only if they are
// somebody else's.
func (c *comparison) sayLimitsExist(n *node, d *decision) {
	s := c.claim(n)
	if s == nil || d.recorded || s.state == nil || s.state.LimitsWhy() != "" || s.claims > 1 ||
		!s.state.Limits.isSet() ||
		s.state.DefaultSpace && s.state.DefaultInodes {
		return
	}
	owner := c.whose(n, s.subject())
	if owner == "" && d.action.Kind != Create {
		return
	}
	d.detail.Reasons = append(d.detail.Reasons,
		Reason{reason.LimitsExist, fmt.Sprintf("%s already has limits (%s; %s used): %s",
			s.subject(), limitWords(s.state.Limits), usedWords(s.state), cmp.Or(owner,
				"nothing recorded here has them, so somebody else set them"))})
}

// whose names what is recorded or archived under an identity; empty if nothing is.
func (c *comparison) whose(n *node, id Subject) string {
	for _, a := range c.g.sortedArchive() {
		if a.claims(id) && c.seen.Mounts[a.System].Filesystem == id.Filesystem {
			return fmt.Sprintf("they are those of %s, archived %s", a.Address, day(a.At))
		}
	}
	for r := range c.g.input.Recorded.Records.All() {
		if r.Key != n.item.Key && r.claims(id) &&
			c.seen.Mounts[r.System].Filesystem == id.Filesystem {
			return "they are recorded for " + r.Address
		}
	}
	return ""
}

// takenOver adds the danger that data comes back to a group or a project id that others have now.
func (c *comparison) takenOver(n *node, a Archived, d *decision) {
	for i := range c.g.nodes {
		o := &c.g.nodes[i]
		if o.item.Key == n.item.Key || o.isBranch() || o.item.Status == StatusRemoved ||
			o.item.Problem != "" || sameProject(o.address(), a.Address) {
			continue
		}
		if o.hasGroup && o.group == a.Group && a.Group != c.g.input.Settings.Root.GID {
			d.danger(DangerTakenOver, reason.TakenOver,
				"it comes back with group %d, which now belongs to %s (%s): members of that "+
					"group could read it",
				a.Group,
				o.address(), o.item.Name)
			return
		}
	}
	id := a.project()
	if id == 0 {
		return
	}
	for r := range c.g.input.Recorded.Records.All() {
		if r.Key != a.Key && r.Project == id &&
			c.seen.Mounts[r.System].Filesystem == c.seen.Mounts[a.System].Filesystem {
			d.danger(DangerTakenOver, reason.TakenOver,
				"it comes back with project id %d, which now belongs to %s: both would count "+
					"under one quota",
				id, r.Address)
			return
		}
	}
}

// sameProject reports whether two addresses are of one project: they have the same customer and
// name under different data types.
func sameProject(a, b string) bool {
	tail := func(s string) string { return path.Join(path.Base(path.Dir(s)), path.Base(s)) }
	return strings.Count(a, "/") > 2 && tail(a) == tail(b)
}
