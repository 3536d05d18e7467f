package lfssim

import (
	"slices"
	"strconv"
	"strings"
)

// showTargets lists the MDTs and OSTs, or the OSTs of the pool.
func (q *quotaRun) showTargets(m Mount) error {
	fs := q.prog.srv.store.settings.filesystem(m.FS)
	osts := make([]int, fs.OSTs)
	for i := range osts {
		osts[i] = i
	}
	var blocks, inodes uint64
	if pool, ok := fs.pool(q.pool); ok {
		q.prog.print("Pool: %s.%s\n", m.FS, q.pool)
		osts = slices.Clone(pool.OSTs)
	} else {
		for i := range fs.MDTs {
			grant, err := q.showTarget(m, target{"MDT", i}, mdtRow)
			if err != nil {
				return err
			}
			inodes += grant
		}
	}
	for _, i := range osts {
		grant, err := q.showTarget(m, target{"OST", i}, ostRow)
		if err != nil {
			return err
		}
		blocks += grant
	}
	q.prog.print("Total allocated inode limit: %d, total allocated block limit: %d\n", inodes, blocks)
	return nil
}

// showTarget shows one target and returns its grant: inodes of an MDT, or blocks of an OST.
func (q *quotaRun) showTarget(m Mount, t target, kind rowKind) (grant uint64, err error) {
	query := q.query(m.FS)
	query.target = t
	whole, err := q.prog.srv.read(query, false)
	if err != nil {
		return 0, err
	}
	a, errno, err := q.prog.srv.ofTarget(query, whole)
	if err != nil {
		return 0, err
	}
	if errno != 0 {
		q.prog.complain("quotactl %s%d failed.\n", strings.ToLower(t.kind), t.index)
		return 0, nil
	}
	q.prog.print("%s", q.layout.row(targetName(q.prog.rel, m.FS, t), "", q.layout.columns(a, kind, 0)))
	if kind == mdtRow {
		return a.ihard, nil
	}
	return a.bhard, nil
}

func targetName(rel release, fs string, t target) string {
	name := fs + "-" + t.kind + hex4(t.index)
	if rel.modern {
		return name
	}
	return name + "_UUID"
}

func hex4(n int) string {
	s := strconv.FormatInt(int64(n), 16)
	return strings.Repeat("0", max(0, 4-len(s))) + s
}
