package planner

import (
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// pick applies holds, and numbers what has to be observed.
func (g *Graph) pick() {
	w := g.world
	next, some := int32(0), false
	g.chooseWitnesses()
	for i := range g.nodes {
		n := &g.nodes[i]
		some = some || n.selected && !n.isNode()
		n.hold = w.holdOf(n.address())
		if g.observes(n) {
			n.place = next
			next++
		}
	}
	g.findRestores(int(next))
	if !some && len(w.Selection.Targets)+len(w.Selection.Excludes) > 0 {
		g.warn(reason.SelectionEmpty, "", "the targets and exclusions select no resource")
	}
}

// holdOf is the hold in force on an address; nil if there is none.
func (w *World) holdOf(address string) *Hold {
	for i := range w.Holds {
		if h := &w.Holds[i]; (h.Until.IsZero() || h.Until.After(w.Now)) && MatchGlob(h.Glob, address) {
			return h
		}
	}
	return nil
}

func (s *Selection) matches(address string) bool {
	if len(s.Restores) > 0 {
		return slices.Contains(s.Restores, address)
	}
	for _, glob := range s.Excludes {
		if MatchGlob(glob, address) {
			return false
		}
	}
	for _, glob := range s.Targets {
		if MatchGlob(glob, address) {
			return true
		}
	}
	return len(s.Targets) == 0
}

// observes tells whether the node's directory has to be looked at.
func (g *Graph) observes(n *node) bool {
	switch {
	case g.asksProject(n), n.witness:
		return true
	case n.storage == "" || !g.decides(n) || !n.managed || n.verdict != nil:
		return false
	case n.isNode():
		return g.nodeAt(n.storage) == n && (g.world.Settings.Parents == ParentsEnforce || g.leftUnfinished(n))
	}
	return n.wish != wishNothing || n.item.Status == StatusRemoved
}

// decides reports whether the plan is about this node at all.
func (g *Graph) decides(n *node) bool {
	return n.selected && (g.world.Watch == nil || g.world.Watch[n.item.Key] || g.world.KeepRecords && g.unrecorded(n))
}

// unrecorded reports whether nothing is recorded of a node that could be recorded once it is seen as wanted.
func (g *Graph) unrecorded(n *node) bool {
	r, recorded := g.recordOf(n)
	return n.wish == wishExists && (!recorded || r.Inode == 0)
}

// Targets are the places to be observed, in the order that [Observed.Directories] must have.
func (g *Graph) Targets() []Place {
	places := make([]Place, 0, len(g.nodes))
	for i := range g.nodes {
		if n := &g.nodes[i]; n.place >= 0 {
			places = append(places, Place{System: n.system.Name, Path: n.storage})
		}
	}
	return append(places, g.restorePlaces()...)
}
