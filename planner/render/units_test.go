package render

import (
	"math"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		used, limit uint64
		want        string
	}{{0, 10, "0%"}, {1, 101, "under 1%"}, {1, 100, "1%"}, {999, 1000, "99%"}, {1000, 1000, "100%"},
		{1001, 1000, "101%"}, {5, 0, "over"}, {1 << 60, 1 << 60, "100%"},
		{math.MaxUint64, 1, "over 9,999%"}, {99, 1, "9,900%"}} {
		if got := percent(c.used, c.limit); got != c.want {
			t.Errorf("percent(%d, %d) = %s, want %s", c.used, c.limit, got, c.want)
		}
	}
}

// TestUsageNeverLooksEqualToALimitItPasses: rounded, both would be 10 TiB.
func TestUsageNeverLooksEqualToALimitItPasses(t *testing.T) {
	c := plantest.Change(planner.SpaceHard, plantest.Num(20*plantest.TiB),
		plantest.Num(10*plantest.TiB))
	r := measured(planner.SpaceHard, plantest.Num(10*plantest.TiB+5), nil, &c)
	if got := r.is; got != "10 TiB (10,995,116,277,765 bytes) (50% -> 101%)" || r.loud != boldRed {
		t.Errorf("%s, %d", got, r.loud)
	}
}
