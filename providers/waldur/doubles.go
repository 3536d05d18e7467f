package waldur

import (
	"hash/maphash"
	"math/bits"

	"github.com/waldur/cscs-storage-sync/planner"
)

// doubles finds the items of a listing that have the same key. It keeps the places of items instead
// of their keys, which takes a quarter of a map's memory. The zero value is ready to use.
type doubles struct {
	seed maphash.Seed
	// slots have one more than an item's place among all items in their lower half, and a part of the
	// hash of its key in the upper half. 0 is a free slot. At least half of them are free.
	slots []uint64
}

// first returns the place of the first item with the key of items[i], which is i if there is none
// before. Each item is asked for once, in order, and stays where it is.
func (d *doubles) first(items []planner.Item, i int) int {
	if 2*len(items) > len(d.slots) {
		d.grow(items, i)
	}
	hash := maphash.Comparable(d.seed, items[i].Key)
	const upper = 0xffffffff << 32
	own := hash&upper | uint64(i+1)
	for at := hash; ; at++ {
		switch slot := &d.slots[at&uint64(len(d.slots)-1)]; {
		case *slot == 0:
			*slot = own
			return i
		case *slot&upper == own&upper && items[uint32(*slot)-1].Key == items[i].Key:
			return int(uint32(*slot)) - 1
		}
	}
}

// grow makes room for all items. The first filled of them are known.
func (d *doubles) grow(items []planner.Item, filled int) {
	d.seed, d.slots = maphash.MakeSeed(), make([]uint64, 2<<bits.Len(uint(len(items))))
	for i := range filled {
		d.first(items, i)
	}
}
