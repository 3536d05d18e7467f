package config

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// decoder fills a Config and collects findings.
type decoder struct {
	deps    Deps
	options Options
	config  *Config
	diags   hcl.Diagnostics
	// opaqueURL reports whether waldur.url depends on something that was not read.
	opaqueURL bool
	// scope has the variables and locals.
	scope *expr.Scope
	// hidden collects what messages must not show.
	hidden planner.Hidden
}

func (d *decoder) errorAt(r hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary,
		Detail: capital(fmt.Sprintf(detail, args...)), Subject: &r})
}

func (d *decoder) warnAt(r hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary,
		Detail: capital(fmt.Sprintf(detail, args...)), Subject: &r})
}

// section is a block that is being read: its attributes are taken one by one, each with its
// default.
type section struct {
	d      *decoder
	attrs  hcl.Attributes
	blocks hcl.Blocks
	// defined is the header of the block.
	defined hcl.Range
}

// open reads the body of a block. Names of required attributes begin with "!". A nil block gives an
// empty section without complaints about missing attributes.
func (d *decoder) open(block *hcl.Block, attributes []string,
	blocks ...hcl.BlockHeaderSchema) section {
	s := section{d: d}
	if block == nil {
		return s
	}
	s.defined = block.DefRange
	schema := &hcl.BodySchema{Blocks: blocks}
	for _, name := range attributes {
		bare, required := strings.CutPrefix(name, "!")
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: bare,
			Required: required})
	}
	content, diags := block.Body.Content(schema)
	for _, diag := range diags {
		// The attribute is missing from the whole block, and the header says more than the brace.
		if diag.Summary == "Missing required argument" {
			diag.Subject = &s.defined
		}
	}
	d.diags = append(d.diags, diags...)
	if content != nil {
		s.attrs, s.blocks = content.Attributes, content.Blocks
	}
	return s
}

// has reports whether the attribute is given.
func (s section) has(name string) bool { return s.attrs[name] != nil }

// at returns the place of an attribute's value, or of the block if the attribute is not given.
func (s section) at(name string) hcl.Range {
	if attr := s.attrs[name]; attr != nil {
		return attr.Expr.Range()
	}
	return s.defined
}

// wrong reports an unsuitable value.
func (s section) wrong(name, detail string, args ...any) {
	s.d.errorAt(s.at(name), "Unsuitable value for "+name, detail, args...)
}

