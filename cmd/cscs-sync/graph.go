package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

func (a *app) graphCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "graph [PLAN]",
		Short: "print the desired-state graph, for dot or mermaid",
		Args:  arguments(0, 1),
		Long: `Tenants, customers and resources with the quota identities that they claim; with
PLAN only what the plan changes. For a picture:
  cscs-sync graph | dot -Tsvg > graph.svg`,
	}
	f := cmd.Flags()
	var o planOptions
	format := f.String("format", "dot", "`FORMAT`: dot or mermaid")
	f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` in place of the proxy")
	f.StringArrayVar(&o.targets, "target", nil, "only resources whose address matches `GLOB`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *format != "dot" && *format != "mermaid" {
			return &usageError{"graph", fmt.Errorf("--format %q: want dot or mermaid", *format)}
		}
		g, err := o.graph(cmd.Context(), a, args)
		if err != nil {
			return err
		}
		if *format == "dot" {
			return a.print(g.dot())
		}
		return a.print(g.mermaid())
	}
	return cmd
}

// drawing is a graph to be drawn: nodes with labels, and edges between their numbers.
type drawing struct {
	labels []string
	shapes []string
	index  map[string]int
	// places are the nodes of addresses, the first drawn of each.
	places map[string]int
	edges  [][2]int
}

func (d *drawing) node(id, label, shape string) int {
	if i, ok := d.index[id]; ok {
		return i
	}
	d.index[id] = len(d.labels)
	d.labels, d.shapes = append(d.labels, label), append(d.shapes, shape)
	return len(d.labels) - 1
}

// graph draws a plan file, or what the proxy lists.
func (o *planOptions) graph(ctx context.Context, a *app, args []string) (*drawing, error) {
	d := &drawing{index: map[string]int{}, places: map[string]int{}}
	if len(args) == 1 {
		file, err := a.readPlan(args[0])
		if err != nil {
			return nil, err
		}
		d.plan(file.Plan)
		return d, nil
	}
	secrets := config.Read
	if len(o.resources) > 0 {
		secrets = config.CheckOnly
	}
	s, err := a.open(secrets)
	if err != nil {
		return nil, err
	}
	sel, err := o.selection()
	if err != nil {
		return nil, &usageError{"graph", err}
	}
	p, err := o.make(ctx, s, sel)
	if err != nil {
		return nil, err
	}
	d.views(p.Graph.Views())
	return d, nil
}

func (d *drawing) views(views []planner.View) {
	for _, v := range views {
		if v.Status == planner.StatusRemoved {
			continue
		}
		label := planfile.Quote(v.Address)
		switch {
		case v.Verdict.Code != "" && v.Waits:
			label += "\nwaiting: " + string(v.Verdict.Code)
		case v.Verdict.Code != "":
			label += "\nblocked: " + string(v.Verdict.Code)
		case !v.Target.IsBranch():
			label += fmt.Sprintf("\n%d:%d %s, %s", v.Owner, v.Group, v.Mode, v.Status)
		}
		n := d.at(v.Address, v.Key.Item, label, shapeOf(v.Target))
		if v.Parent != "" {
			d.edges = append(d.edges, [2]int{d.byAddress(v.Parent), n})
		}
		if v.Subject != nil && v.Quota.Known() {
			q := d.node(fmt.Sprintf("quota %s %s", v.System, v.Subject),
				fmt.Sprintf("quota %s\n%s", v.Subject, v.System), "quota")
			d.edges = append(d.edges, [2]int{n, q})
		}
	}
}

// at draws what has an address, once.
func (d *drawing) at(address, item, label, shape string) int {
	n := d.node(address+" "+item, label, shape)
	if _, ok := d.places[address]; !ok {
		d.places[address] = n
	}
	return n
}

// byAddress finds a tenant or customer that has been drawn: they sort before what lies in them. One that was not is drawn now.
func (d *drawing) byAddress(address string) int {
	if i, ok := d.places[address]; ok {
		return i
	}
	return d.at(address, "", planfile.Quote(address), "parent")
}

func (d *drawing) plan(p *planner.Plan) {
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		n := d.at(a.Address, a.Key.Item, planfile.Quote(a.Address)+"\n"+string(a.Kind), shapeOf(a.Target))
		for up := a.Address; ; {
			cut := strings.LastIndexByte(up, '/')
			if cut <= 0 {
				break
			}
			up = up[:cut]
			if parent, ok := d.places[up]; ok {
				d.edges = append(d.edges, [2]int{parent, n})
				break
			}
		}
		if a.Quota != nil {
			q := d.node(fmt.Sprintf("quota %s %s", a.System, a.Quota),
				fmt.Sprintf("quota %s\n%s", a.Quota, a.System), "quota")
			d.edges = append(d.edges, [2]int{n, q})
		}
	}
}

func shapeOf(t planner.Target) string {
	if t.IsBranch() {
		return "parent"
	}
	return "resource"
}

func (d *drawing) dot() string {
	var b strings.Builder
	b.WriteString("digraph desired {\n  rankdir=LR\n  node [fontname=\"sans-serif\"]\n")
	shapes := map[string]string{"parent": "folder", "resource": "box", "quota": "cylinder"}
	for i, label := range d.labels {
		label = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(label)
		fmt.Fprintf(&b, "  n%d [shape=%s, label=\"%s\"]\n", i, shapes[d.shapes[i]], label)
	}
	for _, e := range d.edges {
		fmt.Fprintf(&b, "  n%d -> n%d\n", e[0], e[1])
	}
	b.WriteString("}\n")
	return b.String()
}

func (d *drawing) mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	open := map[string][2]string{"parent": {"([", "])"}, "resource": {"[", "]"}, "quota": {"[(", ")]"}}
	for i, label := range d.labels {
		label = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "\n", "<br/>").Replace(label)
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s\n", i, open[d.shapes[i]][0], label, open[d.shapes[i]][1])
	}
	for _, e := range d.edges {
		fmt.Fprintf(&b, "  n%d --> n%d\n", e[0], e[1])
	}
	return b.String()
}
