package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

func TestDecide(t *testing.T) {
	defaults := policy.Policy{Allow: []string{"create", "quota_raise", "report"}, MaxChanges: 50}
	hard := func(from, to uint64) planner.Change {
		return planner.Change{Attribute: planner.SpaceHard, Before: planner.Number(from),
			After: planner.Number(to)}
	}
	mode := planner.Change{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o770),
		After: planner.ModeValue(0o2770)}
	for _, tc := range []struct {
		name     string
		action   planner.Action
		drift    bool
		policy   policy.Policy
		approved bool
	}{
		{"create", planner.Action{Kind: planner.Create}, false, defaults, true},
		{"a create that lowers its group's quota", planner.Action{Kind: planner.Create,
			Changes: []planner.Change{hard(20, 10)}}, false, defaults, false},
		{"a create that raises it", planner.Action{Kind: planner.Create,
			Changes: []planner.Change{hard(10, 20)}}, false, defaults, true},
		{"a create whose quota is below what its group uses", planner.Action{Kind: planner.Create,
			Danger:  []planner.Danger{planner.DangerBelowUsage},
			Changes: []planner.Change{{Attribute: planner.SpaceHard, After: planner.Number(10)}}},
			false, defaults, false},
		{"a missing directory is never made again", planner.Action{Kind: planner.Create,
			Danger: []planner.Danger{planner.DangerMissing}}, false, defaults, false},
		{"quota raise", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(10, 20)}}, false, defaults, true},
		{"quota lower", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(20, 10)}}, false, defaults, false},
		{"undoing drift of a quota, although it raises", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(10, 20)}}, true, defaults, false},
		{"undoing drift of a quota that lowers it needs both words",
			planner.Action{Kind: planner.Update, Changes: []planner.Change{hard(20, 10)}}, true,
			policy.Policy{Allow: []string{"drift_quota"}, MaxChanges: 1}, false},
		{"undoing drift of a quota that lowers it, named", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(20, 10)}}, true,
			policy.Policy{Allow: []string{"drift_quota", "quota_lower"}, MaxChanges: 1}, true},
		{"undoing drift of a quota that raises it, named", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(10, 20)}}, true,
			policy.Policy{Allow: []string{"drift_quota"}, MaxChanges: 1}, true},
		{"mode", planner.Action{Kind: planner.Update, Changes: []planner.Change{mode}}, false,
			defaults, false},
		{"mode, allowed", planner.Action{Kind: planner.Update, Changes: []planner.Change{mode}},
			false, policy.Policy{Allow: []string{"mode"}, MaxChanges: 1}, true},
		{"mode allowed, wider access not", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{mode}, Danger: []planner.Danger{planner.DangerWiderAccess}},
			false, policy.Policy{Allow: []string{"mode"}, MaxChanges: 1}, false},
		{"below usage needs its own word", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(20, 10)},
			Danger:  []planner.Danger{planner.DangerBelowUsage}}, false,
			policy.Policy{Allow: []string{"quota_lower"}, MaxChanges: 1}, false},
		{"below usage, named", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(20, 10)},
			Danger:  []planner.Danger{planner.DangerBelowUsage}}, false,
			policy.Policy{Allow: []string{"below_usage", "quota_lower"}, MaxChanges: 1}, true},
		{"a growth within max_space", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(10, 20)}}, false,
			policy.Policy{Allow: []string{"quota_raise"}, MaxChanges: 1, MaxSpace: 10}, true},
		{"a growth beyond max_space", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{hard(10, 21)}}, false,
			policy.Policy{Allow: []string{"quota_raise"}, MaxChanges: 1, MaxSpace: 10}, false},
		{"a limit taken away is beyond any max_space", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{{Attribute: planner.SpaceHard, Before: planner.Number(10),
				After: planner.UnlimitedValue()}}}, false,
			policy.Policy{Allow: []string{"quota_raise"},
				MaxChanges: 1, MaxSpace: 1 << 60}, false},
		{"a limit taken away, without max_space", planner.Action{Kind: planner.Update,
			Changes: []planner.Change{{Attribute: planner.SpaceHard, Before: planner.Number(10),
				After: planner.UnlimitedValue()}}}, false,
			policy.Policy{Allow: []string{"quota_raise"},
				MaxChanges: 1}, true},
		{"adoption needs its word and those of its changes", planner.Action{Kind: planner.Adopt,
			Changes: []planner.Change{mode}}, false, policy.Policy{Allow: []string{"adopt"},
			MaxChanges: 1}, false},
		{"archive beyond max_archives", planner.Action{Kind: planner.Archive}, false,
			policy.Policy{Allow: []string{"archive"}, MaxChanges: 1}, false},
		{"archive within", planner.Action{Kind: planner.Archive}, false,
			policy.Policy{Allow: []string{"archive"}, MaxChanges: 1, MaxArchives: 1}, true},
		{"a create that grants more than max_mode", planner.Action{Kind: planner.Create,
			Danger: []planner.Danger{planner.DangerWiderAccess}}, false, defaults, false},
		{"a create that grants more than max_mode, named", planner.Action{Kind: planner.Create,
			Danger: []planner.Danger{planner.DangerWiderAccess}}, false,
			policy.Policy{Allow: []string{"create", "wider_access"}, MaxChanges: 1}, true},
		{"a create without a hard limit", planner.Action{Kind: planner.Create,
			Danger: []planner.Danger{planner.DangerUnlimited}}, false, defaults, false},
		{"a create without a hard limit, named", planner.Action{Kind: planner.Create,
			Danger: []planner.Danger{planner.DangerUnlimited}}, false,
			policy.Policy{Allow: []string{"create", "unlimited"}, MaxChanges: 1}, true},
		{"a report of one without a hard limit", planner.Action{Kind: planner.Report,
			Danger: []planner.Danger{planner.DangerUnlimited}}, false, defaults, false},
		{"a restore that grants too much", planner.Action{Kind: planner.Restore,
			Danger: []planner.Danger{planner.DangerWiderAccess}}, false,
			policy.Policy{Allow: []string{"restore"}, MaxChanges: 1}, false},
		{"another directory, whatever is allowed", planner.Action{Kind: planner.Adopt,
			Danger: []planner.Danger{planner.DangerReplaced}}, false,
			policy.Policy{Allow: []string{"adopt"}, MaxChanges: 1}, false},
		{"another directory's end, whatever is allowed", planner.Action{Kind: planner.Archive,
			Danger: []planner.Danger{planner.DangerArchive, planner.DangerReplaced}}, false,
			policy.Policy{Allow: []string{"archive"}, MaxChanges: 1, MaxArchives: 1}, false},
		{"beyond max_changes", planner.Action{Kind: planner.Create}, false,
			policy.Policy{Allow: []string{"create"}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{tc.action}},
				Context: planner.Context{
					Details: []planner.Detail{{Notes: make([]planner.ChangeNote,
						len(tc.action.Changes))}}}}
			for i := range p.Context.Details[0].Notes {
				p.Context.Details[0].Notes[i].Drift = tc.drift
			}
			if d := policy.Decide(policy.Input{Plan: p,
				Policy: tc.policy})[0]; d.Approved != tc.approved {
				t.Errorf("approved %t by %q, want %t", d.Approved, d.Rule, tc.approved)
			}
		})
	}
}

