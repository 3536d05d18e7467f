package policy

import (
	"math"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestRaisesByUse: the policy raises a limit only if enough of it is used, and not too far. If the
// usage is not known, the change is held.
func TestRaisesByUse(t *testing.T) {
	const tib = plantest.TiB
	unlimited, absent := planner.UnlimitedValue(), planner.Value{}
	num := plantest.Num
	for _, c := range []struct {
		name                string
		minUsed, maxRaise   int
		before, after, used planner.Value
		held                string
	}{
		{"no rule", 0, 0, num(10 * tib), num(90 * tib), num(0), ""},
		{"enough used", 80, 0, num(10 * tib), num(20 * tib), num(8 * tib), ""},
		{"one byte too little", 80, 0, num(10 * tib), num(20 * tib), num(8*tib - 1),
			"less than 80% of its space"},
		{"use not known", 80, 0, num(10 * tib), num(20 * tib), planner.UnknownValue("x"),
			"not known"},
		{"no limit before", 80, 0, absent, num(20 * tib), num(tib), "not known"},
		{"limit not known", 80, 0, planner.UnknownValue("x"), num(20 * tib), num(tib), "not known"},
		{"limit of zero", 80, 0, num(0), num(20 * tib), num(tib), "not known"},
		{"lowered", 80, 2, num(20 * tib), num(10 * tib), num(0), ""},
		{"twice", 0, 2, num(10 * tib), num(20 * tib), num(0), ""},
		{"more than twice", 0, 2, num(10 * tib), num(20*tib + 1), num(0), "more than 2 times"},
		{"to no limit", 0, 2, num(10 * tib), unlimited, num(0), "more than 2 times"},
		{"from no limit", 80, 2, unlimited, num(10 * tib), num(0), ""},
		{"from nothing", 0, 2, absent, num(10 * tib), num(0), "more than 2 times"},
		{"from zero", 0, 2, num(0), num(1), num(0), "more than 2 times"},
		{"greatest numbers", 80, 2, num(math.MaxUint64 - 1), num(math.MaxUint64),
			num(math.MaxUint64), ""},
	} {
		p := plantest.Base()
		plantest.AddRaise(p, "/capstor/a", 1, 1, 2, 0)
		a, d := &p.Core.Actions[0], &p.Context.Details[0]
		a.Danger = nil
		a.Changes = []planner.Change{plantest.Change(planner.SpaceHard, c.before, c.after)}
		d.Notes, d.Usage.Space = d.Notes[:1], c.used
		in := Input{Plan: p, Policy: Policy{Allow: []string{"quota_lower", "quota_raise"},
			MaxChanges: 10, MinUsed: c.minUsed, MaxRaise: c.maxRaise}, Now: plantest.Made()}
		got := Decide(in)[0]
		if got.Approved != (c.held == "") || !got.Approved && !strings.Contains(got.Rule, c.held) {
			t.Errorf("%s: %+v", c.name, got)
		}
		d.Notes[0].Drift = true
		in.Policy.Allow = append(in.Policy.Allow, Effects(a, d)...)
		if got := Decide(in)[0]; !got.Approved {
			t.Errorf("%s: what undoes drift is no raise: %+v", c.name, got)
		}
	}
	if a, b := (Policy{}).Digest(), (Policy{MinUsed: 80}).Digest(); a == b {
		t.Error("the digest does not cover min_used")
	}
	if a, b := (Policy{}).Digest(), (Policy{MaxRaise: 2}).Digest(); a == b {
		t.Error("the digest does not cover max_raise")
	}
}
