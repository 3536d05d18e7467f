package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write docs/reference/configuration.md")

const referencePage = "../../docs/reference/configuration.md"

// TestReferenceIsTheDecoder makes docs/reference/configuration.md from the decoder's source: names,
// forms and defaults. Only the meanings of attributes are written here. It fails for an attribute
// without a meaning, and for a meaning without an attribute.
func TestReferenceIsTheDecoder(t *testing.T) {
	page := referencePageOf(t)
	if *write {
		if err := os.WriteFile(referencePage, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(referencePage); err != nil || !bytes.Equal(got, page) {
		t.Errorf("docs/reference/configuration.md is not what the decoder reads; refresh it with "+
			"go test ./planner/config -run Reference -write (%v)", err)
	}
}

func referencePageOf(t *testing.T) []byte {
	functions := parsedFunctions(t)
	var b bytes.Buffer
	b.WriteString(referenceIntroduction)
	seen := map[string]int{}
	for _, s := range referenceSections {
		opened := functions.attributes(s.functions[0])
		if len(opened) <= s.nth {
			t.Fatalf("%s opens %d blocks; %s is number %d", s.functions[0], len(opened), s.title,
				s.nth+1)
		}
		seen[s.functions[0]] = max(seen[s.functions[0]], s.nth+1)
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n| attribute | form | default | meaning |\n|---|---|---|---|\n",
			s.title, s.about)
		for _, name := range opened[s.nth] {
			b.WriteString(referenceRow(t, functions, s, name))
		}
		for name := range s.meanings {
			if !slices.ContainsFunc(opened[s.nth],
				func(n string) bool { return strings.TrimPrefix(n, "!") == name }) {
				t.Errorf("%s has no attribute %s", s.title, name)
			}
		}
		b.WriteString(s.after)
	}
	for name := range functions {
		if n := len(functions.attributes(name)); n > seen[name] {
			t.Errorf("%s opens %d blocks, and the reference has %d of them", name, n, seen[name])
		}
	}
	b.WriteString(referenceEnd)
	return b.Bytes()
}

func referenceRow(t *testing.T, functions sources, s referenceSection, name string) string {
	bare, required := strings.CutPrefix(name, "!")
	meaning := s.meanings[bare]
	if meaning == "" {
		t.Errorf("say what %s of %s means, in reference_test.go", bare, s.title)
	}
	form, fallback := functions.value(s.functions, bare)
	if own, ok := s.forms[bare]; ok {
		form = own
	}
	if own, ok := s.defaults[bare]; ok {
		fallback = own
	}
	switch {
	case form == "":
		t.Errorf("say what form %s of %s has, in reference_test.go", bare, s.title)
	case required:
		fallback = "required"
	case fallback == "":
		fallback = "none"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", bare, form, fallback, meaning)
}

// sources are the functions of this package by name.
type sources map[string]*ast.FuncDecl

func parsedFunctions(t *testing.T) sources {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	all := sources{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all[f.Name.Name] = f
			}
		}
	}
	return all
}

// attributes returns the lists of names with which a function opens blocks, in order.
func (s sources) attributes(function string) (lists [][]string) {
	if function == "open" || s[function] == nil {
		return nil
	}
	for _, call := range calls(s[function]) {
		if calledName(call) != "open" || len(call.Args) < 2 {
			continue
		}
		if list, ok := call.Args[1].(*ast.CompositeLit); ok {
			lists = append(lists, literals(list.Elts))
		}
	}
	return lists
}

// value returns the form of an attribute and its default, as the functions read it.
func (s sources) value(functions []string, name string) (form, fallback string) {
	for _, f := range functions {
		for _, call := range calls(s[f]) {
			if len(call.Args) == 0 || !slices.Equal(literals(call.Args[:1]), []string{name}) {
				continue
			}
			if form, fallback = formOf(calledName(call), call.Args[1:]); form != "" {
				return form, fallback
			}
		}
	}
	return "", ""
}

func formOf(method string, args []ast.Expr) (form, fallback string) {
	switch method {
	case "text", "name":
		form = "text"
	case "texts":
		form = "list of texts"
	case "textMap":
		form = "map of texts"
	case "number":
		form = "whole number"
	case "ratio":
		form = "number"
	case "boolean":
		form = "`true` or `false`"
	case "duration":
		form = "duration"
	case "mode":
		form = "octal mode"
	case "secret", "stateURL":
		form = "secret"
	case "url", "baseURL":
		form = "URL"
	case "absolute", "below", "certificates":
		form = "absolute path"
	case "storagePath":
		form = "path below `storage.root`"
	case "pathPrefix":
		form = "absolute path"
	case "clock":
		form = "time of day"
	case "word":
		form = "`" + strings.Join(slices.Compact(words(args[1:])), "`, `") + "`"
	default:
		return "", ""
	}
	if len(args) > 0 && method != "secret" && method != "below" {
		fallback = constant(args[0])
	}
	return form, fallback
}

func words(args []ast.Expr) (all []string) {
	for _, a := range args {
		all = append(all, strings.Trim(constant(a), "`"))
	}
	return all
}

// constant shows a default as a configuration would write it.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			if text == "" {
				return ""
			}
			return "`" + text + "`"
		}
		return "`" + strings.ReplaceAll(e.Value, "_", "") + "`"
	case *ast.Ident:
		switch e.Name {
		case "nil":
			return ""
		case "day":
			return "`1d`"
		}
		return "`" + e.Name + "`"
	case *ast.SelectorExpr:
		switch e.Sel.Name {
		case "Second":
			return "`1s`"
		case "Minute":
			return "`1m`"
		case "Hour":
			return "`1h`"
		case "ParentsCreate":
			return "`create`"
		case "ParentsEnforce":
			return "`enforce`"
		}
	case *ast.BinaryExpr:
		unit := strings.Trim(constant(e.Y), "`")
		return "`" + strings.Trim(constant(e.X), "`") + strings.TrimPrefix(unit, "1") + "`"
	case *ast.CallExpr:
		if len(e.Args) == 1 {
			return constant(e.Args[0])
		}
	case *ast.CompositeLit:
		return "`" + strings.Join(literals(e.Elts), "`, `") + "`"
	}
	return "?"
}

func calls(f *ast.FuncDecl) (all []*ast.CallExpr) {
	if f == nil {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			all = append(all, c)
		}
		return true
	})
	return all
}

func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

func literals(exprs []ast.Expr) (texts []string) {
	for _, e := range exprs {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value)
			texts = append(texts, text)
		}
	}
	return texts
}

// TestReferenceShowsDefaults: the generator understands every default that the decoder has.
func TestReferenceShowsDefaults(t *testing.T) {
	page := referencePageOf(t)
	if regexp.MustCompile(`\| \?|\?` + "`").Match(page) {
		t.Errorf("a default is not understood:\n%s", page)
	}
	for _, row := range []string{
		"| `timeout` | duration | `10m` |", "| `min_gid` | whole number | `1000` |",
		"| `parents` | `create`, `enforce` | `create` |", "| `url` | URL | required |",
	} {
		if !bytes.Contains(page, []byte(row)) {
			t.Errorf("the page lacks %s", row)
		}
	}
}
