package planner_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// knowNames are the places that may know quota backends by name: the configuration, the registry,
// and what looks at a configuration for an admin.
var knowNames = []string{"planner/settings.go", "planner/config/", "providers/quota/",
	"providers/doctor/"}

// TestNobodyDecidesByTheNameOfABackend: all other code decides by [planner.Traits] and by what
// limits are set on.
func TestNobodyDecidesByTheNameOfABackend(t *testing.T) {
	name := regexp.MustCompile(`\bQuota(Lustre|None|Linux|VAST)\b|\bQuota\.Kind\b`)
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		file := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") ||
			strings.HasSuffix(file, "_test.go") ||
			slices.ContainsFunc(knowNames,
				func(prefix string) bool { return strings.HasPrefix(file, prefix) }) {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for i, line := range strings.Split(string(text), "\n") {
			if name.MatchString(line) {
				t.Errorf("%s:%d decides by the name of a backend: %s", file, i+1,
					strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil || files < 100 {
		t.Errorf("%d files, %v", files, err)
	}
}
