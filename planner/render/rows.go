package render

import (
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// row is one line "name = value  # note" of a block.
type row struct {
	mark  string
	style style
	name  string
	// value may have several lines. The lines after the first begin below it.
	value []line
	note  string
	// loud is the style of a note that must not be missed; other notes are dim.
	loud style
}

// rows writes rows with names, values and notes aligned. A note that does not fit goes below its
// value.
func (p *printer) rows(indent int, rows []row) {
	names, values := 0, 0
	if indent == outer {
		names = len("directory") // rows before and after a quota are aligned
	}
	for _, r := range rows {
		names = max(names, columns(r.name))
	}
	start := indent + 2 + names + 3
	for _, r := range rows {
		if n := r.value[len(r.value)-1].columns(); r.note != "" &&
			start+n+4+columns(r.note) <= p.width {
			values = max(values, n)
		}
	}
	for _, r := range rows {
		p.row(indent, start, start+values+2, r)
	}
}

func (p *printer) row(indent, start, notes int, r row) {
	head := line{in(plain, spaces(indent)), in(r.style, orElse(r.mark, " ")),
		in(plain, " "+r.name+spaces(start-indent-5-columns(r.name))+" = ")}
	for i, l := range r.value {
		if i > 0 {
			head = line{in(plain, spaces(start))}
		}
		full := append(head, l...)
		if i < len(r.value)-1 || r.note == "" {
			p.put(full)
			continue
		}
		p.noted(full, start, notes, r)
	}
}

// noted writes the last line of a row with its note beside or below it.
func (p *printer) noted(l line, start, notes int, r row) {
	s := dim
	if r.loud != plain {
		s = r.loud
	}
	at := max(notes, l.columns()+2)
	if at+2+columns(r.note) > p.width && notes+2+columns(r.note) <= p.width {
		at = l.columns() + 2
	}
	if at+2+columns(r.note) <= p.width {
		p.put(l.add(in(plain, spaces(at-l.columns())), in(s, "# "+r.note)))
		return
	}
	p.put(l)
	at = start + 2
	for _, t := range wrap(r.note, p.width-at-2) {
		p.put(line{in(plain, spaces(at)), in(s, "# "+t)})
	}
}

// list returns names from outside, separated by commas and wrapped, for a value that begins at the
// given column. Further lines have a mark, so that they do not look like rows.
func (p *printer) list(indent int, names []string) []line {
	var out []line
	mark := ""
	for _, t := range wrap(strings.Join(names, ", "), p.width-indent-2) {
		out = append(out, line{in(dim, mark), in(plain, t)})
		mark = "| "
	}
	return out
}

// show formats an attribute's value as plans show it, escaped.
func show(a planner.Attribute, v planner.Value) string { return Escape(planner.Show(a, v)) }

// transition returns "old -> new", on several lines if one line is too short.
func (p *printer) transition(before, after string, column int) []line {
	if column+columns(before)+4+columns(after) <= p.width {
		return []line{{in(plain, before), in(yellow, " -> "), in(plain, after)}}
	}
	if isPath(before) && isPath(after) {
		return []line{text(before), append(line{in(yellow, "-> ")}, inserted(before, after)...)}
	}
	lines := p.list(column, []string{before})
	for i, l := range p.list(column+3, []string{after}) {
		arrow := in(yellow, "-> ")
		if i > 0 {
			arrow = in(plain, "   ")
		}
		lines = append(lines, append(line{arrow}, l...))
	}
	return lines
}
