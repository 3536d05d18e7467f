package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// asked is one archived directory that the command line asks to restore.
type asked struct {
	Archived
	place int
}

// findRestores finds what [Selection.Restores] names in the archive register, and numbers what has
// to be observed for it, starting at next.
func (g *Graph) findRestores(next int) {
	for _, address := range g.input.Selection.Restores {
		found := 0
		for _, a := range g.sortedArchive() {
			if a.Address == address {
				g.restores = append(g.restores, asked{a, next})
				next++
				found++
			}
		}
		switch found {
		case 0:
			g.warn(reason.NotArchived, address,
				"no archived directory has this address; run `cscs-sync archive list`, or "+
					"`cscs-sync archive rescan` if the register was lost")
		case 1:
		default:
			g.warn(reason.Ambiguous, address,
				"%d archived directories have this address, so the address does not say which "+
					"one is meant", found)
			g.restores = slices.DeleteFunc(g.restores,
				func(r asked) bool { return r.Address == address })
		}
	}
}

// sortedArchive returns the archive register by place. Two entries with one place, which only a
// damaged register has, are sorted by key, so that a plan does not depend on the order of a map.
func (g *Graph) sortedArchive() []Archived {
	var all []Archived
	for _, a := range g.input.Recorded.Archived {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Archived) int {
		return cmp.Or(strings.Compare(a.Archive, b.Archive), a.Key.Compare(b.Key))
	})
	return all
}

// origin returns where the directory to restore was.
func (r *asked) origin() Place { return Place{System: r.System, Path: r.Storage} }

// bringBack plans the restores that the command line asks for. A resource that Waldur lists as
// active is restored without that.
func (c *comparison) bringBack() {
	for _, r := range c.g.restores {
		if slices.ContainsFunc(c.plan.Core.Actions,
			func(a Action) bool { return a.Key == r.Key }) ||
			c.g.input.Watch != nil && !c.g.input.Watch[r.Key] {
			continue
		}
		n := &node{item: &Item{Key: r.Key, MountPath: r.Address, Target: TargetProject},
			system:  c.g.input.Settings.SystemNamed(r.System),
			storage: r.Storage, place: int32(r.place), claims: -1}
		d := &decision{asked: true, action: Action{Key: r.Key, Address: r.Address,
			Target: TargetProject, System: r.System, Storage: r.Storage}}
		why := c.mayComeBack(n)
		if why.Code == "" {
			why = c.restore(n, r.Archived, &c.seen.Directories[r.place], d)
			c.putLimitsBack(n, r.Archived, d)
		}
		if c.g.input.Watch[r.Key] {
			c.g.watched[r.Key] = Watched{Address: r.Address, Place: Place{r.System, r.Storage},
				Inode: c.seen.Directories[r.place].Inode,
				Kind:  d.action.Kind, State: d.action.Changes, Refused: why, Record: r.record()}
		}
		hold := c.g.input.holdOf(r.Address)
		switch {
		case hold != nil:
			c.refuse(n, hold.reason(), true, false)
		case why.Code != "":
			c.refuse(n, why, false, false)
		default:
			c.add(d)
		}
	}
}

// putLimitsBack adds the limits that an archived directory had, if they differ now: its quota may
// have been frozen. If others use the quota now, its limits stay.
func (c *comparison) putLimitsBack(n *node, a Archived, d *decision) {
	id, ok := n.system.archivedSubject(a, c.seen.Mounts[a.System])
	i := slices.IndexFunc(c.claims.list, func(s quotaClaims) bool { return s.subject() == id })
	if !ok || i < 0 {
		if n.system.Quota.Sets() {
			d.withoutLimit(Limits{}, nil)
		}
		return
	}
	s := &c.claims.list[i]
	others := s.claims
	if n.system.Quota.Shared != SharedRefuse {
		others-- // its own claim: archived claims count there
	}
	if others > 0 || s.state == nil || s.state.LimitsWhy() != "" {
		d.detail.Reasons = append(d.detail.Reasons, Reason{reason.LimitsStay,
			fmt.Sprintf("the limits of %s stay as they are: they could not be observed, or others use "+
				"this quota now", id)})
		d.withoutLimit(s.inForce(), nil)
		return
	}
	size := len(d.action.Changes)
	c.changeLimits(n, d, s, a.Claim, &a.Claim, false, false)
	if d.quota.Code != "" {
		d.detail.Reasons = append(d.detail.Reasons, d.quota)
	}
	for i := size; i < len(d.detail.Notes); i++ {
		d.detail.Notes[i].Provenance = Provenance{From: FromArchive}
		c.limits(n, d, s)
	}
	after := s.inForce()
	if d.quota.Code == "" {
		after = a.Claim.orElse(after)
	}
	d.withoutLimit(after, nil)
	d.detail.Usage = s.usage()
}

// archivedSubject returns the quota identity that an archived directory had on the system; false if
// it had none.
func (s *System) archivedSubject(a Archived, m Mount) (Subject, bool) {
	id, ok := a.Limited()
	if !ok || s == nil || !s.Quota.Sets() || m.Filesystem == "" {
		return Subject{}, false
	}
	return id.On(m.Filesystem), true
}

// mayComeBack returns why a directory cannot be restored to its old path.
func (c *comparison) mayComeBack(n *node) Reason {
	if n.system == nil {
		return Reason{reason.NoSystem, "its system is no longer in the configuration"}
	}
	dir, why := c.look(n)
	if why.Code != "" {
		return why
	}
	if dir.State != DirAbsent {
		return Reason{reason.Obstructed, "a directory stands at its old path"}
	}
	for _, h := range c.g.holders() {
		mine := h.node != nil && h.node.item.Key == n.item.Key
		if at := h.path(); !mine && (at == n.storage || Inside(at, n.storage) ||
			Inside(n.storage, at)) {
			return Reason{reason.Conflict, fmt.Sprintf("%s now has its path", h.address())}
		}
	}
	return Reason{}
}

// record returns what to record of an archived directory once it is restored.
func (a Archived) record() Record {
	return Record{Key: a.Key, Address: a.Address, System: a.System, Storage: a.Storage,
		Target: TargetProject, Inode: a.Inode,
		Owner: a.Owner, Group: a.Group, Mode: a.Mode, Project: a.project(), QuotaBy: a.QuotaBy,
		QuotaID: a.QuotaID, Claim: a.Claim}
}

// project returns the archived directory's project id; 0 if it has none.
func (a Archived) project() ProjectID {
	id, _ := a.Project.Number()
	return ProjectID(id)
}
