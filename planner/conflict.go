package planner

import (
	"cmp"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// holder is one claim to a storage path: a listed resource, or a record whose resource is no longer
// listed there.
type holder struct {
	node     *node   // nil for a record
	record   *Record // nil for a node
	recorded bool
}

func (h *holder) path() string {
	if h.node != nil {
		return h.node.storage
	}
	return h.record.Storage
}

func (h *holder) address() string {
	if h.node != nil {
		return h.node.address()
	}
	return h.record.Address
}

// conflicts finds resources that share a directory or are inside one another. The recorded holder
// of a path keeps working and the newcomer is blocked. If none is recorded, both are blocked. A
// create waits for a removal at its path.
func (g *Graph) conflicts() {
	holders := g.holders()
	slices.SortStableFunc(holders, compareHolders)
	var open []*holder // the holders that enclose the present one, outermost first
	for i := range holders {
		h := &holders[i]
		for len(open) > 0 && open[len(open)-1].path() != h.path() &&
			!Inside(h.path(), open[len(open)-1].path()) {
			open = open[:len(open)-1]
		}
		for _, other := range open {
			collide(other, h)
		}
		if h.node == nil || h.recorded || h.node.verdict == nil || len(open) == 0 {
			open = append(open, h) // a holder that has lost already needs no further comparison
		}
	}
	g.quietRemoved(holders)
}

// compareHolders orders by path. Nodes come before records and stay in their order; records come
// out of a map and are ordered by address.
func compareHolders(a, b holder) int {
	switch c := ComparePaths(a.path(), b.path()); {
	case c != 0:
		return c
	case a.node != nil && b.node != nil:
		return 0
	case a.node != nil:
		return -1
	case b.node != nil:
		return 1
	}
	return strings.Compare(a.address(), b.address())
}

// ComparePaths orders storage paths so that the content of a directory follows it directly.
func ComparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// holders returns all that can conflict: not the removed and not the waiting. A record can conflict
// if no listed resource of its key is at its path.
func (g *Graph) holders() []holder {
	holders := make([]holder, 0, len(g.nodes)+len(g.unlisted))
	ofRecord := func(r Record) {
		if !r.Target.IsBranch() {
			kept := r
			holders = append(holders, holder{nil, &kept, true})
		}
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if rec, recorded := g.recordOfOther(n); recorded {
			ofRecord(rec)
		}
		if n.isBranch() || n.storage == "" || n.item.Status == StatusRemoved || n.waits {
			continue
		}
		holders = append(holders, holder{n, nil, n.isHere})
	}
	for i := range g.unlisted {
		ofRecord(g.unlisted[i])
	}
	return holders
}

// recordOfOther returns the record of a node that is recorded at another place than its own; false
// if it is not.
func (g *Graph) recordOfOther(n *node) (Record, bool) {
	if n.isHere {
		return Record{}, false
	}
	return g.recordOf(n)
}

// collide decides about a pair in which b is at or inside a's path.
func collide(a, b *holder) {
	if a.path() == b.path() && (waitsFor(a.node, b.node) || waitsFor(b.node, a.node)) {
		return
	}
	if !a.recorded || b.recorded {
		a.lose(b)
	}
	if !b.recorded || a.recorded {
		b.lose(a)
	}
}

// waitsFor makes a create wait for the removal of what is at its path.
func waitsFor(create, remove *node) bool {
	if create == nil || remove == nil || create.intent != intentCreate &&
		create.intent != intentRestore || remove.item.Status != StatusRemoving {
		return false
	}
	create.wait(reason.PathBeingRemoved, "%s, which is being removed, still has its directory",
		ShortID(remove.item.Key.Item))
	return true
}

func (h *holder) lose(to *holder) {
	if h.node == nil {
		return
	}
	who := to.address()
	if to.node != nil {
		who += " (item " + ShortID(to.node.item.Key.Item) + ")"
	} else {
		who += ", which is recorded there"
	}
	if h.path() == to.path() {
		h.node.block(reason.Conflict, "it would have the same directory as %s", who)
		return
	}
	h.node.block(reason.Conflict, "its directory would be inside, or around, the directory of %s", who)
}

// quietRemoved keeps a removed resource from being looked at if another resource has its path now.
func (g *Graph) quietRemoved(holders []holder) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.item.Status != StatusRemoved {
			continue
		}
		_, taken := slices.BinarySearchFunc(holders, n.storage,
			func(h holder, path string) int { return ComparePaths(h.path(), path) })
		if taken {
			n.storage, n.isHere = "", false
		}
	}
}
