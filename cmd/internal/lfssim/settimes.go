package lfssim

import "syscall"

// timesRun is one run of `lfs setquota -t`.
type timesRun struct {
	prog         *program
	typ          Type
	pool         string
	block, inode *uint64 // seconds
}

func timesOptions() options {
	return short("b:i:ugpt").
		long("block-grace", "b", needsArgument).long("inode-grace", "i", needsArgument).
		long("user", "u", noArgument).long("group", "g", noArgument).long("projid", "p",
		noArgument).
		long("pool", "pool", needsArgument)
}

// setTimes simulates `lfs setquota -t`.
func (p *program) setTimes(args []string) int {
	t := &timesRun{prog: p}
	words, rc := getopt(args, timesOptions(), t.option)
	if rc != 0 {
		return rc
	}
	switch {
	case t.typ == "":
		return p.wrong("lfs: neither -u, -g nor -p specified\n")
	case len(words) != 1:
		return p.wrong("lfs: unexpected parameter '%s'\n", t.unexpectedWord(words))
	case t.block == nil && t.inode == nil:
		return p.wrong("lfs: at least one limit must be specified\n")
	}
	return t.issue(words[0])
}

// unexpectedWord returns the word that lfs reports as unexpected. Without a mount point, lfs reads
// past its arguments, into the environment.
func (t *timesRun) unexpectedWord(words []string) string {
	if len(words) > 1 {
		return words[1]
	}
	if env := t.prog.environ(); len(env) > 0 {
		return env[0]
	}
	return "(null)"
}

func (t *timesRun) option(name, value string) int {
	switch name {
	case "t":
	case "u", "g", "p":
		if t.typ != "" {
			return t.prog.wrong("lfs: only one of -u, -g or -p may be specified\n")
		}
		t.typ = typeOf(name)
	case "pool":
		t.pool = value
		return t.prog.poolName(value)
	case "b", "i":
		return t.grace(name, value)
	default:
		return t.prog.wrong("lfs setquota: unrecognized option '%s'\n", value)
	}
	return 0
}

func (t *timesRun) grace(name, value string) int {
	seconds, ok := parseGrace(value)
	into, kind := &t.block, "block"
	if name == "i" {
		into, kind = &t.inode, "inode"
	}
	if !ok {
		return t.prog.wrong("lfs: bad %s-grace: %s\n", kind, value)
	}
	*into = &seconds
	return 0
}

func (t *timesRun) issue(path string) int {
	m, errno := t.prog.locate("setquota", path)
	var err error
	if errno == 0 {
		errno, err = t.prog.srv.setGrace(query{fs: m.FS, pool: t.pool, typ: t.typ}, t.block, t.inode)
		if errno == syscall.ENOENT && t.pool != "" {
			t.prog.complain("lfs setquota: Cannot find pool '%s'\n", t.pool)
		}
	}
	switch {
	case err != nil:
		return t.prog.reportBroken(err)
	case errno == 0:
		return 0
	}
	t.prog.complain("setquota failed: %s\n", strerror(errno))
	return t.prog.refusedSet(errno, "")
}
