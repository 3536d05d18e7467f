package override

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// Override is a compiled override block. It does not change, and several goroutines may use it.
type Override struct {
	name, at, reason string
	match            matcher
	// fixed has the values that depend on no resource. computed is evaluated for each resource.
	fixed    planner.Wishes
	computed []attribute
	// expires is zero for an override without an end.
	expires time.Time
	scope   *expr.Scope
	// exprs are all expressions of the block, to find the variables that they use.
	exprs []hcl.Expression
	using string
}

// Package planner defines the interface.
var _ planner.Override = (*Override)(nil)

// Compile makes an override from a block with one label and an HCL native body. Its expressions may
// use what scope declares. If there are errors, the override is nil.
func Compile(block *hcl.Block, scope *expr.Scope) (*Override, hcl.Diagnostics) {
	o := &Override{name: block.Labels[0], at: place(block.DefRange), scope: scope}
	names := []string{"reason", "expires"}
	for _, k := range directKinds() {
		names = append(names, k.name)
	}
	content, diags := block.Body.Content(schema(names, "match", "quota"))
	if content == nil {
		return nil, diags
	}
	blocks := content.Blocks.ByType()
	diags = append(diags, atMostOne(blocks["match"])...)
	diags = append(diags, atMostOne(blocks["quota"])...)
	diags = append(diags, o.readMatch(block, blocks["match"])...)
	diags = append(diags, o.readText(content.Attributes)...)
	before := len(diags)
	n, more := o.readKinds(content.Attributes, directKinds())
	diags = append(diags, more...)
	for _, quota := range blocks["quota"] {
		quotaContent, more := quota.Body.Content(schema(quotaNames()))
		diags = append(diags, more...)
		if quotaContent != nil {
			m, more := o.readKinds(quotaContent.Attributes, quotaKinds())
			diags = append(diags, more...)
			n += m
		}
	}
	if n == 0 && len(diags) == before {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError,
			Summary: "Override changes nothing", Subject: block.DefRange.Ptr(),
			Detail: "Say what it changes: owner, group, mode, a quota block, or manage = false " +
				"to leave the resources alone."})
	}
	if diags.HasErrors() {
		return nil, diags
	}
	o.using = using(scope.Used(o.exprs...))
	return o, diags
}

// using lists variables with their values, for provenance.
func using(variables []expr.Variable) string {
	var list []string
	for _, v := range variables {
		list = append(list, "var."+v.Name+" = "+expr.Show(v.Value, 80))
	}
	return strings.Join(list, ", ")
}

func atMostOne(blocks hcl.Blocks) (diags hcl.Diagnostics) {
	if len(blocks) > 1 {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError,
			Summary: "Duplicate " + blocks[1].Type + " block",
			Detail: fmt.Sprintf("An override has at most one %s block; the first is at %s.",
				blocks[1].Type, place(blocks[0].DefRange)),
			Subject: blocks[1].DefRange.Ptr()})
	}
	return diags
}

func (o *Override) readMatch(block *hcl.Block, found hcl.Blocks) (diags hcl.Diagnostics) {
	if len(found) == 0 {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Missing match block",
			Subject: block.DefRange.Ptr(),
			Detail:  `Say which resources the override is for: match { path = "/capstor/scratch/**" }.`}}
	}
	o.match, diags = compileMatch(found[0], o.scope)
	o.exprs = append(o.exprs, o.match.exprs...)
	return diags
}

// readKinds reads the attributes that change resources, and counts them.
func (o *Override) readKinds(attrs hcl.Attributes, kinds []kind) (n int, diags hcl.Diagnostics) {
	for _, k := range kinds {
		attr, given := attrs[k.name]
		if !given {
			continue
		}
		n++
		o.exprs = append(o.exprs, attr.Expr)
		a := attribute{kind: k, expr: attr.Expr, at: place(attr.NameRange), scope: o.scope}
		computed, more := a.check(&o.fixed)
		diags = append(diags, more...)
		if computed {
			o.computed = append(o.computed, a)
		}
	}
	return n, diags
}

func (o *Override) readText(attrs hcl.Attributes) (diags hcl.Diagnostics) {
	one := func(name string) (string, bool) {
		attr, given := attrs[name]
		if !given {
			return "", false
		}
		values, more := constants(attr, o.scope, cty.String, "text in quotes")
		if len(values) > 1 && more == nil {
			more = unsuitable(attr, "want text in quotes, not a list")
		}
		o.exprs = append(o.exprs, attr.Expr)
		diags = append(diags, more...)
		if len(values) != 1 {
			return "", false
		}
		return values[0].AsString(), true
	}
	o.reason, _ = one("reason")
	if s, given := one("expires"); given {
		var err error
		if o.expires, err = parseExpiry(s); err != nil {
			diags = append(diags, unsuitable(attrs["expires"], err.Error())...)
		}
	}
	return diags
}

// parseExpiry reads an instant, or a day, whose last second (in UTC) the override still covers.
func parseExpiry(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at.UTC(), nil
	}
	return time.Time{}, fmt.Errorf(
		`%.40q is not a date: want "2026-12-31", the end of that day in UTC, or `+
			`"2026-12-31T18:00:00Z"`, s)
}

// place returns file:line without the folder of the file, because provenance must not depend on
// where the configuration is.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", filepath.Base(r.Filename), r.Start.Line)
}

// Source names the override and says where it is in the configuration.
func (o *Override) Source() planner.Provenance {
	return planner.Provenance{From: planner.FromOverride, Override: o.name, At: o.at,
		Using: o.using}
}

// Name returns the block's label.
func (o *Override) Name() string { return o.name }

// Reason returns why the override exists, in the site's own words; it may be empty.
func (o *Override) Reason() string { return o.reason }

// Expires returns the instant from which the override is ignored; the zero time if it has no end.
func (o *Override) Expires() time.Time { return o.expires }

// Systems returns the systems that the override is limited to; empty if it is not.
func (o *Override) Systems() []string { return slices.Clone(o.match.systems) }

// Paths returns the globs that the override is limited to; empty if it is not.
func (o *Override) Paths() []string {
	for _, c := range o.match.texts {
		if c.name == "path" {
			return slices.Clone(c.wanted)
		}
	}
	return nil
}

// Fixed returns the values that the override wants for every resource that it matches.
func (o *Override) Fixed() planner.Wishes { return o.fixed }

// Expired reports whether the override has expired at now.
func (o *Override) Expired(
	now time.Time) bool {
	return !o.expires.IsZero() && !now.Before(o.expires)
}

// GivesGroup reports whether the override can give a resource another group.
func (o *Override) GivesGroup() bool {
	return o.fixed.Group != nil || slices.ContainsFunc(o.computed,
		func(a attribute) bool { return a.name == planner.Group.String() })
}

// Matches reports whether the override applies to this resource.
func (o *Override) Matches(f planner.Facts) bool { return o.match.matches(f) }

// Apply evaluates the override's expressions with the proxy's values. An error names the override,
// the attribute, its line and the problem; it blocks the resource.
func (o *Override) Apply(u planner.Upstream) (planner.Wishes, error) {
	w := o.fixed
	if len(o.computed) == 0 {
		return w, nil
	}
	upstream := upstreamObject(u)
	inQuota, direct := evalContext(o.scope, upstream, true), evalContext(o.scope, upstream, false)
	for _, a := range o.computed {
		ctx := direct
		if a.inQuota {
			ctx = inQuota
		}
		if err := a.apply(&w, ctx); err != nil {
			return planner.Wishes{}, fmt.Errorf("override %q: %w", o.name, err)
		}
	}
	return w, nil
}
