package render

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// DiffResult says what changed from one plan to another, and so what has to be reviewed again.
type DiffResult struct {
	// Old and New are the ids of the plans.
	Old, New string
	// Added are the actions that only the new plan has, Gone those that only the old plan has, and
	// Changed those that differ.
	Added, Gone []planner.Action
	Changed     []ActionDiff
	// Whole lists the differences in the cores except for actions: configuration and selection.
	Whole []FieldDiff
	// Context lists the differences in what explains the plans.
	Context []FieldDiff
	// Identical reports whether the machine's parts are the same, byte for byte.
	Identical bool
}

// ActionDiff is an action on one resource that differs between two plans.
type ActionDiff struct {
	Key     planner.Key
	Address string
	Fields  []FieldDiff
}

// FieldDiff is one difference. Old and New are unescaped. Empty means that the plan does not have
// it.
type FieldDiff struct{ Name, Old, New string }

// contextOnly reports whether the plans do the same and only what explains them differs. An
// approval of one is then valid for the other.
func (d *DiffResult) contextOnly() bool { return d.Old == d.New && !d.Identical }

// Diff compares two plans.
func Diff(old, latest *planner.Plan) *DiffResult {
	d := &DiffResult{Old: canonical.ID(old.Core), New: canonical.ID(latest.Core),
		Identical: canonical.ContextDigest(old) == canonical.ContextDigest(latest)}
	was := map[planner.Key]*planner.Action{}
	for i := range old.Core.Actions {
		was[old.Core.Actions[i].Key] = &old.Core.Actions[i]
	}
	for i := range latest.Core.Actions {
		now := &latest.Core.Actions[i]
		before := was[now.Key]
		delete(was, now.Key)
		if before == nil {
			d.Added = append(d.Added, *now)
		} else if fields := compareFields(actionFields(before),
			actionFields(now)); len(fields) > 0 {
			d.Changed = append(d.Changed, ActionDiff{now.Key, now.Address, fields})
		}
	}
	for i := range old.Core.Actions {
		if a := &old.Core.Actions[i]; was[a.Key] == a {
			d.Gone = append(d.Gone, *a)
		}
	}
	d.Whole = compareFields(wholeFields(old), wholeFields(latest))
	d.Context = append(compareFields(contextFields(old), contextFields(latest)),
		compareDetails(old, latest)...)
	return d
}

// compareDetails compares what explains the actions that both plans have. The usage changes all the
// time, so such changes are only counted.
func compareDetails(old, latest *planner.Plan) []FieldDiff {
	was := map[planner.Key]int{}
	for i := range old.Core.Actions {
		was[old.Core.Actions[i].Key] = i
	}
	var before, now []field
	used := 0
	for i := range latest.Core.Actions {
		a := &latest.Core.Actions[i]
		j, both := was[a.Key]
		if !both {
			continue
		}
		b, d := &old.Context.Details[j], &latest.Context.Details[i]
		before = append(before, detailFields(a.Address, &old.Core.Actions[j], b)...)
		now = append(now, detailFields(a.Address, a, d)...)
		if (b.Usage == nil) != (d.Usage == nil) || b.Usage != nil && *b.Usage != *d.Usage {
			used++
		}
	}
	list := compareFields(before, now)
	if used > 0 {
		list = append(list, FieldDiff{Name: "what is used", New: "has changed for " + plural(used,
			"resource", "resources")})
	}
	return list
}

func detailFields(address string, a *planner.Action, d *planner.Detail) []field {
	list := []field{{"reason " + address, reasonTexts(d.Reasons)}}
	for i, c := range a.Changes {
		list = append(list, field{c.Attribute.String() + " " + address + " comes from",
			origin(d.Notes[i])})
	}
	for _, k := range d.Kept {
		list = append(list, field{k.Attribute.String() + " " + address + " stays",
			show(k.Attribute, k.Value)})
	}
	return list
}

// field is a named value of a plan, as text. Several fields may have one name.
type field struct{ name, value string }

