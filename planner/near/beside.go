package near

import (
	"path"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// beside adds the items beside a place that the plan may look at because of a new directory there.
// It looks at the first ones that are recorded, in the order of the graph. Each costs a read of its
// records, and there may be tens of thousands, so beside stops when there are certainly enough.
func (f *finder) beside(place string) error {
	found, err := f.Items.Beside(path.Dir(place))
	if err != nil {
		return err
	}
	slices.SortFunc(found, planner.CompareItems)
	witnesses := 0
	for _, it := range found {
		f.include(it)
		if err := f.recorded(it); err != nil {
			return err
		}
		if f.isWitness(it) {
			witnesses++
		}
		if witnesses == planner.MaxWitnesses {
			break
		}
	}
	return nil
}

// isWitness reports whether an item of the index certainly counts, and is recorded at its place. A
// record that is not loose is at the place of its item.
func (f *finder) isWitness(it *planner.Item) bool {
	_, isArchived := f.Archived[it.Key]
	if it.Target.IsBranch() || it.Status != planner.StatusActive || it.Problem != "" ||
		f.resources[it.Key] || f.loose[it.Key] || isArchived {
		return false
	}
	return slices.ContainsFunc(f.ofItem[it.Key.Item],
		func(r planner.Record) bool { return r.Key == it.Key && r.Inode != 0 })
}
