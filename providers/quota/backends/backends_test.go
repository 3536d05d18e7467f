package backends

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// TestTraitsOfTheConfiguration: what plans assume about a backend is what its client says. The
// kernel's traits can be read only on a real filesystem; the tests of package linux do that.
func TestTraitsOfTheConfiguration(t *testing.T) {
	for kind, open := range All() {
		system := planner.System{Name: "x", Directory: "x", Quota: planner.QuotaSettings{Kind: kind,
			Client: "ioctl",
			Server: planner.QuotaServer{URL: "https://vms.example.com/api/v5/", PathPrefix: "/x"}}}
		client, err := open(system, quota.Options{Root: "/proc",
			Access: map[string]quota.Access{"x": {Token: "t"}}})
		if err != nil {
			t.Fatal(err)
		}
		said, err := client.Traits(t.Context())
		if kind == planner.QuotaLinux {
			if err == nil || !strings.Contains(err.Error(), "/proc/x") {
				t.Errorf("traits of no filesystem: %+v, %v", said, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Traits(kind, ""); got != said {
			t.Errorf("%s: configured %+v, the client says %+v", kind, got, said)
		}
	}
}

// TestOnlyTheRegistryKnowsBackends: only the configuration and the registry depend on a backend's
// name. All other code uses its traits, so that a new backend needs no changes elsewhere.
func TestOnlyTheRegistryKnowsBackends(t *testing.T) {
	names := regexp.MustCompile(`\.Quota\.Kind\b|\bQuota(Lustre|Linux|VAST)\b`)
	allowed := []string{"planner/config/", "planner/settings.go", "providers/quota/systems.go",
		"providers/quota/backends/backends.go"}
	root, read := "../../..", 0
	for _, dir := range []string{"cmd", "planner", "providers", "state"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry,
			err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			read++
			path = filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
			mayKnow := slices.ContainsFunc(allowed,
				func(a string) bool { return strings.HasPrefix(path, a) })
			if found := names.Find(text); found != nil && !mayKnow {
				t.Errorf("%s knows a backend by its name: %s", path, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("only %d files were read", read)
	}
}
