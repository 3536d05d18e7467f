package expr

import (
	"fmt"
	"unicode/utf8"
)

// DidYouMean suggests the nearest of words, as a sentence with a blank in front; empty if none is
// near.
func DidYouMean(given string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		if d := Distance(given, w); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// Distance returns how many single letters have to be added, dropped or changed between two short
// words. Long words are always far apart.
func Distance(a, b string) int {
	if utf8.RuneCountInString(a) > 2*len(b) || len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
