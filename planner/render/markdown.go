package render

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// longestOpen is how many lines of a ticket are shown unfolded.
const longestOpen = 40

// LeastMarkdown is the smallest [Options.MaxSize] that [Markdown] can keep. The result, the table
// and the note about what was left out need that much.
const LeastMarkdown = 4096

// Markdown returns the plan for tickets, with tables and headings. Everything that comes from
// outside is in code blocks, where neither Markdown nor HTML has a meaning. Changes of the same
// shape are folded with all their addresses, and long parts are put into <details>. Dangerous
// changes are never folded.
//
// A text of more than opt.MaxSize bytes is shortened, the least important part first: actions to
// one line each, other parts to their first lines. It then says what it left out, and which digest
// covers it.
func Markdown(plan *planner.Plan, opt Options) []byte {
	opt.Color, opt.Compact = false, true
	m := &markdown{v: newView(plan, opt)}
	m.v.listAll = true
	m.collect()
	whole := m.document()
	if opt.MaxSize <= 0 || len(whole) <= opt.MaxSize {
		return whole
	}
	m.shorten(opt.MaxSize)
	return m.document()
}

// markdown is a plan that is being rendered for a ticket.
type markdown struct {
	v     *view
	parts []*part
	buf   bytes.Buffer
}

// part is one heading of the text with its code block.
type part struct {
	// name is the part's name in the note about what was left out. heading is empty for a part without
	// one.
	name, heading string
	// summary is shown on the part while it is folded; if it is empty, the part is never folded. It is
	// our own text and never comes from outside.
	summary string
	body    []byte
	// actions are the indexes of the actions in the part, in the order in which they are shown; nil
	// for other parts.
	actions []int
	// lines replace the body of a shortened part, and shown is how many of them are shown.
	lines   [][]byte
	shown   int
	isShort bool
}

// collect renders all parts, in the order of the text.
func (m *markdown) collect() {
	c := &m.v.plan.Context
	m.addPart(true, part{name: "the header"}, m.v.header)
	m.addSection(len(c.Promised) > 0, "Promised space", m.v.promised)
	m.addSection(m.v.hasDanger(), "Dangers", m.v.dangerous)
	m.addSection(len(c.Warnings) > 0, "Warnings", m.v.warnings)
	m.addSection(len(c.Drift) > 0, "Changed outside of cscs-sync", m.v.drift)
	m.addSection(len(m.v.legendKinds()) > 0, "Symbols", m.v.legend)
	m.addActions()
	m.addSection(len(c.Shared) > 0, "Shared quotas", m.v.shared)
	m.addSection(len(c.Blocked)+len(c.Waiting) > 0, "Blocked and waiting", m.v.refusals)
	m.addSection(len(c.Undelivered) > 0 || m.v.sends(), "Callbacks", m.v.callbacks)
}

func (m *markdown) addSection(has bool, title string, show func(*printer)) {
	m.addPart(has, part{name: fmt.Sprintf("%q", title), heading: title, summary: title}, show)
}

func (m *markdown) addPart(has bool, s part, show func(*printer)) {
	if !has {
		return
	}
	p := newPrinter(m.v.opt)
	show(p)
	s.body = p.buf.Bytes()
	s.lines = bytes.SplitAfter(bytes.TrimSuffix(s.body, []byte("\n")), []byte("\n"))
	m.parts = append(m.parts, &s)
}

// addActions adds the dangerous actions, which are never folded, and then the others.
func (m *markdown) addActions() {
	var open, other []int
	for _, i := range m.v.order() {
		if len(m.v.plan.Core.Actions[i].Danger) > 0 {
			open = append(open, i)
		} else {
			other = append(other, i)
		}
	}
	m.addBlocks(part{name: "dangerous actions", heading: "Dangerous actions", actions: open})
	m.addBlocks(part{name: "actions", heading: "Actions",
		summary: plural(len(other), "action", "actions"), actions: other})
}

func (m *markdown) addBlocks(s part) {
	if len(s.actions) == 0 {
		return
	}
	p := newPrinter(m.v.opt)
	for i, show := range m.v.each(s.actions) {
		if i > 0 {
			p.blank()
		}
		show(p)
	}
	s.body = p.buf.Bytes()
	for _, i := range s.actions {
		s.lines = append(s.lines, m.v.oneLine(i))
	}
	m.parts = append(m.parts, &s)
}

// oneLine returns an action in one line: its mark, address, dangers and changes.
func (v *view) oneLine(i int) []byte {
	a := &v.plan.Core.Actions[i]
	mark, _, _ := symbol(a.Kind)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", mark, a.Kind, Quote(a.Address))
	for _, d := range a.Danger {
		name, _ := tag(d)
		b.WriteString(" [" + name + "]")
	}
	separator := ": "
	for _, c := range a.Changes {
		b.WriteString(separator + c.Attribute.String() + " ")
		if separator = ", "; !c.Before.IsAbsent() {
			b.WriteString(showBefore(c, &v.plan.Context.Details[i]) + " -> ")
		}
		b.WriteString(show(c.Attribute, c.After))
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// document writes the text of the parts as they are.
func (m *markdown) document() []byte {
	m.buf.Reset()
	head, tail, _ := conclusion(m.v.plan)
	m.printf("## cscs-sync plan %s\n\n**%s**%s\n\n", canonical.ShortID(m.v.id()), head, tail)
	m.leftOut()
	for i, s := range m.parts {
		m.part(s)
		if i == 0 {
			m.table()
		}
	}
	return bytes.Clone(m.buf.Bytes())
}

func (m *markdown) printf(format string, args ...any) { fmt.Fprintf(&m.buf, format, args...) }

func (m *markdown) part(s *part) {
	content := s.body
	if s.isShort {
		content = bytes.Join(s.lines[:s.shown], nil)
	}
	if s.isShort && s.shown == 0 {
		return
	}
	if s.heading != "" {
		m.printf("### %s\n\n", s.heading)
	}
	if s.summary == "" || bytes.Count(content, []byte("\n")) <= longestOpen {
		m.fence(content)
		return
	}
	m.printf("<details><summary>%s</summary>\n\n", s.summary)
	m.fence(content)
	m.printf("</details>\n\n")
}

// fence writes a code block whose fence is longer than any fence in the content, so that it ends
// only where it should.
func (m *markdown) fence(content []byte) {
	fence := "```"
	for bytes.Contains(content, []byte(fence)) {
		fence += "`"
	}
	m.printf("%stext\n%s\n%s\n\n", fence, bytes.TrimSuffix(content, []byte("\n")), fence)
}

func (m *markdown) table() {
	m.printf("| action | %s |\n|---|%s\n", strings.Join(columnNames(), " | "),
		strings.Repeat("--:|", len(columnNames())))
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
