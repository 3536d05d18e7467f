package planner

import (
	"fmt"
	"path"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// This file tells a directory from others at the same path, by its inode and its time of birth:
// inodes are used again after an rmdir. Anybody who may rename in the parent directory can put
// another directory at a path, and a change there would hit the wrong data.

// IsOther reports whether dir is another directory than the recorded one. It does not compare what
// was not recorded, or what the filesystem does not say.
func (r *Record) IsOther(dir *Directory) bool {
	if r.Inode == 0 {
		return false
	}
	return r.Inode != dir.Inode || r.Born != 0 && dir.Born != 0 && r.Born != dir.Born
}

// isReplaced reports whether another directory than the node's recorded one is at its path.
func (n *node) isReplaced(r *Record, dir *Directory) bool {
	return dir.State == DirPresent && r.Storage == n.storage && r.System == n.system.Name &&
		r.IsOther(dir)
}

// standing is what tells a directory from others at the same path. It is kept beside the records,
// so that a plan does not unpack each of them to see that nothing was replaced.
type standing struct {
	inode uint64
	born  int64
}

// Lost is a recorded directory that is no longer at its path, because another one is in its place.
type Lost struct {
	// Place is where it was.
	Place Place
	Inode uint64
	Born  int64
}

// maxLost is how many replaced directories are looked for in one plan.
const maxLost = 100

// Lost returns the directories that were replaced by others, to be looked for among their siblings.
// It returns at most 100: more than that are not exchanged directories but another filesystem.
func (g *Graph) Lost(directories []Directory) []Lost {
	var lost []Lost
	for i := range g.nodes {
		if len(lost) == maxLost {
			break
		}
		if r, is := g.replaced(i, directories); is {
			lost = append(lost, Lost{Place{r.System, r.Storage}, r.Inode, r.Born})
		}
	}
	return lost
}

// replaced returns the record of the node with an index if another directory than the recorded one
// is at its path; false if none is.
func (g *Graph) replaced(i int, directories []Directory) (Record, bool) {
	n := &g.nodes[i]
	if n.place < 0 || !n.isHere {
		return Record{}, false
	}
	dir := &directories[n.place]
	if g.recordedAs[i] == (standing{dir.Inode, dir.Born}) {
		return Record{}, false
	}
	r, _ := g.recordOf(n)
	return r, n.isReplaced(&r, dir)
}

// markReplaced adds the danger that another directory than the recorded one is at the path, in
// words.
func (c *comparison) markReplaced(n *node, dir *Directory, d *decision) {
	r := &d.record
	text := fmt.Sprintf(
		"this is not the recorded directory: recorded %s is inode %d, here is inode %d", day(r.At),
		r.Inode, dir.Inode)
	if r.Inode == dir.Inode {
		text = fmt.Sprintf("this is not the recorded directory: both have inode %d, but the "+
			"recorded one was created %s and this one %s", r.Inode, moment(r.Born), moment(dir.Born))
	}
	d.danger(DangerReplaced, reason.Replaced, "%s; %s", text, c.whereabouts(n, r, dir))
}

func moment(nanoseconds int64) string {
	return time.Unix(0, nanoseconds).UTC().Format("2006-01-02 15:04:05.000000000 UTC")
}

// whereabouts says where the recorded directory is now and, according to the records, whose the one
// in its place is.
func (c *comparison) whereabouts(n *node, r *Record, dir *Directory) string {
	text := "where the recorded directory is now is not known"
	at, looked := c.seen.Found[Place{n.system.Name, n.storage}]
	if at == "" {
		at = c.known().standing[inodeOn{n.system.Name, r.Inode}]
	}
	switch {
	case at != "" && at != n.storage:
		text = "the recorded directory is now at " + at
	case looked:
		text = "the recorded directory is not in " + path.Dir(n.storage)
	}
	if whose := c.known().recorded[inodeOn{n.system.Name, dir.Inode}]; whose != "" &&
		whose != n.address() {
		text += ", and the one here is recorded as that of " + whose
	}
	return text
}

// inodeOn is a directory on a system.
type inodeOn struct {
	system string
	inode  uint64
}

// inodes are the paths at which directories stand, and the addresses for which they are recorded.
type inodes struct{ standing, recorded map[inodeOn]string }

// known is made when the first replaced directory needs it: there is mostly none.
func (c *comparison) known() *inodes {
	if c.inodes != nil {
		return c.inodes
	}
	c.inodes = &inodes{map[inodeOn]string{}, map[inodeOn]string{}}
	for i := range c.g.nodes {
		if n := &c.g.nodes[i]; n.place >= 0 && c.seen.Directories[n.place].State == DirPresent {
			c.inodes.standing[inodeOn{n.system.Name, c.seen.Directories[n.place].Inode}] = n.storage
		}
	}
	for r := range c.g.input.Recorded.Records.All() {
		c.inodes.recorded[inodeOn{r.System, r.Inode}] = r.Address
	}
	return c.inodes
}
