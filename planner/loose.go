package planner

// Loose returns the keys of the records that cannot be found by their items: the resource is not
// listed, or its record has another place, group or quota identity than its item, or is of a
// directory that an apply left unfinished.
func (g *Graph) Loose() []Key {
	var loose []Key
	for i := range g.nodes {
		n := &g.nodes[i]
		if r, ok := g.recordOf(n); ok && !n.matches(&r) {
			loose = append(loose, r.Key)
		}
	}
	for i := range g.unlisted {
		loose = append(loose, g.unlisted[i].Key)
	}
	for k := range g.input.Recorded.Records.unfinished {
		loose = append(loose, k)
	}
	return loose
}

// matches reports whether a record has the place and the ids of its item.
func (n *node) matches(r *Record) bool {
	if !n.isHere || r.System != n.system.Name {
		return false
	}
	for _, id := range r.IDs() {
		if !n.item.HasGID || int64(id) != n.item.GID {
			return false
		}
	}
	return true
}

// IDs returns the numbers by which a record can meet others: its group, its project id, and the id
// of the quota that it claims. The group stands for those that it does not have.
func (r *Record) IDs() [3]uint32 { return idsOf(r.Group, r.Project, r.QuotaBy, r.QuotaID) }

// IDs returns the numbers by which an archived directory can meet others, as [Record.IDs] does.
func (a *Archived) IDs() [3]uint32 { return idsOf(a.Group, a.project(), a.QuotaBy, a.QuotaID) }

func idsOf(group GID, project ProjectID, by QuotaBy, id uint32) [3]uint32 {
	ids := [3]uint32{uint32(group), uint32(group), uint32(group)}
	if project != 0 {
		ids[1] = uint32(project)
	}
	if by == ByGroup || by == ByProject {
		ids[2] = id
	}
	return ids
}

// NeedsAll reports whether the plan of a part of the site is wrong after what was observed: another
// directory is at the path of a recorded one, so that it may be the one of any record, or a
// directory counts for an id that is not among ids, so that others may count for it, too.
func (g *Graph) NeedsAll(seen *Observed, ids map[uint32]bool) bool {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.place < 0 || n.isBranch() || !g.decides(n) {
			continue
		}
		if _, is := g.replaced(i, seen.Directories); is {
			return true
		}
		if old, leaves := g.leftBehind(n, seen); leaves && !ids[old.ID] {
			return true
		}
	}
	return false
}
