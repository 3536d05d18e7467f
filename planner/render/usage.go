package render

import (
	"github.com/waldur/cscs-storage-sync/planner"
)

// measure is the usage of a quota, in space or in files.
type measure struct {
	fact
	// amount is the usage, and share is its share of the hard limit before and after.
	amount, share string
	// used is amount as a number. hard is nil if the plan names no hard limit.
	used uint64
	hard *planner.Change
}

// usage returns rows that compare the usage with the limits, in per cent of the hard limit before
// and after.
func (p *printer) usage(a *planner.Action, d *planner.Detail) []row {
	var rows []row
	for _, m := range measures(a, d) {
		rows = append(rows, p.rowOf(m.fact, inner+14))
	}
	return rows
}

// measures returns the usage of an action's quota; none if the usage does not matter.
func measures(a *planner.Action, d *planner.Detail) []measure {
	if d.Usage == nil || a.Kind == planner.Create && d.Usage.Space == planner.Number(0) &&
		d.Usage.Inodes == planner.Number(0) {
		return nil
	}
	var list []measure
	for i, of := range planner.Quantities() {
		m := measured(of.Hard, d.Usage.Used(of.Hard), limits(a, d, of.Soft), limits(a, d, of.Hard))
		if d.Usage.Claims > 1 && i == 0 {
			m.note = joinNotes(m.note, "by all "+planner.Commas(uint64(d.Usage.Claims))+
				" resources of this quota")
		}
		if d.Usage.DefaultCovers(of.Hard) && len(a.Changes) > 0 && a.Kind != planner.Archive {
			m.note = joinNotes(m.note, "the default quota applies to it until now")
		}
		list = append(list, m)
	}
	return list
}

// limits returns the limit before and after, even if it stays; nil if the action does not concern
// it.
func limits(a *planner.Action, d *planner.Detail, attribute planner.Attribute) *planner.Change {
	for i := range a.Changes {
		if a.Changes[i].Attribute == attribute {
			return &a.Changes[i]
		}
	}
	for _, k := range d.Kept {
		if k.Attribute == attribute {
			return &planner.Change{Attribute: attribute, Before: k.Value, After: k.Value}
		}
	}
	return nil
}

// measured returns the usage of what an attribute limits.
func measured(attribute planner.Attribute, v planner.Value, soft, hard *planner.Change) measure {
	name := "files"
	if attribute.IsSpace() {
		name = "used"
	}
	m := measure{fact: fact{name: name}}
	n, known := v.Number()
	if !known {
		m.is = show(attribute, v)
		m.amount = m.is
		return m
	}
	m.used, m.hard, m.amount, m.share = n, hard, planner.Commas(n), percents(n, hard)
	if attribute.IsSpace() {
		m.amount = planner.Bytes(n).Rounded()
		if nearLimit(n, m.amount, soft) || nearLimit(n, m.amount, hard) {
			m.amount = planner.Bytes(n).String()
		}
	}
	m.is = m.amount
	if m.share != "" {
		m.is += " (" + m.share + ")"
	}
	switch {
	case exceeds(n, hard):
		m.note, m.loud = "over: writes will fail", boldRed
	case exceeds(n, soft):
		m.note, m.loud = "over the soft limit: the grace period is running", boldRed
	}
	return m
}

// nearLimit reports whether rounding would show the usage as equal to a limit although it differs.
func nearLimit(n uint64, shown string, c *planner.Change) bool {
	if c == nil {
		return false
	}
	limit, ok := c.After.Number()
	return ok && limit != n && planner.Bytes(limit).Rounded() == shown
}

func exceeds(n uint64, c *planner.Change) bool {
	if c == nil {
		return false
	}
	limit, ok := c.After.Number()
	return ok && n > limit
}

// percents returns the usage in per cent of the hard limit before and after: "61% -> 123%".
func percents(n uint64, hard *planner.Change) string {
	if hard == nil {
		return ""
	}
	before, ok1 := hard.Before.Number()
	after, ok2 := hard.After.Number()
	switch {
	case ok1 && ok2 && percent(n, before) == percent(n, after):
		return percent(n, after)
	case ok1 && ok2:
		return percent(n, before) + " -> " + percent(n, after)
	case ok2:
		return percent(n, after)
	case ok1:
		return percent(n, before) + " -> no limit"
	}
	return ""
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
