package expr

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Input is a value that somebody gives to a variable.
type Input struct {
	Name string
	// Text is the value as a flag or the environment gives it. Expr is the value in a file, otherwise
	// nil.
	Text string
	Expr hcl.Expression
	// From says where the value comes from: "--var", "CSCS_SYNC_VAR_x" or a file.
	From string
	// At is the place of the value in a file.
	At *hcl.Range
}

// declared is a variable block.
type declared struct {
	Variable
	defaults   *typeexpr.Defaults
	hasDefault bool
	checks     []validation
	at         hcl.Range
	// literal reports whether the variable has no type, so that a text is taken as it is.
	literal bool
}

// validation is a validation block.
type validation struct{ condition, message hcl.Expression }

// declare reads the variable blocks, gives each its value, and checks the value.
func (s *Scope) declare(blocks hcl.Blocks, inputs []Input) (diags hcl.Diagnostics) {
	all := map[string]*declared{}
	for _, b := range blocks {
		name := b.Labels[0]
		if first := all[name]; first != nil {
			diags = append(diags, fault(b.DefRange, "Duplicate variable",
				"Variable %q is declared at %s:%d already.", name,
				first.at.Filename, first.at.Start.Line))
			continue
		}
		d, more := readVariable(b)
		diags = append(diags, more...)
		all[name] = d
	}
	given, more := lastOf(inputs, slices.Sorted(maps.Keys(all)))
	diags = append(diags, more...)
	if diags.HasErrors() {
		return diags
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		diags = append(diags, all[name].assign(given)...)
		s.variables[name] = all[name].Variable
	}
	if diags.HasErrors() {
		return diags
	}
	s.values = s.objects()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		diags = append(diags, s.validate(all[name])...)
	}
	return diags
}

func fault(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary,
		Detail: sentence(fmt.Sprintf(detail, args...)), Subject: &at}
}

// lastOf returns the inputs that count. An input for a variable that nobody declared is an error:
// its name is misspelt, and the default would be used instead.
func lastOf(inputs []Input, names []string) (map[string]Input, hcl.Diagnostics) {
	given := map[string]Input{}
	var diags hcl.Diagnostics
	for _, in := range inputs {
		if !slices.Contains(names, in.Name) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "Undeclared variable", Subject: in.At,
				Detail: fmt.Sprintf("%s gives a value to %.60q, but no variable has this name.%s",
					in.From, in.Name,
					DidYouMean(in.Name, names))})
			continue
		}
		given[in.Name] = in
	}
	return given, diags
}

func readVariable(b *hcl.Block) (*declared, hcl.Diagnostics) {
	d := &declared{Variable: Variable{Name: b.Labels[0], Type: cty.DynamicPseudoType,
		Value: cty.DynamicVal}, at: b.DefRange}
	var diags hcl.Diagnostics
	if !hclsyntax.ValidIdentifier(d.Name) {
		diags = append(diags, fault(b.LabelRanges[0], "Unsuitable variable name",
			"Want letters, digits and _, beginning with a letter"))
	}
	content, more := b.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"},
			{Name: "sensitive"}, {Name: "nullable"}},
		Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	diags = append(diags, more...)
	if content == nil {
		return d, diags
	}
	diags = append(diags, d.read(content.Attributes)...)
	for _, v := range content.Blocks {
		inner, more := v.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
			{Name: "condition", Required: true}, {Name: "error_message", Required: true}}})
		diags = append(diags, more...)
		if !more.HasErrors() {
			d.checks = append(d.checks, validation{inner.Attributes["condition"].Expr,
				inner.Attributes["error_message"].Expr})
		}
	}
	return d, diags
}

// read reads the attributes of a variable block.
func (d *declared) read(attrs hcl.Attributes) (diags hcl.Diagnostics) {
	if attr := attrs["sensitive"]; attr != nil {
		diags = append(diags, fault(attr.NameRange, "A variable is not secret",
			`Plans show the values of variables. Write file("…") or env("…") where the `+
				"secret is needed, and leave sensitive out"))
	}
	if attr := attrs["nullable"]; attr != nil {
		diags = append(diags, fault(attr.NameRange, "Unsupported argument",
			"Every variable may be null. Refuse null with a validation block"))
	}
	if attr := attrs["description"]; attr != nil {
		v, more := attr.Expr.Value(nil)
		diags = append(diags, more...)
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			d.Description = v.AsString()
		}
	}
	attr := attrs["type"]
	if d.literal = attr == nil; attr != nil {
		var more hcl.Diagnostics
		d.Type, d.defaults, more = typeexpr.TypeConstraintWithDefaults(attr.Expr)
		diags = append(diags, more...)
	}
	if attr := attrs["default"]; attr != nil && !diags.HasErrors() {
		d.hasDefault = true
		v, more := attr.Expr.Value(nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			return diags
		}
		if err := d.take(v); err != nil {
			diags = append(diags, fault(attr.Expr.Range(), "Unsuitable default of "+d.Name, "%s",
				err))
		}
		d.From = "default"
	}
	return diags
}