// TestErrorIsNeverEndedByPolicy: a policy that allows archives still does not allow what an order
// does to a resource in error.
func TestErrorIsNeverEndedByPolicy(t *testing.T) {
	allow := policy.Policy{Allow: []string{"archive", "report"}, MaxChanges: 1, MaxArchives: 1}
	for code, approved := range map[reason.Code]bool{reason.OrderTerminate: true,
		reason.ErrorTerminate: false} {
		for _, kind := range []planner.ActionKind{planner.Archive, planner.Report} {
			p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{{Kind: kind}}},
				Context: planner.Context{
					Details: []planner.Detail{{Reasons: []planner.Reason{{Code: code}}}}}}
			if d := policy.Decide(policy.Input{Plan: p, Policy: allow})[0]; d.Approved != approved {
				t.Errorf("%s because of %s: approved %t by %q", kind, code, d.Approved, d.Rule)
			}
		}
	}
}

func TestSplitKeepsGroupsApart(t *testing.T) {
	quota := &planner.QuotaID{By: planner.ByGroup, ID: 30500}
	act := func(kind planner.ActionKind, target planner.Target, storage string, q *planner.QuotaID,
		danger ...planner.Danger) planner.Action {
		return planner.Action{Kind: kind, Target: target, Storage: storage, Address: "/" + storage,
			System: "capstor", Quota: q, Danger: danger}
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
	approved, held := policy.Split(p,
		policy.Decide(policy.Input{Plan: p, Policy: policy.Policy{Allow: []string{"create"},
			MaxChanges: 50}}))
	if got := fmt.Sprint(approved.Actions); got != "[0 1]" {
		t.Errorf("approved %s, want the create with its tenant", got)
	}
	var groups []string
	for _, g := range held {
		groups = append(groups, fmt.Sprint(g.Actions))
	}
	if got := strings.Join(groups, " "); got != "[2] [3 4] [5]" {
		t.Errorf("held %s, want the archive alone, the two that share a quota together, the "+
			"dangerous one apart", got)
	}
	part := policy.Only(p, held[1])
	if len(part.Core.Actions) != 2 || part.Context.Counts.Adopt != 2 ||
		part.Context.Warnings[0].Code != "held" {
		t.Errorf("the part is %+v", part)
	}
}

// only matches one path.
type only string

func (o only) Matches(f planner.Facts) bool { return f.Path == string(o) }
func (o only) String() string               { return string(o) }

func TestMatchesAndShare(t *testing.T) {
	create := func(address string) planner.Action {
		return planner.Action{Key: planner.Key{Item: address}, Address: address,
			Kind: planner.Create, Target: planner.TargetProject}
	}
	p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{create("/a"), create("/b")}},
		Context: planner.Context{Details: make([]planner.Detail, 2)}}
	in := policy.Input{Plan: p, Policy: policy.Policy{Allow: []string{"create"}, MaxChanges: 50,
		Matches: []policy.Match{only("/a")}},
		Facts:     func(k planner.Key) planner.Facts { return planner.Facts{Path: k.Item} },
		Resources: 100}
	if d := policy.Decide(in); !d[0].Approved || d[1].Approved {
		t.Errorf("match: %+v, want only /a approved", d)
	}
	in.Policy.Matches, in.Policy.MaxShare = nil, 1
	if d := policy.Decide(in); d[0].Approved || d[0].Code != policy.OverLimit {
		t.Errorf("2 of 100 with max_share 1: %+v, want everything held", d)
	}
	in.Policy.MaxShare = 2
	if d := policy.Decide(in); !d[0].Approved || !d[1].Approved {
		t.Errorf("2 of 100 with max_share 2: %+v, want both approved", d)
	}
}

