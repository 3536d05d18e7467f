package planner

import "github.com/waldur/cscs-storage-sync/planner/reason"

// unfinished reports whether the directory at the node's path is one that an apply made, could not finish, and left closed. It
// is ours, whatever its owner and mode say: it is finished as it was begun, and not adopted.
func (c *comparison) unfinished(n *node, d *decision, dir *Directory) (Record, bool) {
	r, ok := c.g.world.Recorded.Records.Unfinished(n.item.Key)
	return r, ok && !d.recorded && r.Inode != 0 && r.Storage == n.storage && r.System == n.system.Name && !r.IsOther(dir)
}

// finishCreate plans the rest of a create. The engine looks whether the directory is still empty.
func (c *comparison) finishCreate(n *node, r Record, dir Directory, d *decision) Reason {
	c.create(n, dir, d)
	d.action.Inode = dir.Inode
	d.detail.Reasons = append(d.detail.Reasons, Reason{reason.Unfinished, "an apply made it " + day(r.At) + ", could not finish it, and " +
		"left it empty and closed: it is finished now"})
	return Reason{}
}
