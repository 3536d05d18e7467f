package waldur

import (
	"bytes"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// quotaList returns the limits of the array at peek. Arrays with the same bytes share them: many
// resources have the same limits, and reading them takes as long as the rest of an item.
func (p *parser) quotaList(in field) *planner.ProxyQuotas {
	start := p.in.pos
	text := p.in.text[start:]
	text = text[:bytes.IndexByte(text, ']')+1]
	if q, known := p.lists[string(text)]; known {
		p.in.pos += len(text)
		return q
	}
	q := p.readQuotas(in)
	if whole := p.in.pos == start+len(text); whole && p.in.err == nil && p.problem == "" &&
		len(p.lists) < maxLists && len(text) <= maxListBytes {
		p.lists[string(text)] = q
	}
	return q
}

// readQuotas parses the array of limits at peek. A limit that is missing stays "not given", which
// is unknown and never zero.
func (p *parser) readQuotas(in field) *planner.ProxyQuotas {
	q := p.limits.New()
	f := p.in.open()
	for p.in.element(&f, ']') {
		if p.in.peek() != '{' {
			p.badQuota(in, f.count, "want an object, got %v", p.in.skip())
			continue
		}
		clear(p.got[firstQuotaField : lastQuotaField+1])
		p.collect(inQuota)
		if p.in.err == nil {
			p.limit(q, in, f.count)
		}
	}
	return q
}

func (p *parser) badQuota(in field, n int, format string, args ...any) {
	p.badField(fmt.Sprintf("%v[%d]", in, n-1), format, args...)
}

// limit stores one entry in q. The unit of space must be "tera" and that of inodes "none": another
// unit would mean another amount.
func (p *parser) limit(q *planner.ProxyQuotas, in field, n int) {
	for s := firstQuotaField; s <= lastQuotaField; s++ {
		want := kindString
		if s == quotaNumber {
			want = kindNumber
		}
		if k := p.got[s].kind; k != want {
			p.badQuota(in, n, "%v: want %v, got %v", s, want, k)
			return
		}
	}
	kind, soft := p.got[quotaType].raw, string(p.got[quotaEnforcement].raw) == "soft"
	if !soft && string(p.got[quotaEnforcement].raw) != "hard" {
		p.badQuota(in, n, "enforcementType: want soft or hard, got %.40q", p.got[quotaEnforcement].raw)
		return
	}
	var to *planner.Decimal
	unit := "none"
	switch {
	case string(kind) == "space" && soft:
		to, unit = &q[planner.SpaceSoft], "tera"
	case string(kind) == "space":
		to, unit = &q[planner.SpaceHard], "tera"
	case string(kind) == "inodes" && soft:
		to = &q[planner.InodesSoft]
	case string(kind) == "inodes":
		to = &q[planner.InodesHard]
	default:
		p.badQuota(in, n, "type: want space or inodes, got %.40q", kind)
		return
	}
	p.setLimit(to, unit, in, n)
}

func (p *parser) setLimit(to *planner.Decimal, unit string, in field, n int) {
	if got := p.got[quotaUnit].raw; string(got) != unit {
		p.badQuota(in, n, "unit: want %s for %s, got %.40q", unit, p.got[quotaType].raw, got)
		return
	}
	if to.Given() {
		p.badQuota(in, n, "the %s limit of %s is given twice", p.got[quotaEnforcement].raw,
			p.got[quotaType].raw)
		return
	}
	d, err := p.decimal(p.got[quotaNumber].raw)
	if err != nil {
		p.badQuota(in, n, "quota: %v", err)
		return
	}
	*to = d
}
