package planfile

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// tampered returns the error for a file whose text was changed.
func tampered(t *testing.T, opt render.Options, change func(text []byte) []byte) *FormatError {
	t.Helper()
	p := plantest.Mixed()
	text := change(render.Text(p, opt))
	_, err := Parse(pack(t, text, canonical.Encode(p)))
	var bad *FormatError
	if !errors.As(err, &bad) {
		t.Fatalf("%v", err)
	}
	return bad
}

// TestTamperedTextIsQuotedWhereItDiffers changes each line of a plan, and adds, repeats and removes
// some. What was found and what was wanted are never the same two strings, and show no colour
// codes.
func TestTamperedTextIsQuotedWhereItDiffers(t *testing.T) {
	quotes := regexp.MustCompile("found (.*), want (.*)$")
	for _, opt := range []render.Options{{}, {Color: true}} {
		lines := bytes.SplitAfter(render.Text(plantest.Mixed(), opt), []byte("\n"))
		for i := 0; i < len(lines)-1; i += fewer {
			for name, change := range map[string]func([][]byte) [][]byte{
				"last letter": func(l [][]byte) [][]byte {
					l[i] = append(bytes.TrimSuffix(l[i], []byte("\n")), "~\n"...)
					return l
				},
				"doubled": func(l [][]byte) [][]byte { return slices.Insert(l, i, l[i]) },
				"removed": func(l [][]byte) [][]byte { return slices.Delete(l, i, i+1) },
			} {
				bad := tampered(t, opt, func([]byte) []byte {
					l := make([][]byte, len(lines))
					for i := range lines {
						l[i] = bytes.Clone(lines[i])
					}
					return bytes.Join(change(l), nil)
				})
				m := quotes.FindStringSubmatch(bad.Problem)
				if m == nil || m[1] == m[2] || strings.Contains(bad.Problem, "[1m") ||
					strings.Contains(bad.Problem, "[0m") {
					t.Fatalf("color %t, line %d %s: %q", opt.Color, i+1, name, bad.Problem)
				}
				if name == "last letter" && bad.Line != i+3 {
					t.Fatalf("line %d is called %d", i+3, bad.Line)
				}
			}
		}
	}
}

func TestDifference(t *testing.T) {
	long := strings.Repeat("long ", 40)
	for name, c := range map[string]struct {
		found, want string
		line        int
		was, wanted string
	}{
		"short": {"a\nbcd\n", "a\nbxd\n", 2, "`bcd`", "`bxd`"},
		"far": {long + "A\n", long + "B\n", 1, "`…" + long[141:] + "A`",
			"`…" + long[141:] + "B`"},
		"coloured": {"\x1b[1mone\x1b[0m two\n", "\x1b[1mone\x1b[0m six\n", 1, "`one two`",
			"`one six`"},
		"only colour": {"\x1b[1mone\n", "\x1b[2mone\n", 1, "`\\x1b[1mone`", "`\\x1b[2mone`"},
		"cut off":     {"a\n", "a\nb\n", 2, "``", "`b`"},
		"more":        {"a\nb\n", "a\n", 2, "`b`", "``"},
		"empty more":  {"a\n\n", "a\n", 2, "``", "the end of the text"},
		"empty less":  {"a\n", "a\n\n", 2, "the end of the text", "``"},
		"letters": {strings.Repeat("é", 90) + "x\n", strings.Repeat("é", 90) + "y\n", 1,
			"`…" + strings.Repeat("é", 59) + "x`", "`…" + strings.Repeat("é", 59) + "y`"},
	} {
		if line, was, wanted := whereTheyDiffer([]byte(c.found), []byte(c.want)); line != c.line ||
			was != c.was || wanted != c.wanted {
			t.Errorf("%s: %d, %s, %s", name, line, was, wanted)
		}
	}
}
