package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// systems checks each system's mount, archive and project ids, and all recorded directories.
func (e *examination) systems(ctx context.Context) {
	o, done, err := e.in.Site.Observer(ctx, 0)
	if err != nil {
		e.fail("storage", "%v", err)
		return
	}
	defer done()
	recorded, _ := e.in.State.Recorded() // the check of the state reports an error
	mounts := o.Mounts(ctx, e.in.Config.Settings.Systems)
	for _, sys := range e.in.Config.Settings.Systems {
		if e.mount(sys, mounts[sys.Name], recorded.Roots) {
			e.archive(sys, e.path(sys.Directory))
			e.projects(sys)
		}
	}
	e.directories(ctx, o, recorded)
}

// path returns the path of a directory below storage.root.
func (e *examination) path(relative string) string {
	return filepath.Join(e.in.Config.Storage.Root, relative)
}

// mount checks the directory of one system. It reports whether more of the system can be checked.
func (e *examination) mount(sys planner.System, m planner.Mount,
	roots map[string]planner.RootIdentity) bool {
	root, known := roots[sys.Name]
	check, path := "system "+sys.Name, e.path(sys.Directory)
	switch {
	case m.Problem+m.Unknown != "":
		e.fail(check, "%s", m.Problem+m.Unknown)
		return false
	case known && root != (planner.RootIdentity{Filesystem: m.Filesystem, Inode: m.Inode}):
		e.fail(check, "%s is %s, inode %d, but the first apply saw %s, inode %d: another filesystem is "+
			"mounted there. If that is intended, run `cscs-sync state rm --root %s`",
			path, m.Filesystem, m.Inode, root.Filesystem, root.Inode, sys.Name)
	case errors.Is(unix.Access(path, unix.W_OK), unix.EROFS):
		e.fail(check, "%s is mounted read-only: every apply will fail; mount it read-write", path)
	default:
		e.pass(check, "%s: %s, inode %d", path, m.Filesystem, m.Inode)
	}
	return true
}

// archive checks a system's archive folder: others must not have access to it, and it must be on
// the same filesystem as the directories that are moved into it.
func (e *examination) archive(sys planner.System, system string) {
	check, path := "archive "+sys.Name, e.path(sys.Archive)
	info, err := os.Lstat(path)
	if err == nil && (!info.IsDir() || info.Mode().Perm()&0o077 != 0) {
		e.fail(check, "%s has mode %s; it must be root's directory with mode 0700: run chmod 700 %s",
			path, info.Mode(), path)
		return
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		e.warn(check, "%v", err)
		return
	}
	at := path // or the nearest existing folder above it, in which the folder will be made
	for errors.Is(err, fs.ErrNotExist) && at != "/" {
		at = filepath.Dir(at)
		_, err = os.Lstat(at)
	}
	var here, there unix.Stat_t
	if err := errors.Join(unix.Stat(system, &here), unix.Stat(at, &there)); err != nil {
		e.warn(check, "%v", err)
		return
	}
	switch {
	case here.Dev != there.Dev:
		e.fail(check, "%s is not on the same filesystem as %s, and directories are moved there, never "+
			"copied: choose a folder on the same filesystem", path, system)
	case missing:
		e.pass(check, "%s will be created when needed, on the same filesystem", path)
	default:
		e.pass(check, "%s is closed to other users, on the same filesystem", path)
	}
}

// enforced names the systems on which no client can see whether quotas are enforced.
func (e *examination) enforced() {
	var lustre []string
	for _, sys := range e.in.Config.Settings.Systems {
		if sys.Quota.By != "" && sys.Filesystem == "lustre" {
			lustre = append(lustre, sys.Name)
		}
	}
	if len(lustre) > 0 {
		e.warn("enforcement", "a client cannot see whether the quotas of %s are enforced: check "+
			"osd-*.*.quota_slave.info on the servers", strings.Join(lustre, ", "))
	}
}
