package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// Format returns a configuration in canonical layout: indented, with the equals signs below each
// other. Comments and order stay. Source that does not parse is an error, and its diagnostics use
// name as the file name.
func Format(src []byte, name string) ([]byte, hcl.Diagnostics) {
	tokens := lexed(src, name)
	if refused := expr.CheckTokens(tokens); refused != nil {
		return nil, hcl.Diagnostics{refused}
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		return nil, sorted(diags)
	}
	return hclwrite.Format(src), nil
}
