package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// JSON returns the report for programs. Characters that can't be seen are written as \u escapes.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return render.EscapeJSON(append(data, '\n')), nil
}

// CSV returns a table with one line for each resource. Amounts are plain numbers, in bytes. A limit
// that does not exist is "unlimited", and an unknown value is empty.
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
		ends := ""
		if x.GraceEnds != nil {
			ends = x.GraceEnds.UTC().Format(time.RFC3339)
		}
		lines = append(lines, append(l, fmt.Sprint(x.share()), string(x.State), ends))
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
	return append(head, "percent", "state", "grace_ends")
}

// cell returns a text that no spreadsheet takes for a formula.
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

// Text returns the report for a terminal: the systems, and what needs a person.
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
		r.list(&b, part.title, r.in(part.states...))
	}
	fmt.Fprintf(&b, "\n%s use less than %d%% of their space.\n", count(len(r.in(Idle)), "resource",
		"resources"), idlePercent)
	fmt.Fprintf(&b, "%d changed outside, %d blocked, %d waiting, %s, %d on hold.\n", len(r.Drift),
		len(r.Blocked), len(r.Waiting), count(len(r.Held), "held plan", "held plans"), len(r.Holds))
	r.archive(&b)
	r.done(&b)
	if r.Unmanaged != nil {
		b.WriteString("\n")
		b.Write(r.Unmanaged.Text())
	}
	return b.Bytes()
}

// archive writes a summary of what is archived.
func (r *Report) archive(b *bytes.Buffer) {
	var known planner.Bytes
	unknown := 0
	for i := range r.Archived {
		if s := r.Archived[i].Space; s != nil {
			known = plus(known, *s)
		} else {
			unknown++
		}
	}
	fmt.Fprintf(b, "%d archived (%d past retention)", len(r.Archived), r.expired())
	if len(r.Archived) > unknown {
		fmt.Fprintf(b, ": %s in %d", known.Rounded(), len(r.Archived)-unknown)
		if unknown > 0 {
			fmt.Fprintf(b, ", and %d of unknown size", unknown)
		}
	}
	b.WriteString(".\n")
}

// done writes whose approvals led to which changes in the last 30 days.
func (r *Report) done(b *bytes.Buffer) {
	fmt.Fprintf(b, "%s ended in 30 days.\n", count(len(r.Changes), "plan", "plans"))
	for i := range r.Done {
		d := &r.Done[i]
		fmt.Fprintf(b, "  approved by %s: %s: %s\n", render.Escape(d.Approver),
			count(d.Plans, "plan", "plans"), actionWords(d.Actions))
	}
}

// actionWords returns the counts by action: "3 create, 1 archive".
func actionWords(actions map[planner.ActionKind]int) string {
	var parts []string
	for _, kind := range planner.ActionKinds() {
		if n := actions[kind]; n > 0 {
			parts = append(parts, planner.Commas(uint64(n))+" "+string(kind))
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

func (r *Report) list(b *bytes.Buffer, title string, list []Resource) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s %s:\n", count(len(list), "resource is", "resources are"), title)
	for i := range list {
		x := &list[i]
		fmt.Fprintf(b, "  %s: %s, %s\n", render.Quote(x.Address), x.space().words(),
			x.inodes().words())
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

// commitment returns what is promised of the capacity.
func commitment(s *System) string {
	if s.Capacity == nil {
		return "unknown"
	}
	text := ofCapacity(s)
	if s.overcommitted() {
		text += ", over-committed"
	}
	switch {
	case s.overAllowed():
		text += ", more than overcommit = " + s.Overcommit + " allows"
	case s.Overcommit != "":
		text += ", overcommit = " + s.Overcommit + " allows " + s.Allowed.Rounded()
	}
	return text
}

// ofCapacity returns what is promised in per cent of a known capacity.
func ofCapacity(s *System) string {
	percent, _ := share(planner.Number(uint64(s.Promised)), planner.Number(uint64(*s.Capacity)))
	return fmt.Sprintf("%d%%", percent)
}

// words returns the usage: "12.3 TiB of 20 TiB (61%)".
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
