package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// allocationsFile has the accepted counts, one "count work" a line.
const allocationsFile = "testdata/allocations.txt"

var acceptAllocations = flag.Bool("accept-allocations", false, "write the present counts into "+allocationsFile)

// TestAllocations holds the work of 1,000 resources to the accepted numbers of allocations. Times differ from machine to
// machine; these do not, and what allocates more is slower everywhere.
func TestAllocations(t *testing.T) {
	if slowdown > 1 {
		t.Skip("the race detector allocates")
	}
	if os.Getuid() != 0 {
		t.Skip("gives directories to groups, which only root can")
	}
	got := countAllocations(t)
	if *acceptAllocations {
		var text strings.Builder
		for _, work := range slices.Sorted(maps.Keys(got)) {
			fmt.Fprintf(&text, "%d %s\n", got[work], work)
		}
		if err := os.WriteFile(allocationsFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	accepted, err := os.ReadFile(allocationsFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(accepted)) {
		var most int
		work := strings.TrimSpace(strings.TrimLeft(line, "0123456789"))
		if _, err := fmt.Sscan(line, &most); err != nil {
			t.Fatalf("%s: %q: %v", allocationsFile, line, err)
		}
		n, measured := got[work]
		delete(got, work)
		switch {
		case !measured:
			t.Errorf("%s: nothing measures %q", allocationsFile, work)
		case float64(n) > 1.1*float64(most):
			t.Errorf("%s: %d allocations, accepted are %d, and a tenth more is borne: find out why, or accept it by -accept-allocations", work, n, most)
		case float64(n) < 0.9*float64(most):
			t.Logf("%s: %d allocations, %d are accepted: accept the lower number by -accept-allocations", work, n, most)
		}
	}
	for work, n := range got {
		t.Errorf("%s: %d allocations, and none are accepted", work, n)
	}
}

// countAllocations does each work a few times.
func countAllocations(t *testing.T) map[string]int {
	const n = 1000
	stands, absent := newBenchSite(t, n, true), newBenchSite(t, n, false)
	store, err := state.Open(filepath.Join(stands.dir, "state"), state.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	creates := absent.plan(t)
	file, err := planfile.Marshal(creates, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(creates.Core.Actions) != n || len(stands.plan(t).Core.Actions) != 0 {
		t.Fatalf("%d creates, want %d, and nothing to do where all stands", len(creates.Core.Actions), n)
	}
	count := func(f func()) int { return int(testing.AllocsPerRun(3, f)) }
	counts := map[string]int{
		"plan, none changed":  count(func() { stands.plan(t) }),
		"plan, all to create": count(func() { absent.plan(t) }),
		"render the plan":     count(func() { render.Text(creates, render.Options{}) }),
		"read its file":       count(func() { _, err = planfile.Parse(file) }),
	}
	stands.record(t, store)
	counts["plan, all as recorded"] = count(func() { stands.plan(t) })
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// session opens the site's configuration in this process.
func (s *benchSite) session(t testing.TB) *session.Session {
	t.Helper()
	a := testApp()
	a.configPath, a.term.Color, a.kernel = s.config, "never", benchKernel
	a.term.Out, a.term.Err = io.Discard, io.Discard
	ses, err := a.open(config.CheckOnly)
	if err != nil {
		t.Fatal(err)
	}
	return ses
}

// plan plans from the site's pages in this process.
func (s *benchSite) plan(t testing.TB) *planner.Plan {
	t.Helper()
	ses := s.session(t)
	source, err := ses.Source(s.pages)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ses.Engine().Plan(context.Background(), engine.Request{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return p.Plan
}
