package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

const (
	// maxFile also limits the parser's recursion: with less than this, no nesting exhausts a stack.
	maxFile = 256 << 10
	// maxSecret is more than any token has.
	maxSecret = 64 << 10
)

// Load reads and evaluates the configuration at path, a file or a folder. The returned Config is
// never nil.
func Load(path string, deps Deps, options Options) (*Config, hcl.Diagnostics) {
	d := &decoder{deps: deps, options: options, config: &Config{Sources: map[string]*hcl.File{}}}
	names := d.find(path)
	var blocks hcl.Blocks
	for _, name := range names {
		blocks = append(blocks, d.parse(name)...)
	}
	inputs := d.inputs()
	if !d.diags.HasErrors() {
		d.decode(blocks, inputs)
		d.trustPrograms()
		d.noSecretVariables()
		d.config.Hidden, d.config.Settings.Waldur.Hidden = d.hidden, d.hidden
	}
	return d.config, sorted(d.diags)
}

// find lists the files of the configuration.
func (d *decoder) find(path string) []string {
	f, err := d.deps.Open(path)
	if err != nil {
		d.fileError(path, plain(path, err), "Run `cscs-sync init` to write one.")
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
		d.fileError(path, fmt.Errorf("%s has no files whose names end in .hcl", path),
			"cscs-sync init writes one to start with.")
	}
	slices.Sort(names)
	return names
}

// IsPart reports whether a file with this name in a configuration folder is read. Hidden files are
// not, because editors keep their locks and copies in them.
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

// parse reads one file and returns its blocks.
func (d *decoder) parse(name string) hcl.Blocks {
	file := d.syntax(name)
	if file == nil {
		return nil
	}
	content, diags := file.Body.Content(rootSchema(stateLabels(file)))
	d.diags = append(d.diags, diags...)
	if content == nil {
		return nil
	}
	return content.Blocks
}

// syntax reads and parses one file; nil if it is not HCL.
func (d *decoder) syntax(name string) *hcl.File {
	src, err := readSafe(d.deps, name, maxFile, false)
	if err != nil {
		d.fileError(name, err, "")
		return nil
	}
	tokens := lexed(src, name)
	d.config.Sources[name] = &hcl.File{Bytes: redact(src, tokens)}
	if refused := expr.CheckTokens(tokens); refused != nil {
		d.diags = append(d.diags, refused)
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	d.diags = append(d.diags, withoutEchoes(diags)...)
	if file == nil || diags.HasErrors() {
		return nil
	}
	d.config.Sources[name].Nav = file.Nav
	return file
}

// withoutEchoes removes diagnostics that only follow from the first of their kind: after an
// unclosed quote, every line is one more string over several lines.
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

// rootSchema returns the schema of a file. state has the labels of the file's state blocks.
func rootSchema(state []string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range []string{"proxy", "waldur", "storage", "approval", "auto_approve", "run"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name})
	}
	s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: "locals"},
		hcl.BlockHeaderSchema{Type: "state", LabelNames: state})
	for _, name := range []string{"system", "override", "variable"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: []string{"name"}})
	}
	return s
}

func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || s[0] < 'a' || s[0] > 'z' || strings.ContainsAny(first, "./_") {
		return s // a name is not changed
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
