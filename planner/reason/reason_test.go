package reason_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

var update = flag.Bool("update", false, "write docs/reference/reasons.md")

// docs/reference/reasons.md is the table of this package.
func TestDocumentIsTheTable(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Reasons and warnings\n\nEach reason and each warning of a plan has a stable " +
		"code, in `plan --json` as `reasons[].code` and `warnings[].code`. " +
		"The text\nbeside it is for people and may change. This page is made from the code: `go " +
		"test ./planner/reason -update`.\n")
	kind := reason.Kind("")
	for _, i := range reason.All() {
		if i.Kind != kind {
			kind = i.Kind
			fmt.Fprintf(&b, "\n## %s\n\n| code | meaning |\n|---|---|\n",
				strings.ToUpper(string(kind[:1]))+string(kind[1:]))
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", i.Code, i.Meaning)
	}
	path := "../../docs/reference/reasons.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("docs/reference/reasons.md is not the table (refresh with -update): %v", err)
	}
}

// A code is in the table once, has a meaning, and is a word that scripts can use.
func TestTable(t *testing.T) {
	seen := map[reason.Code]bool{}
	for _, i := range reason.All() {
		if seen[i.Code] || !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(i.Code)) ||
			!strings.HasSuffix(i.Meaning, ".") {
			t.Errorf("%+v", i)
		}
		seen[i.Code] = true
	}
}

// Every code of the table is a constant that the planner or its caller uses, and neither of them
// writes a code as a literal.
func TestCodesAreConstants(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	var used bytes.Buffer
	for _, pattern := range []string{"../*.go", "../policy/*.go", "../../cmd/cscs-sync/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			used.Write(text)
			literal := regexp.MustCompile(
				`(Reason\{+|warn\(|warnFew\(|wait\(|block\(|danger\(\w+, |Code: |Code == |Code != )"[a-z_]+"`)
			for _, found := range literal.FindAllString(string(text), -1) {
				t.Errorf("%s: %s…: use a constant of package reason", f, found)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Code = "(\w+)"`).FindAllStringSubmatch(
		string(source), -1) {
		if !regexp.MustCompile(`\b(reason|codes)\.` + m[1] + `\b`).Match(used.Bytes()) {
			t.Errorf("nothing uses %s (%s)", m[1], m[2])
		}
		if !strings.Contains(string(source), "{"+m[1]+", ") {
			t.Errorf("%s is not in the table", m[1])
		}
	}
}
