package planner

import (
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// changeDirectory adds the changes that make a directory as wanted. dir is nil if the directory
// does not exist yet.
func (c *comparison) changeDirectory(n *node, dir *Directory, d *decision) {
	for a := range attributes {
		row := &attributes[a]
		if row.wanted == nil {
			continue
		}
		a, before, want := Attribute(a), Value{}, row.wanted(n, dir)
		if dir != nil {
			before, _ = row.observed(dir)
		}
		if before == want {
			d.keep(a, before)
			continue
		}
		was, _ := row.recorded(&d.record)
		drift := dir != nil && d.recorded && !d.replaced && before != was && was == want
		d.change(a, before, want, c.g.from[n.from[a]], drift)
	}
	c.changeProject(n, dir, d)
}

func (d *decision) change(a Attribute, before, after Value, from Provenance, drift bool) {
	d.action.Changes = append(d.action.Changes, Change{a, before, after})
	d.detail.Notes = append(d.detail.Notes, ChangeNote{from, drift})
}

// keep notes an attribute that is as wanted.
func (d *decision) keep(a Attribute, v Value) {
	d.same = append(d.same, Change{a, v, v})
}

// changeQuota adds the changes of the limits, unless the quota is left alone.
func (c *comparison) changeQuota(n *node, d *decision, fresh bool) {
	s := c.claim(n)
	if s == nil || !n.quota.Known() || d.quota.Code != "" {
		return
	}
	d.claim = s
	c.warnAbove(n, s)
	if d.quota = c.quotaRefusal(n, s); d.quota.Code != "" {
		return
	}
	// a new directory does not depend on another's action for its limits
	if !fresh && d.action.Kind != Restore && !s.carries(n) {
		return
	}
	changes := c.changeLimits(n, d, s, *s.want, &d.record.Claim, d.recorded && d.record.ofQuota(s),
		fresh)
	if len(changes) == 0 {
		return
	}
	c.limits(n, d, s)
	d.detail.Kept = s.kept(changes)
	c.warnSmall(n, *s.want)
	if used := s.state.Inodes; fresh && s.subject().By == ByProject && used.Known() && used.N() > 0 {
		c.g.warn(reason.ProjectUsed, n.address(),
			"it gets project %d, which already has %s files: something that is not listed "+
				"uses the same id and would share its quota", s.subject().ID, used.N())
	}
}

// limits makes the action set limits: on which identity, and which quota was seen there.
func (c *comparison) limits(n *node, d *decision, s *quotaClaims) {
	d.action.Quota, d.action.Handle, d.detail.Tool = s.subject().inPlan(), s.state.Handle(),
		n.system.Quota.Tool
}

// changeLimits adds the changes that make the four limits as wanted. It adds none if one of them
// cannot be set, because all four are set in one call. was has the limits that are recorded, if
// recorded is set.
func (c *comparison) changeLimits(n *node, d *decision, s *quotaClaims, want Limits, was *Limits,
	recorded, fresh bool) []Change {
	size, dangers := len(d.action.Changes), len(d.action.Danger)
	for a := range NumLimits {
		c.changeLimit(n, d, s.state, a, want[a], was[a], recorded, fresh)
	}
	if len(d.action.Changes) > size && d.quota.Code == "" {
		d.quota = want.orElse(s.state.Limits).aboveHard()
	}
	if d.quota.Code != "" {
		d.action.Changes, d.detail.Notes, d.action.Danger = d.action.Changes[:size],
			d.detail.Notes[:size], d.action.Danger[:dangers]
	}
	return d.action.Changes[size:]
}

// aboveHard refuses a soft limit that would be above a hard limit that nobody sets and that stays.
func (l Limits) aboveHard() Reason {
	for i := range quantities {
		if r := &quantities[i]; l.crossed(r) {
			return Reason{reason.SoftAboveHard, fmt.Sprintf("its soft limit for %s would be %v, above "+
				"the hard limit of %v: one of the two is what the storage has now, because nothing "+
				"says what it should be; an override can set it", r.Name, l.Show(r.Soft), l.Show(r.Hard))}
		}
	}
	return Reason{}
}

// ofQuota reports whether the record is about this quota and nobody else claims it. Only then can
// the quota have drifted. A resource that gets another group gets another quota, which nobody has
// changed.
func (r *Record) ofQuota(s *quotaClaims) bool {
	return s.claims == 1 && r.claims(s.subject())
}

// kept returns the limits that are not changed. They are needed because all four are set in one
// call.
func (s *quotaClaims) kept(changes []Change) []KeptLimit {
	t := s.want.orElse(s.state.Limits)
	var kept []KeptLimit
	for a := range NumLimits {
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Attribute == a }) {
			kept = append(kept, KeptLimit{a, t[a].Value()})
		}
	}
	return kept
}