// A tenant's directory is made together with the actions that need it, and is changed only if a
// match block matches it.
func TestMatchesOfTenants(t *testing.T) {
	for kind, want := range map[planner.ActionKind]bool{planner.Create: true,
		planner.Update: false} {
		a := planner.Action{Key: planner.Key{Item: "/t"}, Address: "/t", Kind: kind,
			Target: planner.TargetTenant,
			Changes: []planner.Change{{Attribute: planner.ModeAttr,
				Before: planner.ModeValue(0o775), After: planner.ModeValue(0o750)}}}
		detail := planner.Detail{Notes: make([]planner.ChangeNote, 1)}
		in := policy.Input{Plan: &planner.Plan{Core: planner.Core{Actions: []planner.Action{a}},
			Context: planner.Context{Details: []planner.Detail{detail}}},
			Policy: policy.Policy{Allow: []string{"create", "mode"}, MaxChanges: 50,
				Matches: []policy.Match{only("/a")}},
			Facts:     func(k planner.Key) planner.Facts { return planner.Facts{Path: k.Item} },
			Resources: 100}
		if d := policy.Decide(in); d[0].Approved != want {
			t.Errorf("%s of a tenant that no match block speaks of: %+v, want approved %t", kind,
				d[0], want)
		}
	}
}

func TestWindows(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	week := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	day := policy.Window{Days: week, From: 8 * 60, To: 18 * 60, Zone: zurich}
	night := policy.Window{Days: []time.Weekday{time.Friday}, From: 22 * 60, To: 2 * 60,
		Zone: time.UTC}
	lunch := policy.Window{From: 12 * 60, To: 13 * 60, Zone: zurich, Deny: true}
	for _, tc := range []struct {
		at      string
		windows []policy.Window
		open    bool
	}{
		{"2026-11-23T07:00:00Z", []policy.Window{day}, true}, // Monday, 8:00 in Zurich
		{"2026-11-23T06:59:00Z", []policy.Window{day}, false},
		{"2026-11-22T10:00:00Z", []policy.Window{day}, false}, // Sunday
		{"2026-11-23T11:30:00Z", []policy.Window{day, lunch}, false},
		{"2026-11-23T11:30:00Z", []policy.Window{lunch}, false},
		{"2026-11-23T13:30:00Z", []policy.Window{lunch}, true},
		{"2026-11-27T23:00:00Z", []policy.Window{night}, true},
		{"2026-11-28T01:59:00Z", []policy.Window{night}, true}, // the same window, on Saturday
		{"2026-11-28T23:00:00Z", []policy.Window{night}, false},
		{"2026-07-06T06:00:00Z", []policy.Window{day}, true}, // summer time
	} {
		now, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{{Kind: planner.Create}}},
			Context: planner.Context{Details: make([]planner.Detail, 1)}}
		d := policy.Decide(policy.Input{Plan: p, Policy: policy.Policy{Allow: []string{"create"},
			MaxChanges: 1, Windows: tc.windows}, Now: now})[0]
		if d.Approved != tc.open || !tc.open && d.Code != policy.OutsideWindow {
			t.Errorf("%s with %v: %+v, want approved %t", tc.at, tc.windows, d, tc.open)
		}
	}
}

