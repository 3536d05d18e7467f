package planfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keptRenderer is the version in the name of a kept plan file.
var keptRenderer = regexp.MustCompile(`/renderer(\d+)-[^/]+\.plan$`)

// TestKeptPlansAreKnown reads plan files that earlier builds have written. Those of today's rules are read as a whole; those of
// others are foreign, whether or not they can still be shown. None is ever damaged.
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
		if version == Renderer {
			if err != nil || len(f.Approvals) != 1 {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Renderer != version || !strings.Contains(err.Error(), "use the version of cscs-sync that made it") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// texts are the golden texts that plan files hold, by name, with their digests. Texts of diff and of commands are written
// nowhere but on a screen.
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

// TestTextsBelongToARenderer holds the golden texts to the version of the rules under which they were recorded. A file that
// was written under these rules has such a text, and is refused as tampered with where this build renders another. So a
// change raises Renderer; -update then records the texts of the new version, and never changes what is recorded already.
func TestTextsBelongToARenderer(t *testing.T) {
	const path = "testdata/renderers"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == strconv.Itoa(Renderer) {
			recorded[f[1]] = f[2]
		}
	}
	now := texts(t)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		line := fmt.Sprintf("%d %s %s\n", Renderer, name, now[name])
		switch known := recorded[name]; {
		case known == "" && *update:
			data = append(data, line...)
		case known == "":
			t.Errorf("%s is not recorded for Renderer %d: run this test with -update", name, Renderer)
		case known != now[name]:
			t.Errorf("%s is not the text of Renderer %d: raise Renderer in canonical.go and run this test with -update. Only if no build "+
				"with Renderer %[2]d has left this tree, put this line into %s instead:\n%s", name, Renderer, path, line)
		}
	}
	for name := range recorded {
		if now[name] == "" {
			t.Errorf("%s is recorded for Renderer %d, and is gone", name, Renderer)
		}
	}
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
