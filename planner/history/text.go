package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// mostChanged is how many resources of one entry are shown to people.
const mostChanged = 20

// Text formats entries for people.
func Text(entries []ledger.Entry) string {
	var b strings.Builder
	for i := range entries {
		b.WriteString(line(&entries[i]))
		writeChanged(&b, entries[i].Changed)
	}
	return b.String()
}

// line returns what an entry says, without its changes.
func line(e *ledger.Entry) string {
	text := fmt.Sprintf("%s  %-8s %s@%s", planner.Minute(e.Time), e.Event, render.Escape(e.Who),
		render.Escape(e.Host))
	if e.Plan != "" {
		text += "  plan " + canonical.ShortID(e.Plan)
	}
	for _, x := range e.Approvals {
		text += ", approved by " + render.Escape(x.Name)
		if x.Ticket != "" {
			text += " (" + render.Escape(x.Ticket) + ")"
		}
	}
	if counts := countsOf(e.Counts); counts != "" {
		text += "  " + counts
	}
	if e.Text != "" && !strings.HasPrefix(e.Text, "context ") {
		text += "  " + render.Escape(e.Text)
	}
	return text + "\n"
}

// countsOf returns how many resources had each result: "3 done, 1 failed".
func countsOf(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[name], render.Escape(name)))
		}
	}
	return strings.Join(parts, ", ")
}

// writeChanged writes what was to be changed, attribute by attribute.
func writeChanged(b *strings.Builder, changed []ledger.Changed) {
	for _, c := range changed[:min(mostChanged, len(changed))] {
		fmt.Fprintf(b, "    %s %s\n", c.Action, render.Quote(c.Address))
		for _, x := range c.Changes {
			fmt.Fprintf(b, "        %s = %s -> %s\n", x.Attribute,
				planner.Show(x.Attribute, x.Before), planner.Show(x.Attribute, x.After))
		}
	}
	if more := len(changed) - mostChanged; more > 0 {
		fmt.Fprintf(b, "    and %s; --json shows all\n", planner.Count(more, "more resource"))
	}
}
