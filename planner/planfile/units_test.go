package planfile

import (
	"math"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestFormatBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1: "1 bytes", 1023: "1,023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 1537: "1.5 KiB (1,537 bytes)",
		20 * tib: "20 TiB", 10*tib + tib/2: "10.5 TiB", 1025 << 30: "1,025 GiB", 10_000_000_000_000: "9.1 TiB (10,000,000,000,000 bytes)",
		1204 * tib: "1,204 TiB", 1 << 60: "1 EiB", 1<<50 - 1: "1 PiB (1,125,899,906,842,623 bytes)",
		math.MaxUint64: "16 EiB (18,446,744,073,709,551,615 bytes)",
	} {
		if got := FormatBytes(planner.Bytes(n)); got != want {
			t.Errorf("FormatBytes(%d) = %s, want %s", n, got, want)
		}
	}
	if got := FormatInodes(40000000); got != "40,000,000" {
		t.Error(got)
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		used, limit uint64
		want        string
	}{{0, 10, "0%"}, {1, 101, "under 1%"}, {1, 100, "1%"}, {999, 1000, "99%"}, {1000, 1000, "100%"}, {1001, 1000, "101%"}, {5, 0, "over"}, {1 << 60, 1 << 60, "100%"},
		{math.MaxUint64, 1, "over 9,999%"}, {99, 1, "9,900%"}} {
		if got := percent(c.used, c.limit); got != c.want {
			t.Errorf("percent(%d, %d) = %s, want %s", c.used, c.limit, got, c.want)
		}
	}
}

// TestUsageNeverLooksEqualToALimitItPasses: rounded, both would be 10 TiB.
func TestUsageNeverLooksEqualToALimitItPasses(t *testing.T) {
	p := newPrinter(Options{})
	c := change(planner.SpaceHard, num(20*tib), num(10*tib))
	r := p.used("used", num(10*tib+5), nil, &c)
	if got := r.value[0][0].text; got != "10 TiB (10,995,116,277,765 bytes) (50% -> 101%)" || r.loud != boldRed {
		t.Errorf("%s, %d", got, r.loud)
	}
}
