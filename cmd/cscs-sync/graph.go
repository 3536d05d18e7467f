package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) graphCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "graph [PLAN]",
		Short: "draw the desired-state graph: dot, mermaid or svg",
		Args:  arguments(0, 1),
		Long: `Tenants, customers and resources with the quota identities that they claim; with
PLAN only what the plan changes. What is of one customer stands together, and
what is of one system. The colour shows what is done, which stands there in
words too; a thick red border is danger. For a picture, where Graphviz is
installed:
  cscs-sync graph --format svg > graph.svg`,
	}
	f := cmd.Flags()
	var o planOptions
	format := f.String("format", "dot", "`FORMAT`: dot, mermaid, or svg by Graphviz")
	f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` in place of the proxy")
	f.StringArrayVar(&o.targets, "target", nil, "only resources whose address matches `GLOB`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{"dot", "mermaid", "svg"}, *format) {
			return &usageError{"graph", fmt.Errorf("--format %q: want dot, mermaid or svg", *format)}
		}
		g, err := o.graph(cmd.Context(), a, args)
		if err != nil {
			return err
		}
		switch *format {
		case "dot":
			return a.print(g.dot())
		case "svg":
			picture, err := svg(cmd.Context(), g.dot())
			if err != nil {
				return err
			}
			return a.print(picture)
		}
		return a.print(g.mermaid())
	}
	return cmd
}

// drawing is a graph to be drawn: nodes with labels, and edges between their numbers.
type drawing struct {
	nodes []drawn
	index map[string]int
	// places are the nodes of addresses, the first drawn of each.
	places map[string]int
	edges  [][2]int
}

// drawn is one node.
type drawn struct {
	label, shape string
	// state colours the node: the kind of its action, "blocked", "waiting", or empty. Its label says it, too.
	state string
	// dangerous nodes have a thick red border.
	dangerous bool
	// system and customer are what the node stands together with: the system's name, and the address of the branch that it is
	// or lies in. Empty: with nothing.
	system, customer string
}

func (d *drawing) node(id string, n drawn) int {
	if i, ok := d.index[id]; ok {
		return i
	}
	d.index[id] = len(d.nodes)
	d.nodes = append(d.nodes, n)
	return len(d.nodes) - 1
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
		label, state := render.Quote(v.Address), ""
		switch {
		case v.Verdict.Code != "" && v.Waits:
			state = "waiting"
			label += "\nwaiting: " + string(v.Verdict.Code)
		case v.Verdict.Code != "":
			state = "blocked"
			label += "\nblocked: " + string(v.Verdict.Code)
		case !v.Target.IsBranch():
			label += fmt.Sprintf("\n%d:%d %s, %s", v.Owner, v.Group, v.Mode, v.Status)
		}
		n := d.at(v.Address, v.Key.Item, drawn{label: label, shape: shapeOf(v.Target), state: state, system: v.System,
			customer: customerOf(v.Address, v.Target)})
		if v.Parent != "" {
			d.edges = append(d.edges, [2]int{d.byAddress(v.Parent, v.System), n})
		}
		if v.Subject != nil && v.Quota.Known() {
			q := d.quota(v.System, v.Subject.String())
			d.edges = append(d.edges, [2]int{n, q})
		}
	}
}

// at draws what has an address, once.
func (d *drawing) at(address, item string, what drawn) int {
	n := d.node(address+" "+item, what)
	if _, ok := d.places[address]; !ok {
		d.places[address] = n
	}
	return n
}

// byAddress finds a tenant or customer that has been drawn: they sort before what lies in them. One that was not is drawn now.
func (d *drawing) byAddress(address, system string) int {
	if i, ok := d.places[address]; ok {
		return i
	}
	return d.at(address, "", drawn{label: render.Quote(address), shape: "parent", system: system, customer: address})
}

// quota draws what limits are set on, once.
func (d *drawing) quota(system, subject string) int {
	return d.node("quota "+system+" "+subject, drawn{label: "quota " + subject + "\n" + system, shape: "quota", system: system})
}

func (d *drawing) plan(p *planner.Plan) {
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		label := render.Quote(a.Address) + "\n" + string(a.Kind)
		for _, danger := range a.Danger {
			label += "\ndanger: " + string(danger)
		}
		n := d.at(a.Address, a.Key.Item, drawn{label: label, shape: shapeOf(a.Target), state: string(a.Kind),
			dangerous: len(a.Danger) > 0, system: a.System, customer: customerOf(a.Address, a.Target)})
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
			q := d.quota(a.System, a.Quota.String())
			d.edges = append(d.edges, [2]int{n, q})
		}
	}
}
