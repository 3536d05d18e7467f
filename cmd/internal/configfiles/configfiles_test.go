package configfiles_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/configfiles"
)

// TestNew: a new configuration is written once, is readable only for its owner, and is found again.
func TestNew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	files, notes, err := configfiles.New(dir, "")
	if err != nil || len(files) != 1 || notes != nil {
		t.Fatalf("%v, %v, %v", files, notes, err)
	}
	var wrote []string
	note := func(path string) error {
		wrote = append(wrote, path)
		return nil
	}
	if err := configfiles.Write(dir, files, note); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(files[0].Path)
	if err != nil || info.Mode().Perm() != 0o600 || !slices.Equal(wrote, []string{files[0].Path}) {
		t.Errorf("%v, %v, %v", info, err, wrote)
	}
	if err := os.WriteFile(filepath.Join(dir, ".cscs-sync.hcl.swp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, files[0].Path} {
		if found, err := configfiles.Of(path); err != nil || !slices.Equal(found, wrote) {
			t.Errorf("%s: %v, %v", path, found, err)
		}
	}
	if src, err := configfiles.Read(wrote[0]); err != nil || string(src) != string(files[0].Data) {
		t.Errorf("%q, %v", src, err)
	}
}

// TestNothingIsOverwritten: whatever is in the way stays, even a dangling link, and then nothing is
// written.
func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	if err := os.WriteFile(b, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nothing/here", c); err != nil {
		t.Fatal(err)
	}
	err := configfiles.Write(dir, []configfiles.File{{Path: a}, {Path: b}, {Path: c}},
		func(string) error { return nil })
	if err == nil || !strings.Contains(err.Error(), b+" exists") ||
		!strings.Contains(err.Error(), c+" exists") {
		t.Error(err)
	}
	if _, err := os.Lstat(a); err == nil {
		t.Error("a file was written all the same")
	}
	if kept, err := os.ReadFile(b); err != nil || string(kept) != "kept" {
		t.Errorf("%q, %v", kept, err)
	}
}

// TestNewFromYAML: what cannot be converted is an error that names the file.
func TestNewFromYAML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from := filepath.Join(dir, "agent.yaml")
	if _, _, err := configfiles.New(dir, from); err == nil {
		t.Error("there is no such file")
	}
	if err := os.WriteFile(from, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := configfiles.New(dir, from); err == nil || !strings.Contains(err.Error(), from) {
		t.Error(err)
	}
}
