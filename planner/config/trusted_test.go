package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// TestWritableByOthers covers a file, a folder above it, and what a link leads to.
func TestWritableByOthers(t *testing.T) {
	uid := uint32(os.Geteuid())
	for name, spoil := range map[string]func(dir string) (path string, err error){
		"": func(dir string) (string, error) { return filepath.Join(dir, "a/file"), nil },
		"a/file": func(dir string) (string, error) {
			return filepath.Join(dir, "a/file"), os.Chmod(filepath.Join(dir, "a/file"), 0o766)
		},
		"a ": func(dir string) (string, error) {
			return filepath.Join(dir, "a/file"), os.Chmod(filepath.Join(dir, "a"), 0o777)
		},
		"b/other": func(dir string) (string, error) {
			return filepath.Join(dir, "link"), os.Chmod(filepath.Join(dir, "b/other"), 0o777)
		},
		"b ": func(dir string) (string, error) {
			return filepath.Join(dir, "none/new"), os.Chmod(filepath.Join(dir, "b"), 0o777)
		},
	} {
		dir := t.TempDir()
		for _, f := range []string{"a/file", "b/other"} {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(f)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for link, to := range map[string]string{"link": "b/other", "none": "b"} {
			if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		path, err := spoil(dir)
		if err != nil {
			t.Fatal(err)
		}
		err = config.Trusted(path, uid)
		if name == "" && err != nil || name != "" && (err == nil ||
			!strings.Contains(err.Error(), "others can write to "+filepath.Join(dir,
				strings.TrimSpace(name)))) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The name of a node is its host name, unless the shared state names it.
func TestNode(t *testing.T) {
	for _, c := range []struct {
		shared *config.SharedState
		want   string
	}{{nil, "host"}, {&config.SharedState{}, "host"}, {&config.SharedState{Node: "mgmt1"}, "mgmt1"}} {
		cfg := config.Config{Shared: c.shared}
		if got := cfg.Node("host"); got != c.want {
			t.Errorf("%+v is node %s, want %s", c.shared, got, c.want)
		}
	}
}
