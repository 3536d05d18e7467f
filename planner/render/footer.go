package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// drift lists what somebody changed outside of cscs-sync, and whether this plan undoes it.
func (v *view) drift(p *printer) {
	p.put(line{in(boldCyan, "Note:"), in(bold, " Objects have changed outside of cscs-sync")})
	v.eachDrift(func(same []string, facts []fact) {
		p.blank()
		if len(same) > 1 {
			p.put(line{in(plain, "  # "), in(bold, planner.Commas(uint64(len(same)))+" resources"),
				in(plain, " have changed, all in the same way")})
		} else {
			p.put(p.subject(Quote(same[0])).add(in(plain, " has changed")))
		}
		rows := make([]row, len(facts))
		for i, f := range facts {
			rows[i] = p.rowOf(f, 20)
		}
		p.rows(2, rows)
		v.on(p, same)
	})
}

// eachDrift calls each for the drift of every resource. If the plan is shown compactly, resources
// that changed in the same way come together.
func (v *view) eachDrift(each func(same []string, facts []fact)) {
	list := slices.Clone(v.plan.Context.Drift)
	slices.SortStableFunc(list,
		func(a, b planner.Drift) int { return cmp.Compare(a.Address, b.Address) })
	set := v.set()
	var subjects []string
	var shown [][]fact
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Address == list[0].Address {
			n++
		}
		subjects, shown = append(subjects, list[0].Address), append(shown, drifted(list[:n], set))
		list = list[n:]
	}
	v.fold(subjects, func(i int) string { return fmt.Sprint(shown[i]) },
		func(same []string, i int) {
			each(same, shown[i])
		})
}

// drifted returns the facts about one resource that was changed outside: what is recorded and what
// was found.
func drifted(list []planner.Drift, set map[driftKey]planner.Value) []fact {
	facts := make([]fact, len(list))
	for i, d := range list {
		facts[i] = fact{mark: "~", style: yellow, name: d.Attribute.String(), note: "left as it is",
			was: show(d.Attribute, d.Recorded), will: show(d.Attribute, d.Observed)}
		if after, ok := set[driftKey{d.Address, d.Attribute}]; ok {
			facts[i].note = "this plan sets " + show(d.Attribute, after)
			if after == d.Recorded {
				facts[i].note = "this plan undoes it"
			}
		}
	}
	return facts
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

// refusals writes the resources for which nothing is done, and then those of which only the quota
// is left alone.
func (v *view) refusals(p *printer) {
	c := &v.plan.Context
	if hasWhole(c.Blocked) || hasWhole(c.Waiting) {
		p.put(line{in(bold, "Nothing will be done for:")})
		v.refused(p, false)
	}
	if !hasQuotaOnly(c.Blocked) && !hasQuotaOnly(c.Waiting) {
		return
	}
	if hasWhole(c.Blocked) || hasWhole(c.Waiting) {
		p.blank()
	}
	p.put(line{in(bold, "These resources change, but their quotas stay as they are:")})
	v.refused(p, true)
}

// refused lists the refusals of only a quota, or those of whole resources.
func (v *view) refused(p *printer, quotaOnly bool) {
	v.eachRefusal(quotaOnly, func(kind planner.ActionKind, r *planner.Refusal, same []string) {
		mark, _, s := symbol(kind)
		p.blank()
		p.refusal(r, same, mark, string(kind), s)
		v.on(p, same)
	})
}

// eachRefusal calls each for the refusals of only a quota, or those of whole resources. If the plan
// is shown compactly, refusals of the same kind come together.
func (v *view) eachRefusal(quotaOnly bool, each func(kind planner.ActionKind, r *planner.Refusal,
	same []string)) {
	for _, part := range []struct {
		kind planner.ActionKind
		list []planner.Refusal
	}{{planner.Blocked, v.plan.Context.Blocked}, {planner.Waiting, v.plan.Context.Waiting}} {
		list := slices.DeleteFunc(sorted(part.list),
			func(r planner.Refusal) bool { return r.QuotaOnly != quotaOnly })
		names := make([]string, len(list))
		for i := range list {
			names[i] = orElse(list[i].Address, list[i].Key.Item)
		}
		v.fold(names, func(i int) string { return fmt.Sprint(list[i].Reasons) },
			func(same []string, i int) {
				each(part.kind, &list[i], same)
			})
	}
}

func sorted(list []planner.Refusal) []planner.Refusal {
	list = slices.Clone(list)
	slices.SortStableFunc(list,
		func(a, b planner.Refusal) int {
			return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key))
		})
	return list
}

