package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDocsNameEveryCommand keeps docs/commands.md in step with the command line: each command, with each of its flags.
func TestDocsNameEveryCommand(t *testing.T) {
	text := read(t, "../../docs/commands.md")
	for _, c := range commands() {
		first, second, _ := strings.Cut(c.name, " ")
		if !strings.Contains(text, "`"+first) || second != "" && !strings.Contains(text, second) {
			t.Errorf("docs/commands.md does not name %s", c.name)
		}
		f := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
		c.setup(f)
		f.VisitAll(func(fl *pflag.Flag) {
			if !regexp.MustCompile("`" + first + `\b[^|]*` + second + `[^|]*(\\\|[^|]*)*--` + fl.Name + `\b`).MatchString(text) {
				t.Errorf("docs/commands.md does not name --%s of %s", fl.Name, c.name)
			}
		})
	}
}

// TestDocsNameEveryDependency keeps docs/dependencies.md in step with go.mod's direct requirements.
func TestDocsNameEveryDependency(t *testing.T) {
	text := read(t, "../../docs/dependencies.md")
	direct, _, _ := strings.Cut(read(t, "../../go.mod"), "// indirect")
	for _, m := range regexp.MustCompile(`(?m)^\t(?:github\.com/)?(\S+) v`).FindAllStringSubmatch(direct, -1) {
		name := strings.TrimSuffix(m[1], "toml")
		if m[1] != "BurntSushi/toml" && !strings.Contains(text, name) {
			t.Errorf("docs/dependencies.md gives no reason for %s", m[1])
		}
	}
}

// TestDocsNameEveryReason keeps docs/loop.md and the help of run in step with the reasons of rounds.
func TestDocsNameEveryReason(t *testing.T) {
	text, help := read(t, "../../docs/loop.md"), runCommand().long
	for _, r := range reasons() {
		if !strings.Contains(text, "| `"+string(r)+"` |") {
			t.Errorf("docs/loop.md does not say what to do about %s", r)
		}
		if !regexp.MustCompile(`\b` + string(r) + `\b`).MatchString(help) {
			t.Errorf("`cscs-sync help run` does not name %s", r)
		}
	}
}

// TestLinks: relative links in the README and the docs lead somewhere.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "../../README.md") {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`).FindAllStringSubmatch(read(t, f), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", f, m[1], err)
			}
		}
	}
}
