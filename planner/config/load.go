package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	// maxFile bounds the parser's recursion as well: with less than this, no nesting exhausts a stack.
	maxFile = 256 << 10
	// maxDepth is far beyond what a person writes.
	maxDepth = 50
	// maxForeign is how many characters that HCL has no use for are told one by one; each costs a look at the whole file.
	maxForeign = 20
	// maxSecret is more than any token has.
	maxSecret = 64 << 10
)

// Load reads and evaluates the configuration at path, a file or a folder. The Config is never nil.
func Load(path string, deps Deps, options Options) (*Config, hcl.Diagnostics) {
	d := &decoder{deps: deps, options: options, config: &Config{Sources: map[string]*hcl.File{}}}
	names := d.find(path)
	var blocks hcl.Blocks
	for _, name := range names {
		blocks = append(blocks, d.parse(name)...)
	}
	if !d.diags.HasErrors() {
		d.decode(blocks)
		d.trustPrograms()
		d.config.Hidden, d.config.Settings.Waldur.Hidden = d.hidden, d.hidden
	}
	return d.config, sorted(d.diags)
}

// find lists the files of the configuration.
func (d *decoder) find(path string) []string {
	f, err := d.deps.Open(path)
	if err != nil {
		d.fileError(path, plain(path, err), "cscs-sync init writes one to start with.")
		return nil
	}
	defer f.Close()
	info, err := f.Info()
	if err != nil {
		d.fileError(path, plain(path, err), "")
		return nil
	}
	if !info.Mode.IsDir() {
		return []string{path}
	}
	if err := errors.Join(d.deps.Trusted(path), safe(path, info, d.deps.UID(), false)); err != nil {
		d.fileError(path, err, "")
		return nil
	}
	entries, err := f.Names()
	if err != nil {
		d.fileError(path, plain(path, err), "")
		return nil
	}
	var names []string
	for _, entry := range entries {
		if IsPart(entry) {
			names = append(names, filepath.Join(path, entry))
		}
	}
	if len(names) == 0 {
		d.fileError(path, fmt.Errorf("%s has no files whose names end in .hcl", path), "cscs-sync init writes one to start with.")
	}
	slices.Sort(names)
	return names
}

// IsPart reports whether a file of a configuration folder is read, by its name. Hidden files are not: editors keep their
// locks and copies in them.
func IsPart(name string) bool {
	return strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".")
}

// fileError reports what is wrong with a file of the configuration as a whole.
func (d *decoder) fileError(path string, err error, hint string) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Cannot read the configuration",
		Detail:   strings.TrimSpace(capital(err.Error()) + ". " + hint),
		Extra:    fileFinding{path},
	})
}

// fileFinding is the Extra of a diagnostic about a file as a whole.
type fileFinding struct{ path string }

// parse reads one file and gives its blocks.
func (d *decoder) parse(name string) hcl.Blocks {
	src, err := readSafe(d.deps, name, maxFile, false)
	if err != nil {
		d.fileError(name, err, "")
		return nil
	}
	tokens := lexed(src, name)
	d.config.Sources[name] = &hcl.File{Bytes: redact(src, tokens)}
	if refused := refuseTokens(tokens); refused != nil {
		d.diags = append(d.diags, refused)
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	d.diags = append(d.diags, withoutEchoes(diags)...)
	if file == nil || diags.HasErrors() {
		return nil
	}
	d.config.Sources[name].Nav = file.Nav
	content, diags := file.Body.Content(rootSchema())
	d.diags = append(d.diags, diags...)
	if content == nil {
		return nil
	}
	return content.Blocks
}

// refuseTokens finds what would cost the parser or the arithmetic more than a configuration is worth.
func refuseTokens(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	depth, foreign := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8:
			foreign++
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenNumberLit:
			_, exponent, _ := strings.Cut(strings.ToLower(string(t.Bytes)), "e")
			if len(t.Bytes) > 60 || len(strings.Trim(exponent, "+-")) > 2 {
				return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Number too long", Subject: t.Range.Ptr(),
					Detail: "Numbers may have 60 digits, and two digits of exponent."}
			}
		}
		if depth > maxDepth {
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nested too deeply", Subject: t.Range.Ptr(),
				Detail: fmt.Sprintf("Brackets, quotes and templates may be %d deep.", maxDepth)}
		}
		if foreign > maxForeign {
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not a configuration", Subject: t.Range.Ptr(),
				Detail: fmt.Sprintf("More than %d characters of this file mean nothing in HCL. Is it the right file?", maxForeign)}
		}
	}
	return nil
}

// withoutEchoes leaves out what only follows from the first of its kind: after an open quote, every line is one more
// string over several lines.
func withoutEchoes(diags hcl.Diagnostics) (kept hcl.Diagnostics) {
	echo := false
	for _, d := range diags {
		if d.Summary == "Invalid multi-line string" {
			if echo {
				continue
			}
			echo = true
		}
		kept = append(kept, d)
	}
	return kept
}

func rootSchema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range []string{"proxy", "waldur", "storage", "approval", "auto_approve", "run", "state"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name})
	}
	for _, name := range []string{"system", "override"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: []string{"name"}})
	}
	return s
}

func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || s[0] < 'a' || s[0] > 'z' || strings.ContainsAny(first, "./_") {
		return s // a name keeps its letters
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
