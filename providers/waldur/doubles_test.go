package waldur

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestDoubles: however the items arrive, the first of those with one key is found.
func TestDoubles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []planner.Item
		var d doubles
		want := map[planner.Key]int{}
		for range rapid.IntRange(1, 4).Draw(t, "listings") {
			before := len(items)
			for range rapid.IntRange(0, 200).Draw(t, "items") {
				n := rapid.IntRange(0, 300).Draw(t, "key")
				items = append(items, planner.Item{Key: planner.Key{Item: strconv.Itoa(n / 3),
					System: strconv.Itoa(n % 3)}})
			}
			for i := before; i < len(items); i++ {
				if _, known := want[items[i].Key]; !known {
					want[items[i].Key] = i
				}
				if got := d.first(items, i); got != want[items[i].Key] {
					t.Fatalf("item %d: %d, want %d", i, got, want[items[i].Key])
				}
			}
		}
	})
}