// value evaluates an attribute that is given, and reports a value of another type than want. The
// value that it returns is known and not null.
func (s section) value(name string, want cty.Type, what string) (cty.Value, bool) {
	attr := s.attrs[name]
	if attr == nil {
		return cty.NilVal, false
	}
	if slices.ContainsFunc(attr.Expr.Variables(),
		func(t hcl.Traversal) bool { return t.RootName() == "unlimited" }) {
		s.wrong(name, "The word unlimited is allowed only in the quota block of an override.")
		return cty.NilVal, false
	}
	v, diags := s.d.scope.Value(attr.Expr)
	s.d.diags = append(s.d.diags, diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	return v, s.checkType(name, v, want, what)
}

func (s section) checkType(name string, v cty.Value, want cty.Type, what string) bool {
	switch {
	case !v.IsWhollyKnown() || v.IsNull():
		s.wrong(name, "Want %s, not null.", what)
	case want != cty.DynamicPseudoType && v.Type() != want:
		s.wrong(name, "Want %s, not %s.", what, v.Type().FriendlyName())
	default:
		return true
	}
	return false
}

func (s section) text(name, fallback string) string {
	v, ok := s.value(name, cty.String, "text in quotes")
	if !ok {
		return fallback
	}
	return v.AsString()
}

// word reads one of the allowed words.
func (s section) word(name, fallback string, allowed ...string) string {
	v, ok := s.value(name, cty.String, "one of "+quoted(allowed))
	if !ok {
		return fallback
	}
	if !slices.Contains(allowed, v.AsString()) {
		s.wrong(name, "%s is not one of %s.%s", show(v.AsString()), quoted(allowed),
			expr.DidYouMean(v.AsString(), allowed))
		return fallback
	}
	return v.AsString()
}

// mode reads a mode of three or four octal digits.
func (s section) mode(name, fallback string) planner.Mode {
	text := s.text(name, fallback)
	m, _, err := planner.ParseMode(text)
	if err != nil {
		s.wrong(name, "Want a mode of three or four octal digits, such as \"2775\".")
	}
	return m
}

// number reads a whole number from least to most.
func (s section) number(name string, fallback, least, most int64) int64 {
	v, ok := s.value(name, cty.Number, "a whole number")
	if !ok {
		return fallback
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < least || n > most {
		s.wrong(name, "Want a whole number from %d to %d.", least, most)
		return fallback
	}
	return n
}

// ratio reads a factor with at most three decimals; 0 if there is none.
func (s section) ratio(name string) planner.Ratio {
	v, ok := s.value(name, cty.Number, "a number such as 1.5")
	if !ok {
		return 0
	}
	thousandths := new(big.Float).Mul(v.AsBigFloat(), big.NewFloat(1000))
	n, _ := new(big.Float).Add(thousandths, big.NewFloat(0.5)).Int64()
	off, _ := new(big.Float).Sub(thousandths, new(big.Float).SetInt64(n)).Float64()
	if n < 100 || n > 1_000_000 || off > 1e-9 || off < -1e-9 {
		s.wrong(name, "Want a number from 0.1 to 1000, with at most three decimals.")
		return 0
	}
	return planner.Ratio(n)
}

func (s section) boolean(name string, fallback bool) bool {
	v, ok := s.value(name, cty.Bool, "true or false")
	if !ok {
		return fallback
	}
	return v.True()
}

// duration reads a duration of at least least.
func (s section) duration(name string, fallback, least time.Duration) time.Duration {
	v, ok := s.value(name, cty.String,
		`a duration in quotes, such as "90s", "5m", "12h", "7d" or "2w"`)
	if !ok {
		return fallback
	}
	dur, err := ParseDuration(v.AsString())
	switch {
	case err != nil:
		s.wrong(name, "%s is not a duration: %v.", show(v.AsString()), err)
		return fallback
	case dur < least:
		s.wrong(name, "Want at least %s.", least)
		return fallback
	}
	return dur
}

// texts reads a list of texts.
func (s section) texts(name string, fallback []string) []string {
	v, ok := s.value(name, cty.DynamicPseudoType, "a list of texts")
	if !ok {
		return fallback
	}
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() {
		s.wrong(name, `Want a list of texts, such as ["one", "two"], not %s.`, t.FriendlyName())
		return fallback
	}
	list := []string{}
	for _, e := range v.AsValueSlice() {
		if e.IsNull() || e.Type() != cty.String {
			s.wrong(name, "Want a list of texts, but one of its elements is not a text.")
			return fallback
		}
		list = append(list, e.AsString())
	}
	return list
}

// textMap reads a map from texts to texts.
func (s section) textMap(name string) map[string]string {
	v, ok := s.value(name, cty.DynamicPseudoType, "a map of texts")
	if !ok {
		return nil
	}
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		s.wrong(name, `Want a map of texts, such as { "/scratch" = "capstor/legacy" }, not %s.`,
			t.FriendlyName())
		return nil
	}
	m := map[string]string{}
	for k, e := range v.AsValueMap() {
		if e.IsNull() || e.Type() != cty.String {
			s.wrong(name, "The value of %s is not a text.", show(k))
			return nil
		}
		m[k] = e.AsString()
	}
	return m
}

// show quotes a value from the configuration for a message, and shortens a long one.
func show(s string) string { return fmt.Sprintf("%.60q", s) }

// quoted joins words for a sentence: "a", "b" or "c".
func quoted(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", w)
	}
	return b.String()
}
