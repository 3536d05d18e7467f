// Package page is what all pages of cscs-sync have in common: one stylesheet, the frame of a page,
// and bars. A page is one file: no script, no style attribute, and nothing from outside. The
// package is pure.
package page

import (
	"crypto/sha256"
	_ "embed" // for the stylesheet and the frame
	"encoding/base64"
	"html/template"
)

//go:embed style.css
var style string

//go:embed frame.tmpl
var frame string

// ContentSecurityPolicy allows a page its stylesheet, which it names by its digest, and nothing
// else.
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

// New returns the template of a page: its text, with the frame and the bars. The text is ours, so a
// mistake in it is one of this program: it panics.
func New(text string) *template.Template {
	t := template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"policy": ContentSecurityPolicy,
		"bar":    NewBar,
		"many":   many,
	})
	return template.Must(template.Must(t.Parse(frame)).Parse(text))
}
