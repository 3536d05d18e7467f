package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// Every block of commands in the docs runs, in order, in one sandbox a page. Comments in the page, which readers do not see,
// say how. They stand right before a block:
//
//	<!-- sandbox: empty -->        the page's sandbox: empty, a fresh site, or a settled one with three applied projects
//	<!-- run: LINE -->             a line for testscript, such as `site`, `control` or `edit`
//	<!-- exit N -->                the next block ends with this code
//	<!-- not run: WHY -->          the next block needs a real site; its commands and flags are still checked
//	<!-- file NAME -->             the next block is a file
//	<!-- append to NAME -->        the next block is added to a file
type docBlock struct {
	line                    int
	language, text          string
	before                  []string // lines for testscript
	exit                    string
	isSkipped               bool
	file, appended, sandbox string
}

var (
	fence   = regexp.MustCompile("^( *)```([a-z]*)$")
	comment = regexp.MustCompile(`^ *<!-- (sandbox|run|not run|exit|file|append to):? (.*) -->$`)
)

// blocksOf reads a page's blocks. The last one may have no text, and only lines before it.
func blocksOf(t *testing.T, path string) (blocks []docBlock) {
	t.Helper()
	var next docBlock
	inside, indent := false, ""
	for i, line := range strings.Split(read(t, path), "\n") {
		switch m, c := fence.FindStringSubmatch(line), comment.FindStringSubmatch(line); {
		case inside && m != nil:
			blocks = append(blocks, next)
			next, inside = docBlock{}, false
		case inside:
			next.text += strings.TrimPrefix(line, indent) + "\n"
		case m != nil:
			inside, indent, next.language, next.line = true, m[1], m[2], i+1
		case c != nil:
			next.take(c[1], c[2])
		}
	}
	if inside {
		t.Errorf("%s: a block does not end", path)
	}
	return append(blocks, next)
}

func (b *docBlock) take(what, value string) {
	switch what {
	case "sandbox":
		b.sandbox = value
	case "run":
		b.before = append(b.before, value)
	case "not run":
		b.isSkipped = true
	case "exit":
		b.exit = value
	case "file":
		b.file = value
	case "append to":
		b.appended = value
	}
}

// TestDocsBlocksSayWhatTheyAre: a block has a language, so that no command hides from the tests.
func TestDocsBlocksSayWhatTheyAre(t *testing.T) {
	for _, page := range prose(t) {
		for _, b := range blocksOf(t, page) {
			switch {
			case b.line > 0 && b.language == "":
				t.Errorf("%s:%d: the block has no language", page, b.line)
			case b.language == "text" && !strings.HasSuffix(page, "reference/commands.md") && hasCommand(b.text):
				t.Errorf("%s:%d: commands stand in a block of text; say sh", page, b.line)
			}
		}
	}
}

func hasCommand(text string) bool {
	for _, m := range regexp.MustCompile(`(?m)^(?:\$ |sudo )?cscs-sync ([a-z]+)`).FindAllStringSubmatch(text, -1) {
		if isCommand(m[1]) {
			return true
		}
	}
	return false
}

// TestDocsCommandsRun runs the commands of every page.
func TestDocsCommandsRun(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the pages give directories to groups, which only root can")
	}
	dir, n := t.TempDir(), 0
	for _, page := range prose(t) {
		script, commands := pageScript(t, page)
		n += commands
		if commands == 0 {
			continue
		}
		rel, _ := filepath.Rel("../..", page)
		name := strings.NewReplacer("/", "-", ".md", "").Replace(rel) + ".txtar"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n < 30 {
		t.Errorf("only %d blocks of commands run", n)
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: setupDocs, Cmds: scriptCommands(), RequireExplicitExec: true})
}

// setupDocs lets time pass as readers see it.
func setupDocs(env *testscript.Env) error {
	err := setupScript(env)
	env.Setenv("CSCS_TEST_NOW", "")
	return err
}

// pageScript is a page as a testscript, and how many blocks of commands it runs.
func pageScript(t *testing.T, page string) (script string, commands int) {
	var lines, files strings.Builder
	for i, b := range blocksOf(t, page) {
		lines.WriteString(sandbox(t, page, b.sandbox))
		for _, line := range b.before {
			fmt.Fprintln(&lines, line)
		}
		name := fmt.Sprintf("block%d", i)
		switch {
		case b.isSkipped || b.line == 0:
		case b.file != "":
			fmt.Fprintf(&files, "-- %s --\n%s", name, b.text)
			fmt.Fprintf(&lines, "exec install -m 0600 %s %s\n", name, b.file)
		case b.appended != "":
			fmt.Fprintf(&files, "-- %s --\n%s", name, b.text)
			fmt.Fprintf(&lines, "exec sh -c 'cat %s >> %s'\n", name, b.appended)
		case b.language == "sh":
			commands++
			fmt.Fprintf(&files, "-- %s --\n%s", name, b.text)
			fmt.Fprintf(&lines, "# %s:%d\n%s\n", page, b.line, shellLine(name, b.exit))
		}
	}
	return lines.String() + files.String(), commands
}

func shellLine(name, exit string) string {
	if exit == "" {
		return "exec sh -eu " + name
	}
	return fmt.Sprintf("exec sh -c 'sh -eu %s; test $? -eq %s'", name, exit)
}

func sandbox(t *testing.T, page, kind string) string {
	const scenario = "exec cp $DOCSITE/scenario.json scenario.json\nsite scenario.json\n"
	switch kind {
	case "", "empty":
		return ""
	case "site":
		return scenario
	case "settled":
		return scenario + "exec cscs-sync plan --out first.plan\nexec cscs-sync approve first.plan\n" +
			"exec cscs-sync apply first.plan\nrm first.plan\n"
	}
	t.Errorf("%s: there is no sandbox %q", page, kind)
	return ""
}

// TestDocsConfigurationsLoad: each block of HCL in the docs is accepted, in place of what the least configuration says there.
func TestDocsConfigurationsLoad(t *testing.T) {
	base, n := read(t, "../../examples/configs/minimal.hcl"), 0
	for _, page := range prose(t) {
		for _, b := range blocksOf(t, page) {
			if b.language != "hcl" || b.isSkipped {
				continue
			}
			n++
			path := filepath.Join(t.TempDir(), "cscs-sync.hcl")
			whole := without(t, base, b.text) + "\n" + b.text
			if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Skip}); diags.HasErrors() {
				t.Errorf("%s:%d:\n%s\n%v", page, b.line, b.text, diags)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d examples were found", n)
	}
}

// without is a configuration without the blocks that a snippet has, too.
func without(t *testing.T, base, snippet string) string {
	t.Helper()
	has := map[string]bool{}
	for _, b := range blocksIn(t, snippet) {
		has[b.Type+strings.Join(b.Labels, " ")] = true
		has[b.Type] = b.Type != "override" && b.Type != "system"
	}
	all := blocksIn(t, base)
	for i := len(all) - 1; i >= 0; i-- {
		if b := all[i]; has[b.Type] || has[b.Type+strings.Join(b.Labels, " ")] {
			r := hcl.RangeBetween(b.TypeRange, b.CloseBraceRange)
			base = base[:r.Start.Byte] + base[r.End.Byte:]
		}
	}
	return base
}

func blocksIn(t *testing.T, text string) hclsyntax.Blocks {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), "block.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s\n%v", text, diags)
	}
	return file.Body.(*hclsyntax.Body).Blocks
}
