package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// danger is the colour of a dangerous node's border.
const danger = "#b3261e"

// fills returns the fill colours by action. They are pale: black letters on them have a contrast of
// at least 12:1.
func fills() map[string]string {
	return map[string]string{
		string(planner.Create): "#d5f0d5", string(planner.Adopt): "#d8ecf7",
		string(planner.Update): "#fbf0c8", string(planner.Archive): "#f9d9d6",
		string(planner.Restore): "#e3f0d0", string(planner.RejectOrder): "#eedcf3",
		string(planner.FailOrder): "#eedcf3", string(planner.Report): "#e8e8e8",
		"blocked": "#f9d9d6", "waiting": "#fbf0c8",
	}
}

// grouped returns the numbers of the nodes by system and customer.
func (d *Drawing) grouped() map[string]map[string][]int {
	systems := map[string]map[string][]int{}
	for i := range d.nodes {
		n := &d.nodes[i]
		if systems[n.system] == nil {
			systems[n.system] = map[string][]int{}
		}
		systems[n.system][n.customer] = append(systems[n.system][n.customer], i)
	}
	return systems
}

// dotText escapes a text for Graphviz.
var dotText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// DOT returns the drawing for Graphviz, with a cluster for each system and, in it, one for each
// customer.
func (d *Drawing) DOT() string {
	var b strings.Builder
	b.WriteString("digraph desired {\n  rankdir=LR\n  fontname=\"sans-serif\"\n" +
		"  node [fontname=\"sans-serif\"]\n")
	clusters := 0
	open := func(label, indent string) (end string) {
		if label == "" {
			return ""
		}
		clusters++
		fmt.Fprintf(&b, "%ssubgraph cluster_%d {\n%s  label=\"%s\"\n", indent, clusters, indent,
			dotText.Replace(label))
		return indent + "}\n"
	}
	systems := d.grouped()
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

// attributes returns the attributes of a node in Graphviz's language.
func (n *node) attributes() string {
	text := fmt.Sprintf("shape=%s, label=\"%s\"", [...]string{"folder", "box", "cylinder"}[n.shape],
		dotText.Replace(n.label))
	if fill := fills()[n.state]; fill != "" {
		text += fmt.Sprintf(", style=filled, fillcolor=%q", fill)
	}
	if n.dangerous {
		text += `, color="` + danger + `", penwidth=3`
	}
	return text
}

// mermaidText escapes a text for Mermaid, which shows HTML.
var mermaidText = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "\n",
	"<br/>")

// Mermaid returns the drawing for Mermaid, with the same clusters, colours and borders.
func (d *Drawing) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	shapes := [...][2]string{{"([", "])"}, {"[", "]"}, {"[(", ")]"}}
	groups, systems := 0, d.grouped()
	for _, system := range slices.Sorted(maps.Keys(systems)) {
		for _, customer := range slices.Sorted(maps.Keys(systems[system])) {
			fmt.Fprintf(&b, "  subgraph g%d[\"%s\"]\n", groups,
				mermaidText.Replace(strings.TrimSpace(system+" "+customer)))
			groups++
			for _, i := range systems[system][customer] {
				n := &d.nodes[i]
				fmt.Fprintf(&b, "    n%d%s\"%s\"%s\n", i, shapes[n.shape][0],
					mermaidText.Replace(n.label), shapes[n.shape][1])
			}
			b.WriteString("  end\n")
		}
	}
	for _, e := range d.edges {
		fmt.Fprintf(&b, "  n%d --> n%d\n", e[0], e[1])
	}
	for i := range d.nodes {
		if style := d.nodes[i].style(); style != "" {
			fmt.Fprintf(&b, "  style n%d %s\n", i, style)
		}
	}
	return b.String()
}

// style returns the colour and border of a node in Mermaid's language; empty for a plain one.
func (n *node) style() string {
	var style []string
	if fill := fills()[n.state]; fill != "" {
		style = append(style, "fill:"+fill, "color:#000")
	}
	if n.dangerous {
		style = append(style, "stroke:"+danger, "stroke-width:3px")
	}
	return strings.Join(style, ",")
}
