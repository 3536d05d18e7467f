package lustre

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Only complete records of a list are believed, and only those of the id itself.
func TestStates(t *testing.T) {
	var records []byte
	add := func(id, valid uint32, clock uint64) {
		q := request(0, planner.ByGroup, id)
		q.put64(atBHard, 1024)
		q.put64(atBTime, clock)
		q.put32(atValid, valid)
		records = append(records, q[:structSize]...)
	}
	add(1, 0x3f, 0)
	add(2, 0x3f&^validSpace, 0)
	add(3, 0x3f&^validInodes, 0)
	add(4, 0x3f&^validILimits, 0)
	add(5, 0x3f, flagDefault)
	add(6, 0x3f, 1<<40)
	got := states(append(records, make([]byte, 100)...)) // the rest of one that was cut off
	if ids := slices.Sorted(maps.Keys(got)); !slices.Equal(ids, []uint32{1, 6}) ||
		got[6].Ends().Space.IsZero() {
		t.Errorf("got %+v", got)
	}
}

// Lists of all ids in the transcripts are read correctly if they have numbers, and refused if they
// have names.
func TestParseList(t *testing.T) {
	seen := 0
	for _, c := range allTranscripts(t) {
		if c.Version != "2.17.57" || !slices.Contains(c.Cmd, "-a") || slices.Contains(c.Cmd,
			"-h") || c.Exit != 0 {
			continue
		}
		got, err := parseList(c.dir(), withoutHeader(c.Stdout), testNow())
		if numeric := slices.Contains(c.Cmd, "-n") || slices.Contains(c.Cmd,
			"-p"); (err == nil) != numeric {
			t.Errorf("%q: %v", c.Cmd, err)
		}
		if slices.Contains(c.Cmd, "-n") {
			seen++
			// 4294967294 has no record of inodes
			if ids := slices.Sorted(maps.Keys(got)); fmt.Sprint(ids) != "[1000 2000 2001 55555 65534]" {
				t.Errorf("%q: %v", c.Cmd, ids)
			}
			one := got[1000]
			if n, _ := one.Limits[planner.SpaceHard].Number(); n != 47185920*1024 ||
				one.Space.N() != 10485760*1024 || one.Inodes.N() != 1234 {
				t.Errorf("%q: %+v", c.Cmd, one)
			}
		}
	}
	if seen == 0 {
		t.Error("no list in the transcripts")
	}
	for _, odd := range []string{"/mnt/l 5 1 2 3 - 1 2 3\n", "/mnt/l 5 1 2 3 - 1 2 3 - 9\n",
		"/mnt/other 5 1 2 3 - 1 2 3 -\n", "/mnt/l a b 1 2 3 - 1 2 3 -\n",
		"/mnt/l 4294967296 1 2 3 - 1 2 3 -\n"} {
		if got, err := parseList("/mnt/l", odd, testNow()); err == nil {
			t.Errorf("%q: %+v", odd, got)
		}
	}
}

// withoutHeader returns an output as it is with -q.
func withoutHeader(stdout string) string {
	if rest, ok := strings.CutPrefix(stdout, "Disk"); ok {
		_, rest, _ = strings.Cut(rest, "\n")
		_, stdout, _ = strings.Cut(rest, "\n")
	}
	return stdout
}
