package approval

import "strings"

// maxPattern is the length in bytes above which ssh-keygen's patterns match nothing.
const maxPattern = 1023

// matchList reports whether a comma-separated list of patterns matches: at least one pattern must
// match, and none that is negated with "!" may.
func matchList(s, list string) bool {
	found := false
	for _, p := range strings.Split(list, ",") {
		if len(p) >= maxPattern {
			return false
		}
		p, negated := strings.CutPrefix(p, "!")
		if !matchPattern(s, p) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// matchPattern matches "*" (any bytes) and "?" (one byte). It goes back only to the last star, so
// it takes at most len(s) × len(p) steps.
func matchPattern(s, p string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(p) && p[j] == '*':
			star, mark = j, i
			j++
		case j < len(p) && (p[j] == '?' || p[j] == s[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(p[j:], "*") == ""
}
