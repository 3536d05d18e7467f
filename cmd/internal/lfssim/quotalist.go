package lfssim

import (
	"errors"
	"strconv"
	"strings"
)

// showList lists all identities that have a record; one that only uses space is not among them.
func (q *quotaRun) showList(path string, m Mount) int {
	if !q.srv.root() && q.typ != Project {
		q.complain("get all quota failed -1\n")
		return exit(refused)
	}
	errno, err := q.srv.refuses(OnQuota, q.query(m.FS))
	if err == nil && errno != 0 {
		q.complain("get all quota failed -%d\n", int(errno))
		return exit(errno)
	}
	rows, listErr := q.listRows(path, m)
	if err := errors.Join(err, listErr); err != nil {
		return q.broken(err)
	}
	q.print("%s", rows)
	return 0
}

func (q *quotaRun) listRows(path string, m Mount) (string, error) {
	ids, err := q.srv.ids(m.FS, q.typ)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if q.withRoot {
		a, err := q.srv.defaults(query{fs: m.FS, typ: q.typ})
		if err != nil {
			return "", err
		}
		b.WriteString(q.row(path, q.listName(0), q.columns(a, wholeRow, 0)))
	}
	for _, id := range ids {
		if id == 0 || q.last != 0 && (id < q.first || id > q.last) {
			continue
		}
		a, err := q.srv.read(query{fs: m.FS, typ: q.typ, id: id}, false)
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
		b.WriteString(q.row(path, q.listName(id), q.columns(a, wholeRow, 0)))
	}
	return b.String(), nil
}

func (q *quotaRun) listName(id uint32) string {
	if name, ok := q.names().nameOf(q.typ, id); ok && !q.numeric {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}
