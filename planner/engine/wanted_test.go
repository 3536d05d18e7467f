package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestUnrecorded: what is already recorded is left out, and the rest is written in the order of its
// keys, however it is listed.
func TestUnrecorded(t *testing.T) {
	record := func(item int) planner.Record {
		return planner.Record{Key: planner.Key{Item: fmt.Sprint(item), System: "capstor"}, Inode: 7,
			Target: planner.TargetProject, Address: "/a", System: "capstor", Storage: "a"}
	}
	recorded, err := planner.PackRecords(record(2), record(3))
	if err != nil {
		t.Fatal(err)
	}
	claims := record(3)
	claims.Claim[planner.SpaceHard] = planner.LimitOf(planner.Bytes(1))
	seen := []planner.Record{record(5), record(2), record(4), claims, record(1)}
	if got := unrecorded(seen, &recorded); !slices.Equal(got, []int{4, 3, 2, 0}) {
		t.Errorf("got %v", got)
	}
}
