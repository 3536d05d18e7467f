package render

import (
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	outer = 6  // column of marks in a block
	inner = 10 // and in a block within it
)

// action writes the block of one action.
func (v *view) action(p *printer, i int) {
	a, d := &v.plan.Core.Actions[i], &v.plan.Context.Details[i]
	v.sentence(p, Quote(a.Address), verb(a), a)
	for i, r := range d.Reasons {
		if slices.Contains(v.quotaOnly[a.Key], r) { // no reason for the action; it stands in full among what is not done
			p.prose(line{in(dim, "  # ")}, line{in(dim, "  #   ")}, "(its quota is left alone; why stands below)", dim)
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

// sentence is the comment above a block, with its dangers.
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

// subject begins a comment with a name. One that is no path and too long for a line has lines of its own.
func (p *printer) subject(name string) line {
	head := line{in(plain, "  # "), in(bold, name)}
	if isPath(name) || head.columns()+30 <= p.width {
		return head
	}
	p.prose(text("  # "), text("  #   "), name, bold)
	return text("  #")
}

// because gives a reason, or a further one. Its text reads on after "because".
func (p *printer) because(reason string, further bool) {
	lead := "because "
	if further {
		lead = "and "
	}
	p.prose(text("  # "), text("  #   "), "("+lead+strings.TrimPrefix(reason, "because ")+")", plain)
}

func noun(t planner.Target) string {
	if t.IsNode() {
		return string(t)
	}
	return "storage"
}

func (v *view) body(p *printer, a *planner.Action, d *planner.Detail) {
	var rows, quota []row
	rows = append(rows, v.places(p, a)...)
	if a.Tag {
		rows = append(rows, row{mark: "~", style: yellow, name: "tree",
			value: p.list(outer+14, []string{"everything below is tagged, once the quota is set"})})
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
	if len(quota) == 0 && a.Kind == planner.Archive { // how much is moved; elsewhere nothing that is used plays a part
		rows = append(rows, usage...)
	}
	p.rows(outer, rows)
	if len(quota) > 0 {
		v.quota(p, a, append(quota, usage...))
	}
	p.rows(outer, p.afterwards(a, d))
	if d.Unchanged > 0 {
		p.put(line{in(dim, "        # ("+plural(d.Unchanged, "unchanged attribute", "unchanged attributes")+" hidden)")})
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
	return Escape(string(a.Quota.By)) + " " + strconv.FormatUint(uint64(a.Quota.ID), 10)
}

// places are the directories that an action makes, changes or moves.
func (v *view) places(p *printer, a *planner.Action) []row {
	mark, _, s := symbol(a.Kind)
	r := row{name: "directory", value: p.list(outer+14, []string{Quote(a.Storage)})}
	switch {
	case a.Kind == planner.Create:
		r.mark, r.style = mark, s
	case a.Kind == planner.Archive && a.Folder != "":
		r.mark, r.style = mark, s
		r.value = p.transition(Quote(a.Storage), Quote(a.ArchivePlace()), outer+14)
	case a.From != "":
		r.mark, r.style = mark, s
		r.value = p.transition(Quote(a.From), Quote(a.Storage), outer+14)
	}
	if a.Inode != 0 {
		r.note = "inode " + planner.Number(a.Inode).String()
	}
	var rows []row
	for _, parent := range a.Parents {
		rows = append(rows, row{mark: "+", style: green, name: "parent",
			value: p.list(outer+14, []string{Quote(parent)}), note: "root:root 0755"})
	}
	return append(rows, r)
}

// change is the row of one attribute.
func (p *printer) change(kind planner.ActionKind, c planner.Change, d *planner.Detail, i int) row {
	column := outer
	if c.Attribute.IsQuota() {
		column = inner
	}
	before, after, note := showBefore(c, d), show(c.Attribute, c.After), d.Notes[i]
	r := row{mark: "~", style: yellow, name: c.Attribute.String(), note: origin(note)}
	if note.Drift {
		r.loud = cyan
	}
	switch {
	case kind == planner.Archive && c.After.IsAbsent():
		r.mark, r.style, r.value, r.note = "", plain, p.list(column+14, []string{before}), ""
	case c.Before.IsAbsent():
		r.mark, r.style, r.value = "+", green, p.list(column+16, []string{after})
	case c.After.IsAbsent():
		r.mark, r.style, r.value = "-", red, p.transition(before, after, column+16)
	default:
		r.value = p.transition(before, after+moved(c), column+16)
	}
	return r
}

// showBefore is what an attribute was. A limit of the default quota is called so: releases show it as its number or as
// unlimited.
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

// moved is how far a limit moves, in brackets.
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

// origin says where a desired value comes from, and whether it undoes what somebody did by hand.
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

// kept says for how long an archived directory is kept.
func kept(a *planner.Action) string { return days(a.Retention) + " from the day it is archived" }

// afterwards is what follows the changes: retention, order, callbacks.
func (p *printer) afterwards(a *planner.Action, d *planner.Detail) []row {
	var rows []row
	if a.Retention > 0 {
		rows = append(rows, row{name: "kept", value: []line{text(kept(a))}})
	}
	if a.Freeze {
		rows = append(rows, row{name: "freeze", value: p.list(outer+14, []string{"the hard limits of " + quotaName(a) + " become what is used"})})
	}
	if a.Order != "" {
		rows = append(rows, row{name: "order", value: p.list(outer+14, []string{Quote(a.Order)})})
	}
	if a.Verdict != "" {
		rows = append(rows, row{name: "message", value: p.list(outer+14, []string{title(a.Verdict)})})
	}
	if len(a.Callbacks) > 0 {
		names := make([]string, len(a.Callbacks))
		for i, c := range a.Callbacks {
			names[i] = Escape(string(c))
		}
		rows = append(rows, row{name: "callbacks", value: p.list(outer+14, names)})
	}
	return rows
}
