package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// variablePrefix begins the names of environment variables that give values to variables.
const variablePrefix = "CSCS_SYNC_VAR_"

// inputs returns the values that are given to variables: first those of the environment, then flags
// and files in order.
func (d *decoder) inputs() []expr.Input {
	var inputs []expr.Input
	for _, pair := range slices.Sorted(slices.Values(d.deps.Environ())) {
		name, value, _ := strings.Cut(pair, "=")
		if variable, ok := strings.CutPrefix(name, variablePrefix); ok {
			inputs = append(inputs, expr.Input{Name: variable, Text: value, From: name})
		}
	}
	for _, v := range d.options.Variables {
		if v.File != "" {
			inputs = append(inputs, d.variableFile(v.File)...)
			continue
		}
		name, value, found := strings.Cut(v.Assignment, "=")
		if !found || name == "" {
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "Unsuitable --var",
				Detail:  fmt.Sprintf("--var %s: want NAME=VALUE.", show(name))})
			continue
		}
		inputs = append(inputs, expr.Input{Name: name, Text: value, From: "--var"})
	}
	return inputs
}

// variableFile reads a file of NAME = VALUE lines. Its values decide what is done as root, so it
// must be as protected as the configuration.
func (d *decoder) variableFile(name string) (inputs []expr.Input) {
	file := d.syntax(name)
	if file == nil {
		return nil
	}
	attrs, diags := file.Body.JustAttributes()
	d.diags = append(d.diags, diags...)
	for _, attr := range attrs {
		inputs = append(inputs, expr.Input{Name: attr.Name, Expr: attr.Expr, From: name,
			At: attr.Expr.Range().Ptr()})
	}
	slices.SortFunc(inputs, func(a, b expr.Input) int { return strings.Compare(a.Name, b.Name) })
	return inputs
}

// compileScope evaluates variables and locals, and reports whether all have values.
func (d *decoder) compileScope(variables, locals hcl.Blocks, inputs []expr.Input) bool {
	scope, diags := expr.Compile(variables, locals, inputs)
	d.diags = append(d.diags, diags...)
	d.scope, d.config.Scope = scope, scope
	return !diags.HasErrors()
}

// noSecretVariables refuses variables whose values contain a secret of this configuration, because
// plans show variables.
func (d *decoder) noSecretVariables() {
	for _, v := range d.scope.Variables() {
		if text := expr.Show(v.Value, 0); d.hidden.Text(text) != text {
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "Secret in a variable",
				Detail: fmt.Sprintf(
					"The value of variable %q, from %s, contains a secret of this configuration. "+
						`Plans show variables: write file("…") or env("…") where the secret is needed.`,
					v.Name,
					v.From)})
		}
	}
}
