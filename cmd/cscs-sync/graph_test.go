package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/graph"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestGraphWithoutGraphviz: an svg says what is missing, and what helps.
func TestGraphWithoutGraphviz(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if out, err := svg(t.Context(), "digraph {}"); out != "" || err == nil ||
		!strings.Contains(err.Error(), "install the package graphviz") {
		t.Errorf("%q, %v", out, err)
	}
}

// TestGraphvizTakesHostileNames: what others have named breaks no picture.
func TestGraphvizTakesHostileNames(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		t.Skip("Graphviz is not installed")
	}
	t.Parallel()
	if _, err := svg(t.Context(), graph.Planned(plantest.Hostile()).DOT()); err != nil {
		t.Error(err)
	}
}
