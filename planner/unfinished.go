package planner

import "github.com/waldur/cscs-storage-sync/planner/reason"

// unfinished reports whether the directory at the node's path is one that an apply made, could not
// finish, and left closed. It is ours, whatever its owner and mode are, so it is finished and not
// adopted.
func (c *comparison) unfinished(n *node, d *decision, dir *Directory) (Record, bool) {
	r, ok := c.g.input.Recorded.Records.Unfinished(n.item.Key)
	return r, ok && !d.recorded && r.Inode != 0 && r.Storage == n.storage &&
		r.System == n.system.Name && !r.IsOther(dir)
}

// finishCreate plans the rest of a create. The engine checks whether the directory is still empty.
func (c *comparison) finishCreate(n *node, r Record, dir *Directory, d *decision) Reason {
	c.create(n, dir, d)
	d.finishes(r, dir)
	return Reason{}
}

// finishParent plans the rest of making a tenant's or customer's directory; false if it is not
// unfinished. Existing directories stay as they are, but one that an apply left closed keeps
// everybody out.
func (c *comparison) finishParent(n *node, d *decision) bool {
	dir := &c.seen.Directories[n.place]
	r, ok := c.unfinished(n, d, dir)
	if !ok || dir.State != DirPresent || c.g.input.holdOf(n.address()) != nil {
		return false
	}
	d.action.Kind = Create
	c.changeDirectory(n, nil, d)
	c.wideMode(n, d)
	d.finishes(r, dir)
	return true
}

func (d *decision) finishes(r Record, dir *Directory) {
	d.action.Inode = dir.Inode
	d.detail.Reasons = append(d.detail.Reasons,
		Reason{reason.Unfinished, "an apply created it " + day(r.At) +
			" and could not finish it: the directory stayed closed, and this plan finishes it"})
}

// leftUnfinished reports whether an apply left a directory of the node unfinished.
func (g *Graph) leftUnfinished(n *node) bool {
	_, ok := g.input.Recorded.Records.Unfinished(n.item.Key)
	return ok
}
