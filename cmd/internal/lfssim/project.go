package lfssim

import (
	"os"
	"path/filepath"
	"syscall"
)

// projectRun is one run of `lfs project`.
type projectRun struct {
	prog                        *program
	check, clear, inherit, keep bool
	directory, recursive, zero  bool
	id                          uint32
	idGiven                     bool
}

func (p *program) projectOptions() options {
	o := short("cCdkp:rs0")
	if p.rel.modern {
		o.long("check", "c", noArgument).long("clear", "C", noArgument).long("directory", "d",
			noArgument).
			long("keep", "k", noArgument).long("proj-inherit", "p", needsArgument).long("inherit",
			"p", needsArgument).
			long("recursive", "r", noArgument).long("set-inherit", "s", noArgument).long("print0",
			"0", noArgument)
	}
	return o
}

// project simulates `lfs project`.
func (p *program) project(args []string) int {
	r := &projectRun{prog: p}
	paths, rc := getopt(args, p.projectOptions(), r.option)
	if rc != 0 {
		return rc
	}
	if rc := r.contradictions(paths); rc != 0 {
		return rc
	}
	first := 0
	for _, path := range paths {
		if rc := r.tree(path); rc != 0 && first == 0 {
			first = rc
		}
	}
	return first
}

func (r *projectRun) option(name, value string) int {
	switch name {
	case "c":
		r.check = true
	case "C":
		r.clear = true
	case "d":
		r.directory = true
	case "k":
		r.keep = true
	case "r":
		r.recursive = true
	case "s":
		r.inherit = true
	case "0":
		r.zero = true
	case "p":
		return r.setID(value)
	default:
		return r.wrongProject("lfs: invalid option '%s'\n", trimDash(value))
	}
	return 0
}

func trimDash(s string) string {
	if len(s) > 1 && s[0] == '-' {
		return s[1:]
	}
	return s
}

func (r *projectRun) setID(text string) int {
	id, ok := number(text)
	if r.prog.rel.modern {
		id, ok = r.prog.projectID(text)
	}
	switch {
	case !ok && r.prog.rel.modern:
		return r.wrongProject("invalid project id '%s'\n", text)
	case !ok:
		return r.wrongProject("Invalid project ID: %s\n", text)
	}
	r.id, r.idGiven = id, true
	return 0
}

func (r *projectRun) wrongProject(format string, args ...any) int {
	r.prog.complain(format, args...)
	return r.prog.usage("project")
}

// setting reports whether this run sets something, and does not check, clear or list.
func (r *projectRun) setting() bool { return (r.idGiven || r.inherit) && !r.check && !r.clear }

func (r *projectRun) contradictions(paths []string) int {
	switch {
	case r.check && r.clear, r.check && r.inherit, r.clear && r.inherit:
		return r.wrongProject("lfs: cannot specify '-c' '-C' '-s' together\n")
	case r.zero && (r.clear || r.setting()):
		return r.wrongProject("lfs: '-0' is useless for set and clear operations\n")
	case r.zero && !r.check:
		return r.wrongProject("lfs: '-0' is useless for list operations\n")
	case r.keep && !r.clear:
		return r.wrongProject("lfs: '-k' is useless without '-C'\n")
	case len(paths) == 0:
		return r.wrongProject("lfs: missing file or directory target(s)\n")
	}
	return 0
}

// tree visits what one argument means: the entry itself, its children, or everything below. A list
// without -d shows the children of a directory and not the directory.
func (r *projectRun) tree(path string) int {
	info, err := os.Lstat(r.prog.inside(path))
	if err != nil {
		verb := "stat"
		if r.prog.rel.modern {
			verb = "lstat"
		}
		r.prog.complain("lfs: failed to %s '%s': %s\n", verb, path, strerror(errnoIn(err)))
		return 1
	}
	list := !r.check && !r.clear && !r.setting()
	want := r.id
	if r.check && !r.idGiven {
		top, rc := r.get(path)
		if rc != 0 {
			return rc
		}
		want = top.ID
	}
	rc := 0
	if !list || r.directory || !info.IsDir() {
		rc = r.visit(path, want)
	}
	if rc != 0 || r.directory || !info.IsDir() {
		return rc
	}
	return r.visitBelow(path, want)
}

