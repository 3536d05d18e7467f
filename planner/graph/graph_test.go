package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestHostileNames: names from outside stay text, in a label and on one line.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const name = "a\"];\nevil [label=\"x\\\" <script>&"
	d := newDrawing()
	d.at("/s/"+name, "1", node{label: name, shape: resource, state: "create", dangerous: true,
		system: name, customer: name})
	want := `n0 [shape=box, label="a\"];\nevil [label=\"x\\\" <script>&", style=filled, ` +
		`fillcolor="#d5f0d5", color="#b3261e", penwidth=3]`
	if dot := d.DOT(); !strings.Contains(dot, want) || strings.Contains(dot, "\nevil") {
		t.Errorf("%s\nwant the node\n%s", dot, want)
	}
	if m := d.Mermaid(); strings.Contains(m, "<script>") || strings.Contains(m, "\nevil") ||
		strings.Count(m, `"`) != 4 {
		t.Errorf("%s", m)
	}
}

// TestColoursAreLegible: black letters on each colour have a contrast of at least 7:1.
func TestColoursAreLegible(t *testing.T) {
	t.Parallel()
	for state, fill := range fills() {
		var r, g, b uint8
		if _, err := fmt.Sscanf(fill, "#%02x%02x%02x", &r, &g, &b); err != nil ||
			min(r, g, b) < 0xc0 {
			t.Errorf("%s is filled with %s: too dark, %v", state, fill, err)
		}
	}
	for _, kind := range planner.ActionKinds() {
		if kind != "unchanged" && fills()[string(kind)] == "" {
			t.Errorf("%s has no colour", kind)
		}
	}
}

// TestListed: a resource is below its customer, even if that is not listed, and has its quota. A
// blocked resource says why, and a removed one is not drawn.
func TestListed(t *testing.T) {
	t.Parallel()
	of := &planner.QuotaID{By: planner.ByGroup, ID: 7}
	limits := planner.NoLimits()
	d := Listed([]planner.View{
		{Address: "/c/eth/bio", Parent: "/c/eth", System: "c", Target: planner.TargetProject,
			Subject: of, Quota: limits},
		{Address: "/c/eth/chem", Parent: "/c/eth", System: "c", Target: planner.TargetProject,
			Subject: of, Quota: limits,
			Verdict: planner.Reason{Code: "held"}, Waits: true},
		{Address: "/c/eth/gone", Status: planner.StatusRemoved},
	})
	for what, text := range map[string]string{"dot": d.DOT(), "mermaid": d.Mermaid()} {
		for want, times := range map[string]int{"/c/eth/bio": 1, "waiting: held": 1, "gone": 0,
			"quota group 7": 1} {
			if n := strings.Count(text, want); n != times {
				t.Errorf("%s has %q %d times, want %d:\n%s", what, want, n, times, text)
			}
		}
	}
	if fmt.Sprint(d.edges) != "[[1 0] [0 2] [1 3] [3 2]]" {
		t.Errorf("edges %v", d.edges)
	}
}

// TestPlanned: every action of a plan is drawn once, below the nearest one that is drawn.
func TestPlanned(t *testing.T) {
	t.Parallel()
	p := plantest.Mixed()
	d := Planned(p)
	drawn := 0
	for _, n := range d.nodes {
		if n.shape != quota {
			drawn++
		}
	}
	if drawn != len(p.Core.Actions) {
		t.Errorf("%d of %d actions are drawn:\n%s", drawn, len(p.Core.Actions), d.DOT())
	}
	p = &planner.Plan{Core: planner.Core{Actions: []planner.Action{
		{Address: "/c", Target: planner.TargetTenant}, {Address: "/c/eth/bio",
			Target: planner.TargetProject}}}}
	if d = Planned(p); fmt.Sprint(d.edges) != "[[0 1]]" {
		t.Errorf("edges %v", d.edges)
	}
}
