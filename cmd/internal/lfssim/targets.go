package lfssim

import (
	"strconv"
	"syscall"
)

// stripe is how files are distributed over the OSTs in the simulation: this many bytes on each in
// turn. All inodes are on MDT0000.
const stripe = 1 << 20

// qunit is the smallest grant of the quota master: in KiB for blocks, and a number of inodes.
const qunit = 1024

// target is one MDT or OST. An empty kind means the whole file system.
type target struct {
	kind  string // "MDT" or "OST"
	index int
}

// parseTarget parses a name such as OST000a.
func parseTarget(name string) (target, bool) {
	if len(name) != 7 || name[:3] != "OST" && name[:3] != "MDT" {
		return target{}, false
	}
	n, err := strconv.ParseUint(name[3:], 16, 16)
	return target{name[:3], int(n)}, err == nil
}

// share returns the part of a usage of space that is on one of n OSTs.
func share(space uint64, n, index int) uint64 {
	full, rest := space/stripe, space%stripe
	units := full / uint64(n)
	bytes := units * stripe
	switch last := int(full % uint64(n)); {
	case index < last:
		bytes += stripe
	case index == last:
		bytes += rest
	}
	return bytes
}

// fillPoolUsage sets the usage in a pool's record to the pool's part of the file system's usage.
// The number of inodes is that of the whole file system, as in Lustre.
func (s *server) fillPoolUsage(q query, r *record) error {
	whole, err := s.store.record(q.fs, "", q.typ, q.id)
	if err != nil {
		return err
	}
	fs := s.store.settings.filesystem(q.fs)
	pool, _ := fs.pool(q.pool)
	r.Space, r.Inodes = 0, whole.Inodes
	for _, ost := range pool.OSTs {
		r.Space += share(whole.Space, fs.OSTs, ost)
	}
	return nil
}

// withoutLost removes the part of the targets that do not answer from an answer, and the bit that
// says that it is complete.
func (s *server) withoutLost(q query, a *answer) {
	fs := s.store.settings.filesystem(q.fs)
	if q.pool != "" {
		return
	}
	whole := a.space
	for i := range fs.OSTs {
		if fs.lost("OST", i) {
			a.space -= share(whole, fs.OSTs, i)
			a.has &^= hasSpace
		}
	}
	for i := range fs.MDTs {
		if fs.lost("MDT", i) {
			a.has &^= hasInodes
			if i == 0 {
				a.inodes = 0
			}
		}
	}
}

// ofTarget turns the answer for a file system into the answer for one target: its usage, with its
// grant as the hard limit.
func (s *server) ofTarget(q query, whole answer) (answer, syscall.Errno, error) {
	fs := s.store.settings.filesystem(q.fs)
	count := fs.OSTs
	if q.target.kind == "MDT" {
		count = fs.MDTs
	}
	if q.target.index < 0 || q.target.index >= count {
		return answer{}, syscall.EINVAL, nil
	}
	if fs.lost(q.target.kind, q.target.index) {
		return answer{}, syscall.ENODEV, nil
	}
	r, err := s.store.record(q.fs, "", q.typ, q.id)
	if err != nil {
		return answer{}, 0, err
	}
	a := answer{has: hasAll}
	if q.target.kind == "OST" {
		a.space = share(r.Space, fs.OSTs, q.target.index)
		limited, err := s.blocksLimited(q, whole)
		if err != nil {
			return answer{}, 0, err
		}
		if limited {
			a.bhard = (kib(a.space) + qunit - 1) / qunit * qunit
		}
	} else if q.target.index == 0 {
		a.inodes = r.Inodes
		if whole.isoft|whole.ihard != 0 {
			a.ihard = (a.inodes + qunit - 1) / qunit * qunit
		}
	}
	return a, 0, nil
}

// blocksLimited reports whether an OST's grant is counted, which is the case if the file system or
// the pool has a limit.
func (s *server) blocksLimited(q query, whole answer) (bool, error) {
	if whole.bsoft|whole.bhard != 0 {
		return true, nil
	}
	if q.pool == "" {
		return false, nil
	}
	q.pool = ""
	a, err := s.read(q, false)
	return a.bsoft|a.bhard != 0, err
}
