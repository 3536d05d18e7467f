package planner

import "strings"

// Clause returns a text from elsewhere without the punctuation at its end, for use inside a
// sentence.
func Clause(s string) string { return strings.TrimRight(s, " .;:,") }

func compareStrings(a, b [3]string) int {
	for i := range a {
		if c := strings.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}
