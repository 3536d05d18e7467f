package planfile

import (
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// TestSharedQuotas: what several resources contribute is read back, and contributions that no quota
// can have are not written.
func TestSharedQuotas(t *testing.T) {
	data, err := Marshal(plantest.Shared(3), render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); err != nil {
		t.Errorf("it is not read back: %v", err)
	}
	p := plantest.Shared(3)
	p.Context.Shared[0].Contributions = p.Context.Shared[0].Contributions[:1]
	if _, err := Marshal(p, render.Options{}); err == nil {
		t.Error("a quota that one resource shares is written")
	}
}
