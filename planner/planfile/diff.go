package planfile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// DiffResult is what changed from one plan to another: what has to be reviewed again.
type DiffResult struct {
	// Old and New are the plans' ids.
	Old, New string
	// Added and Gone are the actions that only the new or only the old plan has, Changed those that differ.
	Added, Gone []planner.Action
	Changed     []ActionDiff
	// Whole lists what differs in the cores beside actions: configuration and selection.
	Whole []FieldDiff
	// Context lists what differs in what explains the plans.
	Context []FieldDiff
	// Identical tells that the machine's parts are the same, byte for byte.
	Identical bool
}

// ActionDiff is an action of one resource that differs between two plans.
type ActionDiff struct {
	Key     planner.Key
	Address string
	Fields  []FieldDiff
}

// FieldDiff is one difference. Old and New are unescaped; empty means that there is none.
type FieldDiff struct{ Name, Old, New string }

// ContextOnly tells that the plans do the same, and that an approval of one holds for the other: only what explains them differs.
func (d *DiffResult) ContextOnly() bool { return d.Old == d.New && !d.Identical }

// Diff compares two plans.
func Diff(old, latest *planner.Plan) *DiffResult {
	d := &DiffResult{Old: ID(old.Core), New: ID(latest.Core), Identical: ContextDigest(old) == ContextDigest(latest)}
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
		} else if fields := compareFields(actionFields(before), actionFields(now)); len(fields) > 0 {
			d.Changed = append(d.Changed, ActionDiff{now.Key, now.Address, fields})
		}
	}
	for i := range old.Core.Actions {
		if a := &old.Core.Actions[i]; was[a.Key] == a {
			d.Gone = append(d.Gone, *a)
		}
	}
	d.Whole = compareFields(wholeFields(old), wholeFields(latest))
	d.Context = compareFields(contextFields(old), contextFields(latest))
	return d
}

// field is a named value of a plan, as text; fields with the same name and value belong together.
type field struct{ name, value string }

func actionFields(a *planner.Action) []field {
	list := []field{{"action", string(a.Kind)}, {"address", a.Address}, {"target", string(a.Target)}, {"system", a.System}, {"directory", a.Storage},
		{"inode", number(a.Inode)}, {"parents", strings.Join(a.Parents, ", ")}, {"order", a.Order}, {"callbacks", words(a.Callbacks)},
		{"tells", a.Verdict}, {"archive folder", a.Folder}, {"archived as", a.From}, {"danger", words(a.Danger)}}
	if a.Freeze {
		list = append(list, field{"freeze", "yes"})
	}
	if a.Quota != nil {
		list = append(list, field{"quota", string(a.Quota.By) + " " + strconv.FormatUint(uint64(a.Quota.ID), 10)})
	}
	for _, c := range a.Changes {
		list = append(list, field{string(c.Attribute) + " found", show(c.Attribute, c.Before)}, field{string(c.Attribute) + " wanted", show(c.Attribute, c.After)})
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
	list := []field{{"configuration", plan.Core.Configuration}, {"--target", strings.Join(s.Targets, " ")}, {"--exclude", strings.Join(s.Excludes, " ")},
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
	list := []field{{"made", c.Made.UTC().Format(stamp)}, {"by", c.User + "@" + c.Host}, {"version", c.Version}, {"source", c.Source},
		{"systems", strings.Join(c.Systems, ", ")}, {"overrides", strconv.Itoa(c.Overrides)}, {"valid for", days(c.ValidFor)},
		{"unchanged", strconv.Itoa(c.Counts.Unchanged)}, {"not observed", number(uint64(max(c.Unobserved, 0)))}}
	for _, r := range c.Blocked {
		list = append(list, refusalField("blocked", r))
	}
	for _, r := range c.Waiting {
		list = append(list, refusalField("waiting", r))
	}
	for _, w := range c.Warnings {
		list = append(list, field{strings.TrimRight("warning "+w.Code+" "+w.Address, " "), w.Text})
	}
	for _, d := range c.Drift {
		list = append(list, field{"drift " + d.Address + " " + string(d.Attribute), show(d.Attribute, d.Observed) + " instead of " + show(d.Attribute, d.Recorded)})
	}
	for _, m := range c.Promised {
		list = append(list, field{"promised " + m.System, tera(m.After) + ", before " + tera(m.Before)})
	}
	return list
}

func refusalField(word string, r planner.Refusal) field {
	var texts []string
	for _, reason := range r.Reasons {
		texts = append(texts, reason.Text)
	}
	return field{word + " " + orElse(r.Address, r.Key.Item), strings.Join(texts, "; ")}
}

// compareFields pairs fields by name, in the order of the new list, those that are gone last.
func compareFields(old, latest []field) []FieldDiff {
	was := map[string]string{}
	for _, f := range old {
		was[f.name] = f.value
	}
	var list []FieldDiff
	seen := map[string]bool{}
	for _, f := range latest {
		if before := was[f.name]; before != f.value && !seen[f.name] {
			list = append(list, FieldDiff{f.name, before, f.value})
		}
		seen[f.name] = true
	}
	for _, f := range old {
		if !seen[f.name] && f.value != "" {
			list = append(list, FieldDiff{f.name, f.value, ""})
			seen[f.name] = true
		}
	}
	return list
}

// Text is the comparison for people.
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
		slices.SortStableFunc(list, func(a, b planner.Action) int { return cmp.Compare(importance(&a), importance(&b)) })
		for i := range list {
			p.added(&list[i], part.mark, part.style)
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
		p.prose(line{in(plain, "      "), in(look, mark), in(plain, " ")}, text("        | "), Escape(f.Name)+": "+s, plain)
	}
}

func (d *DiffResult) conclusion() string {
	switch {
	case d.Identical:
		return "The plans are the same."
	case d.ContextOnly():
		return "Both plans do the same: only what explains them differs. An approval of one holds for the other."
	}
	return "The plans differ: " + commas(uint64(len(d.Added))) + " added, " + commas(uint64(len(d.Gone))) + " gone, " +
		commas(uint64(len(d.Changed))) + " changed. Approvals of the old plan do not hold for the new one."
}
