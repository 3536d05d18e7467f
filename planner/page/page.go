// Package page has what all pages of cscs-sync have in common: one stylesheet, the frame of a page,
// and bars. A page is one file: no script, no style attribute, and nothing from outside. The
// package is pure.
package page

import (
	"crypto/sha256"
	_ "embed" // for the stylesheet and the frame
	"encoding/base64"
)

//go:embed style.css
var style string

//go:embed frame.tmpl
var frame string

// ContentSecurityPolicy returns a policy that allows a page only its stylesheet, which the policy
// names by its digest.
func ContentSecurityPolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'"
}

// many returns the word for so many things.
func many(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
