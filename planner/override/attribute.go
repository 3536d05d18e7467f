package override

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// kind says which values an attribute takes, and where they go.
type kind struct {
	name    string
	want    cty.Type
	example string
	inQuota bool
	set     func(w *planner.Wishes, v cty.Value, exact bool) error
}

// attribute is one attribute whose value depends on the resource.
type attribute struct {
	kind
	expr  hcl.Expression
	scope *expr.Scope
	// at is the place of the expression, such as "overrides.hcl:12".
	at string
}

func directKinds() []kind {
	kinds := []kind{{name: "manage", want: cty.Bool, example: "false to leave the resource alone",
		set: func(w *planner.Wishes, v cty.Value, _ bool) error {
			b := v.True()
			w.Manage = &b
			return nil
		}}}
	for _, a := range planner.Attributes() {
		if a.IsWish() && !a.IsQuota() {
			kinds = append(kinds, kindOf(a))
		}
	}
	return kinds
}

// quotaNames returns the names of the limits, in a quota block and in upstream.quota.
func quotaNames() []string {
	names := make([]string, planner.NumLimits)
	for a := range planner.NumLimits {
		names[a] = a.String()
	}
	return names
}

func quotaKinds() []kind {
	kinds := make([]kind, planner.NumLimits)
	for a := range planner.NumLimits {
		kinds[a] = kindOf(a)
	}
	return kinds
}

// kindOf returns the kind of an attribute.
func kindOf(a planner.Attribute) kind {
	k := kind{name: a.String(), want: cty.Number, example: a.Example(), inQuota: a.IsQuota()}
	read := func(v cty.Value, _ bool) (planner.Value,
		error) {
		return planner.TextValue(v.AsString()), nil
	}
	switch a.Unit() {
	case planner.UnitID:
		read = func(v cty.Value, _ bool) (planner.Value, error) { return id(v) }
	case planner.UnitBytes:
		read = func(v cty.Value, _ bool) (planner.Value, error) { return limitFrom(v, false) }
	case planner.UnitInodes:
		read = limitFrom
	default:
		k.want = cty.String
	}
	k.set = func(w *planner.Wishes, v cty.Value, exact bool) error {
		said, err := read(v, exact)
		if err != nil {
			return err
		}
		return w.Wish(a, said)
	}
	return k
}

// id returns a user or group id. The planner decides whether a group may be used. Ids that system
// calls take as "leave it" are never accepted.
func id(v cty.Value) (planner.Value, error) {
	n, exact, err := whole(v.AsBigFloat())
	if err != nil {
		return planner.Value{}, err
	}
	if !exact || n > math.MaxInt32 {
		return planner.Value{}, errors.New("want a whole number from 0 to 2147483647")
	}
	return planner.Number(n), nil
}

// limitFrom makes a limit of a number; infinity is unlimited. With exact, fractions are refused
// instead of rounded down.
func limitFrom(v cty.Value, exact bool) (planner.Value, error) {
	f := v.AsBigFloat()
	if f.IsInf() && f.Sign() > 0 {
		return planner.UnlimitedValue(), nil
	}
	n, isWhole, err := whole(f)
	if err != nil {
		return planner.Value{}, err
	}
	if exact && !isWhole {
		return planner.Value{}, errors.New("want a whole number: inodes have no fractions")
	}
	return planner.Number(n), nil
}

// whole rounds a number down to a whole one below 2^63, and reports whether it was whole already. A
// number closer than 2^-128 to a whole number counts as that number: 20 TiB × 1.1 is 22 TiB,
// although 1.1 has no exact binary form.
func whole(f *big.Float) (n uint64, exact bool, err error) {
	if f.IsInf() || f.Cmp(big.NewFloat(1<<63)) >= 0 {
		return 0, false, errors.New("the value is too large: it must be below 2^63")
	}
	tolerance := new(big.Float).SetMantExp(big.NewFloat(1), -128)
	near := new(big.Float).SetPrec(600).Add(f, big.NewFloat(0.5))
	if near.Sign() < 0 {
		return 0, false, errors.New("the value is negative")
	}
	nearest, _ := near.Int(nil)
	off := new(big.Float).SetPrec(600).Sub(f, new(big.Float).SetInt(nearest))
	if off.Abs(off).Cmp(tolerance) < 0 {
		return nearest.Uint64(), true, nil
	}
	if f.Sign() < 0 {
		return 0, false, errors.New("the value is negative")
	}
	n, _ = f.Uint64()
	return n, false, nil
}

