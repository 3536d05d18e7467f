package planner

import (
	"path"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// This file checks the directories of tenants and customers, which are not recorded. Whether one of
// them was exchanged or moved away shows in what is recorded inside it: a new directory is routine
// only if something recorded there still exists.

// MaxWitnesses is how many recorded directories beside a new one are looked at if the plan is not
// about them.
const MaxWitnesses = 3

// chooseWitnesses marks recorded directories that are beside directories that may have to be made,
// and that would not be looked at otherwise.
func (g *Graph) chooseWitnesses() {
	var above map[string]int
	for i := range g.nodes {
		if n := &g.nodes[i]; n.record < 0 && g.mayBeMade(n) {
			if above == nil {
				above = map[string]int{}
			}
			above[path.Dir(n.storage)] = MaxWitnesses
		}
	}
	if above == nil {
		return
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.storage == "" || above[path.Dir(n.storage)] == 0 || !g.testifies(n) {
			continue
		}
		above[path.Dir(n.storage)]--
		n.witness = true
	}
}

// mayBeMade reports whether the plan may make the node's directory.
func (g *Graph) mayBeMade(n *node) bool {
	return g.decides(n) && !n.isBranch() && n.storage != "" && n.managed && n.verdict == nil &&
		(n.intent == intentCreate || n.intent == intentRestore || n.intent == intentExists)
}

// testifies reports whether the node is recorded at its path and should exist there.
func (g *Graph) testifies(n *node) bool {
	if n.record < 0 || n.isBranch() || n.system == nil || n.intent == intentRemove ||
		n.intent == intentNothing {
		return false
	}
	r, _ := g.recordOf(n)
	return r.Inode != 0 && r.Storage == n.storage && r.System == n.system.Name
}

// testimony counts the recorded directories in one directory: those that exist as recorded, and
// those that do not.
type testimony struct{ stand, lost int }

// testimonyOf returns what the directories recorded in above show. It is collected when the first
// new directory needs it.
func (c *comparison) testimonyOf(above string) testimony {
	if c.testimonies == nil {
		c.testimonies = map[string]testimony{}
		for i := range c.g.nodes {
			n := &c.g.nodes[i]
			if n.place < 0 || !c.g.testifies(n) {
				continue
			}
			r, _ := c.g.recordOf(n)
			dir, t := &c.seen.Directories[n.place], c.testimonies[path.Dir(n.storage)]
			switch {
			case dir.State == DirAbsent || dir.State == DirPresent && r.IsOther(dir):
				t.lost++
			case dir.State == DirPresent:
				t.stand++
			}
			c.testimonies[path.Dir(n.storage)] = t
		}
	}
	return c.testimonies[above]
}

// doubtAbove adds the danger of making a directory in a place where none of the recorded
// directories exists.
func (c *comparison) doubtAbove(n *node, d *decision) {
	above := path.Dir(n.storage)
	t := c.testimonyOf(above)
	if d.recorded || t.stand > 0 || t.lost == 0 {
		return
	}
	d.replaced = true
	d.danger(DangerReplaced, reason.AboveReplaced,
		"%s may be another directory than before, or was moved away: no directory that "+
			"is recorded in it stands there (checked: %d)", above, t.lost)
}
