package planfile

import (
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestSharedQuotas: what several resources contribute is read back, and what no quota can have is not written.
func TestSharedQuotas(t *testing.T) {
	data, err := Marshal(plantest.Shared(3), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); err != nil {
		t.Errorf("it is not read back: %v", err)
	}
	for name, spoil := range map[string]func(*planner.SharedQuota){
		"one resource": func(q *planner.SharedQuota) { q.Contributions = q.Contributions[:1] },
		"a mode":       func(q *planner.SharedQuota) { q.Contributions[0].After.SpaceHard = planner.ModeValue(0o2770) },
	} {
		p := plantest.Shared(3)
		spoil(&p.Context.Shared[0])
		if _, err := Marshal(p, Options{}); err == nil {
			t.Errorf("%s: it is written", name)
		}
	}
}
