package page_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/waldur/cscs-storage-sync/planner/page"
	"github.com/waldur/cscs-storage-sync/planner/page/pagetest"
)

// everyPlace is a template with a value in each kind of place that pages have.
const everyPlace = `{{template "top" .Title}}<main{{if .Long}} class="long"{{end}}>
{{range $i, $x := .List}}<p class="n{{if eq $i 1}} loud{{end}} {{$x.Class}}">{{$i}} {{$x.Text}}</p>
<a href="#{{part $x.Text}}"><pre>{{$x.Text}}
</pre></a>{{template "bar" .Bar}}{{range .Inner}}<b>{{.}}</b>{{end}}{{else}}none{{end}}
{{with .Title}}<h1 title="{{.}}">{{.}}</h1>{{else}}<h1>no title</h1>{{end}}
{{- if or .List .Long}}{{len .List}} {{many (len .List) "item" "items"}}{{else if .Title}}-{{end}}
<svg><title>{{.Title}}</title><text x="1">{{.Title}}</text></svg></main>{{template "bottom"}}`

type place struct {
	Class, Text string
	Bar         page.Bar
	Inner       []string
}

type places struct {
	Title string
	Long  bool
	List  []place
}

func placesOf(title, class, text string, n int, long bool) places {
	p := places{Title: title, Long: long}
	for i := range n {
		p.List = append(p.List, place{class, text, page.NewBar(text, uint64(i), 2),
			[]string{text, class}[:i%3]})
	}
	return p
}

var hostile = []string{"", "a", "a-1", "<script>alert(1)</script>", `" onload="x`, "'", "&lt;", "+",
	"]]>", "-->", "</title></textarea></style></pre>", "\x00", "\xff\xfe<", "javascript:x", "\u2028",
	"{{.Title}}", "`", "%3C", "<!--", "</", "\r\n", "<svg/onload=x>"}

// FuzzHostileTexts: whatever the texts are, html/template writes the same page, and the page has the
// elements and attributes that it has with harmless texts. The parser is that of browsers.
func FuzzHostileTexts(f *testing.F) {
	for i, text := range hostile {
		f.Add(text, hostile[(i+1)%len(hostile)], text, byte(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, title, class, text string, n byte, long bool) {
		data := placesOf(title, class, text, int(n%4), long)
		// In a link, html/template escapes once more what part has escaped.
		got := executed(t, everyPlace, data)
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" {
			pagetest.Check(t, everyPlace, data)
		}
		inText := strings.ReplaceAll(everyPlace, "{{part $x.Text}}", "x")
		pagetest.Check(t, inText, data)
		harmless := placesOf("", "x", "x", int(n%4), long)
		if title != "" {
			harmless.Title = "x"
		}
		if text == "" {
			for i := range harmless.List {
				harmless.List[i].Text = ""
			}
		}
		want := structure(t, executed(t, everyPlace, harmless))
		if have := structure(t, got); have != want {
			t.Errorf("the texts change the page:\n%s\nwant\n%s\n%s", have, want, got)
		}
	})
}

func executed(t *testing.T, text string, data any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := page.New(text).Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// structure is the tree of elements, with the names of their attributes.
func structure(t *testing.T, text []byte) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			depth := 0
			for range n.Ancestors() {
				depth++
			}
			b.WriteString(strings.Repeat(" ", depth) + n.Data)
			for _, a := range n.Attr {
				b.WriteString(" " + a.Key)
			}
			b.WriteString("\n")
		case html.CommentNode:
			b.WriteString("comment\n")
		}
	}
	return b.String()
}

// TestPlacesThatAreRefused: html/template wants more for these places than to be escaped for HTML,
// and pagetest says so.
func TestPlacesThatAreRefused(t *testing.T) {
	for _, text := range []string{`<a href="{{.}}">`, `<a href="/x?{{.}}">`, `<p class={{.}}>`,
		`<p onclick="{{.}}">`, `<p style="color: {{.}}">`, `<script>{{.}}</script>`,
		`<style>{{.}}</style>`, `<p {{.}}>`, `<a href="{{part .}}">`} {
		reference := pagetest.Reference(t, text)
		var b bytes.Buffer
		if err := reference.Execute(&b, "x"); err == nil && len(pagetest.Places(reference)) == 0 {
			t.Errorf("%s is taken", text)
		}
	}
}

// TestWhatATemplateCannot: what pages do not need is a mistake, and never half a page.
func TestWhatATemplateCannot(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Missing}}":            "no field Missing",
		"{{.Title | len}}":        "no pipes",
		"{{.Title.Len}}":          "",
		"{{.List}}":               "shows no []",
		"{{.Long}}":               "shows no bool",
		"{{$x := .Title}}{{$x}}":  "no *parse.VariableNode",
		"{{template \"none\" .}}": "",
		"{{eq .Title}}":           "want 2 values",
		"{{break}}":               "",
	} {
		err := func() (err error) {
			defer func() {
				if recover() != nil {
					err = bytes.ErrTooLarge // New refuses it
				}
			}()
			return page.New("<p>"+text).Execute(new(bytes.Buffer), places{Title: "x"})
		}()
		if err == nil || !strings.Contains(err.Error(), want) && want != "" {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
