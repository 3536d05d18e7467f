package planner

// QuotaView is one quota that resources claim, as it was observed.
type QuotaView struct {
	System  string
	Subject Subject
	// Keys are the resources that claim it.
	Keys []Key
	// State is what was observed; nil if the quota was not asked for.
	State *QuotaState
}

// QuotaViews returns the quotas that the graph's resources claim, in no particular order. They are
// known once [Compare] has seen the observation.
func (g *Graph) QuotaViews() []QuotaView {
	if g.claims == nil {
		return nil
	}
	views := make([]QuotaView, len(g.claims.list))
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.claims < 0 {
			continue
		}
		v := &views[n.claims]
		v.Keys = append(v.Keys, n.item.Key)
	}
	for i := range views {
		s := &g.claims.list[i]
		views[i].System, views[i].Subject, views[i].State = s.system.Name, s.subject(), s.state
	}
	return views
}

// View describes one directory of the desired-state graph for display: what is wanted of it, and
// why nothing is done if nothing is.
type View struct {
	Key     Key
	Address string
	Target  Target
	Name    string
	Status  Status
	// System is the label; empty if no block matches the proxy's key. Storage is empty if it has no
	// place.
	System, Storage string
	// Parent is the address of the tenant or customer above; empty if there is none.
	Parent string
	Owner  UID
	Group  GID
	// HasGroup is false while nobody gives a usable group.
	HasGroup bool
	Mode     Mode
	Quota    Limits
	// Subject is what its limits are set on; nil if it has none.
	Subject *QuotaID
	// From says where each wanted value comes from.
	From  map[Attribute]Provenance
	Order string
	// Verdict blocks it or makes it wait.
	Verdict Reason
	Waits   bool
	Managed bool
}

// Views returns all selected directories of the graph, sorted by address and key.
func (g *Graph) Views() []View {
	parents := map[Key]string{}
	for i := range g.nodes {
		if n := &g.nodes[i]; n.isBranch() {
			parents[n.item.Key] = n.address()
		}
	}
	var views []View
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.selected {
			continue
		}
		up := n.item.Key
		up.Item = n.item.Parent
		v := View{Key: n.item.Key, Address: n.address(), Target: n.item.Target, Name: n.item.Name,
			Status:  n.item.Status,
			Storage: n.storage, Parent: parents[up],
			Owner: n.owner, Group: n.group, HasGroup: n.hasGroup, Mode: n.mode, Quota: n.quota,
			Order: n.order, Waits: n.waits, Managed: n.managed,
			From: map[Attribute]Provenance{}}
		if n.verdict != nil && !n.asksNothing() {
			v.Verdict = *n.verdict
		}
		if n.system != nil {
			v.System = n.system.Name
			if id, ok := n.quotaID(); ok {
				v.Subject = &id
			}
		}
		for a, from := range n.from {
			v.From[Attribute(a)] = g.from[from]
		}
		views = append(views, v)
	}
	return views
}
