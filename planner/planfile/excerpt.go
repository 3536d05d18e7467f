package planfile

import (
	"bytes"
	"regexp"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

const (
	// excerptRunes is how many characters of a line an error quotes.
	excerptRunes = 60
	// lead is how many of them come before the first difference.
	lead = 20
)

// excerpt quotes the start of a line that is wrong.
func excerpt(line []byte) string { return excerptAt(line, 0) }

// excerptAt quotes a line around the character where something is wrong.
func excerptAt(line []byte, at int) string {
	s, before, after := []rune(string(line)), "", ""
	if from := min(at-lead, len(s)-excerptRunes); from > 0 {
		s, before = s[from:], "…"
	}
	if len(s) > excerptRunes {
		s, after = s[:excerptRunes], "…"
	}
	return "`" + before + render.Escape(string(s)) + after + "`"
}

// colors are the codes that colour the text of a plan.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// whereTheyDiffer returns the first line, from 1, in which two texts differ, and quotes both around
// the difference. The quotes leave out colours unless these are the difference.
func whereTheyDiffer(found, want []byte) (line int, was, wanted string) {
	at := canonical.FirstDifference(found, want)
	line = 1 + bytes.Count(want[:at], []byte("\n"))
	a, b := lineAt(found, at), lineAt(want, at)
	if plainA, plainB := colors.ReplaceAll(a, nil), colors.ReplaceAll(b, nil); !bytes.Equal(plainA,
		plainB) {
		a, b = plainA, plainB
	}
	switch {
	case !bytes.Equal(a, b):
	case len(found) < len(want):
		return line, "the end of the text", excerpt(b)
	default:
		return line, excerpt(a), "the end of the text"
	}
	place := utf8.RuneCount(a[:canonical.FirstDifference(a, b)])
	return line, excerptAt(a, place), excerptAt(b, place)
}

func lineAt(text []byte, at int) []byte {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := bytes.Cut(text[start:], []byte("\n"))
	return line
}
