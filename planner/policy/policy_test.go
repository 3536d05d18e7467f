package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

func TestJudge(t *testing.T) {
	defaults := policy.Policy{Allow: []string{"create", "quota_raise", "report"}, MaxChanges: 50}
	hard := func(from, to uint64) planner.Change {
		return planner.Change{Attribute: planner.SpaceHard, Before: planner.Number(from), After: planner.Number(to)}
	}
	mode := planner.Change{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o770), After: planner.ModeValue(0o2770)}
	for _, tc := range []struct {
		name     string
		action   planner.Action
		drift    bool
		policy   policy.Policy
		approved bool
	}{
		{"create", planner.Action{Kind: planner.Create}, false, defaults, true},
		{"a missing directory is never made anew", planner.Action{Kind: planner.Create, Danger: []planner.Danger{planner.DangerMissing}}, false, defaults, false},
		{"quota raise", planner.Action{Kind: planner.Update, Changes: []planner.Change{hard(10, 20)}}, false, defaults, true},
		{"quota lower", planner.Action{Kind: planner.Update, Changes: []planner.Change{hard(20, 10)}}, false, defaults, false},
		{"undoing drift of a quota, although it raises", planner.Action{Kind: planner.Update, Changes: []planner.Change{hard(10, 20)}}, true, defaults, false},
		{"mode", planner.Action{Kind: planner.Update, Changes: []planner.Change{mode}}, false, defaults, false},
		{"mode, allowed", planner.Action{Kind: planner.Update, Changes: []planner.Change{mode}}, false, policy.Policy{Allow: []string{"mode"}, MaxChanges: 1}, true},
		{"mode allowed, wider access not", planner.Action{Kind: planner.Update, Changes: []planner.Change{mode}, Danger: []planner.Danger{planner.DangerWiderAccess}}, false, policy.Policy{Allow: []string{"mode"}, MaxChanges: 1}, false},
		{"below usage, whatever is allowed", planner.Action{Kind: planner.Update, Changes: []planner.Change{hard(20, 10)}, Danger: []planner.Danger{planner.DangerBelowUsage}}, false, policy.Policy{Allow: []string{"quota_lower"}, MaxChanges: 1}, false},
		{"adoption needs its word and those of its changes", planner.Action{Kind: planner.Adopt, Changes: []planner.Change{mode}}, false, policy.Policy{Allow: []string{"adopt"}, MaxChanges: 1}, false},
		{"archive beyond max_archives", planner.Action{Kind: planner.Archive}, false, policy.Policy{Allow: []string{"archive"}, MaxChanges: 1}, false},
		{"archive within", planner.Action{Kind: planner.Archive}, false, policy.Policy{Allow: []string{"archive"}, MaxChanges: 1, MaxArchives: 1}, true},
		{"beyond max_changes", planner.Action{Kind: planner.Create}, false, policy.Policy{Allow: []string{"create"}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{tc.action}}, Context: planner.Context{Details: []planner.Detail{{Notes: make([]planner.ChangeNote, len(tc.action.Changes))}}}}
			for i := range p.Context.Details[0].Notes {
				p.Context.Details[0].Notes[i].Drift = tc.drift
			}
			if d := policy.Judge(p, tc.policy)[0]; d.Approved != tc.approved {
				t.Errorf("approved %t by %q, want %t", d.Approved, d.Rule, tc.approved)
			}
		})
	}
}

func TestSplitKeepsGroupsApart(t *testing.T) {
	quota := &planner.QuotaID{By: planner.ByGroup, ID: 30500}
	act := func(kind planner.ActionKind, target planner.Target, storage string, q *planner.QuotaID, danger ...planner.Danger) planner.Action {
		return planner.Action{Kind: kind, Target: target, Storage: storage, Address: "/" + storage, System: "capstor", Quota: q, Danger: danger}
	}
	p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{
		act(planner.Create, planner.TargetTenant, "capstor/t", nil),
		act(planner.Create, planner.TargetProject, "capstor/t/a", nil),
		act(planner.Archive, planner.TargetProject, "capstor/t/b", nil, planner.DangerArchive),
		act(planner.Adopt, planner.TargetProject, "capstor/t/c", quota),
		act(planner.Adopt, planner.TargetProject, "capstor/t/d", quota),
		act(planner.Adopt, planner.TargetProject, "capstor/t/e", quota, planner.DangerGroup),
	}}}
	p.Context.Details = make([]planner.Detail, len(p.Core.Actions))
	for i := range p.Context.Details {
		p.Context.Details[i].Notes = []planner.ChangeNote{}
	}
	approved, held := policy.Split(p, policy.Judge(p, policy.Policy{Allow: []string{"create"}, MaxChanges: 50}))
	if got := fmt.Sprint(approved.Actions); got != "[0 1]" {
		t.Errorf("approved %s, want the create with its tenant", got)
	}
	var groups []string
	for _, g := range held {
		groups = append(groups, fmt.Sprint(g.Actions))
	}
	if got := strings.Join(groups, " "); got != "[2] [3 4] [5]" {
		t.Errorf("held %s, want the archive alone, the two that share a quota together, the dangerous one apart", got)
	}
	part := policy.Only(p, held[1])
	if len(part.Core.Actions) != 2 || part.Context.Counts.Adopt != 2 || part.Context.Warnings[0].Code != "held" {
		t.Errorf("the part is %+v", part)
	}
}
