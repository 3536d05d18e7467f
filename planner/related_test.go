package planner_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// drawBranch draws a tenant or customer: one of the tree's, or one that is anywhere.
func drawBranch(t *rapid.T, i int) planner.Item {
	it := tree()[rapid.IntRange(0, 1).Draw(t, "level")]
	it.Key.Item = id(fmt.Sprintf("b%d", i))
	it.Name = fmt.Sprintf("b%d", i)
	it.Parent = id(pick(t, "parent", "cscs", "eth", "b0", "b1", "b2", "b3", "nobody"))
	it.MountPath = pick(t, "branch", "/capstor/store/cscs/eth", "/capstor/store/cscs/eth/p1",
		"/capstor/store/cscs/eth/p1/inner/deep", "/capstor/store/cscs/other", "/vast/store/cscs/eth",
		"/scratch/p1", "/capstor/store", "rel", "")
	if oneIn(t, 6, "branch on vast") {
		it.Key.System = "vast"
	}
	if oneIn(t, 10, "unreadable branch") {
		it.Problem = "mountPoint: missing"
	}
	return it
}

// TestUnrelatedBranchesChangeNothing: a plan of a listing without an order to carry out is the same
// without the tenants and customers that have nothing to do with a resource.
func TestUnrelatedBranchesChangeNothing(t *testing.T) {
	dropped := 0
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
		w.Settings.Parents, w.Complete, w.Orders = planner.ParentsCreate, false, nil
		w.Recorded = planner.Recorded{}
		for i := range w.Items {
			delete(w.Items[i].URLs, planner.Approve)
			delete(w.Items[i].URLs, planner.SetStateDone)
			if w.Items[i].Status == planner.StatusActive || w.Items[i].Status == planner.StatusRemoved {
				w.Items[i].Status = planner.StatusPending // the statuses that are listed
			}
			w.Items[i].Parent = pick(t, "above", w.Items[i].Parent, id("b0"), id("b1"))
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "branches") {
			w.Items = append(w.Items, drawBranch(t, i))
		}
		watchAll(w)
		few := *w
		few.Items = planner.Related(w.Settings, w.Items, func(planner.Key) bool { return false })
		dropped += len(w.Items) - len(few.Items)
		watchAll(&few)
		all, allGraph := plan(w, m)
		some, someGraph := plan(&few, m)
		a, _ := json.Marshal(all)
		b, _ := json.Marshal(some)
		if string(a) != string(b) {
			t.Fatalf("of %+v\n%+v give\n%s\nand all give\n%s", w.Items, few.Items, b, a)
		}
		for i := range few.Items {
			k := few.Items[i].Key
			x, _ := allGraph.Watched(k)
			y, _ := someGraph.Watched(k)
			a, _ := json.Marshal(x)
			b, _ := json.Marshal(y)
			if string(a) != string(b) || !few.Items[i].Target.IsBranch() &&
				allGraph.Facts()(k) != someGraph.Facts()(k) {
				t.Fatalf("of %v\n%s\nbecomes\n%s", k, a, b)
			}
		}
	})
	if dropped == 0 {
		t.Error("nothing was ever unrelated")
	}
}
