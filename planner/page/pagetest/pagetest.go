// Package pagetest checks the templates of pages with html/template, which knows what each place of
// a page needs.
package pagetest

import (
	"bytes"
	"html/template"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/waldur/cscs-storage-sync/planner/page"
)

// Check fails if html/template writes other bytes for data than package page, or if it wants more
// for a place of the template than that a value is escaped for HTML.
func Check(t testing.TB, text string, data any) {
	t.Helper()
	reference := Reference(t, text)
	var want, got bytes.Buffer
	if err := reference.Execute(&want, data); err != nil {
		t.Fatalf("html/template: %v", err)
	}
	if err := page.New(text).Execute(&got, data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		at := 0
		for at < min(got.Len(), want.Len()) && got.Bytes()[at] == want.Bytes()[at] {
			at++
		}
		t.Fatalf("html/template writes another page from byte %d on:\n%s\nwant\n%s", at,
			around(got.String(), at), around(want.String(), at))
	}
	for _, place := range Places(reference) {
		t.Error(place)
	}
}

func around(text string, at int) string {
	return text[max(0, min(at, len(text))-100):min(len(text), at+100)]
}

// Reference is the same template for html/template.
func Reference(t testing.TB, text string) *template.Template {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "page", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	functions := template.FuncMap{
		"style":  func() template.CSS { return template.CSS(read("style.css")) },
		"policy": page.ContentSecurityPolicy,
		"part":   url.PathEscape,
		"many": func(n int, one, more string) string {
			if n == 1 {
				return one
			}
			return more
		},
	}
	reference := template.New("page").Funcs(functions)
	return template.Must(template.Must(reference.Parse(read("frame.tmpl"))).Parse(text))
}

// Places names what in an executed template needs more than to be escaped for HTML. A part of a
// link may need to be escaped for links, which the function part does.
func Places(executed *template.Template) (wrong []string) {
	for _, t := range executed.Templates() {
		if t.Tree == nil {
			continue
		}
		visit(t.Tree.Root, func(n *parse.ActionNode) {
			for _, c := range n.Pipe.Cmds[1:] {
				switch escaper := c.Args[0].String(); {
				case escaper == "_html_template_htmlescaper" ||
					escaper == "_html_template_rcdataescaper" ||
					escaper == "_html_template_attrescaper":
				case strings.HasPrefix(escaper, "_html_template_url") &&
					strings.HasPrefix(n.Pipe.Cmds[0].String(), "part ") &&
					escaper != "_html_template_urlfilter":
				case escaper == "_html_template_cssvaluefilter" && n.Pipe.Cmds[0].String() == "style":
				default:
					wrong = append(wrong, t.Name()+": "+n.String())
				}
			}
		})
	}
	return wrong
}

// visit calls fn for every action below a node.
func visit(node parse.Node, fn func(*parse.ActionNode)) {
	branch := func(b *parse.BranchNode) {
		visit(b.List, fn)
		if b.ElseList != nil {
			visit(b.ElseList, fn)
		}
	}
	switch n := node.(type) {
	case *parse.ListNode:
		for _, part := range n.Nodes {
			visit(part, fn)
		}
	case *parse.ActionNode:
		fn(n)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	}
}
