package lfssim

import (
	"slices"
	"strings"
	"syscall"
)

// setRun is one run of `lfs setquota`.
type setRun struct {
	prog       *program
	cmd        setCommand
	typ        Type
	id         uint32
	pool       string // of a command that has one; another command forgets it
	useDefault bool
	given      [4]bool // which of the four limits
	limit      [4]uint64
}

// setCommand is the quotactl command that the options so far mean. Which pool is meant depends on
// the order of the options, because -G, -D, -r and --delete replace the command. RULES §2.5 shows
// the effect on `--pool P -G`.
type setCommand int

const (
	setLimits setCommand = iota
	setDefaults
	deleteID
	resetID
)

// The four limits, as indexes of given and limit.
const (
	blockSoft = iota
	blockHard
	inodeSoft
	inodeHard
)

func (p *program) setquotaOptions() options {
	o := short("b:B:Ddg:Gi:I:p:Pu:U").
		long("block-softlimit", "b", needsArgument).long("block-hardlimit", "B", needsArgument).
		long("inode-softlimit", "i", needsArgument).long("inode-hardlimit", "I", needsArgument).
		long("user", "u", needsArgument).long("group", "g", needsArgument).long("projid", "p",
		needsArgument).
		long("default-usr", "U", noArgument).long("default-grp", "G",
		noArgument).long("default-prj", "P", noArgument).
		long("default", "D", noArgument).long("delete", "delete", noArgument).long("pool", "pool",
		needsArgument)
	if p.rel.modern {
		o["r"] = option{"r", noArgument}
		o.long("reset", "r", noArgument)
	}
	return o
}

// setquota simulates `lfs setquota`. An rc above 0 is an errno; usage errors have their own exit
// codes.
func (p *program) setquota(args []string) int {
	if slices.Contains(args, "-t") {
		return p.setTimes(args)
	}
	s := &setRun{prog: p}
	words, rc := getopt(args, p.setquotaOptions(), s.option)
	if rc != 0 {
		return rc
	}
	if rc := s.check(words); rc != 0 {
		return rc
	}
	return s.issue(words[0])
}

// wrong reports a usage error, as setquota does in most cases.
func (p *program) wrong(format string, args ...any) int {
	p.complain(format, args...)
	p.complain("setquota failed: Unknown error -4\n")
	return p.usage("setquota")
}

// refusedSet reports an error that lfs finds by itself.
func (p *program) refusedSet(errno syscall.Errno, format string, args ...any) int {
	p.complain(format, args...)
	p.complain("setquota failed: %s\n", strerror(errno))
	return exit(errno)
}

func (s *setRun) option(name, value string) int {
	switch name {
	case "u", "g", "p":
		return s.identity(typeOf(name), value)
	case "U", "G", "P":
		s.switchTo(setDefaults)
		return s.setType(typeOf(strings.ToLower(name)))
	case "d", "D":
		if name == "d" && s.prog.rel.modern {
			s.prog.complain("lfs setquota: '-d' deprecated, use '-D' or '--default'\n")
		}
		s.switchTo(setDefaults)
		s.useDefault = true
	case "delete":
		s.switchTo(deleteID)
	case "r":
		s.switchTo(resetID)
	case "pool":
		return s.choosePool(value)
	case "b":
		return s.setLimit(blockSoft, value)
	case "B":
		return s.setLimit(blockHard, value)
	case "i":
		return s.setLimit(inodeSoft, value)
	case "I":
		return s.setLimit(inodeHard, value)
	default:
		return s.prog.wrong("lfs setquota: unrecognized option '%s'\n", value)
	}
	return 0
}

func (s *setRun) switchTo(cmd setCommand) { s.cmd, s.pool = cmd, "" }

// choosePool sets the pool. Only the command of -G and -D can have a pool; any other command
// becomes the one that sets limits.
func (s *setRun) choosePool(name string) int {
	if rc := s.prog.poolName(name); rc != 0 {
		return rc
	}
	if s.cmd != setDefaults {
		s.cmd = setLimits
	}
	s.pool = name
	return 0
}

