package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// JSON is the report for programs. Characters that can't be seen are written as \u escapes.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return render.EscapeJSON(append(data, '\n')), nil
}

// CSV has one line for each resource. Amounts are plain numbers, in bytes; a limit that does not
// exist is "unlimited", and what is not known is empty.
func (r *Report) CSV() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	lines := [][]string{csvHead()}
	for i := range r.Resources {
		x := &r.Resources[i]
		l := []string{cell(x.Address), cell(x.System), cell(x.Tenant), cell(x.Customer), x.Quota,
			fmt.Sprint(x.Sharing)}
		for _, of := range planner.Quantities() {
			u := x.of(of.Hard)
			l = append(l, number(u.Soft), number(u.Hard), number(u.Used))
		}
		lines = append(lines, append(l, fmt.Sprint(x.Share()), string(x.State)))
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

func csvHead() []string {
	head := []string{"address", "system", "tenant", "customer", "quota", "sharing"}
	for _, of := range planner.Quantities() {
		head = append(head, of.Soft.String(), of.Hard.String(), of.Name+"_used")
	}
	return append(head, "percent", "state")
}

// cell is a text that no spreadsheet takes for a formula.
func cell(s string) string {
	s = render.Escape(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func number(v planner.Value) string {
	if n, ok := v.Number(); ok {
		return fmt.Sprint(n)
	}
	if v.IsUnlimited() {
		return "unlimited"
	}
	return ""
}

// Text is the report for a terminal: the systems, and what needs a person.
func (r *Report) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-14s %12s %12s %12s %12s  %s\n", "system", "capacity", "used", "free",
		"promised", "of capacity")
	for i := range r.Systems {
		s := &r.Systems[i]
		fmt.Fprintf(&b, "%-14s %12s %12s %12s %12s  %s\n", render.Quote(s.Name), amount(s.Capacity),
			amount(s.Used), amount(s.Free),
			s.Promised.Rounded(), commitment(s))
		if s.Problem != "" {
			fmt.Fprintf(&b, "  %s\n", render.Escape(s.Problem))
		}
	}
	for _, part := range []struct {
		title  string
		states []State
	}{{"over a limit", []State{Over}}, {"over a soft limit", []State{Grace}},
		{"near a limit", []State{Near}}} {
		r.list(&b, part.title, r.In(part.states...))
	}
	fmt.Fprintf(&b, "\n%s use less than %d%% of their space.\n", count(len(r.In(Idle)), "resource",
		"resources"), idlePercent)
	fmt.Fprintf(&b, "%d changed outside, %d blocked, %d waiting, %d on hold, %d archived (%d "+
		"past retention), %d plans ended in 30 days.\n",
		len(r.Drift), len(r.Blocked), len(r.Waiting), len(r.Holds), len(r.Archived), r.expired(),
		len(r.Changes))
	return b.Bytes()
}

func (r *Report) list(b *bytes.Buffer, title string, list []Resource) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s %s:\n", count(len(list), "resource is", "resources are"), title)
	for i := range list {
		x := &list[i]
		fmt.Fprintf(b, "  %s: %s, %s\n", render.Quote(x.Address), x.Space().words(),
			x.Inodes().words())
	}
}

func (r *Report) expired() (n int) {
	for _, a := range r.Archived {
		if a.Expired {
			n++
		}
	}
	return n
}

func amount(b *planner.Bytes) string {
	if b == nil {
		return "unknown"
	}
	return b.Rounded()
}

// commitment is what is promised of the capacity.
func commitment(s *System) string {
	if s.Capacity == nil {
		return "unknown"
	}
	text := ofCapacity(s)
	if s.Overcommitted() {
		text += ", over-committed"
	}
	return text
}

// ofCapacity is what is promised of a capacity that is known, in per cent.
func ofCapacity(s *System) string {
	percent, _ := share(planner.Number(uint64(s.Promised)), planner.Number(uint64(*s.Capacity)))
	return fmt.Sprintf("%d%%", percent)
}

// words is "12.3 TiB of 20 TiB (61%)".
func (u Usage) words() string {
	text := strings.TrimSuffix(show(u.hard, u.Used), " files") + " of " + show(u.hard, u.Hard)
	if percent, known := share(u.Used, u.Hard); known {
		text += fmt.Sprintf(" (%d%%)", percent)
	}
	return text
}

func show(a planner.Attribute, v planner.Value) string {
	n, ok := v.Number()
	switch {
	case ok && a.IsSpace():
		return planner.Bytes(n).Rounded()
	case ok:
		return planner.Commas(n) + " files"
	case v.IsAbsent():
		return "unknown"
	}
	return render.Escape(planner.Show(a, v))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return planner.Commas(uint64(n)) + " " + many
}
