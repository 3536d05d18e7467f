package planner

import (
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// pick numbers what has to be observed.
func (g *Graph) pick() {
	w := g.input
	next, some := int32(0), false
	g.chooseWitnesses()
	for i := range g.nodes {
		n := &g.nodes[i]
		some = some || n.selected && !n.isBranch()
		if g.observes(n) {
			n.place = next
			next++
		}
	}
	g.findRestores(int(next))
	if !some && len(w.Selection.Targets)+len(w.Selection.Excludes) > 0 {
		g.warn(reason.SelectionEmpty, "", "the targets and exclusions select no resource")
	}
	g.reportUnmatchedGlobs()
}

// reportUnmatchedGlobs warns about each glob that matches nothing and is probably misspelt: it does
// not select, exclude or protect what it was meant for. A partial listing cannot show that, and a
// plan that only repeats an approved one does not need it.
func (g *Graph) reportUnmatchedGlobs() {
	w := g.input
	if !w.Complete || w.Watch != nil {
		return
	}
	for _, glob := range w.Selection.Targets {
		if !g.lists(glob) {
			g.warn(reason.TargetUnmatched, "", "the target %s matches no listed resource", glob)
		}
	}
	for _, glob := range w.Selection.Excludes {
		if !g.lists(glob) {
			g.warn(reason.ExcludeUnmatched, "",
				"the exclusion %s matches no listed resource, so it excludes nothing", glob)
		}
	}
	for i := range w.Holds {
		h := &w.Holds[i]
		if h.inForce(w.Now) && !g.lists(h.Glob) && !w.Recorded.Matches(h.Glob) {
			g.warn(reason.HoldUnmatched, "",
				"the hold on %s matches nothing that is listed or recorded, so it protects nothing",
				h.Glob)
		}
	}
}

// lists reports whether a listed resource, or a directory above one, has an address that matches
// the glob.
func (g *Graph) lists(glob string) bool {
	for i := range g.nodes {
		if MatchGlob(glob, g.nodes[i].address()) {
			return true
		}
	}
	return false
}

// Matches reports whether a recorded or archived resource has an address that matches the glob.
func (r *Recorded) Matches(glob string) bool {
	for record := range r.Records.All() {
		if MatchGlob(glob, record.Address) {
			return true
		}
	}
	for _, a := range r.Archived {
		if MatchGlob(glob, a.Address) {
			return true
		}
	}
	return false
}

func (h *Hold) inForce(now time.Time) bool { return h.Until.IsZero() || h.Until.After(now) }

// holdOf returns the hold in force on an address; nil if there is none.
func (w *Input) holdOf(address string) *Hold {
	for i := range w.Holds {
		if h := &w.Holds[i]; h.inForce(w.Now) && MatchGlob(h.Glob, address) {
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

// observes reports whether the node's directory has to be looked at.
func (g *Graph) observes(n *node) bool {
	switch {
	case g.asksProject(n), n.witness:
		return true
	case n.storage == "" || !g.decides(n) || !n.managed || n.verdict != nil:
		return false
	case n.isBranch():
		return g.branchAt(n.storage) == n && (g.input.Settings.Parents == ParentsEnforce ||
			g.leftUnfinished(n))
	}
	return n.intent != intentNothing || n.item.Status == StatusRemoved
}

// decides reports whether the plan is about this node.
func (g *Graph) decides(n *node) bool {
	return n.selected && (g.input.Watch == nil || g.input.Watch[n.item.Key] ||
		g.input.KeepRecords && g.unrecorded(n))
}

// unrecorded reports whether a node has no record and could get one once it is seen as wanted.
func (g *Graph) unrecorded(n *node) bool {
	r, recorded := g.recordOf(n)
	return n.intent == intentExists && (!recorded || r.Inode == 0)
}

// Targets returns the places to observe, in the order that [Observed.Directories] must have.
func (g *Graph) Targets() Targets[Place] {
	observed := make([]int32, 0, len(g.nodes))
	for i := range g.nodes {
		if g.nodes[i].place >= 0 {
			observed = append(observed, int32(i))
		}
	}
	return Targets[Place]{len(observed) + len(g.restores), func(i int) Place {
		if i >= len(observed) {
			return g.restores[i-len(observed)].origin()
		}
		n := &g.nodes[observed[i]]
		return Place{System: n.system.Name, Path: n.storage}
	}}
}
