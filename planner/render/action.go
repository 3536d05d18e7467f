package render

import (
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	outer = 6  // column of the marks in a block
	inner = 10 // the same in a block within a block
)

// action writes the block of one action.
func (v *view) action(p *printer, i int) {
	a, d := &v.plan.Core.Actions[i], &v.plan.Context.Details[i]
	v.sentence(p, Quote(a.Address), verb(a), a)
	for i, r := range d.Reasons {
		// This is no reason for the action. It is written in full among what is not done.
		if slices.Contains(v.quotaOnly[a.Key], r) {
			p.prose(line{in(dim, "  # ")}, line{in(dim, "  #   ")}, "("+quotaLeftAlone+")", dim)
			continue
		}
		p.because(r.Text, i > 0)
	}
	mark, _, s := symbol(a.Kind)
	name := ""
	if isPath(a.Address) {
		name = " " + quoted(a.Address)
	}
	p.put(line{in(plain, "  "), in(s, mark), in(plain, " "+noun(a.Target)+name+" {")})
	v.body(p, a, d)
	p.put(text("    }"))
	if v.opt.Commands {
		for _, c := range v.shell.commands(i) {
			p.put(line{in(plain, "    "), in(cyan, "$ "+c)})
		}
	}
}

// sentence writes the comment above a block, with its dangers.
func (v *view) sentence(p *printer, subject, verb string, a *planner.Action) {
	s := bold
	if len(a.Danger) > 0 {
		s = boldRed
	}
	head := p.subject(subject).add(in(plain, " "), in(s, verb))
	var tags line
	for _, d := range a.Danger {
		name, _ := tag(d)
		tags = tags.add(in(plain, "  "), in(boldRed, "["+name+"]"))
	}
	if head.columns()+tags.columns() > p.width {
		p.put(head)
		head = text("  # ")
	}
	p.put(head.add(tags...))
}

// subject begins a comment with a name. A name that is no path and too long for a line gets lines
// of its own.
func (p *printer) subject(name string) line {
	head := line{in(plain, "  # "), in(bold, name)}
	if isPath(name) || head.columns()+30 <= p.width {
		return head
	}
	p.prose(text("  # "), text("  #   "), name, bold)
	return text("  #")
}

// because writes the first or a further reason. The text continues the sentence after "because".
func (p *printer) because(reason string, further bool) {
	p.prose(text("  # "), text("  #   "), "("+becauseText(reason, further)+")", plain)
}

func becauseText(reason string, further bool) string {
	lead := "because "
	if further {
		lead = "and "
	}
	return lead + strings.TrimPrefix(reason, "because ")
}

// quotaLeftAlone replaces a reason that is not about the action itself. That reason is written in
// full among what is not done.
const quotaLeftAlone = "its quota is left alone, for the reason given below"

func unchangedText(n int) string {
	return plural(n, "unchanged attribute", "unchanged attributes") + " hidden"
}

func noun(t planner.Target) string {
	if t.IsBranch() {
		return string(t)
	}
	return "storage"
}

func (v *view) body(p *printer, a *planner.Action, d *planner.Detail) {
	var rows, quota []row
	for _, f := range places(a) {
		rows = append(rows, p.rowOf(f, outer+14))
	}
	for i, c := range a.Changes {
		r := p.change(a.Kind, c, d, i)
		if c.Attribute.IsQuota() {
			quota = append(quota, r)
		} else {
			rows = append(rows, r)
		}
	}
	usage := p.usage(a, d)
	// How much is moved matters; for other actions the usage does not matter here.
	if len(quota) == 0 && a.Kind == planner.Archive {
		rows = append(rows, usage...)
	}
	p.rows(outer, rows)
	if len(quota) > 0 {
		v.quota(p, a, append(quota, usage...))
	}
	p.rows(outer, p.afterwards(a))
	if d.Unchanged > 0 {
		p.put(line{in(dim, "        # ("+unchangedText(d.Unchanged)+")")})
	}
}

func (v *view) quota(p *printer, a *planner.Action, rows []row) {
	mark, s := "~", yellow
	if a.Kind == planner.Create {
		mark, s = "+", green
	}
	p.put(line{in(plain, spaces(outer)), in(s, mark), in(plain, " quota "+quotaName(a)+" {")})
	p.rows(inner, rows)
	p.put(text(spaces(outer+2) + "}"))
}

func quotaName(a *planner.Action) string {
	if a.Quota == nil {
		return "nobody"
	}
	return Escape(a.Quota.String())
}

// change returns the row of one attribute.
func (p *printer) change(kind planner.ActionKind, c planner.Change, d *planner.Detail, i int) row {
	column := outer
	if c.Attribute.IsQuota() {
		column = inner
	}
	return p.changeRow(changeFact(kind, c, d, i), column)
}

// changeRow returns the row of a change in a block whose marks are at the given column.
func (p *printer) changeRow(f fact, column int) row {
	if f.is != "" {
		return p.rowOf(f, column+14)
	}
	return p.rowOf(f, column+16)
}

// showBefore returns the old value of an attribute. A limit of the default quota is named so,
// because releases show it as its number or as unlimited.
func showBefore(c planner.Change, d *planner.Detail) string {
	before := show(c.Attribute, c.Before)
	if !d.Usage.DefaultCovers(c.Attribute) || c.Before.IsAbsent() {
		return before
	}
	if _, ok := c.Before.Number(); ok {
		return "default, " + before
	}
	return "default"
}

// moved returns by how much a limit changes, in brackets.
func moved(c planner.Change) string {
	b, ok1 := c.Before.Number()
	a, ok2 := c.After.Number()
	if !c.Attribute.IsQuota() || !ok1 || !ok2 {
		return ""
	}
	if d := difference(c.Attribute, b, a); d != "" {
		return " (" + d + ")"
	}
	return ""
}

// origin says where a wanted value comes from, and whether it undoes what somebody did by hand.
func origin(n planner.ChangeNote) string {
	s := string(n.Provenance.From)
	if n.Provenance.From == planner.FromArchive {
		s = "as archived"
	}
	if n.Provenance.From == planner.FromOverride {
		s = "override " + title(n.Provenance.Override)
		if n.Provenance.At != "" {
			s += ", " + Escape(n.Provenance.At)
		}
		if n.Provenance.Using != "" {
			s += ", with " + Escape(n.Provenance.Using)
		}
	}
	if n.Drift {
		s += "; undoes drift"
	}
	return s
}

// kept says how long an archived directory is kept.
func kept(a *planner.Action) string { return days(a.Retention) + " from the day it is archived" }

// afterwards returns the rows after the changes: retention, order, callbacks.
func (p *printer) afterwards(a *planner.Action) []row {
	var rows []row
	for _, f := range afterwards(a) {
		rows = append(rows, p.rowOf(f, outer+14))
	}
	return rows
}

// rowOf returns the row of a fact whose value begins at the given column.
func (p *printer) rowOf(f fact, column int) row {
	r := row{mark: f.mark, style: f.style, name: f.name, note: f.note, loud: f.loud}
	switch {
	case f.is != "":
		r.value = p.list(column, []string{f.is})
	case f.was == "":
		r.value = p.list(column, []string{f.will})
	default:
		r.value = p.transition(f.was, f.will, column)
	}
	return r
}
