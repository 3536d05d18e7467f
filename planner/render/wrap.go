package render

import (
	"strings"
	"unicode/utf8"
)

// columns returns the number of columns of s. Each character that [Escape] lets through counts as
// one column.
func columns(s string) int { return utf8.RuneCountInString(s) }

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// wrap breaks an escaped text into lines of at most width columns, at blanks. A longer word is
// broken anywhere, unless it is a path, because people copy paths.
func wrap(s string, width int) []string {
	width = max(width, 20)
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for _, piece := range split(word, width) {
			switch {
			case line == "":
				line = piece
			case columns(line)+1+columns(piece) <= width:
				line += " " + piece
			default:
				lines = append(lines, line)
				line = piece
			}
		}
	}
	return append(lines, line)
}

// Wrap escapes a text and breaks it into lines of at most width columns. It does not break paths.
func Wrap(s string, width int) []string { return wrap(Escape(s), width) }

func isPath(s string) bool { return strings.Contains(s, "/") && pathSafe(s) }

func split(word string, width int) []string {
	if len(word) <= width || columns(word) <= width || isPath(strings.Trim(word, `"',:;()`)) {
		return []string{word}
	}
	var pieces []string
	runes := []rune(word)
	for len(runes) > width {
		n := width
		// An escape such as \U000e0041 is kept in one piece, if its beginning can be seen.
		for back := 1; back < 10 && back < width; back++ {
			if runes[width-back] == '\\' {
				n = width - back
				break
			}
		}
		pieces = append(pieces, string(runes[:n]))
		runes = runes[n:]
	}
	return append(pieces, string(runes))
}

// prose breaks a text of the planner, which may have several lines, such as a piece of
// configuration to copy. Every line is escaped. A line that fits stays as it is, so that what is
// aligned stays aligned. A longer line keeps its indentation.
func prose(s string, width int) []string {
	var lines []string
	for raw := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		if whole := strings.TrimRight(Escape(raw), " "); columns(whole) <= width {
			lines = append(lines, whole)
			continue
		}
		body := strings.TrimLeft(raw, " ")
		indent := spaces(min(len(raw)-len(body), 20))
		for _, l := range wrap(Escape(body), width-len(indent)) {
			lines = append(lines, strings.TrimRight(indent+l, " "))
		}
	}
	return lines
}
