package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// The names of the objects that have what a site declares.
const (
	rootVariable = "var"
	rootLocal    = "local"
)

// Scope has the evaluated variables and locals of a configuration. It does not change, and several
// goroutines may use it. A nil Scope declares nothing.
type Scope struct {
	variables map[string]Variable
	locals    map[string]local
	values    map[string]cty.Value // var and local
}

// Variable is a variable with its value.
type Variable struct {
	Name, Description string
	Type              cty.Type
	Value             cty.Value
	// From says where the value comes from: a default, a flag, a file or the environment.
	From string
}

// local is a local with its value, and the variables that it depends on.
type local struct {
	value cty.Value
	uses  []string
}

// Compile evaluates the variable and locals blocks of a configuration. If a variable has several
// inputs, the last counts.
func Compile(variables, locals hcl.Blocks, inputs []Input) (*Scope, hcl.Diagnostics) {
	s := &Scope{variables: map[string]Variable{}, locals: map[string]local{}}
	diags := s.declare(variables, inputs)
	if !diags.HasErrors() {
		diags = append(diags, s.evaluateLocals(locals)...)
	}
	s.values = s.objects()
	return s, diags
}

// objects returns var and local as expressions see them.
func (s *Scope) objects() map[string]cty.Value {
	vars, locals := map[string]cty.Value{}, map[string]cty.Value{}
	for name, v := range s.variables {
		vars[name] = v.Value
	}
	for name, l := range s.locals {
		locals[name] = l.value
	}
	return map[string]cty.Value{rootVariable: cty.ObjectVal(vars), rootLocal: cty.ObjectVal(locals)}
}

// Variables returns all variables, by name.
func (s *Scope) Variables() []Variable {
	if s == nil {
		return nil
	}
	var list []Variable
	for _, name := range slices.Sorted(maps.Keys(s.variables)) {
		list = append(list, s.variables[name])
	}
	return list
}

// Context returns what an expression may use: the functions, var and local, and more names.
func (s *Scope) Context(more map[string]cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Variables: more, Functions: functions()}
	if s == nil {
		return ctx
	}
	ctx.Variables = maps.Clone(s.values)
	maps.Copy(ctx.Variables, more)
	return ctx
}

// Value evaluates an expression that depends on no resource.
func (s *Scope) Value(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	if diags := s.Check(e); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return e.Value(s.Context(nil))
}

// Check finds names below var and local that nobody declared, and loops that would take too long.
func (s *Scope) Check(e hcl.Expression) (diags hcl.Diagnostics) {
	diags = deepLoops(e)
	for _, t := range e.Variables() {
		var known []string
		what := ""
		switch t.RootName() {
		case rootVariable:
			what = "variable"
			if s != nil {
				known = slices.Sorted(maps.Keys(s.variables))
			}
		case rootLocal:
			what = "local"
			if s != nil {
				known = slices.Sorted(maps.Keys(s.locals))
			}
		default:
			continue
		}
		if name, ok := member(t); ok && !slices.Contains(known, name) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "Undeclared " + what, Subject: t.SourceRange().Ptr(),
				Detail: fmt.Sprintf("No %s has the name %q.%s", what, name,
					DidYouMean(name, known))})
		}
	}
	return diags
}

// member returns the name in var.NAME or var["NAME"].
func member(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

// Used returns the variables that the expressions depend on, also through locals, by name.
func (s *Scope) Used(exprs ...hcl.Expression) []Variable {
	if s == nil {
		return nil
	}
	names := map[string]bool{}
	for _, e := range exprs {
		for _, name := range s.uses(e) {
			names[name] = true
		}
	}
	var list []Variable
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, s.variables[name])
	}
	return list
}

// uses returns the names of the variables that an expression depends on. An expression that uses
// var or local as a whole depends on all.
func (s *Scope) uses(e hcl.Expression) []string {
	var names []string
	for _, t := range e.Variables() {
		name, one := member(t)
		switch t.RootName() {
		case rootVariable:
			if _, known := s.variables[name]; one && known {
				names = append(names, name)
			} else {
				names = slices.AppendSeq(names, maps.Keys(s.variables))
			}
		case rootLocal:
			if l, known := s.locals[name]; one && known {
				names = append(names, l.uses...)
			} else {
				names = slices.AppendSeq(names, maps.Keys(s.variables))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxLoops is how many loops may be nested. Lists have at most thousands of elements, so one more
// level takes minutes.
const maxLoops = 2

// deepLoops refuses for expressions that are nested too deeply.
func deepLoops(e hcl.Expression) hcl.Diagnostics {
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return nil
	}
	w := &loopWalker{}
	_ = hclsyntax.Walk(node, w)
	if w.tooDeep == nil {
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Nested too deeply",
		Subject: w.tooDeep,
		Detail: fmt.Sprintf(
			"A for expression may be inside at most %d others. Use a local for the inner one.",
			maxLoops-1)}}
}

type loopWalker struct {
	depth   int
	tooDeep *hcl.Range
}

func isLoop(n hclsyntax.Node) bool {
	switch n.(type) {
	case *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		return true
	}
	return false
}

// Enter counts the loops around a node.
func (w *loopWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	if isLoop(n) {
		if w.depth++; w.depth > maxLoops && w.tooDeep == nil {
			w.tooDeep = n.Range().Ptr()
		}
	}
	return nil
}

// Exit leaves a node.
func (w *loopWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if isLoop(n) {
		w.depth--
	}
	return nil
}

// usable refuses values that nothing can be done with. Secrets do not get here, infinity is written
// as unlimited in quota blocks only, and a large value is a mistake.
func usable(v cty.Value) error {
	var wrong error
	if err := Bounded(v, maxNamed); err != nil {
		return err
	}
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		if e.Type() != cty.Number || !e.IsKnown() || e.IsNull() {
			return wrong == nil, nil
		}
		switch f := e.AsBigFloat(); {
		case f.IsInf():
			wrong = errors.New("the value is infinite")
		case f.MantExp(nil) > 512 || f.MantExp(nil) < -512:
			wrong = errors.New("the number has too many digits")
		}
		return wrong == nil, nil
	})
	return wrong
}
