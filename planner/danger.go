package planner

import (
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Dangers lists all dangers, most dangerous first.
func Dangers() []Danger {
	return []Danger{DangerArchive, DangerMissing, DangerReplaced, DangerTakenOver, DangerBelowUsage,
		DangerWiderAccess, DangerGroup, DangerUnlimited, DangerOvercommit}
}

// danger adds a danger with the reason that explains it.
func (d *decision) danger(is Danger, code reason.Code, format string, args ...any) {
	d.action.Danger = append(d.action.Danger, is)
	d.detail.Reasons = append(d.detail.Reasons, Reason{code, fmt.Sprintf(format, args...)})
}

// dangerOf adds the danger of one change to an existing directory.
func (c *comparison) dangerOf(ch *Change, dir *Directory, d *decision) {
	danger := ch.Attribute.row().danger
	if danger == nil {
		return
	}
	if is := danger(ch, dir); is != "" {
		d.action.Danger = append(d.action.Danger, is)
	}
}

// dangerOfMode returns the danger of a mode that lets in more people, or lets them remove files of
// others. An ACL makes it uncertain whom the mode lets in.
func dangerOfMode(ch *Change, dir *Directory) Danger {
	before, _ := ch.Before.Mode()
	after, _ := ch.After.Mode()
	if after&^before&0o077 != 0 || before&0o1000 != 0 && after&0o1000 == 0 || dir.ACL != nil {
		return DangerWiderAccess
	}
	return ""
}

// grants are the bits of a mode that let people do something: read, write and enter, and setuid.
// Setgid and sticky let nobody in.
const grants Mode = 0o4777

// wideMode adds the danger of a mode that grants more than storage.max_mode, for any kind of action
// that sets it: a new directory that everybody may write to is no more routine than an old one.
func (c *comparison) wideMode(n *node, d *decision) {
	after, sets := d.action.After(ModeAttr)
	if !sets && d.takesOver(n) {
		after = d.stays(ModeAttr)
	}
	if words := c.tooWide(after); words != "" {
		d.danger(DangerWiderAccess, reason.MaxMode, "%s", words)
	}
}

// tooWide says that a mode grants more than storage.max_mode; empty if it does not.
func (c *comparison) tooWide(v Value) string {
	most := c.g.input.Settings.MaxMode
	if mode, ok := v.Mode(); !ok || mode&^most&grants == 0 {
		return ""
	}
	return fmt.Sprintf("its mode %s grants more than storage.max_mode allows, %s",
		Show(ModeAttr, v), Show(ModeAttr, ModeValue(most)))
}

// stays returns the value of an attribute that is as wanted; absent if it changes.
func (d *decision) stays(a Attribute) Value {
	for _, s := range d.same {
		if s.Attribute == a {
			return s.After
		}
	}
	return Value{}
}

// takesOver reports whether the action brings the directory under management.
func (d *decision) takesOver(n *node) bool {
	switch d.action.Kind {
	case Create, Adopt, Restore:
		return true
	case Report:
		return !d.recorded && (n.intent == intentCreate || n.intent == intentRestore)
	}
	return false
}

// warnFew warns about a resource that is as wanted but not what a reviewer would expect. A site may
// have thousands of them, so only a few are named, and the rest are counted.
func (c *comparison) warnFew(code reason.Code, n *node, format string, args ...any) {
	if c.warned == nil {
		c.warned = map[reason.Code]int{}
	}
	if c.warned[code]++; c.warned[code] <= maxWarned {
		c.g.warn(code, n.address(), format, args...)
	}
}

// maxWarned is how many resources [comparison.warnFew] names.
const maxWarned = 20

// warnOfMore counts the resources that [comparison.warnFew] has not named.
func (c *comparison) warnOfMore() {
	for code, count := range c.warned {
		if more := count - maxWarned; more > 0 {
			c.g.warn(map[reason.Code]reason.Code{reason.ACL: reason.ACLMore,
				reason.MaxMode: reason.MaxModeMore}[code], "",
				"the warning %s applies to %d more resources: `cscs-sync explain` shows each of them", code,
				more)
		}
	}
}

// warnOfWhatStands warns about a directory that is as wanted and lets in more people than one might
// think.
func (c *comparison) warnOfWhatStands(n *node, dir *Directory) {
	if dir.ACL != nil {
		c.warnFew(reason.ACL, n, "%s; cscs-sync leaves it alone (`setfacl -b` removes it)",
			dir.ACL.Words())
	}
	if words := c.tooWide(ModeValue(dir.Mode)); words != "" {
		c.warnFew(reason.MaxMode, n, "%s; it is as wanted, and stays", words)
	}
}

// unlimited adds the danger of a directory without a hard limit that is made, adopted or restored
// so, or that loses its limit. Space and inodes count separately. A system with quota "none" makes
// no claims: somebody else sets the limits there, as the configuration says.
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
		d.withoutLimit(after, nil)
		return
	}
	d.withoutLimit(after, &now)
}

// inForce returns the limits that were observed; unknown if that failed.
func (s *quotaClaims) inForce() Limits {
	if s.state == nil || s.state.LimitsWhy() != "" {
		return Limits{}
	}
	return s.state.Limits
}

// isNew reports whether this action brings the directory under its quota identity.
func (d *decision) isNew(n *node, s *quotaClaims) bool {
	if d.takesOver(n) {
		return true
	}
	switch s.subject().By {
	case ByProject:
		return d.recorded && d.record.Project != ProjectID(s.subject().ID)
	case ByDirectory:
		return d.recorded && d.record.Storage != s.subject().Path
	}
	return d.recorded && d.record.Group != GID(s.subject().ID)
}

// withoutLimit adds the danger if no hard limit is in force after the action, unless there was none
// before either. before is nil if the directory was not under these limits.
func (d *decision) withoutLimit(after Limits, before *Limits) {
	for i := range quantities {
		r := &quantities[i]
		if _, set := after[r.Hard].Number(); set {
			continue
		}
		if before != nil {
			if _, set := before[r.Hard].Number(); !set {
				continue
			}
		}
		d.danger(DangerUnlimited, r.unlimited, "it would then have no hard limit for %s",
			r.Name)
	}
}

// sortDangers sorts the dangers and removes duplicates.
func (a *Action) sortDangers() {
	all := Dangers()
	slices.SortFunc(a.Danger,
		func(x, y Danger) int { return slices.Index(all, x) - slices.Index(all, y) })
	a.Danger = slices.Compact(a.Danger)
}
