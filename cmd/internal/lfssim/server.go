package lfssim

import (
	"syscall"
	"time"
)

// server answers like the kernel client and the servers behind it. It has one method for each
// quotactl command that lfs issues. An errno is the answer of the "kernel". An error is a failure
// of the simulation itself.
type server struct {
	store  *store
	caller caller
	now    uint64
	sleep  func(time.Duration)
}

// caller is the user who runs lfs.
type caller struct {
	uid  int
	gids []int
}

// query says whose quota is requested, and where.
type query struct {
	fs     string
	pool   string
	typ    Type
	id     uint32
	target target
}

// Bits for the parts of an answer that were obtained, as in dqb_valid.
const (
	hasBLimits = 1 << iota
	hasSpace
	hasILimits
	hasInodes
	hasAll = hasBLimits | hasSpace | hasILimits | hasInodes
)

// answer is what GETQUOTA returns. Limits and grants are in KiB, space is in bytes.
type answer struct {
	bsoft, bhard, space, btime   uint64
	isoft, ihard, inodes, itime  uint64
	blockDefault, inodeDefault   bool
	has                          int
	blockRecorded, inodeRecorded bool
}

func (s *server) root() bool { return s.caller.uid == 0 || s.store.settings.AsRoot }

// mayRead reports whether the caller may read a quota. Everybody may read those of projects and
// their own; only root may read others.
func (s *server) mayRead(t Type, id uint32) bool {
	switch {
	case s.root() || t == Project:
		return true
	case t == User:
		return int64(id) == int64(s.caller.uid)
	}
	for _, g := range s.caller.gids {
		if int64(g) == int64(id) {
			return true
		}
	}
	return false
}

// refuses checks for errors that come before the record: faults, missing project quota, an unknown
// pool.
func (s *server) refuses(on string, q query) (syscall.Errno, error) {
	errno, err := s.fault(on, q.id)
	if errno != 0 || err != nil {
		return errno, err
	}
	fs := s.store.settings.filesystem(q.fs)
	if q.typ == Project && fs.NoProjectQuota {
		return syscall.EOPNOTSUPP, nil
	}
	if _, ok := fs.pool(q.pool); q.pool != "" && !ok {
		return syscall.ENOENT, nil
	}
	return 0, nil
}

// get is GETQUOTA. Like the real servers, it creates a record with the default quota when it reads
// an identity that has none.
func (s *server) get(q query) (answer, syscall.Errno, error) {
	errno, err := s.refuses(OnQuota, q)
	if errno != 0 || err != nil {
		return answer{}, errno, err
	}
	if !s.mayRead(q.typ, q.id) {
		return answer{}, syscall.EPERM, nil
	}
	a, err := s.read(q, true)
	if err != nil || q.target.kind == "" {
		return a, 0, err
	}
	return s.ofTarget(q, a)
}

// read returns what is stored of an identity. With touch it updates timers, and creates a record if
// there is none.
func (s *server) read(q query, touch bool) (answer, error) {
	r, err := s.store.record(q.fs, q.pool, q.typ, q.id)
	if err != nil {
		return answer{}, err
	}
	if q.pool != "" {
		if err := s.fillPoolUsage(q, &r); err != nil {
			return answer{}, err
		}
	}
	block, inode, err := s.effective(q, &r)
	if err != nil {
		return answer{}, err
	}
	if touch && q.id != 0 {
		if err := s.touch(q, r, block, inode); err != nil {
			return answer{}, err
		}
	}
	return s.compose(q, r, block, inode), nil
}

// compose builds an answer.
func (s *server) compose(q query, r record, block, inode half) answer {
	a := answer{
		bsoft: block.Soft, bhard: block.Hard, btime: block.Time, blockDefault: usesDefault(block) &&
			q.id != 0,
		isoft: inode.Soft, ihard: inode.Hard, itime: inode.Time, inodeDefault: usesDefault(inode) &&
			q.id != 0 && q.pool == "",
		inodes: r.Inodes, has: hasAll,
		blockRecorded: r.Block != nil && !r.Block.Deleted, inodeRecorded: r.Inode != nil &&
			!r.Inode.Deleted,
	}
	a.space = r.Space
	s.withoutLost(q, &a)
	return a
}

