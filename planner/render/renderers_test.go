package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// texts returns the golden texts that plan files have, by name, with their digests. Texts of diff
// and of commands are only shown on a screen.
func texts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, %v", files, err)
	}
	out := map[string]string{}
	for _, path := range files {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "diff") || strings.Contains(name, ".commands.") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		out[name] = hex.EncodeToString(sum[:])
	}
	return out
}

// TestTextsBelongToARenderer compares the golden texts with those recorded for this version of the
// rules. A file that was written under these rules has such a text, and would be refused as
// tampered with if this build rendered another. So a change of a text raises Renderer. With
// -update, the test then records the texts of the new version, and never changes what is already
// recorded.
func TestTextsBelongToARenderer(t *testing.T) {
	const path = "testdata/renderers"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == strconv.Itoa(canonical.Renderer) {
			recorded[f[1]] = f[2]
		}
	}
	now := texts(t)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		line := fmt.Sprintf("%d %s %s\n", canonical.Renderer, name, now[name])
		switch known := recorded[name]; {
		case known == "" && *update:
			data = append(data, line...)
		case known == "":
			t.Errorf("%s is not recorded for Renderer %d: run this test with -update", name,
				canonical.Renderer)
		case known != now[name]:
			t.Errorf("%s is not the text of Renderer %d: raise canonical.Renderer and run this "+
				"test with -update. Only if no build "+
				"with Renderer %[2]d has left this tree, put this line into %s instead:\n%s", name,
				canonical.Renderer, path, line)
		}
	}
	for name := range recorded {
		if now[name] == "" {
			t.Errorf("%s is recorded for Renderer %d, and is gone", name, canonical.Renderer)
		}
	}
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
