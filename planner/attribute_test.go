package planner_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestTheTableIsComplete: every attribute is shown, has a name of its own and a unit, and comes
// back from its name.
func TestTheTableIsComplete(t *testing.T) {
	shown := planner.Attributes()
	names := map[string]bool{}
	for a := planner.Attribute(0); int(a) < len(shown); a++ {
		if !slices.Contains(shown, a) {
			t.Errorf("%s is not shown", a)
		}
		if names[a.String()] || a.String() == "" {
			t.Errorf("attribute %d has no name of its own: %q", a, a)
		}
		names[a.String()] = true
		if a.Unit() == 0 {
			t.Errorf("%s has no unit", a)
		}
		var back planner.Attribute
		if text, err := json.Marshal(a); err != nil || json.Unmarshal(text, &back) != nil ||
			back != a {
			t.Errorf("%s comes back as %s, %v", a, back, err)
		}
	}
	if _, err := json.Marshal(planner.Attribute(len(shown))); err == nil {
		t.Error("what is no attribute is written")
	}
	if limits := planner.LimitAttributes(); len(limits) != int(planner.NumLimits) ||
		!slices.Equal(limits,
			slices.DeleteFunc(shown, func(a planner.Attribute) bool { return !a.IsQuota() })) {
		t.Errorf("the limits are %v", limits)
	}
	for _, q := range planner.Quantities() {
		if !q.Soft.IsQuota() || !q.Hard.IsQuota() || q.Soft.Unit() != q.Hard.Unit() {
			t.Errorf("%s has the limits %s and %s", q.Name, q.Soft, q.Hard)
		}
	}
}

// TestLimitsAsJSON pins the stored form of limits, and that nothing else is read.
func TestLimitsAsJSON(t *testing.T) {
	want := planner.Limits{planner.SpaceHard: planner.LimitOf(10 * tib),
		planner.InodesSoft: planner.LimitOf(planner.Inodes(0)),
		planner.InodesHard: planner.Unlimited()}
	const text = `{"space_soft":null,"space_hard":10995116277760,"inodes_soft":0,"inodes_hard":"unlimited"}`
	got, err := json.Marshal(struct {
		Claim planner.Limits `json:"claim"`
	}{want})
	if err != nil || string(got) != `{"claim":`+text+`}` {
		t.Fatalf("%s, %v", got, err)
	}
	var back planner.Limits
	if err := json.Unmarshal([]byte(text), &back); err != nil || back != want {
		t.Fatalf("%v, %v", back, err)
	}
	for _, bad := range []string{`{"space_hard":"2770"}`, `{"space_hard":{"unknown":"why"}}`,
		`{"owner":5}`, `{"space_hrd":5}`, `{"1":5}`,
		`{"space_hard":-1}`, `[1,2,3,4]`, `5`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is read", bad)
		}
		if back != want {
			t.Errorf("%s left %v", bad, back)
		}
	}
	var a planner.Attribute
	for _, bad := range []string{`"nothing"`, `""`, `1`} {
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("%s is an attribute", bad)
		}
	}
}
