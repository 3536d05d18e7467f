package ledger

import "github.com/waldur/cscs-storage-sync/planner"

// Changed is what a plan changes about one resource. The history keeps it, because plan files are
// removed.
type Changed struct {
	Key     planner.Key        `json:"key"`
	Address string             `json:"address"`
	Action  planner.ActionKind `json:"action"`
	// Changes are the attributes with their values before and after.
	Changes []planner.Change `json:"changes,omitempty"`
}

// ChangedBy returns what a plan changes, in the order of the plan.
func ChangedBy(core *planner.Core) []Changed {
	list := make([]Changed, len(core.Actions))
	for i := range core.Actions {
		a := &core.Actions[i]
		list[i] = Changed{a.Key, a.Address, a.Kind, a.Changes}
	}
	return list
}