// take converts a value to the variable's type, and makes it the variable's value.
func (d *declared) take(v cty.Value) error {
	if d.defaults != nil && !v.IsNull() {
		v = d.defaults.Apply(v)
	}
	v, err := convert.Convert(v, d.Type)
	if err != nil {
		return fmt.Errorf("want %s: %w", d.Type.FriendlyNameForConstraint(), err)
	}
	if err := usable(v); err != nil {
		return err
	}
	d.Value = v
	return nil
}

// assign gives a variable its last input, or its default.
func (d *declared) assign(given map[string]Input) hcl.Diagnostics {
	in, isGiven := given[d.Name]
	if !isGiven {
		if d.hasDefault {
			return nil
		}
		return hcl.Diagnostics{fault(d.at, "Variable without a value",
			"Variable %q has no default. Give it a value: --var %s=VALUE, "+
				"a file named by --var-file, or the environment's CSCS_SYNC_VAR_%s", d.Name, d.Name,
			d.Name)}
	}
	v, err := d.evaluate(in)
	if err == nil {
		err = d.take(v)
	}
	if err == nil {
		d.From = in.From
		return nil
	}
	at := in.At
	if at == nil {
		at = &d.at
	}
	return hcl.Diagnostics{fault(*at, "Unsuitable value for "+d.Name, "%s: %s", in.From, err)}
}

// evaluate reads one input. A variable of type string, or without a type, takes a text as it is.
// Any other variable reads it as HCL.
func (d *declared) evaluate(in Input) (cty.Value, error) {
	expr := in.Expr
	if expr == nil {
		if d.literal || d.Type == cty.String {
			return cty.StringVal(in.Text), nil
		}
		if in.Text == "" {
			return cty.NilVal, fmt.Errorf("want %s; the value is empty",
				d.Type.FriendlyNameForConstraint())
		}
		if err := checkSource([]byte(in.Text)); err != nil {
			return cty.NilVal, err
		}
		parsed, diags := hclsyntax.ParseExpression([]byte(in.Text), in.From, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, fmt.Errorf("want %s, as HCL: %s", d.Type.FriendlyNameForConstraint(),
				diags[0].Detail)
		}
		expr = parsed
	}
	if names := expr.Variables(); len(names) > 0 {
		return cty.NilVal, fmt.Errorf(
			"want a constant, but %q is a name; text goes in double quotes", names[0].RootName())
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("want a constant: %s", diags[0].Detail)
	}
	return v, nil
}

// validate evaluates the validation blocks of a variable.
func (s *Scope) validate(d *declared) (diags hcl.Diagnostics) {
	for _, check := range d.checks {
		more := append(s.Check(check.condition), s.Check(check.message)...)
		if !more.HasErrors() {
			more = s.holds(d, check)
		}
		diags = append(diags, more...)
	}
	return diags
}

func (s *Scope) holds(d *declared, check validation) hcl.Diagnostics {
	ok, diags := check.condition.Value(s.Context(nil))
	if diags.HasErrors() {
		return diags
	}
	ok, err := convert.Convert(ok, cty.Bool)
	if err != nil || ok.IsNull() || !ok.IsKnown() {
		return hcl.Diagnostics{fault(check.condition.Range(), "Unsuitable condition",
			"Want true or false")}
	}
	if ok.True() {
		return nil
	}
	message, diags := check.message.Value(s.Context(nil))
	if diags.HasErrors() {
		return diags
	}
	if message.Type() != cty.String || message.IsNull() || !message.IsKnown() ||
		message.AsString() == "" {
		return hcl.Diagnostics{fault(check.message.Range(), "Unsuitable error_message",
			"Want text in quotes")}
	}
	detail := fmt.Sprintf("%s (%s is %s, from %s)", message.AsString(), d.Name, Show(d.Value, 80),
		d.From)
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid value for variable " +
		d.Name, Detail: detail,
		Subject: check.condition.Range().Ptr()}}
}
