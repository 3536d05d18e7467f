package planfile

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// keptRenderer is the version in the name of a kept plan file.
var keptRenderer = regexp.MustCompile(`/renderer(\d+)-[^/]+\.plan$`)

// TestKeptPlansAreKnown reads plan files that earlier builds have written. Files of the present
// rules are read completely. Files of other rules are foreign, whether or not they can still be
// shown. None is ever reported as damaged.
func TestKeptPlansAreKnown(t *testing.T) {
	files, err := filepath.Glob("testdata/kept/*.plan")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		version, err := strconv.Atoi(keptRenderer.FindStringSubmatch(path)[1])
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(data)
		if err == nil {
			err = f.Check()
		}
		if version == canonical.Renderer {
			if err != nil || len(f.Approvals) != 1 {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Renderer != version ||
			!strings.Contains(err.Error(), "use the version of cscs-sync that made it") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
