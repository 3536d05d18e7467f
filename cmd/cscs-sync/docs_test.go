package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/loop"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// prose are the README and all that lies in docs.
func prose(t *testing.T) []string {
	t.Helper()
	files := []string{"../../README.md", "../../CHANGELOG.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// invocation is a command line in prose: what follows the program's name, up to the end of the code, a comment or a pipe.
var invocation = regexp.MustCompile("(?:^|[^/\\w])cscs-sync ([-a-z][^`\n#|>&;]*)")

// TestDocsNameOnlyWhatThereIs: each command line in code, anywhere in the docs, is of a command and flags that exist.
func TestDocsNameOnlyWhatThereIs(t *testing.T) {
	code := regexp.MustCompile("(?ms)^```.*?^```|^    [^\n]*$|`[^`]*`")
	for _, f := range prose(t) {
		seen := 0
		for _, c := range code.FindAllString(read(t, f), -1) {
			for _, m := range invocation.FindAllStringSubmatch(strings.ReplaceAll(c, `\|`, " "), -1) {
				words := strings.Fields(m[1])
				if len(words) > 1 && words[1] == "v1" {
					continue // the first line of a plan, or of a message
				}
				seen++
				checkInvocation(t, f, words)
			}
			if words := strings.Fields(strings.Trim(c, "`")); len(words) > 1 && isCommand(words[0]) && strings.Contains(c, " --") {
				checkInvocation(t, f, words) // `apply --skip-stale`
			}
		}
		if strings.HasSuffix(f, "troubleshoot.md") && seen < 10 {
			t.Errorf("%s: only %d command lines were found", f, seen)
		}
	}
}

// isCommand tells the first words of commands.
func isCommand(word string) bool {
	return slices.ContainsFunc(testApp().root().Commands(), func(c *cobra.Command) bool { return c.Name() == word })
}

func checkInvocation(t *testing.T, file string, words []string) {
	t.Helper()
	if words[0] == "help" || strings.ToUpper(words[0]) == words[0] {
		return
	}
	root := testApp().root()
	c, rest, err := root.Find(words)
	if err != nil || c == root && c.Name() != words[0] || c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "[") && isWord(rest[0]) {
		t.Errorf("%s: cscs-sync %s: there is no such command (%v)", file, strings.Join(words, " "), err)
		return
	}
	for _, w := range rest {
		name, isFlag := strings.CutPrefix(strings.Trim(w, "[]()…,."), "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "" && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil && name != "help" {
			t.Errorf("%s: cscs-sync %s has no flag --%s", file, pathOf(c), name)
		}
	}
}

// isWord reports whether a word of a command line can be a command's name.
func isWord(w string) bool { return regexp.MustCompile(`^[a-z]+$`).MatchString(w) }

// TestDocsNameEveryDependency keeps docs/dependencies.md in step with go.mod's direct requirements, both ways.
func TestDocsNameEveryDependency(t *testing.T) {
	direct := []string{"honnef.co/go/tools"} // the tool
	for line := range strings.Lines(read(t, "../../go.mod")) {
		m := regexp.MustCompile(`^\t(\S+) v\S+\n$`).FindStringSubmatch(line)
		if m != nil {
			direct = append(direct, strings.TrimPrefix(m[1], "github.com/"))
		}
	}
	var named []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+(?:, \S+)*) \| `).FindAllStringSubmatch(read(t, "../../docs/dependencies.md"), -1) {
		if row[1] != "module" {
			named = append(named, strings.Split(row[1], ", ")...)
		}
	}
	slices.Sort(direct)
	slices.Sort(named)
	if !slices.Equal(direct, named) {
		t.Errorf("docs/dependencies.md gives reasons for %q, go.mod wants %q", named, direct)
	}
}

// TestDocsNameEveryReason keeps docs/reference/rounds.md and the help of run in step with the reasons of rounds.
func TestDocsNameEveryReason(t *testing.T) {
	text, help := read(t, "../../docs/reference/rounds.md"), testApp().runCommand().Long
	for _, r := range loop.Reasons() {
		if !strings.Contains(text, "| `"+string(r)+"` |") {
			t.Errorf("docs/reference/rounds.md does not say what to do about %s", r)
		}
		if !regexp.MustCompile(`\b` + string(r) + `\b`).MatchString(help) {
			t.Errorf("`cscs-sync help run` does not name %s", r)
		}
	}
}

// TestLinks: relative links in the README and the docs lead somewhere, also to their headings.
func TestLinks(t *testing.T) {
	for _, f := range prose(t) {
		for _, m := range regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(read(t, f), -1) {
			to := f
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(f), m[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", f, m[1], err)
			} else if m[2] != "" && !slices.Contains(headings(read(t, to)), m[2]) {
				t.Errorf("%s links to %s, which has no heading #%s", f, to, m[2])
			}
		}
	}
}

// headings are the anchors of a Markdown text's headings.
func headings(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		kept := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}
