package render

import (
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	leastFolded  = 3 // fewer changes of one shape are shown one by one
	listedFolded = 5 // addresses shown of the folded changes
)

// folded returns the blocks of --compact. Changes of one shape share a block at the place of the
// first of them. Dangerous changes are never folded.
func (v *view) folded(order []int) []func(*printer) {
	var list []func(*printer)
	for _, members := range v.grouped(order) {
		if len(members) == 1 {
			list = append(list, func(p *printer) { v.action(p, members[0]) })
		} else {
			list = append(list, func(p *printer) { v.group(p, members) })
		}
	}
	return list
}

// grouped returns groups of actions that share a block, some with only one action, in the order in
// which they are shown.
func (v *view) grouped(order []int) [][]int {
	groups, shapes := map[string][]int{}, make([]string, len(order))
	for k, i := range order {
		if shapes[k] = v.shape(i); shapes[k] != "" {
			groups[shapes[k]] = append(groups[shapes[k]], i)
		}
	}
	var list [][]int
	for k, i := range order {
		group := groups[shapes[k]]
		switch {
		case len(group) < leastFolded:
			list = append(list, []int{i})
		case group[0] == i:
			list = append(list, group)
		}
	}
	return list
}

// shape returns what changes have in common if they can be shown as one: everything except names,
// ids and usage. It is empty for changes that are never folded.
func (v *view) shape(i int) string {
	a, d := &v.plan.Core.Actions[i], &v.plan.Context.Details[i]
	if len(a.Danger) > 0 || a.Kind == planner.Archive || a.Verdict != "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, a.Kind, a.System, a.Target.IsBranch(), a.Callbacks, a.From != "", a.Order != "",
		len(a.Parents), d.Unchanged, d.Usage != nil,
		d.Usage.DefaultCovers(planner.SpaceHard), d.Usage.DefaultCovers(planner.InodesHard))
	if a.Quota != nil {
		fmt.Fprint(&b, a.Quota.By)
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, " %q", r.Code)
	}
	for j, c := range a.Changes {
		fmt.Fprintf(&b, " %s %+v", c.Attribute, d.Notes[j])
		if !isID(c.Attribute) {
			fmt.Fprintf(&b, " %q %q", c.Before, c.After)
		}
	}
	return b.String()
}

func isID(a planner.Attribute) bool { return a == planner.Group || a == planner.Project }

// group writes one block for several actions.
func (v *view) group(p *printer, members []int) {
	first := &v.plan.Core.Actions[members[0]]
	n := planner.Commas(uint64(len(members)))
	p.put(line{in(plain, "  # "), in(bold, n+" resources"), in(plain, " "),
		in(bold, verbMany(first.Kind)),
		in(plain, ", all in the same way")})
	p.because(v.commonReason(members), false)
	mark, _, s := symbol(first.Kind)
	p.put(line{in(plain, "  "), in(s, mark), in(plain, " "+noun(first.Target)+" {")})
	v.groupBody(p, members)
	p.put(text("    }"))
	addresses := make([]string, len(members))
	for k, i := range members {
		addresses[k] = v.plan.Core.Actions[i].Address
	}
	v.on(p, addresses)
}

// on lists the addresses that share a block. The block itself names a single one.
func (v *view) on(p *printer, addresses []string) {
	if len(addresses) < 2 {
		return
	}
	for k, address := range addresses {
		if k == listedFolded && !v.listAll {
			p.put(line{in(dim, "  # and "+planner.Commas(uint64(len(addresses)-k))+" more")})
			break
		}
		p.prose(line{in(dim, "  # "), in(plain, "on ")}, line{in(dim, "  #   | ")}, Quote(address),
			plain)
	}
}

// fold shows entries. If the plan is shown compactly, entries of the same shape are shown as one at
// the place of the first. show gets the names of these entries, and the index of the first.
func (v *view) fold(names []string, shape func(int) string, show func(same []string, first int)) {
	if !v.opt.Compact {
		for i := range names {
			show(names[i:i+1], i)
		}
		return
	}
	same := map[string][]string{}
	for i := range names {
		same[shape(i)] = append(same[shape(i)], names[i])
	}
	done := map[string]bool{}
	for i := range names {
		switch s := shape(i); {
		case len(same[s]) < leastFolded:
			show(names[i:i+1], i)
		case !done[s]:
			done[s] = true
			show(same[s], i)
		}
	}
}