// TestWindowsAcrossDST: a window follows the zone's wall clock. On 2026-03-29 Zurich's clock goes
// from 2:00 to 3:00, and on 2026-10-25 from 3:00 back to 2:00.
func TestWindowsAcrossDST(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	early := policy.Window{From: 2*60 + 30, To: 3*60 + 30, Zone: zurich}
	night := policy.Window{Days: []time.Weekday{time.Saturday}, From: 22 * 60, To: 4 * 60,
		Zone: zurich}
	for _, tc := range []struct {
		at     string
		window policy.Window
		open   bool
	}{
		{"2026-03-28T01:30:00Z", early, true},  // the day before: 2:30
		{"2026-03-29T00:59:59Z", early, false}, // 1:59:59
		{"2026-03-29T01:00:00Z", early, true},  // 3:00, the second after
		{"2026-03-29T01:30:00Z", early, false}, // 3:30
		{"2026-10-25T00:30:00Z", early, true},  // 2:30 for the first time
		{"2026-10-25T01:00:00Z", early, false}, // 2:00 again
		{"2026-10-25T01:30:00Z", early, true},  // 2:30 for the second time
		{"2026-10-25T02:29:59Z", early, true},  // 3:29:59
		{"2026-10-25T02:30:00Z", early, false},
		{"2026-10-24T20:00:00Z", night, true}, // Saturday, 22:00
		{"2026-10-25T02:59:59Z", night, true}, // 3:59:59 on Sunday, seven hours later
		{"2026-10-25T03:00:00Z", night, false},
		{"2026-03-29T01:59:59Z", night, true},
		{"2026-03-29T02:00:00Z", night, false}, // 4:00
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.window.Contains(at); got != tc.open {
			t.Errorf("%s at %s (%s there): open %t, want %t", tc.window, tc.at,
				at.In(zurich).Format("Mon 15:04"), got, tc.open)
		}
	}
}

// TestHeldPlanSaysWhy: the plan that people read has the rule that held each action.
func TestHeldPlanSaysWhy(t *testing.T) {
	quota := &planner.QuotaID{By: planner.ByGroup, ID: 30500}
	p := &planner.Plan{Core: planner.Core{Actions: []planner.Action{
		{Kind: planner.Adopt, Address: "/a", Quota: quota, Target: planner.TargetProject},
		{Kind: planner.Restore, Address: "/b", Quota: quota, Target: planner.TargetProject},
		{Kind: planner.Create, Address: "/c", Target: planner.TargetProject},
	}}, Context: planner.Context{Details: make([]planner.Detail, 3)}}
	in := policy.Input{Plan: p, Policy: policy.Policy{Allow: []string{"create"}, MaxChanges: 1}}
	decisions := policy.Decide(in)
	if rule := decisions[2].Rule; rule != "auto_approve allows create" {
		t.Errorf("the create is approved by %q", rule)
	}
	_, held := policy.Split(p, decisions)
	var got []string
	for _, w := range policy.Only(p, held[0]).Context.Warnings {
		got = append(got, string(w.Code)+" "+w.Address+" "+w.Text)
	}
	if want := "held /a held by policy: auto_approve does not allow adopt|held /b held by " +
		"policy: auto_approve does not allow restore"; strings.Join(got, "|") != want {
		t.Errorf("two rules: %q", got)
	}
	in.Policy = policy.Policy{Allow: []string{"create", "adopt", "restore"}}
	_, held = policy.Split(p, policy.Decide(in))
	if w := policy.Only(p, held[0]).Context.Warnings; len(w) != 1 ||
		w[0] != (planner.Warning{Code: "held", Text: "held by policy: max_changes is 0"}) {
		t.Errorf("one rule: %+v", w)
	}
}

func TestManyHeldGroupsAreOneFile(t *testing.T) {
	p := &planner.Plan{Context: planner.Context{Details: make([]planner.Detail, 201)}}
	for i := range 200 {
		p.Core.Actions = append(p.Core.Actions, planner.Action{Kind: planner.Create,
			Target: planner.TargetProject, Address: fmt.Sprint("/", i), Storage: fmt.Sprint(i)})
	}
	p.Core.Actions = append(p.Core.Actions, planner.Action{Kind: planner.Archive,
		Target: planner.TargetProject, Address: "/z", Storage: "z",
		Danger: []planner.Danger{planner.DangerArchive}})
	_, held := policy.Split(p, policy.Decide(policy.Input{Plan: p}))
	if len(held) != 2 || len(held[0].Actions) != 200 || len(held[1].Actions) != 1 {
		t.Errorf("%d groups, want all routine ones in one and the archive apart", len(held))
	}
}
