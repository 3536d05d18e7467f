package lfssim

import (
	"errors"
	"strconv"
	"strings"
)

// showList lists all identities that have a record. An identity that only uses space is not listed.
func (q *quotaRun) showList(path string, m Mount) int {
	if !q.prog.srv.root() && q.typ != Project {
		q.prog.complain("get all quota failed -1\n")
		return exit(refused)
	}
	errno, err := q.prog.srv.refuses(OnQuota, q.query(m.FS))
	if err == nil && errno != 0 {
		q.prog.complain("get all quota failed -%d\n", int(errno))
		return exit(errno)
	}
	rows, listErr := q.listRows(path, m)
	if err := errors.Join(err, listErr); err != nil {
		return q.prog.reportBroken(err)
	}
	q.prog.print("%s", rows)
	return 0
}

func (q *quotaRun) listRows(path string, m Mount) (string, error) {
	ids, err := q.prog.srv.store.ids(m.FS, q.typ)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if q.withRoot {
		a, err := q.prog.srv.defaults(query{fs: m.FS, typ: q.typ})
		if err != nil {
			return "", err
		}
		b.WriteString(q.layout.row(path, q.listName(0), q.layout.columns(a, wholeRow, 0)))
	}
	for _, id := range ids {
		if id == 0 || q.last != 0 && (id < q.first || id > q.last) {
			continue
		}
		a, err := q.prog.srv.read(query{fs: m.FS, typ: q.typ, id: id}, false)
		if err != nil {
			return "", err
		}
		if !a.blockRecorded && !a.inodeRecorded {
			continue
		}
		if !a.blockRecorded {
			a.has &^= hasBLimits
		}
		if !a.inodeRecorded {
			a.has &^= hasILimits
		}
		b.WriteString(q.layout.row(path, q.listName(id), q.layout.columns(a, wholeRow, 0)))
	}
	return b.String(), nil
}

func (q *quotaRun) listName(id uint32) string {
	if name, ok := q.prog.names().nameOf(q.typ, id); ok && !q.numeric {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}
