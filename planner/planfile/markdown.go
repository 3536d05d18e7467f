package planfile

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// longestOpen is how many lines stand unfolded in a ticket.
const longestOpen = 40

// Markdown is the plan for tickets: tables and headings, and everything that comes from outside in code blocks, where
// neither Markdown nor HTML means anything. Changes of the same shape are folded with all their addresses, and what is
// long is put into <details>; what is dangerous is never folded.
func Markdown(plan *planner.Plan, opt Options) []byte {
	opt.Color, opt.Compact = false, true
	m := &markdown{v: newView(plan, opt)}
	m.v.listAll = true
	head, tail, _ := conclusion(plan)
	m.printf("## cscs-sync plan %s\n\n**%s**%s\n\n", ShortID(m.v.id), head, tail)
	m.code("", m.v.header)
	m.table()
	c := &plan.Context
	m.sectionIf(len(c.Promised) > 0, "Promised space", m.v.promised)
	m.sectionIf(m.v.hasDanger(), "Dangers", m.v.dangerous)
	m.sectionIf(len(c.Warnings) > 0, "Warnings", m.v.warnings)
	m.sectionIf(len(c.Drift) > 0, "Changed outside of cscs-sync", m.v.drift)
	m.actions()
	m.sectionIf(len(c.Blocked)+len(c.Waiting) > 0, "Blocked and waiting", m.v.refusals)
	m.sectionIf(len(c.Undelivered) > 0 || m.v.sends(), "Callbacks", m.v.callbacks)
	return m.buf.Bytes()
}

type markdown struct {
	v   *view
	buf bytes.Buffer
}

func (m *markdown) printf(format string, args ...any) { fmt.Fprintf(&m.buf, format, args...) }

func (m *markdown) table() {
	m.printf("| action | %s |\n|---|%s\n", strings.Join(columnNames(), " | "), strings.Repeat("--:|", len(columnNames())))
	all := m.v.effects()
	for _, kind := range planner.ActionKinds() {
		e, ok := all[kind]
		if !ok {
			continue
		}
		m.printf("| %s |", kind)
		for _, n := range e.cells() {
			if n == 0 {
				m.printf(" |")
			} else {
				m.printf(" %s |", planner.Commas(uint64(n)))
			}
		}
		m.printf("\n")
	}
	m.printf("\n")
}

func (m *markdown) sectionIf(has bool, title string, show func(*printer)) {
	if has {
		m.printf("### %s\n\n", title)
		m.code(title, show)
	}
}

// actions are the dangerous ones in the open, then the others.
func (m *markdown) actions() {
	var open, other []int
	for _, i := range m.v.order() {
		if len(m.v.plan.Core.Actions[i].Danger) > 0 {
			open = append(open, i)
		} else {
			other = append(other, i)
		}
	}
	if len(open) > 0 {
		m.printf("### Dangerous actions\n\n")
		m.fence(m.blocks(open))
	}
	if len(other) > 0 {
		m.printf("### Actions\n\n")
		m.fold(plural(len(other), "action", "actions"), m.blocks(other))
	}
}

func (m *markdown) blocks(order []int) []byte {
	p := newPrinter(m.v.opt)
	for i, show := range m.v.each(order) {
		if i > 0 {
			p.blank()
		}
		show(p)
	}
	return p.buf.Bytes()
}

func (m *markdown) code(title string, show func(*printer)) {
	p := newPrinter(m.v.opt)
	show(p)
	if title == "" {
		m.fence(p.buf.Bytes())
		return
	}
	m.fold(title, p.buf.Bytes())
}

// fold puts a long text into <details>. The title is ours, never from outside.
func (m *markdown) fold(title string, content []byte) {
	if bytes.Count(content, []byte("\n")) <= longestOpen {
		m.fence(content)
		return
	}
	m.printf("<details><summary>%s</summary>\n\n", title)
	m.fence(content)
	m.printf("</details>\n\n")
}

// fence is a code block that ends only where it should: its fence is longer than any in the content.
func (m *markdown) fence(content []byte) {
	fence := "```"
	for bytes.Contains(content, []byte(fence)) {
		fence += "`"
	}
	m.printf("%stext\n%s%s\n\n", fence, content, fence)
}
