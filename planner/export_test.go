package planner

// AskAll makes a graph ask about all identities that are claimed, also in a recheck.
func AskAll(g *Graph, seen Observed) {
	for i := range g.claimed(&seen).list {
		g.claims.list[i].spared = false
	}
}
