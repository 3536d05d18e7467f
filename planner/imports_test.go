package planner_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/waldur/cscs-storage-sync/"

// TestImportsPointOneWay pins the direction of imports, cmd → planner/…, providers, state →
// planner, and that pure packages cannot reach files, the network, processes or random numbers.
func TestImportsPointOneWay(t *testing.T) {
	allowed := map[string][]string{
		"planner":          {"planner/chunk", "planner/reason"},
		"planner/chunk":    {},
		"planner/parallel": {},
		"planner/reason":   {},
		"planner/override": {"planner", "planner/expr"},
		"planner/expr":     {},
		"planner/planfile": {"planner", "planner/parallel", "planner/canonical", "planner/render"},
		"planner/render": {"planner", "planner/parallel", "planner/canonical", "planner/page",
			"planner/reason"},
		"planner/page":          {},
		"planner/page/pagetest": {"planner/page"},
		"planner/status": {"planner", "planner/canonical", "planner/engine", "planner/ledger",
			"planner/loop",
			"planner/page", "planner/render"},
		"planner/report": {"planner", "planner/canonical", "planner/ledger", "planner/page",
			"planner/render", "planner/scan"},
		"planner/scan":     {"planner", "planner/render"},
		"planner/feedback": {"planner", "planner/backoff", "planner/reason"},
		"planner/plantest": {"planner", "planner/canonical", "planner/reason"},
		"planner/graph":    {"planner", "planner/render"},
		"planner/history":  {"planner", "planner/canonical", "planner/ledger", "planner/render"},
		"planner/account": {"planner", "planner/apply", "planner/canonical", "planner/engine",
			"planner/ledger",
			"planner/render"},
		"planner/upkeep": {"planner", "planner/canonical", "planner/engine", "planner/ledger",
			"planner/render"},
		"planner/explain": {"planner", "planner/canonical", "planner/engine", "planner/expr",
			"planner/held", "planner/ledger", "planner/loop", "planner/policy", "planner/render"},

		// Every rendering has the plan's id, and a plan file has its rendering, so the canonical form is
		// the lowest.
		"planner/canonical": {"planner", "planner/parallel"},

		"planner/policy":   {"planner", "planner/reason"},
		"planner/ledger":   {"planner"},
		"planner/approval": {},
		"planner/config":   {"planner", "planner/expr", "planner/override", "planner/policy"},
		"planner/backoff":  {},
		"planner/engine": {"planner", "planner/apply", "planner/approval", "planner/canonical",
			"planner/ledger",
			"planner/planfile", "planner/policy", "planner/render"},
		"planner/index": {"planner"},
		"planner/near":  {"planner"},
		"planner/loop": {"planner", "planner/apply", "planner/approval", "planner/backoff",
			"planner/canonical",
			"planner/engine", "planner/feedback", "planner/held", "planner/index", "planner/ledger",
			"planner/near", "planner/planfile",
			"planner/policy", "planner/reason", "planner/render"},
		"planner/apply": {"planner", "planner/backoff", "planner/ledger"},
		"planner/held": {"planner", "planner/canonical", "planner/engine", "planner/ledger",
			"planner/planfile",
			"planner/policy", "planner/reason", "planner/render"},
		"providers":      {"planner", "planner/scan", "providers/hang"},
		"providers/hang": {},
		"providers/site": {"planner", "planner/apply", "planner/config", "planner/engine",
			"planner/render", "planner/scan", "providers", "providers/hang",
			"providers/posix", "providers/quota", "providers/quota/backends", "providers/waldur",
			"providers/web"},
		"providers/doctor": {"planner", "planner/apply", "planner/approval", "planner/canonical",
			"planner/config",
			"planner/engine", "planner/ledger", "planner/loop", "planner/render", "providers",
			"providers/posix",
			"providers/quota", "providers/waldur", "state/kv"},
		"providers/quota": {"planner", "planner/scan", "providers", "providers/hang", "providers/web"},
		"providers/waldur": {"planner/feedback", "planner", "planner/backoff", "planner/chunk",
			"providers", "providers/web", "planner/apply", "planner/engine"},
		"providers/web":   {"planner", "providers", "planner/apply"},
		"providers/posix": {"planner", "planner/scan", "providers/hang"},
		"state": {"planner", "planner/ledger", "planner/render", "state/bolt", "state/folder",
			"state/kv"},
		"state/kv":        {},
		"state/kv/kvtest": {"state/kv"},
		"state/folder":    {"state/kv"},
		"state/bolt":      {"state/folder", "state/kv"},
		"state/postgres":  {"state/kv"},

		"state/postgres/pgtest": {},

		"providers/sshagent":   {"planner/approval"},
		"providers/strictjson": {},
		"providers/quota/backends": {"planner", "providers/quota", "providers/quota/linux",
			"providers/quota/lustre", "providers/quota/vast"},
		"providers/quota/lustre": {"planner", "providers", "providers/hang", "providers/quota"},
		"providers/quota/linux":  {"planner", "providers", "providers/hang", "providers/quota"},
		"providers/quota/vast": {"planner", "providers", "providers/quota", "providers/strictjson",
			"providers/web", "planner/apply"},
		"providers/quota/quotatest": {"planner", "providers", "providers/quota"},
	}
	pure := []string{
		"planner", "planner/canonical", "planner/chunk", "planner/expr", "planner/graph",
		"planner/history",
		"planner/override", "planner/page", "planner/parallel", "planner/planfile", "planner/policy",
		"planner/reason", "planner/render", "planner/report", "planner/scan", "planner/feedback",
	}
	impure := []string{"os", "os/exec", "os/user", "net", "net/http", "syscall", "math/rand",
		"math/rand/v2", "crypto/rand", "log", "log/slog"}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "examples/") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the list of this test: decide what it may import", name)
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(may, own) {
				t.Errorf("%s imports %s; it may import %v", name, own, may)
			}
			if slices.Contains(pure, name) && slices.Contains(impure, imported) {
				t.Errorf("%s is pure and imports %s", name, imported)
			}
		}
	}
}

