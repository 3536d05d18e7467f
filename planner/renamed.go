package planner

import (
	"maps"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// follow gives the records of a system to its resources after the proxy has changed its key,
// because an offering's slug was renamed and the new slug was added to the system's block. A
// resource is the same if item, data type, system and storage path are the same and the old key is
// no longer listed. A record at another path is left to [Graph.checkPlaces].
func (g *Graph) follow() {
	renamed := g.sameUnderAnotherKey()
	if len(renamed) == 0 {
		return
	}
	w := *g.input
	w.Recorded.Records, w.Recorded.Archived = w.Recorded.Records.renamed(renamed),
		maps.Clone(w.Recorded.Archived)
	w.Recorded.Undelivered = slices.Clone(w.Recorded.Undelivered)
	taken := map[[3]string]int{}
	for old, now := range renamed {
		if a, ok := w.Recorded.Archived[old]; ok {
			delete(w.Recorded.Archived, old)
			a.Key = now
			w.Recorded.Archived[now] = a
		}
		taken[[3]string{g.listed(now).system.Name, old.System, now.System}]++
	}
	for i, u := range w.Recorded.Undelivered {
		if now, ok := renamed[u.Key]; ok {
			w.Recorded.Undelivered[i].Key = now
		}
	}
	g.input, g.renamed = &w, renamed
	g.match()
	for _, x := range slices.SortedFunc(maps.Keys(taken), compareStrings) {
		g.warn(reason.Renamed, "",
			"the proxy now calls system %s %q, and no longer %q: the records of %d resources "+
				"move to the new name",
			x[0], x[2], x[1], taken[x])
	}
}

// sameUnderAnotherKey returns the recorded keys of listed resources that have another key now, by
// the present key.
func (g *Graph) sameUnderAnotherKey() map[Key]Key {
	rec := &g.input.Recorded
	if rec.Records.Len()+len(rec.Archived) == 0 {
		return nil
	}
	sought := map[[2]string]*node{} // few, once there are records
	for i := range g.nodes {
		n := &g.nodes[i]
		_, isArchived := rec.Archived[n.item.Key]
		if n.record < 0 && !isArchived && !n.isBranch() && n.storage != "" {
			sought[[2]string{n.item.Key.Item, n.item.Key.DataType}] = n
		}
	}
	renamed := map[Key]Key{}
	if len(sought) == 0 {
		return renamed
	}
	look := func(old Key, system, storage string) {
		n := sought[[2]string{old.Item, old.DataType}]
		if n != nil && old != n.item.Key && system == n.system.Name && storage == n.storage &&
			g.listed(old) == nil {
			renamed[old] = n.item.Key
		}
	}
	for r := range rec.Records.All() {
		look(r.Key, r.System, r.Storage)
	}
	for key, a := range rec.Archived {
		look(key, a.System, a.Storage)
	}
	return renamed
}

// Renamed maps the keys under which resources are recorded to those under which the proxy lists
// them now. The state has to follow. [Graph.Recorded] has already done so.
func (g *Graph) Renamed() map[Key]Key { return g.renamed }

// Recorded returns what was recorded, under the keys that the proxy uses now.
func (g *Graph) Recorded() Recorded { return g.input.Recorded }
