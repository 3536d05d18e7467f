package lfssim

import "syscall"

// quotaRun is one run of `lfs quota`.
type quotaRun struct {
	prog     *program
	layout   layout
	typ      Type
	id       uint32
	name     string // as shown in the title
	quiet    bool
	verbose  bool
	times    bool // -t
	defaults bool // -U, -G, -P
	pool     string
	allPools bool
	target   target
	list     bool // -a
	numeric  bool
	first    uint32 // -s; used only if there is an end, as on the servers
	last     uint32 // -e; 0: no end
	withRoot bool
}

// quota simulates `lfs quota`.
func (p *program) quota(args []string) int {
	q := &quotaRun{prog: p, layout: layout{plays: p.rel, now: p.srv.now}}
	table := oldQuotaOptions()
	if p.rel.modern {
		table = modernQuotaOptions()
	}
	words, rc := getopt(args, table, q.option)
	if rc != 0 {
		return rc
	}
	words, own, rc := q.identity(words)
	if rc != 0 {
		return rc
	}
	if len(words) == 0 {
		for _, m := range p.srv.store.settings.Mounts {
			words = append(words, m.Path)
		}
	}
	if !own {
		return q.show(words)
	}
	return q.showOwn(words)
}

// identity takes the id from the words and returns the rest, which are mount points. own means that
// no type was given.
func (q *quotaRun) identity(words []string) (mounts []string, own bool, rc int) {
	named := q.typ != "" && !q.times && !q.defaults && !q.list
	switch {
	case q.list && q.typ == "":
		q.prog.complain("lfs quota: no quota type to iterate\n")
		return nil, false, q.prog.usage("quota")
	case q.times && q.typ == "":
		return nil, false, q.incomplete()
	case !q.prog.rel.modern && named && len(words) != 2, !q.prog.rel.modern && !named &&
		len(words) != 1, named && len(words) == 0:
		return nil, false, q.incomplete()
	case q.typ == "":
		return words, true, 0
	case !named:
		return words, false, 0
	}
	id, ok := q.prog.parseID(q.typ, words[0])
	if !ok {
		q.prog.complain("lfs quota: invalid id '%s'\n", words[0])
		return nil, false, q.prog.usage("quota")
	}
	q.id, q.name = id, words[0]
	if q.prog.rel.modern {
		q.name = q.prog.title(q.typ, id)
	}
	return words[1:], false, 0
}

func (q *quotaRun) incomplete() int {
	q.prog.complain("lfs quota: name and mount point must be specified\n")
	return q.prog.usage("quota")
}

// showOwn shows the caller's user and group.
func (q *quotaRun) showOwn(mounts []string) int {
	gid := 0
	if n := len(q.prog.caller.gids); n > 0 {
		gid = q.prog.caller.gids[n-1]
	}
	for _, own := range []struct {
		typ Type
		id  int
	}{{User, q.prog.caller.uid}, {Group, gid}} {
		one := *q
		one.typ, one.id, one.name = own.typ, uint32(own.id), q.prog.title(own.typ, uint32(own.id))
		if rc := one.show(mounts); rc != 0 {
			return rc
		}
	}
	return 0
}

// show prints the title and one or more rows for each mount point. It stops at the first error.
func (q *quotaRun) show(mounts []string) int {
	if !q.allPools || q.prog.rel.modern {
		q.printHead()
	}
	for _, path := range mounts {
		if rc := q.showMount(path); rc != 0 {
			return rc
		}
	}
	return 0
}

// printHead prints title and heading.
func (q *quotaRun) printHead() {
	switch {
	case q.quiet || q.times:
	case q.list:
		q.prog.print("Disk %s quotas\n%s", q.typ, q.layout.heading(wholeRow, true))
	case q.defaults:
		q.prog.print("Disk default %s quota:\n%s", q.typ, q.layout.heading(defaultRow, false))
	default:
		q.prog.print("Disk quotas for %s %s (%sid %d):\n%s", q.typ, q.name, q.typ.letter(), q.id,
			q.layout.heading(wholeRow, false))
	}
}

func (q *quotaRun) query(fs string) query {
	return query{fs: fs, pool: q.pool, typ: q.typ, id: q.id, target: q.target}
}

func (q *quotaRun) showMount(path string) int {
	m, errno := q.prog.locate("quota", path)
	if errno != 0 {
		return q.failed(path, errno)
	}
	switch {
	case q.times:
		return q.showTimes(path, m)
	case q.list:
		return q.showList(path, m)
	case q.allPools:
		return q.showPools(path, m)
	case q.defaults:
		return q.showDefaults(path, m)
	}
	return q.showOne(path, m)
}