func usesDefault(h half) bool { return h.Default || h.Time&defaultFlag != 0 }

// effective returns the limits that apply: an identity's own, or the default's (id 0). Root has
// none.
func (s *server) effective(q query, r *record) (block, inode half, err error) {
	if q.id == 0 {
		return half{}, half{}, nil
	}
	d, err := s.store.record(q.fs, q.pool, q.typ, 0)
	if err != nil {
		return half{}, half{}, err
	}
	return inForce(r.Block, d.Block), inForce(r.Inode, d.Inode), nil
}

func inForce(own, def *half) half {
	if own != nil && !own.Default {
		return *own
	}
	h := half{Default: true}
	if own != nil {
		h.Time = own.Time
	}
	if def != nil {
		h.Soft, h.Hard = def.Soft, def.Hard
	}
	return h
}

// touch creates a record for an identity that has none, and starts or ends its timers.
func (s *server) touch(q query, r record, block, inode half) error {
	before := r
	g, err := s.store.grace(q.fs, q.pool, q.typ)
	if err != nil {
		return err
	}
	block.tick(kib(r.Space), block.Soft, s.now, g.Block)
	r.Block = stored(r.Block, block)
	if q.pool == "" {
		inode.tick(r.Inodes, inode.Soft, s.now, g.Inode)
		r.Inode = stored(r.Inode, inode)
	}
	if same(before.Block, r.Block) && same(before.Inode, r.Inode) {
		return nil
	}
	if q.pool != "" {
		r.Space, r.Inodes = 0, 0 // the file system measures usage
	}
	return s.store.putRecord(q.fs, q.pool, q.typ, q.id, r)
}

// stored returns what to store of a half: its own limits, never a copy of the default's.
func stored(own *half, now half) *half {
	h := half{Default: true, Time: now.Time}
	if own != nil {
		h = *own
		h.Time = now.Time
	}
	return &h
}

func same(a, b *half) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// change is a SETQUOTA. A nil pair stays the same.
type change struct {
	block, inode *limits
}

// set is SETQUOTA.
func (s *server) set(q query, c change) (syscall.Errno, error) {
	if errno, err := s.writable(q); errno != 0 || err != nil {
		return errno, err
	}
	if q.pool != "" && c.inode != nil {
		return syscall.ENOENT, nil // there are no pools of MDTs
	}
	if c.block.crossed() || c.inode.crossed() {
		return syscall.EINVAL, nil
	}
	r, err := s.store.record(q.fs, q.pool, q.typ, q.id)
	if err != nil {
		return 0, err
	}
	used := r
	if q.pool != "" {
		if err := s.fillPoolUsage(q, &used); err != nil {
			return 0, err
		}
	}
	g, err := s.store.grace(q.fs, q.pool, q.typ)
	if err != nil {
		return 0, err
	}
	if c.block != nil {
		r.Block = orNew(r.Block)
		r.Block.set(*c.block, kib(used.Space), s.now, g.Block)
	}
	if c.inode != nil {
		r.Inode = orNew(r.Inode)
		r.Inode.set(*c.inode, used.Inodes, s.now, g.Inode)
	}
	return 0, s.store.putRecord(q.fs, q.pool, q.typ, q.id, r)
}

// writable checks for errors that come before any change.
func (s *server) writable(q query) (syscall.Errno, error) {
	errno, err := s.refuses(OnSetquota, q)
	if errno == 0 && err == nil && !s.root() {
		errno = syscall.EPERM
	}
	return errno, err
}

// crossed reports whether soft is above hard, which the servers refuse. They accept a limit below
// the usage.
func (l *limits) crossed() bool {
	return l != nil && l.hard != 0 && l.soft > l.hard
}

