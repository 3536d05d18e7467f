package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

const stamp = "2006-01-02 15:04:05 UTC"

func (v *view) header(p *printer) {
	c := &v.plan.Context
	p.prose(nil, text("  "), "Plan "+canonical.ShortID(v.id())+" for "+v.systems(), bold)
	p.prose(nil, text("  "), plural(v.resources(), "resource",
		"resources")+" from "+Escape(c.Source)+"; "+v.overrides(), plain)
	p.prose(nil, text("  "), "planned "+v.made()+", cscs-sync "+Escape(c.Version), plain)
	p.put(line{in(dim, "id "+v.id())})
	p.prose(nil, text("  "), "configuration "+v.configuration()+"; an approval holds for "+
		days(c.ValidFor), dim)
	if with := variables(c.Configuration); with != "" {
		p.prose(nil, text("  "), "with "+with, dim)
	}
	for _, s := range v.selections() {
		p.put(line{in(boldYellow, s.loud), in(plain, s.words)})
		for _, picked := range s.picked {
			p.prose(text("  "), text("    | "), picked, plain)
		}
	}
}

func (v *view) systems() string {
	return orElse(strings.Join(quoteAll(v.plan.Context.Systems), ", "), "no system")
}

func (v *view) overrides() string {
	return plural(v.plan.Context.Overrides, "override", "overrides") + " in force"
}

func (v *view) made() string {
	c := &v.plan.Context
	return c.Made.Format(stamp) + " by " + Escape(c.User) + "@" + Escape(c.Host)
}

func (v *view) configuration() string {
	return orElse(shortened(v.plan.Core.Configuration), "unknown")
}

// variables returns the variables of the configuration with their values.
func variables(parts []planner.ConfigurationPart) string {
	var list []string
	for _, part := range parts {
		if part.Value != "" {
			list = append(list, Escape(part.Name)+" = "+Escape(part.Value))
		}
	}
	return strings.Join(list, ", ")
}

// shortened returns the start of a digest, long enough to distinguish it from others. The plan's id
// covers the whole digest.
func shortened(digest string) string {
	if len(digest) > 12 && pathSafe(digest) {
		return digest[:12]
	}
	return Escape(digest)
}

// selection is one part of what the command line selected.
type selection struct {
	loud, words string
	picked      []string
}

// selections returns which part of the resources was looked at, and what the command line asked for
// in addition.
func (v *view) selections() []selection {
	s := &v.plan.Core.Selection
	flags := func(name string, values []string) (list []string) {
		for _, value := range values {
			list = append(list, name+Quote(value))
		}
		return list
	}
	verdicts := func(name string, values []planner.OrderVerdict) (list []string) {
		for _, o := range values {
			list = append(list, name+Quote(o.Address)+"="+title(o.Reason))
		}
		return list
	}
	var list []selection
	if part := slices.Concat(flags("--target ", s.Targets),
		flags("--exclude ", s.Excludes)); len(part) > 0 {
		list = append(list, selection{"Partial plan:", " only the resources selected by", part})
	}
	asked := slices.Concat(verdicts("--reject ", s.Rejects), verdicts("--fail ", s.Fails),
		flags("archive restore ", s.Restores))
	if len(asked) > 0 {
		list = append(list, selection{"", "On request:", asked})
	}
	return list
}

func (v *view) resources() (n int) {
	for _, kind := range planner.ActionKinds() {
		n += *v.plan.Context.Counts.Of(kind)
	}
	return n
}

// days formats a duration as people say it.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 0 && d%day == 0:
		return plural(int(d/day), "day", "days")
	case d > 0 && d%time.Hour == 0:
		return plural(int(d/time.Hour), "hour", "hours")
	}
	return d.String()
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func quoteAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Quote(s)
	}
	return out
}

// effects counts what the actions of one kind change.
type effects struct{ resources, directories, quotas, orders, dangerous int }

func (v *view) effects() map[planner.ActionKind]effects {
	m := map[planner.ActionKind]effects{}
	quotas := countQuotas(v.plan)
	for _, kind := range planner.ActionKinds() {
		n, alone := *v.plan.Context.Counts.Of(kind), quotas.of(kind)
		if n+alone > 0 {
			m[kind] = effects{resources: n, quotas: alone}
		}
	}
	for i := range v.plan.Core.Actions {
		a := &v.plan.Core.Actions[i]
		e := m[a.Kind]
		if touchesDirectory(a) {
			e.directories++
		}
		if touchesQuota(a) {
			e.quotas++
		}
		if len(a.Callbacks) > 0 {
			e.orders++
		}
		if len(a.Danger) > 0 {
			e.dangerous++
		}
		m[a.Kind] = e
	}
	return m
}

