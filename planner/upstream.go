package planner

// Upstream returns what the proxy says about the resource at an address, as the expressions of
// overrides see it. ok is false if nothing is listed there or its system is not configured.
// Afterwards the graph may have some warnings twice.
func (g *Graph) Upstream(address string) (u Upstream, ok bool) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.address() != address || n.system == nil {
			continue
		}
		bare := node{item: n.item, above: n.above, system: n.system, intent: n.intent, order: n.order}
		g.wantFromProxy(&bare)
		return Upstream{Facts: n.facts(), Mode: n.item.Permission, Quota: bare.quota}, true
	}
	return Upstream{}, false
}
