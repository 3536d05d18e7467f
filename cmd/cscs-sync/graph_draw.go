package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// drawingTime bounds Graphviz: it takes long for large graphs.
const drawingTime = 2 * time.Minute

func shapeOf(t planner.Target) string {
	if t.IsBranch() {
		return "parent"
	}
	return "resource"
}

// customerOf is the branch that something is, or lies in.
func customerOf(address string, t planner.Target) string {
	if t.IsBranch() {
		return address
	}
	return address[:max(0, strings.LastIndexByte(address, '/'))]
}

// fills are the colours of what is done, pale enough for black letters: at least 12:1.
func fills() map[string]string {
	return map[string]string{string(planner.Create): "#d5f0d5", string(planner.Adopt): "#d8ecf7", string(planner.Update): "#fbf0c8",
		string(planner.Archive): "#f9d9d6", string(planner.Restore): "#e3f0d0", string(planner.RejectOrder): "#eedcf3",
		string(planner.FailOrder): "#eedcf3", string(planner.Report): "#e8e8e8", "blocked": "#f9d9d6", "waiting": "#fbf0c8"}
}

var dotText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// dot draws for Graphviz: a cluster for each system, and in it one for each customer.
func (d *drawing) dot() string {
	var b strings.Builder
	b.WriteString("digraph desired {\n  rankdir=LR\n  fontname=\"sans-serif\"\n  node [fontname=\"sans-serif\"]\n")
	systems := map[string]map[string][]int{}
	for i, n := range d.nodes {
		if systems[n.system] == nil {
			systems[n.system] = map[string][]int{}
		}
		systems[n.system][n.customer] = append(systems[n.system][n.customer], i)
	}
	clusters := 0
	open := func(label, indent string) (end string) {
		if label == "" {
			return ""
		}
		clusters++
		fmt.Fprintf(&b, "%ssubgraph cluster_%d {\n%s  label=\"%s\"\n", indent, clusters, indent, dotText.Replace(label))
		return indent + "}\n"
	}
	for _, system := range slices.Sorted(maps.Keys(systems)) {
		end := open(system, "  ")
		for _, customer := range slices.Sorted(maps.Keys(systems[system])) {
			endOf := open(customer, "    ")
			for _, i := range systems[system][customer] {
				fmt.Fprintf(&b, "      n%d [%s]\n", i, d.nodes[i].attributes())
			}
			b.WriteString(endOf)
		}
		b.WriteString(end)
	}
	for _, e := range d.edges {
		fmt.Fprintf(&b, "  n%d -> n%d\n", e[0], e[1])
	}
	b.WriteString("}\n")
	return b.String()
}

// attributes are those of a node in Graphviz's language.
func (n drawn) attributes() string {
	shapes := map[string]string{"parent": "folder", "resource": "box", "quota": "cylinder"}
	text := fmt.Sprintf("shape=%s, label=\"%s\"", shapes[n.shape], dotText.Replace(n.label))
	if fill := fills()[n.state]; fill != "" {
		text += fmt.Sprintf(", style=filled, fillcolor=%q", fill)
	}
	if n.dangerous {
		text += `, color="#b3261e", penwidth=3`
	}
	return text
}

// mermaid draws for Mermaid, with the same clusters, colours and borders.
func (d *drawing) mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	text := strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "\n", "<br/>")
	open := map[string][2]string{"parent": {"([", "])"}, "resource": {"[", "]"}, "quota": {"[(", ")]"}}
	groups := map[[2]string][]int{}
	for i, n := range d.nodes {
		groups[[2]string{n.system, n.customer}] = append(groups[[2]string{n.system, n.customer}], i)
	}
	for g, at := range slices.SortedFunc(maps.Keys(groups), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(&b, "  subgraph g%d[\"%s\"]\n", g, text.Replace(strings.TrimSpace(at[0]+" "+at[1])))
		for _, i := range groups[at] {
			n := d.nodes[i]
			fmt.Fprintf(&b, "    n%d%s\"%s\"%s\n", i, open[n.shape][0], text.Replace(n.label), open[n.shape][1])
		}
		b.WriteString("  end\n")
	}
	for _, e := range d.edges {
		fmt.Fprintf(&b, "  n%d --> n%d\n", e[0], e[1])
	}
	for i, n := range d.nodes {
		var style []string
		if fill := fills()[n.state]; fill != "" {
			style = append(style, "fill:"+fill, "color:#000")
		}
		if n.dangerous {
			style = append(style, "stroke:#b3261e", "stroke-width:3px")
		}
		if len(style) > 0 {
			fmt.Fprintf(&b, "  style n%d %s\n", i, strings.Join(style, ","))
		}
	}
	return b.String()
}

// svg has Graphviz draw the picture.
func svg(ctx context.Context, dot string) (string, error) {
	program, err := exec.LookPath("dot")
	if err != nil {
		return "", errors.New("graph --format svg: Graphviz draws it, and there is no program dot: install the package graphviz, " +
			"or take the output of --format dot to where it is")
	}
	ctx, cancel := context.WithTimeout(ctx, drawingTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-Tsvg")
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(dot), &out, &problems, time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("graph --format svg: %s: %w: %.500s", program, err, problems.String())
	}
	return out.String(), nil
}
