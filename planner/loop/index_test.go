package loop

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// completedSlowly is what [completed] promises, in the shortest form.
func completedSlowly(listed, whole []planner.Item, counts func(*planner.Item) bool) []planner.Item {
	known := planner.KeysOf(whole)
	all := slices.DeleteFunc(slices.Clone(listed),
		func(it planner.Item) bool { return it.Target.IsBranch() && known[it.Key] })
	have := planner.KeysOf(all)
	for _, it := range whole {
		if !have[it.Key] && counts(&it) {
			all = append(all, it)
		}
	}
	return all
}

// TestCompleted compares listings that are completed with what is promised, also when keys are in a
// listing twice, and for tenants as well as for resources.
func TestCompleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []planner.Item {
			return rapid.SliceOf(rapid.Custom(func(t *rapid.T) planner.Item {
				return planner.Item{Key: planner.Key{Item: rapid.SampledFrom([]string{"", "a", "b", "c",
					"d"}).Draw(t, "key")}, Name: label + rapid.StringN(1, 1, 1).Draw(t, "name"),
					Target: rapid.SampledFrom([]planner.Target{planner.TargetCustomer,
						planner.TargetProject}).Draw(t, "target")}
			})).Draw(t, label)
		}
		listed, whole := draw("listed"), draw("whole")
		counts := func(it *planner.Item) bool {
			it.Problem = "changed"
			return it.Target.IsBranch() || len(it.Name)%2 == 0
		}
		before := slices.Clone(whole)
		got, want := completed(listed, whole, counts), completedSlowly(listed, whole, counts)
		order := func(a, b planner.Item) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(whole) != fmt.Sprint(before) {
			t.Fatalf("%v with %v\nis   %v\nwant %v", listed, whole, got, want)
		}
	})
}
