package planner

// quotaClaims is the sum of the claims on one quota identity. There are as many as resources, so what
// only some need is apart, in more.
type quotaClaims struct {
	// in and number are the subject.
	in     *space
	number uint32
	// claims counts all claims that count, whether listed or only recorded.
	claims int32
	system *System
	// want is what the claims add up to. With one claim, it is that claim; nil if nothing is claimed.
	want *Limits
	// first is the first node, by address, whose intent for this identity can be acted on.
	first *node
	// state is what was observed; nil if it was not asked for.
	state *QuotaState
	// policy is how the claims combine, according to the system of the first one.
	policy *SharedPolicy
	more   *claimNotes
	// ordered reports whether one of the nodes has an order.
	ordered bool
	// mixed reports whether systems with different policies share the identity. unlike reports whether
	// some claims give a limit that others leave open.
	mixed, unlike bool
	// isLeft reports whether the plan takes a directory away from this identity.
	isLeft bool
	// spared reports whether it is not asked about; see [Graph.spare].
	spared bool
}

// claimNotes are what few quota identities have.
type claimNotes struct {
	// refused says why the quota is left alone; nil if it is not.
	refused *Reason
	// elsewhere is where the directory that has this quota is, if it is not at its path: it is
	// archived and has kept its quota.
	elsewhere string
}

func (s *quotaClaims) subject() Subject {
	if s.in.by == ByDirectory {
		return Subject{s.in.filesystem, s.in.by, 0, s.in.paths[s.number]}
	}
	return Subject{s.in.filesystem, s.in.by, s.number, ""}
}

// refused says why the quota is left alone; nil if it is not.
func (s *quotaClaims) refused() *Reason {
	if s.more == nil {
		return nil
	}
	return s.more.refused
}

// elsewhere returns where the directory that has this quota is, if it is not at its path; empty if
// it is.
func (s *quotaClaims) elsewhere() string {
	if s.more == nil {
		return ""
	}
	return s.more.elsewhere
}

// note returns what few have, to be written to.
func (s *quotaClaims) note() *claimNotes {
	if s.more == nil {
		s.more = &claimNotes{}
	}
	return s.more
}

// claimTable groups all claims by identity, in the order in which the nodes name them. It needs the
// mounts, because systems on one filesystem share their identities.
type claimTable struct {
	list []quotaClaims
	// index finds the claims while they are collected. There is one for each kind of quota on a
	// filesystem.
	index []*spaceIndex
}

// space is where the number of an identity has a meaning.
type space struct {
	filesystem string
	by         QuotaBy
	// paths are the storage paths of directories, by their numbers.
	paths []string
}

// spaceIndex finds the claims in one space: on ids, or on directories by their storage paths. The
// claims need the space longer than the index, so it is apart.
type spaceIndex struct {
	of          *space
	ids         map[uint32]int32
	directories map[string]int32
}

// newClaimTable returns a table with room for one entry for each node that can have one.
func newClaimTable(g *Graph, mounts map[string]Mount) *claimTable {
	room := 0
	for i := range g.nodes {
		if n := &g.nodes[i]; n.system != nil {
			if _, ok := n.subjectOf(mounts[n.system.Name]); ok {
				room++
			}
		}
	}
	return &claimTable{list: make([]quotaClaims, 0, room)}
}

// at returns the index of the claims on an identity, and adds it if there is none. If several
// systems name the identity, the first by name is asked.
func (ss *claimTable) at(id Subject, sys *System) int32 {
	in := ss.in(id)
	i, ok := in.place(id)
	if !ok {
		i = int32(len(ss.list))
		ss.list = append(ss.list, quotaClaims{in: in.of, number: in.put(id, i), system: sys})
	}
	if s := &ss.list[i]; sys.Name < s.system.Name {
		s.system = sys
	}
	return i
}

// find returns the claims on an identity; nil if nobody claims it.
func (ss *claimTable) find(id Subject) *quotaClaims {
	if i, ok := ss.in(id).place(id); ok {
		return &ss.list[i]
	}
	return nil
}

// in returns the index of the space of an identity, and makes it if there is none. The first has
// room for all claims, because most sites have one.
func (ss *claimTable) in(id Subject) *spaceIndex {
	for _, in := range ss.index {
		if in.of.by == id.By && in.of.filesystem == id.Filesystem {
			return in
		}
	}
	room := 0
	if len(ss.index) == 0 {
		room = cap(ss.list)
	}
	in := &spaceIndex{of: &space{filesystem: id.Filesystem, by: id.By}}
	if id.By == ByDirectory {
		in.of.paths, in.directories = make([]string, 0, room), make(map[string]int32, room)
	} else {
		in.ids = make(map[uint32]int32, room)
	}
	ss.index = append(ss.index, in)
	return in
}

// place returns the index of the claims on an identity; false if it has none.
func (in *spaceIndex) place(id Subject) (i int32, ok bool) {
	if in.of.by == ByDirectory {
		i, ok = in.directories[id.Path]
	} else {
		i, ok = in.ids[id.ID]
	}
	return i, ok
}

// put sets the index of the claims on an identity, and returns the number of the identity.
func (in *spaceIndex) put(id Subject, i int32) uint32 {
	if in.of.by != ByDirectory {
		in.ids[id.ID] = i
		return id.ID
	}
	in.directories[id.Path] = i
	in.of.paths = append(in.of.paths, id.Path)
	return uint32(len(in.of.paths) - 1)
}
