package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// noteSlack is how many bytes the numbers in the note about what was left out may add to the text
// while lines are given to the parts.
const noteSlack = 512

// importanceOfParts returns the order in which parts are shortened: the first in the list first.
func importanceOfParts() []string {
	return []string{"Symbols", "Actions", "Callbacks", "Blocked and waiting",
		"Changed outside of cscs-sync", "Warnings",
		"Promised space", "Dangers", "Dangerous actions", ""}
}

// shorten makes the text fit into limit bytes. As few parts as possible lose their bodies, and the
// room that is left goes to their lines, the most important part first.
func (m *markdown) shorten(limit int) {
	order := slices.Clone(m.parts)
	rank := importanceOfParts()
	slices.SortStableFunc(order, func(a, b *part) int {
		return cmp.Compare(slices.Index(rank, a.heading), slices.Index(rank, b.heading))
	})
	var short []*part
	room := 0
	for _, s := range order {
		s.isShort = true
		short = append(short, s)
		if room = limit - len(m.document()) - noteSlack; room >= 0 {
			break
		}
	}
	for _, s := range slices.Backward(short) {
		room -= len(s.heading) + len(s.summary) +
			len("### \n\n<details><summary></summary>\n\n```text\n\n```\n\n</details>\n\n")
		for s.shown < len(s.lines) && len(s.lines[s.shown]) <= room {
			room -= len(s.lines[s.shown])
			s.shown++
		}
	}
}

// leftOut writes what a shortened text does not show, and how to check the rest.
func (m *markdown) leftOut() {
	var lines []string
	for _, s := range m.parts {
		if s.isShort {
			lines = append(lines, m.missing(s))
		}
	}
	if len(lines) == 0 {
		return
	}
	m.printf("**This text was shortened to fit into %s characters.** Left out:\n\n",
		planner.Commas(uint64(m.v.opt.MaxSize)))
	for _, l := range lines {
		m.printf("- %s\n", l)
	}
	m.printf("\nThe plan file has all of it. Plan id `%s` covers every action, "+
		"context digest `%s` the rest. To read it: `cscs-sync show PLAN`.\n\n",
		m.v.id(), canonical.ContextDigest(m.v.plan))
}

// missing says in one line what a shortened part lacks.
func (m *markdown) missing(s *part) string {
	hidden := len(s.lines) - s.shown
	if s.actions == nil {
		return fmt.Sprintf("%s: %s of %s", s.name, planner.Commas(uint64(hidden)),
			plural(len(s.lines), "line", "lines"))
	}
	text := fmt.Sprintf("%s: the details of all %s", s.name, planner.Commas(uint64(len(s.lines))))
	if hidden > 0 {
		text += fmt.Sprintf("; %s of them are not shown at all: %s", planner.Commas(uint64(hidden)),
			m.kinds(s.actions[s.shown:]))
	}
	return text
}

// kinds counts actions by kind: "12 create, 3 update".
func (m *markdown) kinds(actions []int) string {
	counts := map[planner.ActionKind]int{}
	for _, i := range actions {
		counts[m.v.plan.Core.Actions[i].Kind]++
	}
	var list []string
	for _, kind := range planner.ActionKinds() {
		if n := counts[kind]; n > 0 {
			list = append(list, planner.Commas(uint64(n))+" "+string(kind))
		}
	}
	return strings.Join(list, ", ")
}
