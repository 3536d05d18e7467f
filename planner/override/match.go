package override

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// matcher is a match block: conditions that must all hold.
type matcher struct {
	texts   []condition
	gids    []int64
	systems []string
	exprs   []hcl.Expression
	// targets reports whether the match has a condition on target.
	targets bool
}

// condition holds if one of the wanted texts matches.
type condition struct {
	name   string
	wanted []string
	fact   func(planner.Facts) string
	fits   func(wanted, fact string) bool
	// allowed lists the only words that make sense; nil if all do. check explains why a text makes no
	// sense.
	allowed []string
	check   func(string) error
}

func conditions() map[string]condition {
	same := func(wanted, fact string) bool { return wanted == fact }
	is := func(fact func(planner.Facts) string, allowed ...string) condition {
		return condition{fact: fact, fits: same, allowed: allowed}
	}
	return map[string]condition{
		"path": {fact: func(f planner.Facts) string { return f.Path }, fits: planner.MatchGlob,
			check: planner.CheckGlob},
		"data_type": is(func(f planner.Facts) string { return f.DataType }, planner.DataTypes()...),
		"system":    is(func(f planner.Facts) string { return f.System }),
		"tenant":    is(func(f planner.Facts) string { return f.Tenant }),
		"customer":  is(func(f planner.Facts) string { return f.Customer }),
		"project":   is(func(f planner.Facts) string { return f.Project }),
		"target": is(func(f planner.Facts) string { return string(f.Target) }, "tenant",
			"customer", "project", "user"),
		"status": is(func(f planner.Facts) string { return string(f.Status) }, "pending", "active",
			"updating",
			"removing", "removed", "error"),
	}
}

func matchNames() []string {
	return []string{"path", "data_type", "system", "tenant", "customer", "project", "target", "gid",
		"status"}
}

func compileMatch(block *hcl.Block, scope *expr.Scope) (matcher, hcl.Diagnostics) {
	content, diags := block.Body.Content(schema(matchNames()))
	var m matcher
	if content == nil {
		return m, diags
	}
	known := conditions()
	for _, name := range matchNames() {
		attr, given := content.Attributes[name]
		if !given {
			continue
		}
		m.exprs = append(m.exprs, attr.Expr)
		if name == "gid" {
			gids, more := constants(attr, scope, cty.Number, "a group id or a list of them")
			diags = append(diags, more...)
			m.gids, more = wantedGIDs(attr, gids)
			diags = append(diags, more...)
			continue
		}
		values, more := constants(attr, scope, cty.String, "text in quotes or a list of texts")
		diags = append(diags, more...)
		c := known[name]
		c.name = name
		for _, v := range values {
			c.wanted = append(c.wanted, v.AsString())
			diags = append(diags, c.problem(attr, v.AsString())...)
		}
		switch name {
		case "system":
			m.systems = c.wanted
		case "target":
			m.targets = true
		}
		m.texts = append(m.texts, c)
	}
	if len(content.Attributes) == 0 && !diags.HasErrors() {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Empty match block",
			Subject: block.DefRange.Ptr(),
			Detail:  `Say which resources the override is for; path = "/**" is all of them.`})
	}
	return m, diags
}

func (c condition) problem(attr *hcl.Attribute, wanted string) hcl.Diagnostics {
	if c.check != nil {
		if err := c.check(wanted); err != nil {
			return unsuitable(attr, err.Error())
		}
	}
	if c.allowed != nil && !slices.Contains(c.allowed, wanted) {
		return unsuitable(attr, fmt.Sprintf("there is no %s %.80q; the words are %s", attr.Name,
			wanted, list(c.allowed)))
	}
	return nil
}

func wantedGIDs(attr *hcl.Attribute, values []cty.Value) (gids []int64, diags hcl.Diagnostics) {
	for _, v := range values {
		n, exact, err := whole(v.AsBigFloat())
		if err != nil || !exact {
			return nil, unsuitable(attr, "want whole numbers of 0 or more")
		}
		gids = append(gids, int64(n))
	}
	return gids, nil
}

// constants returns the elements of a list, or a single value, all of the wanted type.
func constants(attr *hcl.Attribute, scope *expr.Scope, want cty.Type, what string) ([]cty.Value,
	hcl.Diagnostics) {
	v, diags := scope.Value(attr.Expr)
	if diags.HasErrors() {
		return nil, diags
	}
	bad := unsuitable(attr, "want "+what)
	if !v.IsWhollyKnown() || v.IsNull() {
		return nil, bad
	}
	values := []cty.Value{v}
	if t := v.Type(); t.IsTupleType() || t.IsListType() || t.IsSetType() {
		values = v.AsValueSlice()
	}
	if len(values) == 0 {
		return nil, unsuitable(attr, "an empty list matches nothing; leave "+attr.Name+
			" out to match all")
	}
	for _, v := range values {
		if v.IsNull() || v.Type() != want {
			return nil, bad
		}
	}
	return values, nil
}

func unsuitable(attr *hcl.Attribute, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Unsuitable value for " + attr.Name,
		Detail:   sentence(detail),
		Subject:  attr.Expr.Range().Ptr(),
	}}
}

// matches reports whether the matcher matches a resource. It matches directories of tenants and
// customers only if it names these targets: a mode for all projects of a customer, given to the
// directory above them, would lock them out.
func (m matcher) matches(f planner.Facts) bool {
	if f.Target.IsBranch() && !m.targets {
		return false
	}
	for i := range m.texts {
		c := &m.texts[i]
		fact := c.fact(f)
		if !slices.ContainsFunc(c.wanted, func(w string) bool { return c.fits(w, fact) }) {
			return false
		}
	}
	return m.gids == nil || f.HasGID && slices.Contains(m.gids, f.GID)
}

func schema(attributes []string, blocks ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, name := range blocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name})
	}
	return s
}

// list joins words for a sentence: a, b or c.
func list(words []string) string {
	s := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			s += " or " + w
		} else {
			s += ", " + w
		}
	}
	return s
}
