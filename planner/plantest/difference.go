package plantest

import "strings"

// Difference returns the part of two texts around the first line that differs; both are empty if
// the texts are equal.
func Difference(a, b string) (inA, inB string) {
	if a == b {
		return "", ""
	}
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	at := 0
	for at < min(len(x), len(y)) && x[at] == y[at] {
		at++
	}
	around := func(lines []string) string {
		return strings.Join(lines[max(at-12, 0):min(at+25, len(lines))], "\n")
	}
	return around(x), around(y)
}
