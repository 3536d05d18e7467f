package planner

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MatchGlob reports whether the glob matches the whole address: * and ? match within a component,
// ** matches any number of components, including none. Everything else stands for itself. There is
// no escape, because no address has these characters. A glob that [CheckGlob] refuses matches
// nothing useful, but never fails.
func MatchGlob(glob, address string) bool {
	if !strings.HasPrefix(glob, "/") || !strings.HasPrefix(address, "/") {
		return false
	}
	g, a := glob, address
	// After a ** every position is tried. Only the last ** needs another try, because an earlier one
	// could do nothing that the last one cannot.
	afterStars, retry, stars := "", "", false
	for {
		if g == "" && a == "" {
			return true
		}
		if g != "" {
			wanted, rest := nextComponent(g)
			if wanted == "**" {
				g, afterStars, retry, stars = rest, rest, a, true
				continue
			}
			if a != "" {
				given, left := nextComponent(a)
				if matchComponent(wanted, given) {
					g, a = rest, left
					continue
				}
			}
		}
		if !stars || retry == "" {
			return false
		}
		_, retry = nextComponent(retry)
		g, a = afterStars, retry
	}
}

// CheckGlob says what is wrong with a glob; nil if nothing is.
func CheckGlob(glob string) error {
	if !strings.HasPrefix(glob, "/") {
		return fmt.Errorf("glob %.80q: want a whole address, such as /capstor/store/** or "+
			"/**/climate", glob)
	}
	if len(glob) > 4095 {
		return fmt.Errorf("glob %.80q: longer than 4095 bytes", glob)
	}
	for rest := glob; rest != ""; {
		var c string
		c, rest = nextComponent(rest)
		switch {
		case c == "" || c == "." || c == "..":
			return fmt.Errorf("glob %.80q: empty, '.' and '..' components match nothing", glob)
		case c != "**" && strings.Contains(c, "**"):
			return fmt.Errorf("glob %.80q: ** must be a whole component, as in /capstor/**", glob)
		}
		if i := strings.IndexFunc(c, notInGlob); i >= 0 {
			return fmt.Errorf("glob %.80q: no address contains %q; wildcards are *, ? and **",
				glob, c[i:i+1])
		}
	}
	return nil
}

func notInGlob(r rune) bool {
	ok := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("._@+-*?", r)
	return !ok
}

// nextComponent splits "/a/b" into "a" and "/b".
func nextComponent(s string) (component, rest string) {
	s = s[1:]
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// matchComponent matches * and ? within one component, with the same kind of retry.
func matchComponent(glob, name string) bool {
	afterStar, retry, star := "", "", false
	for {
		if glob == "" && name == "" {
			return true
		}
		if glob != "" {
			if glob[0] == '*' {
				glob, afterStar, retry, star = glob[1:], glob[1:], name, true
				continue
			}
			if name != "" {
				g, gn := utf8.DecodeRuneInString(glob)
				n, nn := utf8.DecodeRuneInString(name)
				if g == '?' || g == n && glob[:gn] == name[:nn] {
					glob, name = glob[gn:], name[nn:]
					continue
				}
			}
		}
		if !star || retry == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(retry)
		retry = retry[size:]
		glob, name = afterStar, retry
	}
}

// ParseGlobs reads one glob per line. It ignores empty lines and lines that begin with #. A text
// without any glob is an error: it would select everything or nothing, and neither was meant. file
// is the name of the text in errors.
func ParseGlobs(text, file string) ([]string, error) {
	var globs []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		glob := strings.TrimSpace(line)
		if glob == "" || strings.HasPrefix(glob, "#") {
			continue
		}
		if err := CheckGlob(glob); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		globs = append(globs, glob)
	}
	if len(globs) == 0 {
		return nil, fmt.Errorf("%s has no globs: want one a line", file)
	}
	return globs, nil
}