// check does the part of an attribute's check that needs no resource. It sets a value that depends
// on no resource. computed reports whether the attribute has to be evaluated for each resource.
func (a attribute) check(w *planner.Wishes) (computed bool, diags hcl.Diagnostics) {
	if mentions(a.expr, unlimited) && !a.inQuota {
		return false, a.problem("the word unlimited is allowed only in the quota block of an override")
	}
	if diags := a.scope.Check(a.expr); diags.HasErrors() {
		return false, diags
	}
	ctx := evalContext(a.scope, unknownUpstream(), a.inQuota)
	v, diags := a.expr.Value(ctx)
	if diags.HasErrors() {
		for _, d := range diags {
			if d.Summary == "Unsupported attribute" {
				d.Detail += " Members of upstream are " + list(members()) + "."
			}
		}
		return false, diags
	}
	if v.Type() != cty.DynamicPseudoType && v.Type() != a.want {
		return false, a.problem(fmt.Sprintf("want %s, not %s", a.example, v.Type().FriendlyName()))
	}
	if mentions(a.expr, "upstream") {
		return true, nil
	}
	if err := a.assign(w, v, ctx, true); err != nil {
		return false, a.problem(err.Error())
	}
	return false, nil
}

// assign checks the value and sets it in w. A constant has to be exact; a computed value is rounded
// down.
func (a attribute) assign(w *planner.Wishes, v cty.Value, ctx *hcl.EvalContext,
	constant bool) error {
	switch {
	case v.IsNull():
		return fmt.Errorf("null is not a value; leave %s out to keep what the proxy says", a.name)
	case !v.IsKnown() || v.Type() != a.want:
		return fmt.Errorf("want %s, not %s", a.example, v.Type().FriendlyName())
	case isInfinite(v) && !a.mayBeInfinite(ctx):
		return errors.New("the value is infinite (a division by zero?); " +
			"write unlimited if there should be " +
			"no limit")
	}
	return a.set(w, v, constant)
}

// mayBeInfinite reports whether a value may be unlimited: only if something that the expression
// refers to is.
func (a attribute) mayBeInfinite(ctx *hcl.EvalContext) bool {
	return slices.ContainsFunc(a.expr.Variables(), func(t hcl.Traversal) bool {
		v, diags := t.TraverseAbs(ctx)
		return !diags.HasErrors() && isInfinite(v)
	})
}

func isInfinite(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && v.Type() == cty.Number && v.AsBigFloat().IsInf()
}

func (a attribute) problem(detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Unsuitable value for " + a.name,
		Detail:   sentence(detail),
		Subject:  a.expr.Range().Ptr(),
	}}
}

// apply evaluates the attribute for one resource.
func (a attribute) apply(w *planner.Wishes, ctx *hcl.EvalContext) error {
	v, diags := a.expr.Value(ctx)
	if nulls := nullsIn(a.expr, ctx); len(nulls) > 0 && (diags.HasErrors() || v.IsNull()) {
		return fmt.Errorf("%s (%s): %s is null, because the proxy does not give it; coalesce(…, …) can "+
			"name what to use instead",
			a.name, a.at, strings.Join(nulls, " and "))
	}
	if diags.HasErrors() {
		return fmt.Errorf("%s (%s): %s", a.name, a.at, diags[0].Detail)
	}
	if err := a.assign(w, v, ctx, false); err != nil {
		return fmt.Errorf("%s (%s): %w", a.name, a.at, err)
	}
	return nil
}

// nullsIn names what the expression refers to and is null.
func nullsIn(expr hcl.Expression, ctx *hcl.EvalContext) []string {
	var names []string
	for _, t := range expr.Variables() {
		v, diags := t.TraverseAbs(ctx)
		if diags.HasErrors() || !v.IsNull() {
			continue
		}
		var name strings.Builder
		name.WriteString(t.RootName())
		for _, step := range t[1:] {
			if attr, ok := step.(hcl.TraverseAttr); ok {
				name.WriteString("." + attr.Name)
			}
		}
		names = append(names, name.String())
	}
	return names
}

func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