// failed prints lfs's message for an error of the ioctl. The old program also prints a row of
// zeros.
func (q *quotaRun) failed(path string, errno syscall.Errno) int {
	switch errno {
	case syscall.EPERM:
		q.prog.complain("Permission denied.\n")
	case syscall.ESRCH:
		q.prog.complain("%s quotas are not enabled.\n", q.typ)
	case syscall.ENODEV, syscall.ENOENT:
	default:
		q.prog.complain("Unexpected quotactl error: %s\n", strerror(errno))
		if !q.prog.rel.modern && !q.times && !q.defaults {
			q.prog.print("%s", q.layout.row(q.label(path), "", q.layout.columns(answer{}, wholeRow, errno)))
			q.someErrors()
		}
	}
	return exit(errno)
}

func (q *quotaRun) someErrors() {
	q.prog.print("%sSome errors happened when getting quota info. Some devices may be not working "+
		"or deactivated. The data in \"[]\" is inaccurate.\n", q.prog.rel.some)
}

// label returns the text of the first column. It is empty if one target was requested.
func (q *quotaRun) label(path string) string {
	if q.target.kind != "" {
		return ""
	}
	return path
}

// asked reports failures of the simulation and errors of the kernel.
func (q *quotaRun) asked(path string, errno syscall.Errno, err error) int {
	if err != nil {
		return q.prog.reportBroken(err)
	}
	if errno == syscall.ENOENT && q.pool != "" {
		q.prog.complain("lfs quota: Cannot find pool '%s'\n", q.pool)
	}
	if errno != 0 {
		return q.failed(path, errno)
	}
	return 0
}

// showOne shows an identity on a file system, in a pool, or on one target.
func (q *quotaRun) showOne(path string, m Mount) int {
	if q.target.kind == "UUID" {
		if q.prog.rel.modern {
			return q.failed(path, syscall.ENODEV)
		}
		return q.failed(path, syscall.EAGAIN)
	}
	a, errno, err := q.prog.srv.get(q.query(m.FS))
	if rc := q.asked(path, errno, err); rc != 0 {
		return rc
	}
	q.prog.print("%s", q.layout.row(q.label(path), "", q.layout.columns(a, wholeRow, 0)))
	if q.verbose && q.target.kind == "" {
		if err := q.showTargets(m); err != nil {
			return q.prog.reportBroken(err)
		}
	}
	if q.target.kind == "" && !q.prog.rel.modern {
		q.usingDefault(a)
	}
	if a.has != hasAll {
		q.someErrors()
		return exit(syscall.EIO)
	}
	return 0
}

// usingDefault prints what only the old program prints, even when it should be quiet.
func (q *quotaRun) usingDefault(a answer) {
	if a.blockDefault {
		q.prog.print("%sid %d is using default block quota setting\n", q.typ.letter(), q.id)
	}
	if a.inodeDefault {
		q.prog.print("%sid %d is using default file quota setting\n", q.typ.letter(), q.id)
	}
}

func (q *quotaRun) showTimes(path string, m Mount) int {
	g, errno, err := q.prog.srv.getGrace(q.query(m.FS))
	if rc := q.asked(path, errno, err); rc != 0 {
		return rc
	}
	q.prog.print("Block grace time: %s; Inode grace time: %s\n", duration(g.Block), duration(g.Inode))
	return 0
}

func (q *quotaRun) showDefaults(path string, m Mount) int {
	a, errno, err := q.prog.srv.getDefault(q.query(m.FS))
	if rc := q.asked(path, errno, err); rc != 0 {
		return rc
	}
	q.prog.print("%s", q.layout.row(path, "", q.layout.defaultColumns(a)))
	return 0
}

// showPools shows every pool. The modern program then shows the last one again.
func (q *quotaRun) showPools(path string, m Mount) int {
	q.prog.print("Pools from %s:\n", m.FS)
	pools := q.prog.srv.store.settings.filesystem(m.FS).Pools
	for i, pool := range pools {
		q.prog.print("Quotas for pool: %s\n", pool.Name)
		one := *q
		one.pool = pool.Name
		if !q.prog.rel.modern {
			one.printHead()
		}
		rc := one.showOne(path, m)
		if rc == 0 && q.prog.rel.modern && i == len(pools)-1 {
			rc = one.showOne(path, m)
		}
		if rc != 0 {
			return rc
		}
	}
	return 0
}
