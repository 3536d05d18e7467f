package explain

import (
	"context"
	"fmt"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// there writes what is on the storage.
func (a *answer) there(v *planner.View) {
	if v.Storage == "" {
		return
	}
	dir, ok := a.seenAt(v)
	switch {
	case !ok:
		a.line("there", "%s was not looked at", v.Storage)
	default:
		a.seen(v.Storage, &dir)
	}
	if dir.State == planner.DirPresent {
		a.beyondMode(v, &dir)
	}
}

// seen writes what was observed at a storage path.
func (a *answer) seen(at string, dir *planner.Directory) {
	at = render.Escape(at)
	switch dir.State {
	case planner.DirPresent:
		a.line("there", "%s: owner %d, group %d, mode %s (%s)%s", at, dir.Owner, dir.Group,
			dir.Mode, dir.Mode.Letters(), projectOf(dir))
	case planner.DirAbsent:
		a.line("there", "%s does not exist", at)
	default:
		a.line("there", "%s: %s", at, dir.Why)
	}
}

// beyondMode writes what the mode does not show: an ACL, and whether the directory is another than
// the recorded one.
func (a *answer) beyondMode(v *planner.View, dir *planner.Directory) {
	if dir.ACL != nil {
		a.line("", "%s", dir.ACL.Words())
	}
	r, ok := a.p.Recorded.Records.Of(v.Key)
	if ok && r.Storage == v.Storage && r.IsOther(dir) {
		a.line("", "it is another directory than the recorded one: recorded is inode %d, here is "+
			"inode %d", r.Inode, dir.Inode)
	}
}

// projectOf says which project id a directory has, if that matters.
func projectOf(dir *planner.Directory) string {
	switch {
	case !dir.HasProject:
		return ""
	case dir.Inherit:
		return fmt.Sprintf(", project %d for everything made in it", dir.Project)
	}
	return fmt.Sprintf(", project %d, which what is made in it does not inherit", dir.Project)
}

func (a *answer) seenAt(v *planner.View) (planner.Directory, bool) {
	for i, t := range a.p.Graph.Targets().All() {
		if t.Path == v.Storage && i < len(a.p.Seen.Directories) {
			return a.p.Seen.Directories[i], true
		}
	}
	return planner.Directory{}, false
}

// quota writes which limits are in force, what is used, and how that was read.
func (a *answer) quota(v *planner.View) {
	if v.Subject == nil {
		return
	}
	on := v.Subject.On(a.p.Mounts[v.System].Filesystem)
	q, ok := a.seenQuota(on)
	if !ok {
		a.line("quota", "of %s, which was not looked at", render.Escape(on.String()))
		return
	}
	a.quotaOf(on, &q)
}

// quotaOf writes which limits a subject has, and what it uses.
func (a *answer) quotaOf(on planner.Subject, q *planner.QuotaState) {
	name := render.Escape(on.String())
	if q.LimitsWhy() != "" {
		a.line("quota", "of %s, which is not known: %s", name, q.LimitsWhy())
		return
	}
	a.line("quota", "of %s, asked by %s%s", name, q.Via(), byDefault(q))
	a.limits(q)
}

func (a *answer) seenQuota(id planner.Subject) (planner.QuotaState, bool) {
	for i, t := range a.p.Graph.QuotaTargets(a.p.Seen).All() {
		if t.Subject == id && i < len(a.p.Seen.Quotas) {
			return a.p.Seen.Quotas[i], true
		}
	}
	return planner.QuotaState{}, false
}

// byDefault says which part of a quota is the filesystem's default.
func byDefault(q *planner.QuotaState) string {
	switch {
	case q.DefaultSpace && q.DefaultInodes:
		return "; the default quota covers it"
	case q.DefaultSpace:
		return "; the default quota covers its space"
	case q.DefaultInodes:
		return "; the default quota covers its inodes"
	}
	return ""
}

// limits writes which limits are in force, and what is used.
func (a *answer) limits(q *planner.QuotaState) {
	for _, of := range planner.Quantities() {
		grace := ""
		if end := q.EndOf(of.Hard); !end.IsZero() {
			grace = "; its grace period ends " + planner.Minute(end)
		}
		a.line("", "%s, %s used%s", q.Limits.Of(of), planner.Show(of.Hard, q.UsedValue(of.Hard)),
			grace)
	}
}

// unclaimed writes the quotas of an id on filesystems where no listed resource claims them: they
// were left behind when a directory got another group, or somebody else set them. It writes nothing
// about an id without limits and files there.
func (a *answer) unclaimed(ctx context.Context, what string) error {
	id, err := strconv.ParseUint(what, 10, 31)
	if err != nil || id == 0 {
		return nil
	}
	targets := a.notClaimed(uint32(id))
	if len(targets) == 0 {
		return nil
	}
	o, done, err := a.in.Storage.Observer(ctx, 1)
	if err != nil {
		return err
	}
	defer done()
	for i, q := range o.Quotas(ctx, planner.TargetsOf(targets...)) {
		if q.LimitsWhy() != "" || !hasOwnLimit(&q) && q.Space.N() == 0 && q.Inodes.N() == 0 {
			continue
		}
		a.heading(fmt.Sprintf("%s %d on %s", targets[i].Subject.By, id,
			render.Escape(targets[i].System)))
		a.line("quota", "no listed resource claims it now, asked by %s. Files of an earlier group "+
			"keep counting here, and nothing changes these limits", q.Via())
		a.limits(&q)
	}
	return nil
}

// notClaimed returns the quotas of an id that no listed resource claims, one for each filesystem.
func (a *answer) notClaimed(id uint32) (targets []planner.QuotaTarget) {
	said := map[planner.Subject]bool{}
	for _, v := range a.p.Graph.Views() {
		if v.Subject != nil && v.Subject.ID == id {
			said[v.Subject.On(a.p.Mounts[v.System].Filesystem)] = true
		}
	}
	for _, sys := range a.in.Settings.Systems {
		m := a.p.Mounts[sys.Name]
		of := planner.Subject{Filesystem: m.Filesystem, By: sys.Quota.By, ID: id}
		byID := sys.Quota.Sets() && sys.Quota.By != planner.ByDirectory
		if byID && m.Filesystem != "" && m.Problem+m.Unknown == "" && !said[of] {
			targets = append(targets, planner.QuotaTarget{Subject: of, System: sys.Name})
			said[of] = true
		}
	}
	return targets
}

// hasOwnLimit reports whether the id has a hard limit of its own and not only the filesystem's
// default.
func hasOwnLimit(q *planner.QuotaState) bool {
	for _, of := range planner.Quantities() {
		if _, set := q.Limits[of.Hard].Number(); set && !q.DefaultCovers(of.Hard) {
			return true
		}
	}
	return false
}
