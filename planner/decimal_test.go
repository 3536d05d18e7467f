package planner_test

import (
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestDecimal(t *testing.T) {
	for _, tc := range []struct {
		in   string
		unit uint64
		want uint64
		ok   bool
	}{
		{"10.0", 1 << 40, 10 << 40, true}, {"2.5", 1 << 40, 5 << 39, true},
		{"0.001", 1 << 40, 1099511627, true}, {"1e6", 1, 1000000, true},
		{"1.5e-1", 100, 15, true},
		{"1000000", 1 << 40, 1000000 << 40, true}, {"-1", 1, 0, false}, {"1e99", 1, 0, false},
		{"1e-99", 1 << 40, 0, true}, {"99999999", 1 << 40, 0, false},
	} {
		n, ok := dec(tc.in).Times(tc.unit)
		if ok != tc.ok || ok && n != tc.want {
			t.Errorf("%s × %d = %d, %t; want %d, %t", tc.in, tc.unit, n, ok, tc.want, tc.ok)
		}
	}
	for _, bad := range []string{"", "-", "1.", ".5", "1e", "1e100", "0x10", "1234567890123456789",
		"NaN", "1_000"} {
		if d, err := planner.ParseDecimal(bad); err == nil {
			t.Errorf("%q was read as %s", bad, d)
		}
	}
	for in, want := range map[string]string{"10.0": "10", "0.001": "0.001", "-2.50": "-2.5",
		"1e3": "1000", "0.0": "0"} {
		if got := fmt.Sprint(dec(in)); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		}
	}
}