func actionFields(a *planner.Action) []field {
	list := []field{{"action", string(a.Kind)}, {"address", a.Address},
		{"target", string(a.Target)},
		{"system", a.System}, {"directory", a.Storage},
		{"inode", number(a.Inode)}, {"parents", strings.Join(a.Parents, ", ")}, {"order", a.Order},
		{"callbacks", words(a.Callbacks)},
		{"message", a.Verdict}, {"archive folder", a.Folder}, {"archived as", a.From},
		{"danger", words(a.Danger)}}
	if a.Retention != 0 {
		list = append(list, field{"kept", kept(a)})
	}
	if a.Freeze {
		list = append(list, field{"freeze", "yes"})
	}
	if a.Unlimit {
		list = append(list, field{"remove quota", "yes"})
	}
	if a.Handle != "" {
		list = append(list, field{"quota handle", a.Handle})
	}
	if a.Tag {
		list = append(list, field{"tag what is below", "yes"})
	}
	if a.Quota != nil {
		list = append(list, field{"quota", a.Quota.String()})
	}
	for _, c := range a.Changes {
		list = append(list, field{c.Attribute.String() + " found", show(c.Attribute, c.Before)},
			field{c.Attribute.String() + " wanted", show(c.Attribute, c.After)})
	}
	return list
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func words[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

func wholeFields(plan *planner.Plan) []field {
	s := &plan.Core.Selection
	list := []field{{"configuration", plan.Core.Configuration},
		{"--target", strings.Join(s.Targets, " ")},
		{"--exclude", strings.Join(s.Excludes, " ")},
		{"archive restore", strings.Join(s.Restores, " ")}}
	for _, o := range s.Rejects {
		list = append(list, field{"--reject " + o.Address, o.Reason})
	}
	for _, o := range s.Fails {
		list = append(list, field{"--fail " + o.Address, o.Reason})
	}
	return list
}

func contextFields(plan *planner.Plan) []field {
	c := &plan.Context
	list := []field{{"planned", c.Made.UTC().Format(stamp)}, {"by", c.User + "@" + c.Host},
		{"version", c.Version}, {"source", c.Source},
		{"systems", strings.Join(c.Systems, ", ")}, {"overrides", strconv.Itoa(c.Overrides)},
		{"valid for", days(c.ValidFor)},
		{"unchanged", strconv.Itoa(c.Counts.Unchanged)},
		{"not observed", number(uint64(max(c.Unobserved, 0)))}}
	for _, part := range c.Configuration {
		list = append(list, field{"configuration of " + part.Name, part.Digest})
	}
	for _, r := range c.Blocked {
		list = append(list, refusalField("blocked", r))
	}
	for _, r := range c.Waiting {
		list = append(list, refusalField("waiting", r))
	}
	for _, w := range c.Warnings {
		list = append(list, field{strings.TrimRight("warning "+string(w.Code)+" "+w.Address, " "),
			oneLine(w.Text)})
	}
	for _, d := range c.Drift {
		list = append(list, field{"drift " + d.Address + " " + d.Attribute.String(),
			show(d.Attribute, d.Observed) + " instead of " +
				show(d.Attribute, d.Recorded)})
	}
	for _, m := range c.Promised {
		list = append(list, field{"promised " + m.System,
			tera(m.After) + ", before " + tera(m.Before)})
		if m.Overcommit != "" {
			list = append(list, field{"capacity " + m.System, capacityWords(m)})
		}
	}
	return list
}

func refusalField(word string, r planner.Refusal) field {
	return field{word + " " + orElse(r.Address, r.Key.Item), reasonTexts(r.Reasons)}
}

func reasonTexts(reasons []planner.Reason) string {
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = oneLine(r.Text)
	}
	return strings.Join(texts, "; ")
}

// oneLine joins the lines of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// compareFields pairs fields by name, in the order of the new list, with those that are gone last.
// If several fields have one name, such as warnings of one kind, those that both lists have are
// removed first.
func compareFields(old, latest []field) []FieldDiff {
	was, now := byName(old), byName(latest)
	var list []FieldDiff
	done := map[string]bool{}
	for _, f := range slices.Concat(latest, old) {
		if !done[f.name] {
			done[f.name] = true
			list = append(list, compareValues(f.name, was[f.name], now[f.name])...)
		}
	}
	return list
}

// byName collects values by name. An empty value means that there is none.
func byName(list []field) map[string][]string {
	m := map[string][]string{}
	for _, f := range list {
		if f.value != "" {
			m[f.name] = append(m[f.name], f.value)
		}
	}
	return m
}

func compareValues(name string, old, latest []string) []FieldDiff {
	var fresh []string
	for _, v := range latest {
		if i := slices.Index(old, v); i >= 0 {
			old = slices.Delete(slices.Clone(old), i, i+1)
		} else {
			fresh = append(fresh, v)
		}
	}
	var list []FieldDiff
	for i := range max(len(old), len(fresh)) {
		d := FieldDiff{Name: name}
		if i < len(old) {
			d.Old = old[i]
		}
		if i < len(fresh) {
			d.New = fresh[i]
		}
		list = append(list, d)
	}
	return list
}

// Text returns the comparison for people.
func (d *DiffResult) Text(opt Options) []byte {
	p := newPrinter(opt)
	p.put(line{in(bold, "old "), in(dim, d.Old)})
	p.put(line{in(bold, "new "), in(dim, d.New)})
	p.blank()
	d.actions(p)
	d.fields(p, "The plans as a whole:", d.Whole)
	d.fields(p, "What explains them:", d.Context)
	p.prose(nil, text("  "), d.conclusion(), bold)
	return p.buf.Bytes()
}

func (d *DiffResult) actions(p *printer) {
	for _, part := range []struct {
		title, mark string
		style       style
		list        []planner.Action
	}{{"Only in the new plan:", "+", green, d.Added}, {"Only in the old plan:", "-", red, d.Gone}} {
		if len(part.list) == 0 {
			continue
		}
		p.put(text(part.title))
		list := slices.Clone(part.list)
		slices.SortStableFunc(list,
			func(a, b planner.Action) int { return cmp.Compare(importance(&a), importance(&b)) })
		for i := range list {
			p.added(&list[i], part.mark, part.style)
			if part.mark == "+" {
				p.fieldDiffs(changesOf(&list[i]))
			}
		}
		p.blank()
	}
	if len(d.Changed) > 0 {
		p.put(text("In both, and different:"))
		for _, c := range d.Changed {
			p.put(line{in(plain, "  "), in(yellow, "~"), in(plain, " "+Quote(c.Address))})
			p.fieldDiffs(c.Fields)
		}
		p.blank()
	}
}

// changesOf returns the changes of an action that nobody has reviewed yet.
func changesOf(a *planner.Action) []FieldDiff {
	var list []FieldDiff
	for _, c := range a.Changes {
		f := FieldDiff{Name: c.Attribute.String()}
		if !c.Before.IsAbsent() {
			f.Old = show(c.Attribute, c.Before)
		}
		if !c.After.IsAbsent() {
			f.New = show(c.Attribute, c.After)
		}
		if a.Kind != planner.Archive { // an archive changes only the place
			list = append(list, f)
		}
	}
	return list
}

func (p *printer) added(a *planner.Action, mark string, s style) {
	l := line{in(plain, "  "), in(s, mark), in(plain, " "+Quote(a.Address)+": "+string(a.Kind))}
	for _, d := range a.Danger {
		name, _ := tag(d)
		l = l.add(in(plain, "  "), in(boldRed, "["+name+"]"))
	}
	p.put(l)
}

func (d *DiffResult) fields(p *printer, title string, list []FieldDiff) {
	if len(list) > 0 {
		p.put(text(title))
		p.fieldDiffs(list)
		p.blank()
	}
}

func (p *printer) fieldDiffs(list []FieldDiff) {
	for _, f := range list {
		mark, look, s := "~", yellow, ""
		old, latest := Escape(f.Old), Escape(f.New)
		switch {
		case f.Old == "":
			mark, look, s = "+", green, latest
		case f.New == "":
			mark, look, s = "-", red, old
		case len(f.Old) > 30 && len(f.New) > 30:
			s = marked(old, latest)
		default:
			s = old + " -> " + latest
		}
		p.prose(line{in(plain, "      "), in(look, mark), in(plain, " ")}, text("        | "),
			Escape(f.Name)+": "+s, plain)
	}
}

func (d *DiffResult) conclusion() string {
	switch {
	case d.Identical:
		return "The plans are the same."
	case d.contextOnly():
		return "Both plans do the same: only their explanations differ. An approval of one is " +
			"valid for the other."
	}
	return "The plans differ: " + planner.Commas(uint64(len(d.Added))) + " added, " +
		planner.Commas(uint64(len(d.Gone))) + " gone, " +
		planner.Commas(uint64(len(d.Changed))) +
		" changed. Approvals of the old plan are not valid for the new plan."
}