// TestNothingPointsUp: planner and the packages below it do not import providers, state and
// commands, even indirectly. The loop does not import the command line, terminals and the process's
// signals.
func TestNothingPointsUp(t *testing.T) {
	for _, dep := range strings.Fields(goList(t, "-deps", "./planner/...")) {
		own, ours := strings.CutPrefix(dep, module)
		if ours && own != "planner" && !strings.HasPrefix(own, "planner/") {
			t.Errorf("something below planner needs %s", own)
		}
	}
	outside := []string{"github.com/spf13/pflag", "github.com/spf13/cobra", "golang.org/x/term",
		"os/signal"}
	for _, dep := range strings.Fields(goList(t, "-deps", "./planner/loop")) {
		if slices.Contains(outside, dep) {
			t.Errorf("planner/loop needs %s", dep)
		}
	}
}

// TestLargePackagesAreNotLinked: each of these makes the program megabytes larger, and its start
// slower; docs/understanding/performance.md says why.
func TestLargePackagesAreNotLinked(t *testing.T) {
	large := []string{"html/template", "google.golang.org/protobuf/proto",
		"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/pgxpool"}
	for _, dep := range strings.Fields(goList(t, "-deps", "./cmd/cscs-sync")) {
		if slices.Contains(large, dep) {
			t.Errorf("cscs-sync needs %s", dep)
		}
	}
}

// TestExitCodesStandInCommandsOnly: domain code returns outcomes and refusals.
func TestExitCodesStandInCommandsOnly(t *testing.T) {
	cmd := exec.Command("git", "grep", "-n", "-e", "exitCode", "-e", "os.Exit", "--", "planner",
		"providers", "state", ":!*_test.go")
	cmd.Dir = ".."
	if out, _ := cmd.Output(); len(out) > 0 {
		t.Errorf("exit codes outside of cmd:\n%s", out)
	}
}

// goList runs go list.
func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(out)
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