// visitBelow visits the children of a directory, and with -r also theirs, level by level.
func (r *projectRun) visitBelow(path string, want uint32) int {
	rc := 0
	for queue := []string{path}; len(queue) > 0; queue = queue[1:] {
		entries, err := os.ReadDir(r.prog.inside(queue[0]))
		if err != nil {
			r.prog.complain("lfs: failed to open '%s': %s\n", queue[0], strerror(errnoIn(err)))
			rc = 1
			continue
		}
		for _, e := range entries {
			child := filepath.Join(queue[0], e.Name())
			rc = max(rc, r.visit(child, want))
			if r.recursive && e.IsDir() {
				queue = append(queue, child)
			}
		}
	}
	return rc
}

// visit lists, checks or changes one inode.
func (r *projectRun) visit(path string, want uint32) int {
	now, rc := r.get(path)
	if rc != 0 {
		return rc
	}
	switch {
	case r.check:
		return r.checkOne(path, now, want)
	case r.clear:
		id := uint32(0)
		if r.keep {
			id = now.ID
		}
		return r.put(path, now, id, false)
	case r.setting():
		id := now.ID
		if r.idGiven {
			id = r.id
		}
		return r.put(path, now, id, now.Inherit || r.inherit)
	}
	r.prog.print("%5d %s %s\n", now.ID, flag(now.Inherit), path)
	return 0
}

func flag(inherit bool) string {
	if inherit {
		return "P"
	}
	return "-"
}

// checkOne prints what differs from the expected project. Differences are not an error.
func (r *projectRun) checkOne(path string, now projected, want uint32) int {
	info, err := os.Lstat(r.prog.inside(path))
	if err != nil {
		return r.prog.reportBroken(err)
	}
	unset, other := info.IsDir() && !now.Inherit, now.ID != want
	switch {
	case r.zero && (unset || other):
		r.prog.print("%s\x00", path)
	case !r.zero:
		if unset {
			r.prog.print("%s - project inheritance flag is not set\n", path)
		}
		if other {
			r.prog.print("%s - project identifier is not set (inode=%d, tree=%d)\n", path, now.ID, want)
		}
	}
	return 0
}

// place returns the real path of the entry itself, not of its link target, and the top of its
// mount.
func (r *projectRun) place(path string) (real, top string, lustre bool, err error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(r.prog.inside(path)))
	if err != nil {
		return "", "", false, err
	}
	real = filepath.Join(dir, filepath.Base(r.prog.inside(path)))
	m, ok := r.prog.mountOf(real)
	if !ok {
		return real, real, false, nil
	}
	top, err = filepath.EvalSymlinks(filepath.Join(r.prog.root, m.Path))
	return real, top, true, err
}

func (r *projectRun) get(path string) (projected, int) {
	real, top, lustre, err := r.place(path)
	if err != nil {
		return projected{}, r.prog.reportBroken(err)
	}
	now, err := r.prog.srv.store.projectOf(real, top)
	if err != nil {
		return projected{}, r.prog.reportBroken(err)
	}
	if !lustre || r.clear || r.setting() {
		return now, 0
	}
	return now, r.reportFault(path, "get", now.ID)
}

// reportFault reports a fault for projects. The fault affects the main purpose of a run: reading or
// setting.
func (r *projectRun) reportFault(path, verb string, id uint32) int {
	errno, err := r.prog.srv.fault(OnProject, id)
	switch {
	case err != nil:
		return r.prog.reportBroken(err)
	case errno != 0:
		r.prog.complain("lfs: failed to %s xattr for '%s': %s\n", verb, path, strerror(errno))
		return 1
	}
	return 0
}

// put changes an inode, unless it is already right. What is not on Lustre is treated as ext4
// without project quota: it refuses the id but keeps the flag.
func (r *projectRun) put(path string, now projected, id uint32, inherit bool) int {
	if now.ID == id && now.Inherit == inherit {
		return 0
	}
	real, top, lustre, err := r.place(path)
	if err != nil {
		return r.prog.reportBroken(err)
	}
	if lustre {
		if rc := r.reportFault(path, "set", id); rc != 0 {
			return rc
		}
	}
	errno := syscall.Errno(0)
	switch {
	case !r.prog.srv.root():
		errno = syscall.EPERM
	case !lustre && id != 0:
		id, errno = 0, syscall.EOPNOTSUPP
	}
	if errno != syscall.EPERM {
		if err := r.prog.srv.store.setProject(real, top, id, inherit); err != nil {
			return r.prog.reportBroken(err)
		}
	}
	if errno != 0 {
		r.prog.complain("lfs: failed to set xattr for '%s': %s\n", path, strerror(errno))
		return 1
	}
	return 0
}
