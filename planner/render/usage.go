package render

import (
	"github.com/waldur/cscs-storage-sync/planner"
)

// usage is what is used beside the limits, with per cent of the hard limit before and after.
func (p *printer) usage(a *planner.Action, d *planner.Detail) []row {
	if d.Usage == nil || a.Kind == planner.Create && d.Usage.Space == planner.Number(0) && d.Usage.Inodes == planner.Number(0) {
		return nil
	}
	var rows []row
	for i, of := range planner.Quantities() {
		r := p.used(of.Hard, d.Usage.Used(of.Hard), limits(a, d, of.Soft), limits(a, d, of.Hard))
		if d.Usage.Claims > 1 && i == 0 {
			r.note = joinNotes(r.note, "by all "+planner.Commas(uint64(d.Usage.Claims))+" resources of this quota")
		}
		if d.Usage.DefaultCovers(of.Hard) && len(a.Changes) > 0 && a.Kind != planner.Archive {
			r.note = joinNotes(r.note, "the default quota covers it until now")
		}
		rows = append(rows, r)
	}
	return rows
}

// limits is the limit before and after, also of one that stays; nil if the action does not deal with it.
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

// used is the row of what is used of what an attribute limits.
func (p *printer) used(attribute planner.Attribute, v planner.Value, soft, hard *planner.Change) row {
	name := "files"
	if attribute.IsSpace() {
		name = "used"
	}
	n, known := v.Number()
	if !known {
		return row{name: name, value: p.list(inner+14, []string{show(attribute, v)})}
	}
	amount := planner.Commas(n)
	if attribute.IsSpace() {
		amount = planner.Bytes(n).Rounded()
		if nearLimit(n, amount, soft) || nearLimit(n, amount, hard) {
			amount = planner.Bytes(n).String()
		}
	}
	r := row{name: name}
	if share := shares(n, hard); share != "" {
		amount += " (" + share + ")"
	}
	r.value = []line{text(amount)}
	switch {
	case exceeds(n, hard):
		r.note, r.loud = "over: writes will fail", boldRed
	case exceeds(n, soft):
		r.note, r.loud = "over the soft limit: grace runs", boldRed
	}
	return r
}

// nearLimit tells that rounding would show what is used as equal to a limit that it is not equal to.
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

// shares is "61% -> 123%", what is used of the hard limit before and after.
func shares(n uint64, hard *planner.Change) string {
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
