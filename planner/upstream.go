package planner

// Upstream returns what the proxy says of the resource at an address, as the expressions of
// overrides see it. It is not ok if nothing is listed there, or if its system is not configured.
// Warnings of the graph may stand twice afterwards.
func (g *Graph) Upstream(address string) (u Upstream, ok bool) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.address() != address || n.system == nil {
			continue
		}
		bare := node{item: n.item, tenant: n.tenant, customer: n.customer, system: n.system,
			intent: n.intent, order: n.order}
		g.wantFromProxy(&bare)
		return Upstream{Facts: n.facts(), Mode: n.item.Permission, Quota: bare.quota}, true
	}
	return Upstream{}, false
}
