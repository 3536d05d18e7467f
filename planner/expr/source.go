package expr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	// maxDepth is far more than a person writes.
	maxDepth = 50
	// maxForeign is how many characters without a meaning in HCL are reported one by one. Each costs a
	// look at the whole file.
	maxForeign = 20
)

// CheckTokens finds input that would cost the parser or the arithmetic too much.
func CheckTokens(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	depth, foreign := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8:
			foreign++
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenOQuote,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen,
			hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenNumberLit:
			_, exponent, _ := strings.Cut(strings.ToLower(string(t.Bytes)), "e")
			if len(t.Bytes) > 60 || len(strings.Trim(exponent, "+-")) > 2 {
				return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Number too long",
					Subject: t.Range.Ptr(),
					Detail:  "Numbers may have at most 60 digits, and two digits of exponent."}
			}
		}
		if depth > maxDepth {
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nested too deeply",
				Subject: t.Range.Ptr(),
				Detail:  fmt.Sprintf("Brackets, quotes and templates may be at most %d deep.", maxDepth)}
		}
		if foreign > maxForeign {
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not a configuration",
				Subject: t.Range.Ptr(),
				Detail: fmt.Sprintf(
					"More than %d characters of this file mean nothing in HCL. Is this the right file?",
					maxForeign)}
		}
	}
	return nil
}

// checkSource is [CheckTokens] for an expression that does not come from a file.
func checkSource(src []byte) error {
	tokens, _ := hclsyntax.LexExpression(src, "", hcl.InitialPos)
	if refused := CheckTokens(tokens); refused != nil {
		return errors.New(refused.Summary + ": " + refused.Detail)
	}
	return nil
}
