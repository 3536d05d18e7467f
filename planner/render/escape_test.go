package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain text": "plain text", "Zürich": "Zürich", "a\x1b[31mb": `a\x1b[31mb`,
		"a\r\n\tb": `a\r\n\tb`, "\xff": `\xff`, "\u202e": `\u202e`,
		"\u200b\ufeff": `\u200b\ufeff`, "e\u0301": `e\u0301`, "\U000e0041": `\U000e0041`,
		"\u00a0": `\u00a0`, "\u009b": `\u009b`, "\x7f": `\x7f`,
		`back\slash`: `back\slash`, "\ufffd": `\ufffd`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"/a/b-c_d@e+f.g": "/a/b-c_d@e+f.g", "": `""`,
		"a b": `"a\x20b"`, `a"b\`: `"a\"b\\"`, "a\x1b": `"a\x1b"`, `\x1b`: `"\\x1b"`} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range plantest.HostileTexts() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{Escape(s), Quote(s), title(s)} {
			if strings.ContainsFunc(out,
				func(r rune) bool { return !visible(r) || unicode.IsControl(r) }) {
				t.Fatalf("%q is shown as %q", s, out)
			}
		}
		for _, l := range prose(s, 40) {
			if strings.ContainsFunc(l, func(r rune) bool { return !visible(r) }) ||
				strings.HasSuffix(l, " ") {
				t.Fatalf("%q has the line %q", s, l)
			}
		}
	})
}

// TestNothingImitatesThePlan checks the lines of a hostile plan: each line is one that we wrote, or
// is marked as part of a text.
func TestNothingImitatesThePlan(t *testing.T) {
	p := plantest.Hostile()
	out := Text(p, Options{})
	for _, c := range out {
		if c != '\n' && c < ' ' || c == 0x7f {
			t.Fatalf("the text contains the byte %#x", c)
		}
	}
	plans := regexp.MustCompile(`(?m)^(Plan: |No changes|cscs-sync will)`).FindAll(out, -1)
	if len(plans) != 2 {
		t.Errorf("%d lines look like the plan's own: %q", len(plans), plans)
	}
	blocks := regexp.MustCompile(`(?m)^  # ?([^( ].*)? will be `).FindAll(out, -1)
	if len(blocks) != len(p.Core.Actions) {
		t.Errorf("%d lines begin an action, for %d actions", len(blocks), len(p.Core.Actions))
	}
	for _, l := range bytes.Split(Text(p, Options{Color: true}), []byte("\n")) {
		if bytes.Contains(sgr.ReplaceAll(l, nil), []byte{esc}) {
			t.Errorf("a colour that is not ours: %q", l)
		}
	}
}

// wellFormed checks that every element is closed, and that there are only elements that we write.
func wellFormed(t *testing.T, page []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	seen := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			seen[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" ||
					a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") {
					t.Errorf("the page has an attribute %s=%q", a.Name.Local, a.Value)
				}
			}
		}
	}
	for name := range seen {
		if !slices.Contains(
			strings.Fields("html head meta title style body main section nav article header h1 "+
				"h2 h3 p strong small code pre span a "+
				"table colgroup col thead tbody tr th td ul li dl dt dd div details summary "+
				"svg rect"),
			name) {
			t.Errorf("the page has %d elements %s", seen[name], name)
		}
	}
	if seen["article"] < 10 || seen["span"] < 50 {
		t.Errorf("%v", seen)
	}
}

func TestHostileMarkdownAndHTML(t *testing.T) {
	p := plantest.Hostile()
	md := Markdown(p, Options{})
	inside, fence := false, ""
	for _, l := range strings.Split(string(md), "\n") {
		switch trimmed := strings.TrimLeft(l, " "); {
		case !inside && strings.HasPrefix(l, "```"):
			inside, fence = true, strings.TrimSuffix(l, "text")
		case inside && strings.HasPrefix(trimmed, fence):
			if trimmed != fence || l != trimmed {
				t.Errorf("a fence ends by %q", l)
			}
			inside = false
		case !inside && regexp.MustCompile("script|click|bold|evil").MatchString(l):
			t.Errorf("outside of code: %q", l)
		}
	}
	if inside {
		t.Error("the last fence is open")
	}
	page := HTML(p, Options{})
	for _, bad := range []string{"<script", "<b>", "\x1b", "\u202e"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page contains %q", bad)
		}
	}
	wellFormed(t, page)
	if out := JSON(p); bytes.ContainsFunc(out,
		func(r rune) bool { return r != '\n' && !visible(r) }) {
		t.Error("the JSON contains characters that can't be seen")
	}
}
