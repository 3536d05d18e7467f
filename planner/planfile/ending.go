package planfile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// drift lists what somebody changed outside, and whether this plan undoes it.
func (v *view) drift(p *printer) {
	p.put(line{in(boldCyan, "Note:"), in(bold, " Objects have changed outside of cscs-sync")})
	list := slices.Clone(v.plan.Context.Drift)
	slices.SortStableFunc(list, func(a, b planner.Drift) int { return cmp.Compare(a.Address, b.Address) })
	set := v.set()
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Address == list[0].Address {
			n++
		}
		p.blank()
		p.put(p.subject(Quote(list[0].Address)).add(in(plain, " has changed")))
		rows := make([]row, n)
		for i, d := range list[:n] {
			rows[i] = row{mark: "~", style: yellow, name: string(d.Attribute), note: "left as it is",
				value: p.transition(show(d.Attribute, d.Recorded), show(d.Attribute, d.Observed), 20)}
			if after, ok := set[driftKey{d.Address, d.Attribute}]; ok {
				rows[i].note = "this plan sets " + show(d.Attribute, after)
				if after == d.Recorded {
					rows[i].note = "this plan undoes it"
				}
			}
		}
		p.rows(2, rows)
		list = list[n:]
	}
}

type driftKey struct {
	address   string
	attribute planner.Attribute
}

func (v *view) set() map[driftKey]planner.Value {
	m := map[driftKey]planner.Value{}
	for i := range v.plan.Core.Actions {
		a := &v.plan.Core.Actions[i]
		for _, c := range a.Changes {
			m[driftKey{a.Address, c.Attribute}] = c.After
		}
	}
	return m
}

// refusals are the resources for which nothing is done.
func (v *view) refusals(p *printer) {
	p.put(line{in(bold, "Nothing will be done for:")})
	for _, part := range []struct {
		kind planner.ActionKind
		list []planner.Refusal
	}{{planner.Blocked, v.plan.Context.Blocked}, {planner.Waiting, v.plan.Context.Waiting}} {
		mark, _, s := symbol(part.kind)
		for _, r := range sorted(part.list) {
			p.blank()
			p.refusal(&r, mark, string(part.kind), s)
		}
	}
}

func sorted(list []planner.Refusal) []planner.Refusal {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b planner.Refusal) int { return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key)) })
	return list
}

func (p *printer) refusal(r *planner.Refusal, mark, word string, s style) {
	if r.QuotaOnly {
		word += ", its quota only"
	}
	address := Quote(orElse(r.Address, r.Key.Item))
	first := line{in(plain, "  "), in(s, mark), in(plain, " ")}
	if isPath(address) {
		p.put(first.add(in(bold, address), in(plain, ": "+word)))
	} else {
		p.prose(first, text("    | "), address+": "+word, plain)
	}
	for _, reason := range r.Reasons {
		p.prose(text("    | "), text("    | "), reason.Text, plain)
	}
}

// callbacks says what Waldur will be told, and what it has not been told yet.
func (v *view) callbacks(p *printer) {
	n := map[planner.Callback]int{}
	for i := range v.plan.Core.Actions {
		for _, c := range v.plan.Core.Actions[i].Callbacks {
			n[c]++
		}
	}
	var parts []string
	for _, c := range callbacks() {
		if n[c] > 0 {
			parts = append(parts, commas(uint64(n[c]))+" x "+string(c))
		}
	}
	if len(parts) > 0 {
		p.prose(nil, text("  "), "Waldur will be told, for each in this order: "+strings.Join(parts, ", ")+".", plain)
	}
	p.undelivered(v.plan.Context.Undelivered)
}

const mostUndelivered = 20

func (p *printer) undelivered(list []planner.Undelivered) {
	if len(list) == 0 {
		return
	}
	p.put(line{in(boldYellow, plural(len(list), "callback waits", "callbacks wait")), in(plain, " to be delivered from before:")})
	for i, u := range list {
		if i == mostUndelivered {
			p.put(text("    and " + plural(len(list)-i, "more", "more")))
			return
		}
		s := Quote(u.Address) + ": " + string(u.Callback) + ", since " + u.Since.UTC().Format(stamp)
		if u.Parked {
			s += ", parked: a person has to decide"
		}
		if u.Problem != "" {
			s += ": " + u.Problem
		}
		p.prose(text("    "), text("      | "), s, plain)
	}
}

// conclusion is the last line. Its form is a contract: scripts read it.
func (v *view) conclusion(p *printer) {
	head, tail, quiet := conclusion(v.plan)
	s := bold
	if quiet {
		s = boldGreen
	}
	p.put(line{in(s, head), in(bold, tail)})
}

func conclusion(plan *planner.Plan) (head, tail string, quiet bool) {
	var parts []string
	for _, kind := range planner.ActionKinds() {
		n := count(&plan.Context.Counts, kind)
		if n == 0 || kind == planner.NothingToDo {
			continue
		}
		// No commas in these numbers: scripts read them.
		word := strconv.Itoa(n) + " to " + string(kind)
		if !acts(kind) {
			word = strconv.Itoa(n) + " " + string(kind)
		}
		parts = append(parts, word)
	}
	if n := plan.Context.Unobserved; n > 0 && len(parts) == 0 {
		parts = append(parts, "nothing to do, but "+strconv.Itoa(n)+" not observed")
	}
	if len(parts) == 0 && len(plan.Context.Blocked)+len(plan.Context.Waiting) == 0 {
		return "No changes.", " Your storage matches the configuration.", true
	}
	return "Plan:", " " + strings.Join(parts, ", ") + ".", false
}
