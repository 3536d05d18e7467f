package expr

import (
	"fmt"
)

// DidYouMean suggests the nearest of words, as a sentence with a blank in front; empty if none is
// near.
func DidYouMean(given string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		if d := Distance(given, w, least-1); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// Distance returns how many bytes have to be changed, added or removed to turn a into b. Any result
// greater than most only means more than most.
func Distance(a, b string, most int) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