// poolName returns an error for names that the servers could not store.
func (p *program) poolName(name string) int {
	if len(name) > 15 {
		return p.refusedSet(refused, "Pool name '%.15s' is longer than 15\n", name)
	}
	for _, c := range []byte(name) {
		if p.rel.modern && c != '_' && !isAlnum(c) {
			return p.refusedSet(refused, "Pool name '%s' has illegal character '%c'(%#x)\n", name,
				c, c)
		}
	}
	return 0
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (s *setRun) setType(t Type) int {
	if s.typ != "" {
		return s.prog.wrong("lfs setquota: only one of -u, -U, -g, -G, -p or -P may be specified\n")
	}
	s.typ = t
	return 0
}

func (s *setRun) identity(t Type, text string) int {
	if rc := s.setType(t); rc != 0 {
		return rc
	}
	id, ok := s.prog.parseID(t, text)
	switch {
	case !ok && s.prog.rel.modern:
		return s.prog.refusedSet(refused, "lfs setquota: invalid %s id '%s'\n", word(t), text)
	case !ok:
		return s.prog.refusedSet(refused, "lfs setquota: invalid id '%s'\n", text)
	case id == 0:
		return s.prog.refusedSet(refused, "lfs setquota: can't set quota for root usr/group/project.\n")
	}
	s.id = id
	return 0
}

func word(t Type) string {
	switch t {
	case User:
		return "user"
	case Group:
		return "group"
	}
	return "project"
}

// setLimit parses one limit; it rounds blocks down to whole KiB. It warns about small limits, but
// accepts them.
func (s *setRun) setLimit(which int, text string) int {
	unit, kind := uint64(1), "inode"
	if which <= blockHard {
		unit, kind = 1024, "block"
	}
	value, ok := parseLimit(text, unit, s.prog.rel.modern)
	if !ok {
		s.prog.complain("lfs: invalid limit '%s'\n", text)
		return s.prog.usage("setquota")
	}
	value /= unit
	if value != 0 && value <= qunit {
		s.prog.complain("lfs setquota: warning: %s %slimit '%d' smaller than minimum qunit size\n"+
			"See 'lfs help setquota' or Lustre manual for details\n", kind, softHard(which), value)
	}
	s.limit[which], s.given[which] = value, true
	return 0
}

func softHard(which int) string {
	if which == blockSoft || which == inodeSoft {
		return "soft"
	}
	return "hard"
}

// check reports options that contradict each other, in the same order as lfs.
func (s *setRun) check(words []string) int {
	some := s.given != [4]bool{}
	whole := s.useDefault || s.cmd == deleteID || s.cmd == resetID
	switch {
	case s.typ == "":
		return s.prog.wrong("lfs setquota: either -u or -g must be specified\n")
	case !some && !whole:
		return s.prog.wrong("lfs setquota: at least one limit must be specified\n")
	case some && whole && s.prog.rel.modern:
		return s.prog.wrong("lfs setquota: limits should not be specified when using default quota, " +
			"deleting or resetting quota ID\n")
	case some && whole:
		return s.prog.wrong("lfs setquota: limits should not be specified when using default quota or " +
			"deleting quota ID\n")
	case len(words) == 0:
		return s.prog.wrong("lfs setquota: filesystem not specified or unexpected argument '(null)'\n")
	case len(words) > 1:
		return s.prog.wrong("lfs setquota: filesystem not specified or unexpected argument '%s'\n",
			words[0])
	case s.pool != "" && s.prog.rel.modern && (s.given[inodeSoft] || s.given[inodeHard]):
		return s.prog.refusedSet(syscall.EINVAL,
			"lfs setquota: inode limits are not supported with Pool Quotas\n")
	}
	return 0
}

// issue first asks the servers for the part of a pair that was not given, and then makes the
// change. These are two commands, so two callers at the same time can undo each other's changes, as
// with the real lfs.
func (s *setRun) issue(path string) int {
	m, errno := s.prog.locate("setquota", path)
	q := query{fs: m.FS, pool: s.pool, typ: s.typ, id: s.id}
	c, rc := s.change(q, errno)
	if rc != 0 {
		return rc
	}
	var err error
	if errno == 0 {
		errno, err = s.send(q, c)
	}
	if err != nil {
		return s.prog.reportBroken(err)
	}
	if errno == 0 {
		return 0
	}
	if errno == syscall.ENOENT && s.pool != "" {
		s.prog.complain("lfs setquota: Cannot find pool '%s'\n", s.pool)
	}
	s.prog.complain("lfs setquota: quotactl failed: %s\n", strerror(errno))
	return s.prog.refusedSet(errno, "")
}

func (s *setRun) send(q query, c change) (syscall.Errno, error) {
	switch {
	case s.cmd == deleteID:
		return s.prog.srv.remove(q)
	case s.cmd == resetID:
		return s.prog.srv.writable(q) // the limits are the same afterwards; the grants are not simulated
	case s.cmd == setDefaults:
		return s.prog.srv.setDefault(q, c)
	}
	return s.prog.srv.set(q, c)
}

// change fills in the part of a pair that was not given. errno is the error that the path has met;
// it affects the reading.
func (s *setRun) change(q query, errno syscall.Errno) (change, int) {
	var old answer
	if s.given[blockSoft] != s.given[blockHard] || s.given[inodeSoft] != s.given[inodeHard] {
		var err error
		if errno == 0 {
			old, errno, err = s.readFirst(q)
		}
		if err != nil {
			return change{}, s.prog.reportBroken(err)
		}
		if errno == syscall.ENOENT && s.pool != "" {
			s.prog.complain("lfs setquota: Cannot find pool '%s'\n", s.pool)
		}
		if errno != 0 {
			return change{}, s.prog.refusedSet(errno, "")
		}
	}
	return change{
		block: s.pair(blockSoft, blockHard, old.bsoft, old.bhard, old.btime),
		inode: s.pair(inodeSoft, inodeHard, old.isoft, old.ihard, old.itime),
	}, 0
}

func (s *setRun) readFirst(q query) (answer, syscall.Errno, error) {
	if s.cmd == setDefaults {
		return s.prog.srv.getDefault(q)
	}
	return s.prog.srv.get(q)
}

// pair keeps a running clock only if just the hard limit was given.
func (s *setRun) pair(soft, hard int, oldSoft, oldHard, oldTime uint64) *limits {
	if !s.given[soft] && !s.given[hard] {
		return nil
	}
	l := &limits{soft: oldSoft, hard: oldHard}
	if s.given[soft] {
		l.soft = s.limit[soft]
	}
	if s.given[hard] {
		l.hard = s.limit[hard]
	}
	if !s.given[soft] {
		l.keepTime, l.time = true, oldTime
	}
	return l
}