// quotaRefusal says why the quota of an identity is left alone.
func (c *comparison) quotaRefusal(n *node, s *quotaClaims) Reason {
	if s.refused() != nil {
		return *s.refused()
	}
	if s.state == nil {
		c.lost[n.item.Key] = true
		return Reason{reason.QuotaUnknown, fmt.Sprintf("the quota of %s was not observed", s.subject())}
	}
	if s.state.LimitsWhy() != "" {
		c.lost[n.item.Key] = true
		return Reason{reason.QuotaUnknown, fmt.Sprintf("the quota of %s could not be observed: %s",
			s.subject(),
			s.state.LimitsWhy())}
	}
	return Reason{}
}

// changeLimit adds the change of one limit, if it differs.
func (c *comparison) changeLimit(n *node, d *decision, state *QuotaState, a Attribute, want,
	was Limit, recorded, fresh bool) {
	if !want.Known() {
		return // nobody says what it should be, so it stays
	}
	now := state.Limits[a]
	if now == want {
		d.keep(a, want.Value())
		return
	}
	before := now.Value()
	if (fresh || state.Absent) && now.IsUnlimited() {
		before = Value{} // a quota that was never set
	}
	drift := recorded && now != was && was == want
	if lowers(now, want) {
		used, known, why := state.Used(a)
		switch {
		case state.Absent && fresh: // a new directory is empty
			used, known = 0, true
		case state.Absent && !known: // only the new quota will count the usage, so a person decides
			d.action.Danger = append(d.action.Danger, DangerBelowUsage)
			known = true
		}
		if !known {
			c.lost[n.item.Key] = true
			d.quota = Reason{reason.UsageUnknown, fmt.Sprintf("its %s would be lowered to %s, and its "+
				"usage is not known: %s; plan again when the usage can be read",
				a, Show(a, want.Value()), why)}
			return
		}
		if limit, ok := want.Number(); ok && limit < used {
			d.action.Danger = append(d.action.Danger, DangerBelowUsage)
		}
	}
	d.change(a, before, want.Value(), c.g.from[n.from[a]], drift)
}

// lowers reports whether going from one limit to another takes something away.
func lowers(from, to Limit) bool {
	t, ok := to.Number()
	if !ok {
		return false
	}
	f, ok := from.Number()
	return !ok || t < f
}

// warnAbove names each parent directory whose own quota also limits managed directories, once.
func (c *comparison) warnAbove(n *node, s *quotaClaims) {
	if s.state == nil || s.state.Above() == "" || c.above[s.state.Above()] {
		return
	}
	if c.above == nil {
		c.above = map[string]bool{}
	}
	c.above[s.state.Above()] = true
	c.g.warn(reason.QuotaAbove, n.address(),
		"directory %s above it has its own quota, which cscs-sync did not set: that "+
			"quota limits this directory and all others below, whatever their own limits are", s.state.Above())
}

// warnSmall warns about hard limits so small that Lustre, among others, enforces them only roughly:
// it hands out grants of a fixed size.
func (c *comparison) warnSmall(n *node, l Limits) {
	for i := range quantities {
		r := &quantities[i]
		if v, ok := l[r.Hard].Number(); ok && v < r.small {
			c.g.warn(reason.SmallLimit, n.address(),
				"a hard %s limit of %s is below %s: storage enforces such small limits only roughly", r.noun,
				l.Show(r.Hard), Show(r.Hard, Number(r.small)))
		}
	}
}

// drift lists what differs from what was last seen as wanted, whether or not anything is done about
// it. If another directory is in its place, that is not drift.
func (c *comparison) drift(n *node, d *decision, dir *Directory) {
	rec := &d.record
	add := func(a Attribute, recorded, observed Value) {
		if recorded != observed {
			c.plan.Context.Drift = append(c.plan.Context.Drift, Drift{n.address(), a, recorded, observed})
		}
	}
	for a := NumLimits; a < numAttributes && !d.replaced; a++ {
		was, recorded := rec.Attribute(a)
		is, observed := dir.Attribute(a)
		if recorded && observed {
			add(a, was, is)
		}
	}
	s := c.claim(n)
	if s == nil || !rec.ofQuota(s) || s.state == nil || s.state.LimitsWhy() != "" {
		return
	}
	for a, was := range rec.Claim {
		if was.Known() {
			add(Attribute(a), was.Value(), s.state.Limits[a].Value())
		}
	}
}