func orNew(h *half) *half {
	if h == nil {
		return &half{}
	}
	return h
}

// setDefault is SETDEFAULT. For id 0 it sets the default quota, and for another id it returns to
// the default.
func (s *server) setDefault(q query, c change) (syscall.Errno, error) {
	if errno, err := s.writable(q); errno != 0 || err != nil {
		return errno, err
	}
	if c.block.crossed() || c.inode.crossed() {
		return syscall.EINVAL, nil
	}
	r, err := s.store.record(q.fs, q.pool, q.typ, q.id)
	if err != nil {
		return 0, err
	}
	if q.id != 0 {
		r.Block = &half{Default: true}
		if q.pool == "" {
			r.Inode = &half{Default: true}
		}
		return 0, s.store.putRecord(q.fs, q.pool, q.typ, q.id, r)
	}
	if c.block != nil {
		r.Block = &half{Soft: c.block.soft, Hard: c.block.hard}
	}
	if c.inode != nil {
		r.Inode = &half{Soft: c.inode.soft, Hard: c.inode.hard}
	}
	return 0, s.store.putRecord(q.fs, q.pool, q.typ, 0, r)
}

// getDefault is GETDEFAULT. The answer has the grace time in place of the timers.
func (s *server) getDefault(q query) (answer, syscall.Errno, error) {
	errno, err := s.refuses(OnQuota, q)
	if errno != 0 || err != nil {
		return answer{}, errno, err
	}
	if !s.mayRead(q.typ, 0) {
		return answer{}, syscall.EPERM, nil
	}
	a, err := s.defaults(q)
	return a, 0, err
}

// defaults returns the record of id 0: the default limits, with the grace times as timers.
func (s *server) defaults(q query) (answer, error) {
	r, err := s.store.record(q.fs, q.pool, q.typ, 0)
	if err != nil {
		return answer{}, err
	}
	g, err := s.store.grace(q.fs, q.pool, q.typ)
	if err != nil {
		return answer{}, err
	}
	b, i := orNew(r.Block), orNew(r.Inode)
	return answer{
		bsoft: b.Soft, bhard: b.Hard, btime: g.Block, space: r.Space,
		isoft: i.Soft, ihard: i.Hard, itime: g.Inode, inodes: r.Inodes, has: hasAll,
	}, nil
}

// remove is DELETEQID. When read again, the id shows 0 and not the default, as measured on a real
// server.
func (s *server) remove(q query) (syscall.Errno, error) {
	if errno, err := s.writable(q); errno != 0 || err != nil {
		return errno, err
	}
	r, err := s.store.record(q.fs, "", q.typ, q.id)
	if err != nil {
		return 0, err
	}
	r.Block, r.Inode = &half{Deleted: true}, &half{Deleted: true}
	return 0, s.store.putRecord(q.fs, "", q.typ, q.id, r)
}

// setGrace is SETINFO. A nil time stays the same.
func (s *server) setGrace(q query, block, inode *uint64) (syscall.Errno, error) {
	if errno, err := s.writable(q); errno != 0 || err != nil {
		return errno, err
	}
	if q.pool != "" && inode != nil {
		return syscall.ENOENT, nil
	}
	g, err := s.store.grace(q.fs, q.pool, q.typ)
	if err != nil {
		return 0, err
	}
	if block != nil {
		g.Block = *block
	}
	if inode != nil {
		g.Inode = *inode
	}
	return 0, s.store.putGrace(q.fs, q.pool, q.typ, g)
}

// getGrace is GETINFO, which everybody may call.
func (s *server) getGrace(q query) (grace, syscall.Errno, error) {
	errno, err := s.refuses(OnQuota, q)
	if errno != 0 || err != nil {
		return grace{}, errno, err
	}
	g, err := s.store.grace(q.fs, q.pool, q.typ)
	return g, 0, err
}
