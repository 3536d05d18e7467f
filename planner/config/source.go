package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// confidential marks the results of file and env.
const confidential = "confidential"

// secret reads a secret, which must be exactly file("…") or env("…").
func (s section) secret(name string) Secret {
	attr := s.attrs[name]
	if attr == nil {
		return Secret{}
	}
	source, argument, ok := sourceCall(attr.Expr)
	if !ok {
		s.d.errorAt(attr.NameRange, "Secret in the configuration",
			`The value of %s must be file("…") or env("…"), so that you can show the `+
				"configuration and keep it in a repository. If a secret stood here, others may "+
				"already know it: replace it. Its line is not shown.", name)
		s.d.diags[len(s.d.diags)-1].Extra = noExcerpt{}
		return Secret{}
	}
	if s.d.options.Secrets == Skip {
		return Secret{}
	}
	value, err := s.d.fetch(source, argument, attr.Expr.Range())
	if err != nil {
		s.d.errorAt(attr.Expr.Range(), "Cannot read the secret "+name, "%v.", err)
		return Secret{}
	}
	s.d.hidden = s.d.hidden.With(value)
	if s.d.options.Secrets == CheckOnly {
		return Secret{}
	}
	return NewSecret(value)
}

// sourceCall splits file("…") or env("…") into its parts.
func sourceCall(expr hcl.Expression) (source, argument string, ok bool) {
	call, isCall := expr.(*hclsyntax.FunctionCallExpr)
	if !isCall || len(call.Args) != 1 || call.ExpandFinal || call.Name != "file" &&
		call.Name != "env" {
		return "", "", false
	}
	template, isTemplate := call.Args[0].(*hclsyntax.TemplateExpr)
	if !isTemplate || !template.IsStringLiteral() {
		return "", "", false
	}
	v, diags := template.Value(nil)
	if diags.HasErrors() {
		return "", "", false
	}
	return call.Name, v.AsString(), true
}

// fetch reads a file or a variable. Its errors show nothing of the value.
func (d *decoder) fetch(source, name string, at hcl.Range) (string, error) {
	var value string
	switch source {
	case "env":
		v, found := d.deps.Getenv(name)
		if !found {
			return "", fmt.Errorf("the environment variable %s is not set", show(name))
		}
		value = v
	default:
		b, err := readSafe(d.deps, d.beside(name, at), maxSecret, true)
		if err != nil {
			return "", err
		}
		value = string(b)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	switch {
	case strings.TrimSpace(value) == "":
		return "", fmt.Errorf("%s(%s) is empty", source, show(name))
	case strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return "", fmt.Errorf("%s(%s) has more than one line, or control characters", source,
			show(name))
	}
	return value, nil
}

// beside makes a relative path absolute: it is relative to the file that has it.
func (d *decoder) beside(name string, at hcl.Range) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(at.Filename), name)
}

// rawURL evaluates an attribute that may use file and env. opaque reports whether the value must
// not be quoted. ok is false if the value depends on something that was skipped.
func (s section) rawURL(name string) (value string, opaque, ok bool) {
	attr := s.attrs[name]
	if attr == nil {
		return "", false, false
	}
	if !plainTemplate(attr.Expr) {
		s.wrong(name, `Want a URL in quotes, which may contain file("…") or env("…").`)
		return "", false, false
	}
	functions := expr.Functions()
	for _, source := range []string{"file", "env"} {
		functions[source] = s.d.sourceFunction(source, attr.Expr.Range())
	}
	if diags := s.d.scope.Check(attr.Expr); diags.HasErrors() {
		s.d.diags = append(s.d.diags, diags...)
		return "", false, false
	}
	ctx := s.d.scope.Context(nil)
	ctx.Functions = functions
	v, diags := attr.Expr.Value(ctx)
	s.d.diags = append(s.d.diags, diags...)
	if diags.HasErrors() {
		return "", false, false
	}
	v, marks := v.Unmark()
	if s.d.options.Secrets == Skip && !v.IsKnown() {
		s.d.opaqueURL = true
		return "", true, false
	}
	if !s.checkType(name, v, cty.String, "a URL in quotes") {
		return "", false, false
	}
	return v.AsString(), len(marks) > 0, true
}

// plainTemplate allows text, variables, locals, file and env, and what joins them. It allows
// nothing that could put a value of file or env into a message of HCL.
func plainTemplate(expr hcl.Expression) bool {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.ScopeTraversalExpr:
		return true
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			if !plainTemplate(part) {
				return false
			}
		}
		return true
	case *hclsyntax.TemplateWrapExpr:
		return plainTemplate(e.Wrapped)
	}
	_, _, ok := sourceCall(expr)
	return ok
}

func (d *decoder) sourceFunction(source string, at hcl.Range) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			if d.options.Secrets == Skip {
				return cty.UnknownVal(t).Mark(confidential), nil
			}
			value, err := d.fetch(source, args[0].AsString(), at)
			if err != nil {
				return cty.NilVal, err
			}
			d.hidden = d.hidden.With(value)
			return cty.StringVal(value).Mark(confidential), nil
		},
	})
}

// baseURL reads a URL and makes it end in a slash. Plain http is allowed only for loopback
// addresses.
func (s section) baseURL(name string) string {
	u := s.url(name)
	if u != "" && !strings.HasSuffix(u, "/") {
		u += "/"
	}
	return u
}

func (s section) url(name string) string {
	raw, opaque, ok := s.rawURL(name)
	if !ok {
		return ""
	}
	u, err := parseURL(raw, false)
	if err != nil {
		if opaque {
			s.wrong(name, "The result is not a usable URL: %v. The value is not shown.", err)
		} else {
			s.wrong(name, "%v.", err)
		}
		return ""
	}
	return u
}

// parseURL checks a URL and returns its canonical form: scheme and host in lower case. Its errors
// never quote the URL.
func parseURL(raw string, anyHTTP bool) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return "", errors.New(`want a whole URL, such as "https://waldur.example.com/api/"`)
	}
	scheme := strings.ToLower(u.Scheme)
	switch {
	case u.User != nil:
		return "", errors.New("a URL must not have a user or a password in it")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return "", errors.New("a URL must not have a query (?) or a fragment (#) here")
	case scheme != "https" && scheme != "http":
		return "", errors.New("want https://")
	case scheme == "http" && !anyHTTP && !loopback(u.Hostname()):
		return "", errors.New(
			"plain http:// would send the token unencrypted; it is allowed only to loopback " +
				"addresses, so want https://")
	case u.RawPath != "" || !cleanURLPath(u.Path):
		return "", errors.New("the path of a URL must be clean: no '.', '..', '//' and no escapes")
	}
	return scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath(), nil
}

func cleanURLPath(p string) bool {
	if p == "" || p == "/" {
		return true
	}
	return path.Clean(p) == strings.TrimSuffix(p, "/") && strings.IndexFunc(p,
		func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '%' }) < 0
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