func touchesDirectory(a *planner.Action) bool {
	if a.Kind == planner.Create || a.Kind == planner.Restore || a.Kind == planner.Archive {
		return true
	}
	for _, c := range a.Changes {
		if !c.Attribute.IsQuota() {
			return true
		}
	}
	return false
}

func touchesQuota(a *planner.Action) bool {
	for _, c := range a.Changes {
		if c.Attribute.IsQuota() && !(a.Kind == planner.Archive && c.After.IsAbsent()) {
			return true
		}
	}
	return false
}

func columnNames() []string {
	return []string{"resources", "directories", "quotas", "callbacks", "dangerous"}
}

func (e effects) cells() []int {
	return []int{e.resources, e.directories, e.quotas, e.orders, e.dangerous}
}

// table writes what the plan does in numbers, with a line for each kind of action that occurs.
func (v *view) table(p *printer) {
	head := line{in(dim, spaces(13))}
	for _, name := range columnNames() {
		head = head.add(in(dim, "  "+name))
	}
	p.put(head)
	all := v.effects()
	for _, kind := range planner.ActionKinds() {
		e, ok := all[kind]
		if !ok {
			continue
		}
		_, _, s := symbol(kind)
		row := line{in(s, fmt.Sprintf("  %-11s", kind))}
		for i, n := range e.cells() {
			row = row.add(cell(n, len(columnNames()[i]), i == 4))
		}
		p.put(row)
	}
	if len(all) == 0 {
		p.put(text("  there are no resources"))
	}
}

func cell(n, width int, danger bool) span {
	s := plain
	if danger {
		s = boldRed
	}
	if n == 0 {
		return in(plain, spaces(width+2))
	}
	return in(s, fmt.Sprintf("  %*s", width, planner.Commas(uint64(n))))
}

// promised writes the space that hard limits promise on each system.
func (v *view) promised(p *printer) {
	list := v.plan.Context.Promised
	width := 8
	for _, m := range list {
		width = max(width, columns(Quote(m.System)))
	}
	p.put(line{in(dim, "  promised"+spaces(width-6)+"        before         after        change")})
	for _, m := range list {
		name := Quote(m.System)
		p.put(text(fmt.Sprintf("  %s%s%14s%14s%14s", name, spaces(width+2-columns(name)), tera(m.Before),
			tera(m.After), promiseChange(m))))
		if m.Overcommit != "" {
			p.put(text("    " + capacityWords(m)))
		}
	}
}

// promiseChange returns by how much a sum of hard limits changes; empty if it stays.
func promiseChange(m planner.Promise) string {
	switch {
	case m.After > m.Before:
		return "+" + tera(m.After-m.Before)
	case m.After < m.Before:
		return "-" + tera(m.Before-m.After)
	}
	return ""
}

// capacityWords says what a system with an overcommit holds, and what it may promise.
func capacityWords(m planner.Promise) string {
	if m.Capacity == 0 {
		return "overcommit = " + m.Overcommit + ", and its capacity is not known"
	}
	words := "of " + tera(m.Capacity) + ", " + tera(m.Used) + " of it used; overcommit = " +
		m.Overcommit +
		" allows " + tera(m.Most)
	if m.After > m.Most {
		words += ", which is exceeded"
	}
	return words
}

// tera formats promised space, always in one unit, so that columns can be compared.
func tera(b planner.Bytes) string {
	const unit = 1 << 40
	if b > 0 && b < unit/10 {
		return b.Rounded()
	}
	tenths := (uint64(b)%unit*10 + unit/2) / unit
	whole := uint64(b)/unit + tenths/10
	return planner.Commas(whole) + "." + strconv.FormatUint(tenths%10, 10) + " TiB"
}

// dangerous writes how many actions are dangerous.
func (v *view) dangerous(p *printer) {
	n := dangerCounts(v.plan)
	p.put(line{in(boldRed, "Dangerous:")})
	for _, d := range planner.Dangers() {
		if n[d] > 0 {
			name, clause := tag(d)
			p.put(line{in(plain, fmt.Sprintf("%8s ", planner.Commas(uint64(n[d])))),
				in(boldRed, "["+name+"]"), in(plain, " "+clause)})
		}
	}
}

// dangerCounts returns the number of actions that have each danger.
func dangerCounts(plan *planner.Plan) map[planner.Danger]int {
	n := map[planner.Danger]int{}
	for i := range plan.Core.Actions {
		for _, d := range plan.Core.Actions[i].Danger {
			n[d]++
		}
	}
	return n
}

func (v *view) warnings(p *printer) {
	for i, w := range v.plan.Context.Warnings {
		if i > 0 && strings.Contains(v.plan.Context.Warnings[i-1].Text, "\n") {
			p.blank()
		}
		at := ""
		if w.Address != "" {
			at = Quote(w.Address) + ": "
		}
		p.prose(line{in(boldYellow, "Warning: ")}, text("  | "), at+w.Text, plain)
	}
}
