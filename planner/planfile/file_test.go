package planfile

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

var update = flag.Bool("update", false, "write the golden files again")

func marshal(t testing.TB, opt render.Options) []byte {
	t.Helper()
	data, err := Marshal(plantest.Mixed(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden pins the whole file of a plan, byte for byte.
func TestGolden(t *testing.T) {
	const path = "testdata/golden/mixed.plan"
	got := marshal(t, render.Options{})
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (refresh with -update):\n%s", path, cmp.Diff(string(want), string(got)))
	}
}

func TestWrittenBackByteForByte(t *testing.T) {
	for _, colored := range []bool{false, true} {
		data := marshal(t, render.Options{Color: colored})
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), data) || f.Colored != colored || f.Foreign {
			t.Errorf("colored %t: not the same file: colored %t, foreign %t", colored, f.Colored,
				f.Foreign)
		}
		if f.ID() != canonical.ID(f.Plan.Core) ||
			f.ContextDigest() != canonical.ContextDigest(f.Plan) {
			t.Errorf("colored %t: the digests are not those of the plan", colored)
		}
		if err := f.AddApproval(EncodeApproval([]byte("first"))); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Approvals) != 1 || !bytes.Equal(again.Bytes(), f.Bytes()) {
			t.Errorf("colored %t: %d approvals after adding one", colored, len(again.Approvals))
		}
	}
}
