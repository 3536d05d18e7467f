package expr_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// TestConsole: a line is an expression of the site, and a mistake is shown where it is.
func TestConsole(t *testing.T) {
	t.Parallel()
	s, diags := compile(t, site, given("free", "17"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c := expr.Console{Scope: s, Context: s.Context(nil)}
	for line, want := range map[string]string{
		"local.total":             "22",
		"[for n in var.names: n]": "[\n  \"a\",\n  \"b\",\n]",
		`"${var.free}"`:           `"17"`,
	} {
		if got, diags := c.Evaluate(line); got != want || diags.HasErrors() {
			t.Errorf("%s: %s, %v", line, got, diags)
		}
	}
	for line, want := range map[string]string{
		"local.totl":              `Did you mean "total"`,
		"upstream.mode":           "console --address ADDRESS",
		"1 +":                     "expression",
		"1e999":                   "Number too long",
		strings.Repeat("(", 1000): "Nested too deeply",
		"nothing()":               "nothing",
	} {
		if got, diags := c.Evaluate(line); got != "" || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %q, %v; want %s", line, got, diags, want)
		}
	}
	c.Resource = true
	if _, diags := c.Evaluate("upstream.mode"); strings.Contains(diags.Error(), "--address") {
		t.Errorf("it sees a resource: %v", diags)
	}
	for line, want := range map[string]bool{"1": true, " # 1": false, "\t": false, "": false} {
		if expr.IsExpression(line) != want {
			t.Errorf("%q is an expression: %t", line, !want)
		}
	}
}
