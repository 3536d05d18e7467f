package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// What the doctor looks at where there are quotas.

// lfs asks each configured lfs for its version.
func (d *doctor) lfs(ctx context.Context) {
	seen := map[string]bool{}
	for _, sys := range d.cfg.Settings.Systems {
		path := sys.Quota.LFS
		if path == "" || sys.Quota.Client == "ioctl" || seen[path] {
			continue
		}
		seen[path] = true
		if err := config.OS().TrustedProgram(path); err != nil {
			d.say("FAIL", "lfs", "%s is not run: %v", path, err)
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, canaryTimeout)
		cmd := exec.CommandContext(ctx, path, "--version")
		cmd.Env, cmd.WaitDelay = []string{"LC_ALL=C"}, time.Second
		out, err := cmd.Output()
		cancel()
		if err != nil {
			err = fmt.Errorf("%s --version: %w: install the Lustre client's tools, or correct lfs in the quota block", path, err)
		}
		d.judge("lfs", err, "%s: %s", path, render.Escape(strings.TrimSpace(string(out))))
	}
}

// quotaClients reads a quota of each system, and tries to list one: which client answers, and whether all servers do.
func (d *doctor) quotaClients(ctx context.Context) {
	quotas, err := d.quotas()
	if err != nil {
		d.say("FAIL", "quotas", "%v", err)
		return
	}
	found := make([]doctor, len(d.cfg.Settings.Systems))
	var wait sync.WaitGroup
	for i, sys := range d.cfg.Settings.Systems {
		c := quotas.Of(sys.Name)
		if c == nil {
			continue
		}
		found[i].session = d.session
		some := planner.Subject{By: sys.Quota.By, ID: d.someID(sys)}
		wait.Go(func() { found[i].quotasOf(ctx, c, sys, some) })
	}
	wait.Wait()
	for i := range found {
		d.findings = append(d.findings, found[i].findings...)
	}
}

// quotasOf has one backend checked, and reads a quota of an id. The systems are asked side by side, because one that does not
// answer takes its time.
func (d *doctor) quotasOf(ctx context.Context, c quota.Client, sys planner.System, some planner.Subject) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	check := "quotas " + sys.Name
	if checker, ok := c.(quota.Checker); ok {
		said, err := checker.Check(ctx)
		d.judge(check, err, "%s", render.Escape(said))
		if err != nil {
			return
		}
	}
	if sys.Quota.By == planner.ByDirectory { // they are listed, never read one by one
		return
	}
	switch state := c.Get(ctx, some); {
	case state.LimitsWhy != "":
		d.say("FAIL", check, "%s", state.LimitsWhy)
		return
	case !state.Space.Known || !state.Inodes.Known:
		d.say("WARN", check, "answered by %s, but what is used is not known, and no limit would be lowered: %s", state.Via,
			cmp.Or(state.Space.Why, state.Inodes.Why))
	default:
		d.say("PASS", check, "answered by %s", state.Via)
	}
	switch _, err := c.List(ctx, []planner.Subject{some}); {
	case errors.Is(err, providers.ErrNoList):
		d.say("PASS", check, "they are read one by one: this release cannot list them")
	case err != nil:
		d.say("WARN", check, "they are read one by one: %v", err)
	default:
		d.say("PASS", check, "they are read in bulk")
	}
}

// someID is an id whose quota is read to try it: one that is recorded, because reading an id that never had a quota leaves a
// record of it on the servers. With an empty state it is storage.min_gid, or the first of project_ids.
func (d *doctor) someID(sys planner.System) uint32 {
	if recorded, err := d.store.Recorded(); err == nil {
		for r := range recorded.Records.All() {
			if r.System == sys.Name && r.QuotaBy == sys.Quota.By && r.QuotaID != 0 {
				return r.QuotaID
			}
		}
	}
	if ids := sys.Quota.ProjectIDs; ids.IsSet() {
		return uint32(ids.First)
	}
	return uint32(d.cfg.Settings.MinGID)
}

func byProject(sys planner.System) bool {
	return sys.Quota.By == planner.ByProject
}

// isExt4 reports whether a directory is on an ext2, ext3 or ext4.
func isExt4(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.EXT4_SUPER_MAGIC
}

// projects looks at the project ids of the folders that new directories and archived ones come into.
func (d *doctor) projects(sys planner.System) {
	if !byProject(sys) {
		return
	}
	root, err := posix.OpenRoot(d.cfg.Storage.Root)
	if err != nil {
		d.say("FAIL", "projects "+sys.Name, "%v", err)
		return
	}
	defer root.Close()
	check := "projects " + sys.Name
	switch dir := root.Observe(sys, sys.Directory); {
	case dir.State != planner.DirPresent:
		d.say("FAIL", check, "%s", dir.Why)
	case !dir.HasProject:
		d.say("FAIL", check, "the filesystem at %s has no project ids: use by = \"group\", or enable the project feature (on Lustre: on every target)",
			root.Path(sys.Directory))
	case dir.Project == 0 && isExt4(root.Path(sys.Directory)):
		d.say("WARN", check, "an ext4 shows project id 0 with and without its project feature, so whether %s has project ids is not known: look "+
			"for \"project\" in the features that `dumpe2fs -h DEVICE` lists", root.Path(sys.Directory))
	default:
		d.say("PASS", check, "the filesystem has project ids")
	}
	if dir := root.Observe(sys, sys.Archive); dir.State == planner.DirPresent && !dir.ProjectValue().IsAbsent() {
		path := root.Path(sys.Archive)
		clear := "chattr -p 0 " + path + " && chattr -P " + path
		if sys.Filesystem == "lustre" {
			clear = "lfs project -C -d " + path
		}
		d.say("FAIL", check, "the archive folder %s hands on project id %d, so nothing with another one can be moved there: %s",
			path, dir.Project, clear)
	}
}
