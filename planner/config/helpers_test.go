package config_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// world is a small file system and environment in memory, so that the tests need no paths of /etc
// on the test machine.
type world struct {
	untrusted map[string]error
	files     map[string]file
	env       map[string]string
	uid       uint32
	now       time.Time
}

type file struct {
	data  string
	mode  fs.FileMode
	owner uint32
}

// marker is in every secret of the tests, and must never be shown.
const marker = "S3CRETmarker"

func newWorld() *world {
	return &world{
		files: map[string]file{
			"/etc/cscs-sync/proxy.token":     {data: marker + "-proxy\n", mode: 0o600},
			"/etc/cscs-sync/waldur.token":    {data: marker + "-waldur\n", mode: 0o400},
			"/etc/cscs-sync/oidc.secret":     {data: marker + "-oidc", mode: 0o600},
			"/etc/cscs-sync/vast.token":      {data: marker + "-vast", mode: 0o600},
			"/etc/cscs-sync/allowed_signers": {data: "alice ssh-ed25519 AAAA", mode: 0o644},
		},
		env: map[string]string{"TOKEN": marker + "-env", "WALDUR_HOST": "waldur.example.com",
			"BAD_URL": "https://" + marker + "/?" + marker},
		now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

func (w *world) Open(name string) (config.File, error) {
	if f, ok := w.files[name]; ok {
		return &openFile{Reader: strings.NewReader(f.data), info: config.Info{Owner: f.owner,
			Mode: f.mode}}, nil
	}
	var names []string
	for p := range w.files {
		if path.Dir(p) == name {
			names = append(names, path.Base(p))
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openFile{info: config.Info{Mode: fs.ModeDir | 0o755}, names: names}, nil
}

func (w *world) Getenv(name string) (string, bool) { v, ok := w.env[name]; return v, ok }
func (w *world) Environ() (all []string) {
	for name, value := range w.env {
		all = append(all, name+"="+value)
	}
	return all
}
func (w *world) Trusted(path string) error { return w.untrusted[path] }

func (w *world) TrustedProgram(path string) error { return w.untrusted[path] }
func (w *world) UID() uint32                      { return w.uid }
func (w *world) GID() uint32                      { return w.uid }
func (w *world) Now() time.Time                   { return w.now }

type openFile struct {
	io.Reader
	info  config.Info
	names []string
}

func (f *openFile) Close() error               { return nil }
func (f *openFile) Info() (config.Info, error) { return f.info, nil }
func (f *openFile) Names() ([]string, error) {
	if f.names == nil {
		return nil, errors.New("no folder")
	}
	return f.names, nil
}

// load loads src as /etc/cscs-sync/cscs-sync.hcl.
func load(t testing.TB, w *world, src string) (*config.Config, hcl.Diagnostics) {
	t.Helper()
	files := maps.Clone(w.files)
	files["/etc/cscs-sync/cscs-sync.hcl"] = file{data: src, mode: 0o644}
	with := *w
	with.files = files
	return config.Load("/etc/cscs-sync/cscs-sync.hcl", &with, config.Options{})
}

func mustLoad(t testing.TB, src string) *config.Config {
	t.Helper()
	c, diags := load(t, newWorld(), src)
	if len(diags) > 0 {
		t.Fatal(rendered(t, c, diags))
	}
	return c
}

// rendered returns the plain text of diagnostics at 80 columns.
func rendered(t testing.TB, c *config.Config, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := config.WriteDiagnostics(&b, diags, c.Sources, 80, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everyForm returns diagnostics in all forms: with and without colour, narrow and wide, and as
// HCL's own writer shows them.
func everyForm(t testing.TB, c *config.Config, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	for _, width := range []int{0, 30, 80} {
		for _, color := range []bool{false, true} {
			if err := config.WriteDiagnostics(&b, diags, c.Sources, width, color); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := config.WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	if err := hcl.NewDiagnosticTextWriter(&b, c.Sources, 80,
		false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		b.Write(c.Sources[name].Bytes)
	}
	return b.String()
}
