package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// there says what stands on the storage.
func (e *explanation) there(v planner.View) {
	if v.Storage == "" {
		return
	}
	dir, ok := e.seenAt(v)
	switch {
	case !ok:
		e.line("there", "%s was not looked at", v.Storage)
	case dir.State == planner.DirPresent:
		e.line("there", "%s: owner %d, group %d, mode %s (%s)%s", v.Storage, dir.Owner, dir.Group, dir.Mode, dir.Mode.Letters(), projectIn(dir))
		e.stands(v, dir)
	case dir.State == planner.DirAbsent:
		e.line("there", "%s does not exist", v.Storage)
	default:
		e.line("there", "%s: %s", v.Storage, dir.Why)
	}
}

// stands says what the directory's mode does not: its ACL, and that it is not the recorded one.
func (e *explanation) stands(v planner.View, dir planner.Directory) {
	if dir.ACL != nil {
		e.line("", "%s", dir.ACL.Words())
	}
	if r, ok := e.p.Recorded.Records.Of(v.Key); ok && r.Storage == v.Storage && r.IsOther(&dir) {
		e.line("", "it is another directory than the recorded one: recorded is inode %d, here is inode %d", r.Inode, dir.Inode)
	}
}

// quota says which limits are in force, what is used, and who said so.
func (e *explanation) quota(v planner.View) {
	if v.Subject == nil {
		return
	}
	q, ok := e.seenQuota(v.Subject.On(e.p.Mounts[v.System].Filesystem))
	name := render.Escape(v.Subject.String())
	switch {
	case !ok:
		e.line("quota", "of %s, which was not looked at", name)
		return
	case q.LimitsWhy != "":
		e.line("quota", "of %s, which is not known: %s", name, q.LimitsWhy)
		return
	}
	by := ", asked by " + q.Via
	switch {
	case q.DefaultSpace && q.DefaultInodes:
		by += "; the default quota covers it"
	case q.DefaultSpace:
		by += "; the default quota covers its space"
	case q.DefaultInodes:
		by += "; the default quota covers its inodes"
	}
	e.line("quota", "of %s%s", name, by)
	e.limits(q)
}

// limits says which limits are in force, and what is used.
func (e *explanation) limits(q planner.QuotaState) {
	e.line("", "space %s soft, %s hard, %s used%s", q.Limits.Show(planner.SpaceSoft), q.Limits.Show(planner.SpaceHard),
		planner.Show(planner.SpaceHard, q.Space.Value()), grace(q.Ends().Space))
	e.line("", "inodes %s soft, %s hard, %s used%s", q.Limits.Show(planner.InodesSoft),
		q.Limits.Show(planner.InodesHard), planner.Show(planner.InodesHard, q.Inodes.Value()), grace(q.Ends().Inodes))
}

// unclaimed says what an id has on filesystems where no listed resource claims its quota: what was left behind when a
// directory got another group, or set by somebody else. An id without limits and files there is not spoken of.
func (e *explanation) unclaimed(ctx context.Context, what string) error {
	id, err := strconv.ParseUint(what, 10, 31)
	if err != nil || id == 0 {
		return nil
	}
	said := map[planner.Subject]bool{}
	for _, v := range e.p.Graph.Views() {
		if v.Subject != nil && v.Subject.ID == uint32(id) {
			said[v.Subject.On(e.p.Mounts[v.System].Filesystem)] = true
		}
	}
	var targets []planner.QuotaTarget
	for _, sys := range e.cfg.Settings.Systems {
		m := e.p.Mounts[sys.Name]
		of := planner.Subject{Filesystem: m.Filesystem, By: sys.Quota.By, ID: uint32(id)}
		if sys.Quota.Sets() && sys.Quota.By != planner.ByDirectory && m.Filesystem != "" && m.Problem+m.Unknown == "" && !said[of] {
			targets, said[of] = append(targets, planner.QuotaTarget{Subject: of, System: sys.Name}), true
		}
	}
	if len(targets) == 0 {
		return nil
	}
	o, done, err := e.site().Observer(ctx, 1)
	if err != nil {
		return err
	}
	defer done()
	for i, q := range o.Quotas(ctx, targets) {
		_, space := q.Limits[planner.SpaceHard].Number()
		_, inodes := q.Limits[planner.InodesHard].Number()
		own := space && !q.DefaultSpace || inodes && !q.DefaultInodes
		if q.LimitsWhy != "" || !own && q.Space.N == 0 && q.Inodes.N == 0 {
			continue
		}
		if e.b.Len() > 0 {
			e.b.WriteString("\n")
		}
		fmt.Fprintf(&e.b, "%s %d on %s\n", targets[i].Subject.By, id, render.Escape(targets[i].System))
		e.line("quota", "no listed resource claims it now, asked by %s. Files of an earlier group keep counting here, and nothing changes "+
			"these limits", q.Via)
		e.limits(q)
	}
	return nil
}

func (e *explanation) seenQuota(id planner.Subject) (planner.QuotaState, bool) {
	for i, t := range e.p.Graph.QuotaTargets(e.p.Seen) {
		if t.Subject == id && i < len(e.p.Seen.Quotas) {
			return e.p.Seen.Quotas[i], true
		}
	}
	return planner.QuotaState{}, false
}

// grace says when a running grace period ends.
func grace(end time.Time) string {
	if end.IsZero() {
		return ""
	}
	return "; its grace period ends " + planner.Minute(end)
}

// projectIn says which project id a directory has, where that matters.
func projectIn(dir planner.Directory) string {
	switch {
	case !dir.HasProject:
		return ""
	case dir.Inherit:
		return fmt.Sprintf(", project %d for all that is made in it", dir.Project)
	}
	return fmt.Sprintf(", project %d, not handed on to what is made in it", dir.Project)
}

func (e *explanation) seenAt(v planner.View) (planner.Directory, bool) {
	for i, t := range e.p.Graph.Targets() {
		if t.Path == v.Storage && i < len(e.p.Seen.Directories) {
			return e.p.Seen.Directories[i], true
		}
	}
	return planner.Directory{}, false
}
