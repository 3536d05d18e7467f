package page

import (
	"bytes"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"text/template/parse"
)

// Template is the template of a page. It knows the part of Go's templates that pages need: fields,
// conditions, loops, and the functions of [functions]. html/template does the same and more, but
// calls methods by their names, so that the linker keeps every method of the program: 3 MB.
//
// Every value is escaped, so a value may stand in text and in a quoted attribute, and nowhere else.
// A value that is part of a link is given to the function part. The tests of each page check both
// with html/template itself, which also has to write the same bytes.
type Template struct{ trees map[string]*parse.Tree }

// trusted is text of this program that is written as it is.
type trusted string

// functions are what a template may call. Each takes the number of values that is said here.
var functions = map[string]any{"len": 1, "eq": 2, "or": -1, "many": 3, "part": 1, "style": 0,
	"policy": 0}

// New is the template of a page: its text, with the frame and the bars. The text is ours, so a
// mistake in it is one of this program: it panics.
func New(text string) *Template {
	t := &Template{map[string]*parse.Tree{}}
	for _, source := range []string{frame, text} {
		if _, err := parse.New("page").Parse(source, "", "", t.trees, functions); err != nil {
			panic(err)
		}
	}
	return t
}

// Execute writes the page that shows data. It fails for data that is not the template's.
func (t *Template) Execute(b *bytes.Buffer, data any) (err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			err = fmt.Errorf("page: %v", mistake)
		}
	}()
	t.walk(b, t.trees["page"].Root, scope{dot: reflect.ValueOf(data)})
	return nil
}

// scope is what a name means: the dot, and the variables of the loops around it.
type scope struct {
	dot   reflect.Value
	names []string
	are   []reflect.Value
}

func (t *Template) walk(b *bytes.Buffer, node parse.Node, s scope) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil { // there is no else
			for _, part := range n.Nodes {
				t.walk(b, part, s)
			}
		}
	case *parse.TextNode:
		b.Write(n.Text)
	case *parse.ActionNode:
		b.WriteString(escaped(s.pipe(n.Pipe)))
	case *parse.TemplateNode:
		inner := scope{}
		if n.Pipe != nil {
			inner.dot = s.pipe(n.Pipe)
		}
		t.walk(b, t.trees[n.Name].Root, inner)
	case *parse.IfNode:
		if isTrue(s.pipe(n.Pipe)) {
			t.walk(b, n.List, s)
			return
		}
		t.walk(b, n.ElseList, s)
	case *parse.WithNode:
		if v := s.pipe(n.Pipe); isTrue(v) {
			t.walk(b, n.List, scope{v, s.names, s.are})
			return
		}
		t.walk(b, n.ElseList, s)
	case *parse.RangeNode:
		t.loop(b, n, s)
	default:
		panic(fmt.Sprintf("%s: a page has no %T", node, node))
	}
}

func (t *Template) loop(b *bytes.Buffer, n *parse.RangeNode, s scope) {
	list := s.pipe(n.Pipe)
	for i := range list.Len() {
		inner := scope{list.Index(i), s.names, s.are}
		if v := n.Pipe.Decl; len(v) == 2 {
			inner.names = append([]string{v[0].Ident[0], v[1].Ident[0]}, s.names...)
			inner.are = append([]reflect.Value{reflect.ValueOf(i), list.Index(i)}, s.are...)
		}
		t.walk(b, n.List, inner)
	}
	if list.Len() == 0 {
		t.walk(b, n.ElseList, s)
	}
}

// pipe is the value of one expression: a value, or a function with its values.
func (s scope) pipe(p *parse.PipeNode) reflect.Value {
	args := p.Cmds[0].Args
	name, isCall := args[0].(*parse.IdentifierNode)
	if len(p.Cmds) > 1 || len(args) > 1 && !isCall {
		panic(fmt.Sprintf("%s: a page has no pipes and no methods", p))
	}
	if !isCall {
		return s.value(args[0])
	}
	values := make([]reflect.Value, len(args)-1)
	for i, arg := range args[1:] {
		values[i] = s.value(arg)
	}
	if want := functions[name.Ident].(int); want >= 0 && want != len(values) {
		panic(fmt.Sprintf("%s: want %d values", p, want))
	}
	return reflect.ValueOf(call(name.Ident, values))
}

func (s scope) value(node parse.Node) reflect.Value {
	switch n := node.(type) {
	case *parse.DotNode:
		return s.dot
	case *parse.FieldNode:
		return field(s.dot, n.Ident)
	case *parse.VariableNode:
		for i, name := range s.names {
			if name == n.Ident[0] {
				return field(s.are[i], n.Ident[1:])
			}
		}
	case *parse.StringNode:
		return reflect.ValueOf(n.Text)
	case *parse.NumberNode:
		return reflect.ValueOf(int(n.Int64))
	case *parse.PipeNode:
		return s.pipe(n)
	}
	panic(fmt.Sprintf("%s: a page has no %T", node, node))
}

func field(v reflect.Value, names []string) reflect.Value {
	for _, name := range names {
		if v = v.FieldByName(name); !v.IsValid() {
			panic("there is no field " + name)
		}
	}
	return v
}

func call(name string, values []reflect.Value) any {
	switch name {
	case "len":
		return values[0].Len()
	case "eq":
		return values[0].Int() == values[1].Int()
	case "or":
		for _, v := range values {
			if isTrue(v) {
				return true
			}
		}
		return false
	case "many":
		return many(int(values[0].Int()), values[1].String(), values[2].String())
	case "part":
		return url.PathEscape(values[0].String())
	case "style":
		return trusted(style)
	}
	return ContentSecurityPolicy() // policy
}

// isTrue reports whether a value is neither false, nor zero, nor empty.
func isTrue(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() > 0
	}
	return !v.IsZero()
}

// inHTML are the characters that mean something in HTML, or nothing at all.
var inHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;",
	"+", "&#43;", "\x00", "\uFFFD")

func escaped(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[trusted]():
		return v.String()
	case v.Kind() == reflect.String:
		return inHTML.Replace(v.String())
	case v.Kind() == reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	}
	panic(fmt.Sprintf("a page shows no %s", v.Type()))
}
