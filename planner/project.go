package planner

import (
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// ProjectRange has the project ids that a system may give away, both ends included. The zero value
// has none.
type ProjectRange struct{ First, Last ProjectID }

// IsSet reports whether there is a range. Without one, a directory's project id is its group id.
func (r ProjectRange) IsSet() bool { return r.Last != 0 }

func (r ProjectRange) holds(id ProjectID) bool { return r.First <= id && id <= r.Last }

// byProject reports whether the node's quota counts by project.
func (n *node) byProject() bool {
	return n.system != nil && !n.isBranch() && n.system.Quota.By == ByProject
}

// quotaID returns what the node's quota is set on; false if it has none.
func (n *node) quotaID() (QuotaID, bool) {
	switch {
	case n.system == nil || n.isBranch() || !n.system.Quota.Sets():
		return QuotaID{}, false
	case n.byProject() && n.system.Quota.ProjectIDs.IsSet():
		return QuotaID{By: ByProject, ID: uint32(n.project)}, n.project != 0
	case n.system.Quota.By == ByDirectory:
		return QuotaID{By: ByDirectory, Path: n.storage}, n.storage != ""
	}
	return QuotaID{By: n.system.Quota.By, ID: uint32(n.group)}, n.hasGroup
}

// projectAt is a project id on one filesystem.
type projectAt struct {
	filesystem string
	id         ProjectID
}

// projects gives away the ids of [QuotaSettings.ProjectIDs].
type projects struct {
	g    *Graph
	seen *Observed
	// holder says which resource has an id: the one whose record names it or, if no record does, the
	// one whose directory shows it.
	holder map[projectAt]Key
	// inode is the first directory that showed an id, or that is recorded with it.
	inode map[projectAt]uint64
	// several are ids that more than one directory shows, so that no resource may keep them.
	several map[projectAt]bool
	// unseen are filesystems with a directory whose id is neither recorded nor known. No id there is
	// known to be free.
	unseen map[string]string
	// next is where the search for a free id continues, by system.
	next map[string]ProjectID
}

// assignProjects finds the project id of every resource of a system with project_ids. That is the
// recorded id; or the id that its directory shows, if nobody else has it; or, for a directory to be
// made or tagged, the lowest id that is neither recorded nor shown by a listed directory. A
// resource that gets none is blocked.
func (g *Graph) assignProjects(seen *Observed) {
	p := &projects{g: g, seen: seen, holder: map[projectAt]Key{}, inode: map[projectAt]uint64{},
		several: map[projectAt]bool{},
		unseen:  map[string]string{}, next: map[string]ProjectID{}}
	var todo []*node
	for i := range g.nodes {
		if n := &g.nodes[i]; n.byProject() && n.system.Quota.ProjectIDs.IsSet() {
			todo = append(todo, n)
		}
	}
	if len(todo) == 0 {
		return
	}
	p.recorded()
	for _, n := range todo {
		p.shown(n)
	}
	for _, keep := range []func(*node) ProjectID{p.own, p.planned, p.free} {
		for _, n := range todo {
			if n.project == 0 {
				n.project = keep(n)
			}
		}
	}
}

func (p *projects) at(system string, id ProjectID) projectAt {
	return projectAt{p.seen.Mounts[system].Filesystem, id}
}

// recorded notes the ids in records and of archived directories, and the group ids that serve as
// project ids.
func (p *projects) recorded() {
	for r := range p.g.input.Recorded.Records.All() {
		if r.Project != 0 {
			p.holder[p.at(r.System, r.Project)], p.inode[p.at(r.System, r.Project)] = r.Key, r.Inode
		}
	}
	for key, a := range p.g.input.Recorded.Archived {
		if id := a.project(); id != 0 {
			p.holder[p.at(a.System, id)] = key
		}
	}
	for i := range p.g.nodes {
		n := &p.g.nodes[i]
		if !n.byProject() {
			continue
		}
		if !n.system.Quota.ProjectIDs.IsSet() {
			p.holder[p.at(n.system.Name, ProjectID(n.group))] = n.item.Key // its group id
			continue
		}
		if r, ok := p.g.recordOf(n); ok {
			n.project = r.Project
		} else if a, ok := p.g.input.Recorded.Archived[n.item.Key]; ok {
			n.project = a.project()
		}
	}
}

// shown notes the id that a listed directory shows.
func (p *projects) shown(n *node) {
	if n.place < 0 {
		return
	}
	dir := p.seen.Directories[n.place]
	if n.project == 0 && (dir.State == DirUnknown || dir.State == DirPresent && !dir.HasProject) {
		p.unseen[p.seen.Mounts[n.system.Name].Filesystem] = n.address()
	}
	if dir.State != DirPresent || dir.Project == 0 {
		return
	}
	at := p.at(n.system.Name, dir.Project)
	if who, taken := p.holder[at]; taken && who != n.item.Key {
		// Two resources may name one directory, for example if one waits for the other's removal.
		p.several[at] = p.several[at] || p.inode[at] != dir.Inode
		return
	}
	p.holder[at], p.inode[at] = n.item.Key, dir.Inode
}

// own returns the id in the range that the node's own directory shows and nobody else has.
func (p *projects) own(n *node) ProjectID {
	if n.place < 0 || p.seen.Directories[n.place].State != DirPresent {
		return 0
	}
	id := p.seen.Directories[n.place].Project
	at := p.at(n.system.Name, id)
	if !n.system.Quota.ProjectIDs.holds(id) || p.several[at] || p.holder[at] != n.item.Key {
		return 0
	}
	return id
}

// planned returns the id that an approved plan gives the node, as long as it is free.
func (p *projects) planned(n *node) ProjectID {
	id, ok := p.g.input.Projects[n.item.Key]
	if !ok || !p.mayHave(n) || !n.system.Quota.ProjectIDs.holds(id) || !p.take(n, id) {
		return 0
	}
	return id
}

// free returns the lowest id that nobody has.
func (p *projects) free(n *node) ProjectID {
	if !p.mayHave(n) {
		return 0
	}
	r := n.system.Quota.ProjectIDs
	for id := max(r.First, p.next[n.system.Name]); id <= r.Last; id++ {
		if p.take(n, id) {
			p.next[n.system.Name] = id + 1
			return id
		}
	}
	p.next[n.system.Name] = r.Last + 1
	n.block(reason.ProjectIds,
		"all %d ids of project_ids (%d-%d) of system %s are used: widen the range",
		r.Last-r.First+1,
		r.First, r.Last, n.system.Name)
	return 0
}

// mayHave reports whether the node needs an id of its own now, and a free id can be known.
func (p *projects) mayHave(n *node) bool {
	m := p.seen.Mounts[n.system.Name]
	if n.verdict != nil || !n.managed || n.intent == intentNothing || n.intent == intentRemove ||
		m.Problem+m.Unknown != "" {
		return false
	}
	if who, ok := p.unseen[m.Filesystem]; ok {
		n.block(reason.ProjectUnknown,
			"the project id of %s could not be read, so cscs-sync cannot tell which ids are free", who)
		return false
	}
	return true
}

func (p *projects) take(n *node, id ProjectID) bool {
	at := p.at(n.system.Name, id)
	if who, taken := p.holder[at]; taken && who != n.item.Key || p.several[at] {
		return false
	}
	p.holder[at] = n.item.Key
	return true
}

// asksProject reports whether a directory has to be looked at although nothing is decided about it,
// because the id that it shows must not be given away. A recorded directory's id is known without
// that.
func (g *Graph) asksProject(n *node) bool {
	if !n.byProject() || !n.system.Quota.ProjectIDs.IsSet() || n.storage == "" ||
		n.intent == intentNothing {
		return false
	}
	return n.record < 0
}

// ProjectValue returns the project id that new files in the directory inherit, as a plan's value;
// null if they inherit none.
func (d Directory) ProjectValue() Value {
	if !d.HasProject || !d.Inherit || d.Project == 0 {
		return Value{}
	}
	return Number(uint64(d.Project))
}

// changeProject gives a directory its project id, if the system counts by project. An existing
// directory is tagged with everything below it.
func (c *comparison) changeProject(n *node, dir *Directory, d *decision) {
	id, ok := n.quotaID()
	if !ok || id.By != ByProject {
		return
	}
	want := Number(uint64(id.ID))
	switch {
	case dir == nil:
		d.change(Project, Value{}, want, Provenance{From: FromDefault}, false)
	case !dir.HasProject:
		d.quota = Reason{reason.ProjectUnknown,
			"its project id could not be read: does the filesystem have project ids? Run " +
				"`cscs-sync doctor`"}
	case dir.ProjectValue() == want:
		d.keep(Project, want)
	default:
		d.change(Project, dir.ProjectValue(), want, Provenance{From: FromDefault}, d.recorded &&
			d.record.Project == ProjectID(id.ID))
		d.action.Tag = true
		inherited := "inherited by new files"
		if !dir.Inherit {
			inherited = "not inherited by new files"
		}
		d.detail.Reasons = append(d.detail.Reasons, Reason{reason.Tag,
			fmt.Sprintf("its project id is %d, %s: once the quota is set, everything below it gets "+
				"project id %d", dir.Project, inherited, id.ID)})
	}
}

// leaveTree cancels the tagging of a tree. Without its quota the tree would count against whatever
// limits that id has.
func (d *decision) leaveTree() {
	if !d.action.Tag {
		return
	}
	d.action.Tag = false
	at := slices.IndexFunc(d.action.Changes, func(c Change) bool { return c.Attribute == Project })
	d.action.Changes, d.detail.Notes = slices.Delete(d.action.Changes, at, at+1),
		slices.Delete(d.detail.Notes, at, at+1)
	d.detail.Reasons = slices.DeleteFunc(d.detail.Reasons,
		func(r Reason) bool { return r.Code == reason.Tag })
}
