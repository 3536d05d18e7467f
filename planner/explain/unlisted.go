package explain

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// unlisted writes what is at a path that no listed resource claims and nothing recorded explains: a
// directory, a quota, or both. It writes nothing if nothing is there.
func (a *answer) unlisted(ctx context.Context, what string) error {
	at, ok := a.placeOf(what)
	if !ok {
		return nil
	}
	o, done, err := a.in.Storage.Observer(ctx, 1)
	if err != nil {
		return err
	}
	defer done()
	dir := o.Directories(ctx, planner.TargetsOf(at))[0]
	id, counts := a.countedBy(at, &dir)
	var states []planner.QuotaState
	if counts {
		states = o.Quotas(ctx, planner.TargetsOf(
			planner.QuotaTarget{Subject: id, System: at.System}))
		counts = !states[0].Absent
	}
	limited := counts && id.By == planner.ByDirectory
	if dir.State == planner.DirAbsent && !limited {
		return nil
	}
	a.heading(render.Quote(what))
	a.line("listed", "no: no listed resource claims this path. Nothing is done about it")
	a.seen(at.Path, &dir)
	if dir.ACL != nil {
		a.line("", "%s", dir.ACL.Words())
	}
	if counts {
		a.quotaOf(id, &states[0])
	}
	return nil
}

// placeOf finds the system of a path, which is a full path or one below storage.root.
func (a *answer) placeOf(what string) (planner.Place, bool) {
	if !strings.HasPrefix(what, "/") {
		return planner.Place{}, false
	}
	full := path.Clean(what)
	if below, err := filepath.Rel(a.in.Root, full); err == nil && filepath.IsLocal(below) {
		full = "/" + below
	}
	for _, s := range a.in.Settings.Systems {
		m := a.p.Mounts[s.Name]
		if strings.HasPrefix(full, "/"+s.Directory+"/") && m.Problem+m.Unknown == "" {
			return planner.Place{System: s.Name, Path: full[1:]}, true
		}
	}
	return planner.Place{}, false
}

// countedBy returns the quota subject of the system that counts what is in the directory.
func (a *answer) countedBy(at planner.Place, dir *planner.Directory) (planner.Subject, bool) {
	sys := a.in.Settings.SystemNamed(at.System)
	on := planner.Subject{Filesystem: a.p.Mounts[at.System].Filesystem, By: sys.Quota.By}
	if !sys.Quota.Sets() || on.Filesystem == "" {
		return on, false
	}
	switch on.By {
	case planner.ByDirectory:
		on.Path = at.Path
		return on, true
	case planner.ByProject:
		on.ID = uint32(dir.Project)
	case planner.ByGroup:
		on.ID = uint32(dir.Group)
	}
	return on, dir.State == planner.DirPresent && on.ID != 0
}

// leftQuota writes which quota of its own an archived directory has. The quota may have moved to
// the archive with the directory, or stayed at the old path.
func (a *answer) leftQuota(ctx context.Context, k planner.Key) error {
	x := a.p.Recorded.Archived[k] // the zero value if it is not archived
	id, has := x.Limited()
	m := a.p.Mounts[x.System]
	if !has || id.By != planner.ByDirectory || m.Filesystem == "" || m.Problem+m.Unknown != "" {
		return nil
	}
	o, done, err := a.in.Storage.Observer(ctx, 1)
	if err != nil {
		return err
	}
	defer done()
	var targets []planner.QuotaTarget
	for _, p := range []string{x.Archive, x.Storage} {
		id.Path = p
		targets = append(targets, planner.QuotaTarget{Subject: id.On(m.Filesystem), System: x.System})
	}
	states := o.Quotas(ctx, planner.TargetsOf(targets...))
	stands := false
	for i := range states {
		if !states[i].Absent {
			a.quotaOf(targets[i].Subject, &states[i])
			stands = true
		}
	}
	if !stands {
		a.line("quota", "no quota limits it any more, in the archive or at its old path")
	}
	return nil
}
