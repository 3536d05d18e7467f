package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// textColumn is where the text of a finding begins.
const textColumn = 24

// Text lists findings for people, in lines of a width, and counts the verdicts. Paint colours a
// verdict.
func Text(findings []Finding, width int, paint func(Verdict) string) string {
	counts := map[Verdict]int{}
	var b strings.Builder
	for _, f := range findings {
		counts[f.Verdict]++
		lines := render.Wrap(f.Text, width-textColumn)
		fmt.Fprintf(&b, "%s  %-*s%s\n", paint(f.Verdict), textColumn-6, f.Check+" ", lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "%*s%s\n", textColumn, "", line)
		}
	}
	fmt.Fprintf(&b, "\n%d passed, %s, %s.\n", counts[Pass], planner.Count(counts[Warn], "warning"),
		planner.Count(counts[Fail], "failure"))
	return b.String()
}

// Failed reports whether a finding is a failure.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict == Fail })
}
