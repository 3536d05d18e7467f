package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestGraphWithoutGraphviz: an svg says what is missing, and what helps.
func TestGraphWithoutGraphviz(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if out, err := svg(t.Context(), "digraph {}"); out != "" || err == nil || !strings.Contains(err.Error(), "install the package graphviz") {
		t.Errorf("%q, %v", out, err)
	}
}

// TestGraphOfHostileNames: what others have named stays text: in a label, and on its line.
func TestGraphOfHostileNames(t *testing.T) {
	const name = "a\"];\nevil [label=\"x\\\" <script>&"
	d := &drawing{index: map[string]int{}, places: map[string]int{}}
	d.at("/s/"+name, "1", drawn{label: name, shape: "resource", state: "create", dangerous: true, system: name, customer: name})
	want := `n0 [shape=box, label="a\"];\nevil [label=\"x\\\" <script>&", style=filled, fillcolor="#d5f0d5", color="#b3261e", penwidth=3]`
	if dot := d.dot(); !strings.Contains(dot, want) || strings.Contains(dot, "\nevil") {
		t.Errorf("%s\nwant the node\n%s", dot, want)
	}
	if m := d.mermaid(); strings.Contains(m, "<script>") || strings.Contains(m, "\nevil") || strings.Count(m, `"`) != 4 {
		t.Errorf("%s", m)
	}
	if _, err := svg(t.Context(), d.dot()); err != nil && !strings.Contains(err.Error(), "no program dot") {
		t.Error(err)
	}
}

// TestGraphColoursAreLegible: black letters on each colour have a contrast of at least 7:1.
func TestGraphColoursAreLegible(t *testing.T) {
	for state, fill := range fills() {
		var r, g, b uint8
		if _, err := fmt.Sscanf(fill, "#%02x%02x%02x", &r, &g, &b); err != nil || min(r, g, b) < 0xc0 {
			t.Errorf("%s is filled with %s: too dark, %v", state, fill, err)
		}
	}
}
