package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// localsReader evaluates locals in the order in which they need each other.
type localsReader struct {
	scope *Scope
	attrs map[string]*hcl.Attribute
	// path are the locals that wait for another, from the first to the last.
	path  []string
	done  map[string]bool
	diags hcl.Diagnostics
}

// evaluateLocals evaluates all locals blocks together, because the order of blocks and lines does
// not count.
func (s *Scope) evaluateLocals(blocks hcl.Blocks) hcl.Diagnostics {
	r := &localsReader{scope: s, attrs: map[string]*hcl.Attribute{}, done: map[string]bool{}}
	for _, b := range blocks {
		attrs, diags := b.Body.JustAttributes()
		r.diags = append(r.diags, diags...)
		for name, attr := range attrs {
			if first := r.attrs[name]; first != nil {
				r.fault(attr.NameRange, "Duplicate local",
					fmt.Sprintf("Local %q has a value at %s:%d already.", name,
						first.NameRange.Filename, first.NameRange.Start.Line))
				continue
			}
			r.attrs[name] = attr
		}
	}
	for name := range r.attrs { // all names first, so that misspelt ones are found
		s.locals[name] = local{value: cty.DynamicVal}
	}
	for _, name := range slices.Sorted(maps.Keys(r.attrs)) {
		r.evaluate(name)
	}
	return r.diags
}

func (r *localsReader) fault(at hcl.Range, summary, detail string) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary,
		Detail: detail, Subject: &at})
}

// evaluate evaluates a local after the locals that it needs.
func (r *localsReader) evaluate(name string) {
	if r.done[name] {
		return
	}
	attr := r.attrs[name]
	if i := slices.Index(r.path, name); i >= 0 {
		circle := append(slices.Clone(r.path[i:]), name)
		r.fault(attr.NameRange, "Locals that need each other", "No value can be found: local."+
			strings.Join(circle, " needs local.")+". Take one of them out of the circle.")
		return
	}
	r.path = append(r.path, name)
	for _, t := range attr.Expr.Variables() {
		if needed, ok := member(t); ok && t.RootName() == rootLocal && r.attrs[needed] != nil {
			r.evaluate(needed)
		} else if t.RootName() == rootLocal && len(t) < 2 {
			r.fault(t.SourceRange(), "All locals at once",
				"A local must name the locals that it needs, as in local.NAME.")
		}
	}
	r.path = r.path[:len(r.path)-1]
	r.done[name] = true
	r.scope.locals[name] = local{r.value(name, attr), r.scope.uses(attr.Expr)}
}

// value returns the value of a local; unknown if there is none.
func (r *localsReader) value(name string, attr *hcl.Attribute) cty.Value {
	for _, t := range attr.Expr.Variables() {
		if root := t.RootName(); root == "upstream" || root == "unlimited" {
			r.fault(t.SourceRange(), "Unsuitable value for "+name,
				"A local depends on no resource: the word "+root+" is allowed only in overrides.")
			return cty.DynamicVal
		}
	}
	if diags := r.scope.Check(attr.Expr); diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return cty.DynamicVal
	}
	r.scope.values = r.scope.objects()
	v, diags := attr.Expr.Value(r.scope.Context(nil))
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	if err := usable(v); err != nil {
		r.fault(attr.Expr.Range(), "Unsuitable value for "+name, sentence(err.Error()))
		return cty.DynamicVal
	}
	return v
}

func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
