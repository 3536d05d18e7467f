package planner_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestLargestLimits: a number is never taken as unlimited or unknown. The two numbers that a limit cannot have become the
// largest one, and are refused where a limit is read as it was written.
func TestLargestLimits(t *testing.T) {
	const most = math.MaxUint64
	for n, want := range map[uint64]uint64{0: 0, 1: 1, most - 4: most - 4, most - 3: most - 3, most - 2: most,
		most - 1: most, most: most} {
		l := planner.LimitOf(planner.Bytes(n))
		if got, ok := l.Number(); !ok || got != want || l.IsUnlimited() || !l.Known() {
			t.Errorf("the limit %d is %d (%v), unlimited %v", n, got, ok, l.IsUnlimited())
		}
		b, err := json.Marshal(planner.Number(n))
		if err != nil {
			t.Fatal(err)
		}
		var read planner.Limit
		if err := json.Unmarshal(b, &read); (err == nil) != (n == want) {
			t.Errorf("reading the limit %s: %v", b, err)
		} else if err == nil && read != l {
			t.Errorf("the limit %s is read as %v", b, read.Value())
		}
	}
}

// TestUsages: an amount is never unknown, and the zero usage is.
func TestUsages(t *testing.T) {
	const most = math.MaxUint64
	for n, want := range map[planner.Inodes]planner.Inodes{0: 0, 1: 1, most - 2: most - 2, most - 1: most, most: most} {
		u := planner.UsageOf(n)
		q := planner.QuotaState{Inodes: u}
		if u.N() != want || !u.Known() || q.InodesWhy() != "" ||
			q.UsedValue(planner.InodesHard) != planner.Number(uint64(want)) {
			t.Errorf("the usage %d is %d, known %v", n, u.N(), u.Known())
		}
	}
	for _, why := range []string{"", "an OST is down"} {
		var q planner.QuotaState
		q.SetWhys(planner.Whys{Space: why})
		if u := q.Space; u.Known() || u.N() != 0 || q.SpaceWhy() != why ||
			q.UsedValue(planner.SpaceHard) != planner.UnknownValue(why) {
			t.Errorf("an unknown usage is %d, known %v, because %q", u.N(), u.Known(), q.SpaceWhy())
		}
	}
}
