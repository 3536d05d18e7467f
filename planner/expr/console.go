package expr

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Console evaluates single expressions that people type.
type Console struct {
	Scope *Scope
	// Context is what expressions may use.
	Context *hcl.EvalContext
	// Resource reports whether expressions see a resource, as upstream.
	Resource bool
}

// ConsoleFile is the file name of a console line in diagnostics.
const ConsoleFile = "console"

// IsExpression reports whether a line is more than blanks or a comment.
func IsExpression(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && !strings.HasPrefix(line, "#")
}

// Evaluate returns the value of an expression as HCL writes it, with one line for each element.
func (c *Console) Evaluate(line string) (string, hcl.Diagnostics) {
	if err := checkSource([]byte(line)); err != nil {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable expression",
			Detail: err.Error()}}
	}
	e, diags := hclsyntax.ParseExpression([]byte(line), ConsoleFile, hcl.InitialPos)
	if diags.HasErrors() {
		return "", diags
	}
	for _, t := range e.Variables() {
		if t.RootName() == "upstream" && !c.Resource {
			return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No resource",
				Subject: t.SourceRange().Ptr(), Detail: "The word upstream means a resource. " +
					"Name one: cscs-sync console --address ADDRESS."}}
		}
	}
	if diags := c.Scope.Check(e); diags.HasErrors() {
		return "", diags
	}
	v, diags := e.Value(c.Context)
	if diags.HasErrors() {
		return "", diags
	}
	return showLines(v), nil
}
