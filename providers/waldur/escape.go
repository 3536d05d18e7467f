package waldur

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLen returns the length of the escape at the start of text, or 0 if it is not one of JSON's.
func escapeLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text[2:]); ok {
			return 6
		}
	}
	return 0
}

// hex4 parses four hex digits.
func hex4(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes raw, the text between a string's quotes, and appends the result. escapeLen must
// have checked the escapes. It returns false if raw has half a surrogate pair, which is not text.
func unescape(to, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			to = append(to, c)
			i++
			continue
		}
		if raw[i+1] != 'u' {
			to = append(to, plainEscape(raw[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(raw[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
				return to, false
			}
			low, _ := hex4(raw[i+2:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return to, false
			}
			i += 6
		}
		to = utf8.AppendRune(to, r)
	}
	return to, true
}

// plainEscape returns the meaning of a backslash followed by c.
func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
