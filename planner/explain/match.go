package explain

import (
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// leastOrder is how many digits of an order's id are enough to name it.
const leastOrder = 8

// groupOf reads the group id that a question is about.
func groupOf(what string) (gid planner.GID, ok bool) {
	n, err := strconv.ParseUint(what, 10, 32)
	return planner.GID(n), err == nil
}

// isMeant reports whether the question is about this resource, by address, group id, item or order.
func isMeant(v *planner.View, what string) bool {
	id := strings.ReplaceAll(what, "-", "")
	if v.Address == what || v.Key.Item == id {
		return true
	}
	if gid, ok := groupOf(what); ok && !v.Target.IsBranch() && v.HasGroup && v.Group == gid {
		return true
	}
	return len(id) >= leastOrder && v.Order != "" && strings.HasPrefix(v.Order, id)
}

// hadGroup reports whether a listed resource is recorded with this group but has another one now.
func hadGroup(p *engine.Planned, v *planner.View, what string) bool {
	gid, ok := groupOf(what)
	r, recorded := p.Recorded.Records.Of(v.Key)
	return ok && recorded && !v.Target.IsBranch() && r.Group == gid
}

// Nearest returns the end of the message that nothing is listed for what was asked. It suggests the
// addresses that differ least, in at most a third of their letters, or else those that contain the
// last word.
func Nearest(views []planner.View, what string) string {
	const most = 5
	last := what[strings.LastIndexByte(what, '/')+1:]
	least := len(what) / 3
	var near, alike []string
	for i := range views {
		address := views[i].Address
		if d := expr.Distance(address, what, least); d <= least {
			if d < least {
				near = nil
			}
			least, near = d, append(near, address)
		}
		if last != "" && strings.Contains(address, last) {
			alike = append(alike, address)
		}
	}
	if len(near) == 0 {
		near = alike
	}
	if len(near) == 0 {
		return "; it may have no group id at the proxy, which then leaves it out"
	}
	return "; it lists " + strings.Join(near[:min(len(near), most)], ", ")
}