func verbMany(kind planner.ActionKind) string {
	switch kind {
	case planner.Create:
		return "will be created"
	case planner.Adopt:
		return "already exist and will be adopted"
	case planner.Update:
		return "will be updated in place"
	case planner.Restore:
		return "will be restored from the archive"
	}
	return "are as wanted, only callbacks are due"
}

// commonReason returns the reason that all members have, or says that each has its own.
func (v *view) commonReason(members []int) string {
	texts := func(i int) string { return reasonTexts(v.plan.Context.Details[i].Reasons) }
	common := texts(members[0])
	for _, i := range members[1:] {
		if texts(i) != common {
			if v.plan.Core.Actions[i].Order != "" {
				return "each has an order for it"
			}
			return "each has its own reason of the same kind"
		}
	}
	return common
}

func (v *view) groupBody(p *printer, members []int) {
	first, d := &v.plan.Core.Actions[members[0]], &v.plan.Context.Details[members[0]]
	var rows, quota []row
	for j, c := range first.Changes {
		f := v.groupFact(members, j)
		if c.Attribute.IsQuota() {
			quota = append(quota, p.changeRow(f, inner))
		} else {
			rows = append(rows, p.changeRow(f, outer))
		}
	}
	ends := *first
	ends.Order = ""
	p.rows(outer, rows)
	if len(quota) > 0 {
		mark, _, s := symbol(first.Kind)
		p.put(line{in(plain, spaces(outer)), in(s, mark),
			in(plain, " quota of each "+Escape(string(first.Quota.By))+" {")})
		for _, f := range v.usageRange(members) {
			quota = append(quota, p.rowOf(f, inner+14))
		}
		p.rows(inner, quota)
		p.put(text(spaces(outer+2) + "}"))
	}
	p.rows(outer, p.afterwards(&ends))
	if d.Unchanged > 0 {
		p.put(line{in(dim, "        # ("+unchangedText(d.Unchanged)+" in each)")})
	}
}

// groupFact returns the fact about one attribute for all members.
func (v *view) groupFact(members []int, change int) fact {
	first := &v.plan.Core.Actions[members[0]]
	f := changeFact(first.Kind, first.Changes[change], &v.plan.Context.Details[members[0]], change)
	if isID(first.Changes[change].Attribute) && v.differ(members, change) {
		f.is, f.was, f.will = "", "", "each its own"
	}
	return f
}

func (v *view) differ(members []int, change int) bool {
	for _, i := range members[1:] {
		if v.plan.Core.Actions[i].Changes[change] != v.plan.Core.Actions[members[0]].Changes[change] {
			return true
		}
	}
	return false
}

// usageRange returns how full the least full and the fullest of the members will be.
func (v *view) usageRange(members []int) []fact {
	var least, most uint64
	known := 0
	var hard *planner.Change
	for _, i := range members {
		if h := limits(&v.plan.Core.Actions[i], &v.plan.Context.Details[i],
			planner.SpaceHard); h != nil {
			hard = h
		}
		d := &v.plan.Context.Details[i]
		if d.Usage == nil {
			continue
		}
		if n, ok := d.Usage.Space.Number(); ok {
			if known == 0 {
				least, most = n, n
			}
			least, most, known = min(least, n), max(most, n), known+1
		}
	}
	if known == 0 || hard == nil {
		return nil
	}
	t := planner.Bytes(least).Rounded() + " to " + planner.Bytes(most).Rounded()
	if limit, ok := hard.After.Number(); ok {
		t += " (" + percent(least, limit) + " to " + percent(most, limit) + " after)"
	}
	f := fact{name: "used", is: t}
	if known < len(members) {
		f.note = "unknown of " + planner.Commas(uint64(len(members)-known))
	}
	return []fact{f}
}
