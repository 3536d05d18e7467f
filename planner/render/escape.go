package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes a text from outside safe to show. Control characters, invalid UTF-8, bidirectional,
// invisible and combining characters, and blanks other than the space become \n, \r, \t, \x1b,
// \u202e or \U000e0041. A reviewer's terminal never acts on the result. Backslashes stay as they
// are, because texts often quote names already; see [Quote].
func Escape(s string) string { return escape(s, "") }

// Quote shows a name from outside. If the name has only the characters of mount paths, it is
// unchanged. Otherwise it is in quotation marks, with blanks, quotation marks and backslashes
// escaped too, so that different names never look the same.
func Quote(s string) string {
	if pathSafe(s) {
		return s
	}
	return quoted(s)
}

func quoted(s string) string { return `"` + escape(s, ` "\`) + `"` }

// title shows a label that may have blanks, always in quotation marks.
func title(s string) string { return `"` + escape(s, `"\`) + `"` }

func escape(s, also string) string {
	if plainASCII(s, also) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r != ' ' && strings.ContainsRune(also, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case visible(r) && !strings.ContainsRune(also, r):
			b.WriteRune(r)
		default:
			b.WriteString(escapeRune(r))
		}
		i += size
	}
	return b.String()
}

func plainASCII(s, also string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || strings.IndexByte(also, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// visible reports whether a character leaves a mark of its own and changes nothing around it.
// Combining marks are not visible in this sense, because stacked ones hide the lines above. Some
// letters and symbols are blank.
func visible(r rune) bool {
	if ' ' <= r && r <= '~' {
		return true
	}
	switch r {
	case 0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, utf8.RuneError:
		return false
	}
	return unicode.IsPrint(r) && !unicode.IsMark(r)
}

func escapeRune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// pathSafe reports whether s has only characters that mount paths may have. Such a word is never
// broken over lines. It can't look like a line of a plan, because it has no blanks and none of the
// plan's punctuation.
func pathSafe(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("/._@+-", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}