// refusal writes why nothing is done for one resource, or for several in the same way.
func (p *printer) refusal(r *planner.Refusal, same []string, mark, word string, s style) {
	if r.QuotaOnly {
		word += ", its quota only"
	}
	address := Quote(same[0])
	first := line{in(plain, "  "), in(s, mark), in(plain, " ")}
	if len(same) > 1 {
		p.put(first.add(in(bold, planner.Commas(uint64(len(same)))+" resources"),
			in(plain, ": "+word)))
	} else if isPath(address) {
		p.put(first.add(in(bold, address), in(plain, ": "+word)))
	} else {
		p.prose(first, text("    | "), address+": "+word, plain)
	}
	for _, reason := range r.Reasons {
		p.prose(text("    | "), text("    | "), reason.Text, plain)
	}
}

// callbacks writes what Waldur will be told, and what it has not been told yet.
func (v *view) callbacks(p *printer) {
	n := v.callbackCounts()
	if v.sends() {
		p.put(text("Waldur will be told, for each resource in this order:"))
	}
	for _, c := range planner.PlannedCallbacks() {
		if n[c] > 0 {
			p.put(text(fmt.Sprintf("%8s %s", planner.Commas(uint64(n[c])), c)))
		}
	}
	p.undelivered(v.plan.Context.Undelivered)
}

func (v *view) callbackCounts() map[planner.Callback]int {
	n := map[planner.Callback]int{}
	for i := range v.plan.Core.Actions {
		for _, c := range v.plan.Core.Actions[i].Callbacks {
			n[c]++
		}
	}
	return n
}

const mostUndelivered = 20

func (p *printer) undelivered(list []planner.Undelivered) {
	if len(list) == 0 {
		return
	}
	p.put(line{in(boldYellow, plural(len(list), "callback from earlier is",
		"callbacks from earlier are")),
		in(plain, " still waiting to be delivered:")})
	for _, s := range undeliveredLines(list) {
		p.prose(text("    "), text("      | "), s, plain)
	}
}

// undeliveredLines returns a line for each callback of earlier plans, as far as there is room.
func undeliveredLines(list []planner.Undelivered) []string {
	var lines []string
	for i, u := range list {
		if i == mostUndelivered {
			return append(lines, "and "+plural(len(list)-i, "more", "more"))
		}
		s := Quote(u.Address) + ": " + string(u.Callback) + ", since " + u.Since.UTC().Format(stamp)
		if u.Parked {
			s += ", parked: a person has to decide"
		}
		if u.Problem != "" {
			s += ": " + u.Problem
		}
		lines = append(lines, s)
	}
	return lines
}

// conclusion writes the last line. Its form is a contract, because scripts read it.
func (v *view) conclusion(p *printer) {
	head, tail, quiet := conclusion(v.plan)
	s := bold
	if quiet {
		s = boldGreen
	}
	if words := Dangers(v.plan); words != "" {
		for _, t := range wrap(words, p.width) {
			p.put(line{in(boldRed, t)})
		}
	}
	p.put(line{in(s, head), in(bold, tail)})
}

// Dangers counts a plan's dangers in one sentence, the worst first: "Dangerous: 1 [ARCHIVES DATA],
// 2 [WIDER ACCESS]." It is empty for a plan without any.
func Dangers(plan *planner.Plan) string {
	counts := dangerCounts(plan)
	var parts []string
	for _, d := range planner.Dangers() {
		if n := counts[d]; n > 0 {
			name, _ := tag(d)
			parts = append(parts, strconv.Itoa(n)+" ["+name+"]")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Dangerous: " + strings.Join(parts, ", ") + "."
}

func conclusion(plan *planner.Plan) (head, tail string, quiet bool) {
	if slices.ContainsFunc(plan.Context.Warnings,
		func(w planner.Warning) bool { return w.Code == reason.SelectionEmpty }) {
		return "Nothing was selected.", " Correct --target and --exclude.", false
	}
	var parts []string
	for _, kind := range planner.ActionKinds() {
		n := *plan.Context.Counts.Of(kind)
		if n == 0 || kind == planner.NothingToDo {
			continue
		}
		// No commas in these numbers: scripts read them.
		word := strconv.Itoa(n) + " to " + string(kind)
		if !kind.Acts() {
			word = strconv.Itoa(n) + " " + string(kind)
		}
		parts = append(parts, word)
	}
	parts = append(parts, countQuotas(plan).words()...)
	if n := plan.Context.Unobserved; n > 0 && len(parts) == 0 {
		parts = append(parts, "nothing to do, but "+strconv.Itoa(n)+" not observed")
	}
	if len(parts) == 0 && len(plan.Context.Blocked)+len(plan.Context.Waiting) == 0 {
		return "No changes.", " Your storage matches the configuration.", true
	}
	return "Plan:", " " + strings.Join(parts, ", ") + ".", false
}
