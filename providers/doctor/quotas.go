package doctor

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

// lfs runs each configured lfs to get its version.
func (e *examination) lfs(ctx context.Context) {
	seen := map[string]bool{}
	for _, sys := range e.in.Config.Settings.Systems {
		path := sys.Quota.LFS
		if path == "" || sys.Quota.Client == "ioctl" || seen[path] {
			continue
		}
		seen[path] = true
		if err := config.OS().TrustedProgram(path); err != nil {
			e.fail("lfs", "%s is not safe to run: %v", path, err)
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, answerTimeout)
		cmd := exec.CommandContext(ctx, path, "--version")
		cmd.Env, cmd.WaitDelay = []string{"LC_ALL=C"}, time.Second
		out, err := cmd.Output()
		cancel()
		if err != nil {
			err = fmt.Errorf("%s --version: %w: install the Lustre client's tools, or correct lfs in the "+
				"quota block", path, err)
		}
		e.passOrFail("lfs", err, "%s: %s", path, render.Escape(strings.TrimSpace(string(out))))
	}
}

// quotaClients reads a quota of each system and tries to list one. This shows which client answers,
// and whether all servers do. It asks all systems at the same time, because a system that does not
// answer takes a while.
func (e *examination) quotaClients(ctx context.Context) {
	quotas, err := e.in.Site.Quotas()
	if err != nil {
		e.fail("quotas", "%v", err)
		return
	}
	found := make([]examination, len(e.in.Config.Settings.Systems))
	var wait sync.WaitGroup
	for i, sys := range e.in.Config.Settings.Systems {
		if quotas.Of(sys.Name) == nil {
			continue
		}
		found[i].in = e.in
		some := planner.Subject{By: sys.Quota.By, ID: e.someID(sys)}
		wait.Go(func() { found[i].quotasOf(ctx, quotas, sys, some) })
	}
	wait.Wait()
	for i := range found {
		e.findings = append(e.findings, found[i].findings...)
	}
}

// quotasOf lets one backend check itself, and then reads the quota of one subject.
func (e *examination) quotasOf(ctx context.Context, quotas *quota.Systems, sys planner.System,
	some planner.Subject) {
	c := quotas.Of(sys.Name)
	ctx, cancel := context.WithTimeout(ctx, e.in.Patience)
	defer cancel()
	check := "quotas " + sys.Name
	if checker, ok := c.(quota.Checker); ok {
		said, err := checker.Check(ctx)
		e.passOrFail(check, err, "%s", render.Escape(said))
		if err != nil {
			return
		}
	}
	if sys.Quota.By == planner.ByDirectory { // directory quotas are listed, never read one by one
		return
	}
	start := time.Now()
	state := quotas.Ask(ctx, sys, some)
	took := time.Since(start)
	switch {
	case state.LimitsWhy() != "":
		e.fail(check, "%s", state.LimitsWhy())
		return
	case !state.Space.Known() || !state.Inodes.Known():
		e.warn(check, "answered by %s, but the usage is unknown, so no limit would be lowered: %s",
			state.Via(), cmp.Or(state.SpaceWhy(), state.InodesWhy()))
	default:
		e.pass(check, "answered by %s", state.Via())
	}
	switch _, err := c.List(ctx, []planner.Subject{some}); {
	case errors.Is(err, providers.ErrNoList):
		e.pass(check, "quotas are read one by one, because this release cannot list them%s",
			e.lfsCost(sys, state.Via(), took))
	case err != nil:
		e.warn(check, "quotas are read one by one, because they cannot be listed: %v", err)
	default:
		e.pass(check, "quotas are read in bulk")
	}
}

// lfsCost says what it costs to start lfs for each quota, if that is how they are read, and what
// would cost less. took is how long one took.
func (e *examination) lfsCost(sys planner.System, via string, took time.Duration) string {
	if via != "lfs" {
		return ""
	}
	text := fmt.Sprintf(". lfs is started for each: %s", took.Round(time.Millisecond/10))
	n := e.recordedIDs(sys)
	if all := took * time.Duration(n) / providers.DefaultQuotaWorkers; all > time.Second {
		text += fmt.Sprintf(", so that the %d recorded quotas take about %s", n, all.Round(time.Second/10))
	}
	if sys.Quota.Client == "lfs" {
		text += `. With client = "auto" no process is started where the filesystem answers the ioctl, which ` +
			"takes some microseconds"
	}
	return text
}

// recordedIDs is how many different quotas the records of a system name.
func (e *examination) recordedIDs(sys planner.System) int {
	recorded, err := e.in.State.Recorded()
	if err != nil {
		return 0 // another check reports it
	}
	ids := map[uint32]bool{}
	for r := range recorded.Records.All() {
		if r.System == sys.Name && r.QuotaBy == sys.Quota.By && r.QuotaID != 0 {
			ids[r.QuotaID] = true
		}
	}
	return len(ids)
}

// someID returns an id whose quota is read as a test. It prefers a recorded id, because reading an
// id that never had a quota leaves a record of it on the servers. With an empty state it is the
// first of project_ids, or storage.min_gid.
func (e *examination) someID(sys planner.System) uint32 {
	if recorded, err := e.in.State.Recorded(); err == nil {
		for r := range recorded.Records.All() {
			if r.System == sys.Name && r.QuotaBy == sys.Quota.By && r.QuotaID != 0 {
				return r.QuotaID
			}
		}
	}
	if ids := sys.Quota.ProjectIDs; ids.IsSet() {
		return uint32(ids.First)
	}
	return uint32(e.in.Config.Settings.MinGID)
}

func byProject(sys planner.System) bool {
	return sys.Quota.By == planner.ByProject
}

// isExt4 reports whether a directory is on ext2, ext3 or ext4.
func isExt4(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.EXT4_SUPER_MAGIC
}

// projects checks the project ids of the folders for new and for archived directories.
func (e *examination) projects(sys planner.System) {
	if !byProject(sys) {
		return
	}
	root, err := posix.OpenRoot(e.in.Config.Storage.Root)
	if err != nil {
		e.fail("projects "+sys.Name, "%v", err)
		return
	}
	defer root.Close()
	check := "projects " + sys.Name
	switch dir := root.Observe(sys, sys.Directory); {
	case dir.State != planner.DirPresent:
		e.fail(check, "%s", dir.Why)
	case !dir.HasProject:
		e.fail(check, "the filesystem at %s has no project ids: use by = \"group\", or enable the "+
			"project feature (on Lustre: on every target)", root.Path(sys.Directory))
	case dir.Project == 0 && isExt4(root.Path(sys.Directory)):
		e.warn(check, "ext4 shows project id 0 with and without its project feature, so it is unknown "+
			"whether %s has project ids: look for \"project\" in the features that `dumpe2fs -h DEVICE` "+
			"lists",
			root.Path(sys.Directory))
	default:
		e.pass(check, "the filesystem has project ids")
	}
	dir := root.Observe(sys, sys.Archive)
	if dir.State == planner.DirPresent && !dir.ProjectValue().IsAbsent() {
		path := root.Path(sys.Archive)
		clear := "chattr -p 0 " + path + " && chattr -P " + path
		if sys.Filesystem == "lustre" {
			clear = "lfs project -C -d " + path
		}
		e.fail(check, "the archive folder %s gives project id %d to its contents, so no directory with "+
			"another id can be moved there: run %s", path, dir.Project, clear)
	}
}
