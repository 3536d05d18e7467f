// Package graph draws the desired-state graph, or what a plan changes, for Graphviz and Mermaid.
package graph

import (
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Drawing has nodes with labels, and edges between their numbers.
type Drawing struct {
	nodes []node
	index map[string]int
	// places has the first node of each address.
	places map[string]int
	edges  [][2]int
}

// node is a tenant, a customer, a resource, or what limits are set on.
type node struct {
	label string
	shape shape
	// state colours the node: the kind of its action, "blocked", "waiting", or empty. The label says
	// it too.
	state string
	// dangerous nodes have a thick red border.
	dangerous bool
	// system and customer group the node: the name of the system, and the address of the branch that
	// the node is or lies in. If they are empty, it is in no group.
	system, customer string
}

// shape says what a node is.
type shape int

const (
	parent shape = iota
	resource
	quota
)

func newDrawing() *Drawing {
	return &Drawing{index: map[string]int{}, places: map[string]int{}}
}

// Listed draws what the proxy lists, and what blocks it.
func Listed(views []planner.View) *Drawing {
	d := newDrawing()
	for i := range views {
		if views[i].Status != planner.StatusRemoved {
			d.view(&views[i])
		}
	}
	return d
}

func (d *Drawing) view(v *planner.View) {
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
	n := d.at(v.Address, v.Key.Item, node{label: label, shape: shapeOf(v.Target), state: state,
		system: v.System, customer: customerOf(v.Address, v.Target)})
	if v.Parent != "" {
		d.edge(d.branch(v.Parent, v.System), n)
	}
	if v.Subject != nil && v.Quota.Known() {
		d.edge(n, d.quota(v.System, v.Subject.String()))
	}
}

// Planned draws what a plan changes.
func Planned(p *planner.Plan) *Drawing {
	d := newDrawing()
	for i := range p.Core.Actions {
		d.action(&p.Core.Actions[i])
	}
	return d
}

func (d *Drawing) action(a *planner.Action) {
	label := render.Quote(a.Address) + "\n" + string(a.Kind)
	for _, danger := range a.Danger {
		label += "\ndanger: " + string(danger)
	}
	n := d.at(a.Address, a.Key.Item, node{label: label, shape: shapeOf(a.Target),
		state: string(a.Kind), dangerous: len(a.Danger) > 0, system: a.System,
		customer: customerOf(a.Address, a.Target)})
	for up := above(a.Address); up != ""; up = above(up) {
		if p, ok := d.places[up]; ok {
			d.edge(p, n)
			break
		}
	}
	if a.Quota != nil {
		d.edge(n, d.quota(a.System, a.Quota.String()))
	}
}

// node adds a node once, and returns its number.
func (d *Drawing) node(id string, n node) int {
	if i, ok := d.index[id]; ok {
		return i
	}
	d.index[id] = len(d.nodes)
	d.nodes = append(d.nodes, n)
	return len(d.nodes) - 1
}

func (d *Drawing) edge(from, to int) { d.edges = append(d.edges, [2]int{from, to}) }

// at adds a node for an address, once.
func (d *Drawing) at(address, item string, what node) int {
	n := d.node(address+" "+item, what)
	if _, ok := d.places[address]; !ok {
		d.places[address] = n
	}
	return n
}

// branch returns the node of a tenant or customer, and adds it if it is missing. Usually it exists,
// because it sorts before what is in it.
func (d *Drawing) branch(address, system string) int {
	if i, ok := d.places[address]; ok {
		return i
	}
	return d.at(address, "", node{label: render.Quote(address), shape: parent, system: system,
		customer: address})
}

// quota adds a node for what limits are set on, once.
func (d *Drawing) quota(system, subject string) int {
	return d.node("quota "+system+" "+subject, node{label: "quota " + subject + "\n" + system,
		shape: quota, system: system})
}

func shapeOf(t planner.Target) shape {
	if t.IsBranch() {
		return parent
	}
	return resource
}

// customerOf returns the branch that an address is, or lies in.
func customerOf(address string, t planner.Target) string {
	if t.IsBranch() {
		return address
	}
	return above(address)
}

// above returns the parent of an address; empty if there is none.
func above(address string) string { return address[:max(0, strings.LastIndexByte(address, '/'))] }
