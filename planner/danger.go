package planner

import (
	"fmt"
	"slices"
)

// Dangers lists all dangers, most dangerous first.
func Dangers() []Danger {
	return []Danger{DangerArchive, DangerMissing, DangerReplaced, DangerBelowUsage, DangerWiderAccess, DangerGroup, DangerUnlimited}
}

// Codes of reasons that a policy looks at.
const (
	// UnlimitedSpace means that no hard limit for space is in force once the action is done.
	UnlimitedSpace = "unlimited_space"
	// UnlimitedInodes means the same for inodes.
	UnlimitedInodes = "unlimited_inodes"
)

// danger adds a danger with the reason that explains it.
func (d *decision) danger(is Danger, code, format string, args ...any) {
	d.action.Danger = append(d.action.Danger, is)
	d.detail.Reasons = append(d.detail.Reasons, Reason{code, fmt.Sprintf(format, args...)})
}

// dangerOf adds the dangers of one change to an existing directory.
func (c *comparison) dangerOf(ch *Change, dir Directory, d *decision) {
	switch ch.Attribute {
	case Owner:
		d.action.Danger = append(d.action.Danger, DangerWiderAccess)
	case Group:
		d.action.Danger = append(d.action.Danger, DangerGroup)
	case ModeAttr:
		before, _ := ch.Before.Mode()
		after, _ := ch.After.Mode()
		if after&^before&0o077 != 0 || before&0o1000 != 0 && after&0o1000 == 0 || dir.ACL != nil {
			d.action.Danger = append(d.action.Danger, DangerWiderAccess)
		}
	}
}

// Grants is what a mode lets people do: read, write and enter, and setuid. Setgid and sticky let nobody in.
const grants Mode = 0o4777

// wideMode adds the danger of a mode that the action sets and that grants more than storage.max_mode, on whatever kind of
// action: a new directory that everybody may write in is no more routine than an old one.
func (c *comparison) wideMode(d *decision) {
	most := c.g.world.Settings.MaxMode
	after, ok := d.action.After(ModeAttr)
	if !ok {
		return
	}
	if mode, ok := after.Mode(); ok && mode&^most&grants != 0 {
		d.danger(DangerWiderAccess, "max_mode", "its mode %s grants more than storage.max_mode allows, %s", Show(ModeAttr, after),
			Show(ModeAttr, ModeValue(most)))
	}
}

// unlimited adds the danger of a directory without a hard limit: one that is made, adopted or brought back so, or that
// loses the limit it had. Space and inodes count by themselves. A system with quota "none" makes no claims: there somebody
// else sets the limits, as the configuration says.
func (c *comparison) unlimited(n *node, d *decision) {
	s := c.claim(n)
	if s == nil {
		return
	}
	now := s.inForce()
	after := now
	if d.quota.Code == "" && n.quota.Known() {
		after = s.want.orElse(now)
	}
	if d.isNew(n, s) {
		d.withoutLimit(after, false, false)
		return
	}
	_, space := now.SpaceHard.Number()
	_, inodes := now.InodesHard.Number()
	d.withoutLimit(after, !space, !inodes)
}

// inForce are the limits that were observed; unknown where that failed.
func (s *share) inForce() Quota {
	if s.state == nil || s.state.LimitsWhy != "" {
		return Quota{}
	}
	return s.state.Limits
}

// isNew reports whether the directory comes under its quota identity by this action.
func (d *decision) isNew(n *node, s *share) bool {
	switch d.action.Kind {
	case Create, Adopt, Restore:
		return true
	case Report:
		return !d.recorded && n.wish == wishCreate
	}
	if s.identity.By == ByProject {
		return d.recorded && d.record.Project != ProjectID(s.identity.ID)
	}
	return d.recorded && d.record.Group != GID(s.identity.ID)
}

// withoutLimit adds the danger where no hard limit is in force afterwards, except where there was none before either.
func (d *decision) withoutLimit(after Quota, noSpace, noInodes bool) {
	add := func(code, what string, set, before bool) {
		if !set && !before {
			d.danger(DangerUnlimited, code, "no hard limit for %s is in force for it then", what)
		}
	}
	_, space := after.SpaceHard.Number()
	_, inodes := after.InodesHard.Number()
	add(UnlimitedSpace, "space", space, noSpace)
	add(UnlimitedInodes, "inodes", inodes, noInodes)
}

// sortDangers puts the dangers in order, each once.
func (a *Action) sortDangers() {
	all := Dangers()
	slices.SortFunc(a.Danger, func(x, y Danger) int { return slices.Index(all, x) - slices.Index(all, y) })
	a.Danger = slices.Compact(a.Danger)
}
