package planner_test

import (
	"math"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestShow(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1023: "1,023 bytes", 1024: "1 KiB", 1536: "1.5 KiB",
		1537:     "1.5 KiB (1,537 bytes)",
		20 << 40: "20 TiB", 10<<40 + 1<<39: "10.5 TiB", 1025 << 30: "1,025 GiB",
		10_000_000_000_000: "9.1 TiB (10,000,000,000,000 bytes)",
		1204 << 40:         "1,204 TiB", 1 << 60: "1 EiB",
		1<<50 - 1:      "1 PiB (1,125,899,906,842,623 bytes)",
		math.MaxUint64: "16 EiB (18,446,744,073,709,551,615 bytes)",
	} {
		if got := planner.Show(planner.SpaceHard, planner.Number(n)); got != want {
			t.Errorf("%d bytes are shown as %s, want %s", n, got, want)
		}
	}
	for _, c := range []struct {
		attribute planner.Attribute
		value     planner.Value
		want      string
	}{
		{planner.InodesSoft, planner.Number(40_000_000), "40,000,000"},
		{planner.Group, planner.Number(30500), "30500"},
		{planner.ModeAttr, planner.ModeValue(0o2770), `"2770" (rwxrws---)`},
		{planner.SpaceSoft, planner.UnlimitedValue(), "unlimited"},
		{planner.SpaceSoft, planner.Value{}, "none"},
		{planner.SpaceSoft, planner.UnknownValue("an OST is down"), "unknown (an OST is down)"},
	} {
		if got := planner.Show(c.attribute, c.value); got != c.want {
			t.Errorf("%s is shown as %s, want %s", c.attribute, got, c.want)
		}
	}
}
