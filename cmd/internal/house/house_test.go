// Package house tests rules that reviewers of this project would otherwise have to check again and
// again, on the files that git tracks.
package house

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const top = "../../.."

// tracked returns the files of the project, except for those in testdata.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	return slices.DeleteFunc(files, func(f string) bool {
		_, err := os.Stat(filepath.Join(top, f))
		return strings.Contains(f, "testdata/") || err != nil
	})
}

func text(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A stranger who opens the folder finds only the agreed names there.
func TestTopLevel(t *testing.T) {
	agreed := []string{"cmd", "planner", "providers", "state", "examples", "docs", "go.mod", "go.sum",
		"Makefile", "README.md", "LICENSE", "CHANGELOG.md"}
	for _, f := range tracked(t) {
		first, _, _ := strings.Cut(f, "/")
		if !slices.Contains(agreed, first) && !strings.HasPrefix(first, ".") {
			t.Errorf("%s: %s is not among the names of the top level", f, first)
		}
	}
}

// No file is a program, or contains a note about unfinished work.
func TestNothingIsLeftOpen(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, f := range tracked(t) {
		b := text(t, f)
		if bytes.HasPrefix(b, []byte("\x7fELF")) {
			t.Errorf("%s is a program", f)
			continue
		}
		for n, line := range bytes.Split(b, []byte("\n")) {
			if later.Match(line) && strings.HasSuffix(f, ".go") {
				t.Errorf("%s:%d is left open: %s", f, n+1, line)
			}
		}
	}
}
