package policy_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// planOf returns a plan of these actions, each with the codes of its reasons.
func planOf(actions []planner.Action, reasons ...reason.Code) *planner.Plan {
	p := &planner.Plan{Core: planner.Core{Actions: actions}}
	for i := range actions {
		d := planner.Detail{Notes: make([]planner.ChangeNote, len(actions[i].Changes))}
		if i < len(reasons) {
			d.Reasons = []planner.Reason{{Code: reasons[i]}}
		}
		p.Context.Details = append(p.Context.Details, d)
	}
	return p
}

// TestNoSpaceLimitIsBeyondMaxSpace: also if the word is allowed, and if no change of the plan says
// "unlimited".
func TestNoSpaceLimitIsBeyondMaxSpace(t *testing.T) {
	create := planner.Action{Kind: planner.Create,
		Danger: []planner.Danger{planner.DangerUnlimited}}
	allow := policy.Policy{Allow: []string{"create", "unlimited"}, MaxChanges: 1, MaxSpace: 1 << 60}
	for code, want := range map[reason.Code]policy.Code{reason.UnlimitedSpace: policy.OverLimit,
		reason.UnlimitedInodes: policy.Allowed} {
		if d := policy.Decide(policy.Input{Plan: planOf([]planner.Action{create}, code),
			Policy: allow})[0]; d.Code != want {
			t.Errorf("%s: %+v", code, d)
		}
	}
}

// TestDangerousParentHoldsWhatNeedsIt: a tenant's directory is made with the actions that need it,
// so these must not be approved.
func TestDangerousParentHoldsWhatNeedsIt(t *testing.T) {
	actions := []planner.Action{
		{Kind: planner.Create, Target: planner.TargetCustomer, Address: "/c/eth", Storage: "c/eth",
			Danger: []planner.Danger{planner.DangerWiderAccess}},
		{Kind: planner.Create, Target: planner.TargetProject, Address: "/c/eth/p",
			Storage: "c/eth/p"},
		{Kind: planner.Create, Target: planner.TargetProject, Address: "/c/ethz/p",
			Storage: "c/ethz/p"},
	}
	p := planOf(actions)
	decisions := policy.Decide(policy.Input{Plan: p,
		Policy: policy.Policy{Allow: []string{"create"}, MaxChanges: 9}})
	if decisions[1].Approved || !strings.Contains(decisions[1].Rule, "/c/eth") ||
		!decisions[2].Approved {
		t.Errorf("%+v", decisions)
	}
	approved, held := policy.Split(p, decisions)
	if len(approved.Actions) != 1 || approved.Actions[0] != 2 || len(held) != 1 ||
		len(held[0].Actions) != 2 {
		t.Errorf("approved %v, held %v", approved, held)
	}
}
