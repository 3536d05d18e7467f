package planfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// sharedPlan is a plan whose quota is shared by many.
func sharedPlan(claims int) *planner.Plan {
	p := mixedPlan()
	hard := func(tera uint64) planner.Claim { return planner.Claim{SpaceHard: planner.Number(tera << 40)} }
	q := planner.SharedQuota{System: "capstor", By: planner.ByGroup, ID: 30777, Policy: planner.SharedSum}
	for i := range claims {
		c := planner.Contribution{Address: fmt.Sprintf("/capstor/store/x/%02d", i), Counts: planner.CountsWanted, Before: hard(1), After: hard(1)}
		switch i {
		case claims - 1:
			c.After = hard(5)
		case 0:
			c.Counts = planner.CountsArchived
		case 1:
			c.Counts = planner.CountsRecorded
		case 2:
			c.Before = planner.Claim{}
		}
		q.Contributions = append(q.Contributions, c)
	}
	p.Context.Shared = []planner.SharedQuota{q}
	return p
}

// TestSharedQuotas: every contribution that changes is shown, wherever it stands, and of the others so many.
func TestSharedQuotas(t *testing.T) {
	text := strings.Join(strings.Fields(string(Text(sharedPlan(40), Options{}))), " ")
	for _, want := range []string{
		"group 30777 on capstor: the sum of 40 resources",
		"/capstor/store/x/00 (archived: its files still count)",
		"/capstor/store/x/01 (as recorded)",
		"+ space_hard = 1 TiB # not recorded before",
		"/capstor/store/x/39 space_soft = none ~ space_hard = 1 TiB -> 5 TiB",
		"and 18 more that stay as they are; `show --json` lists them",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if strings.Contains(text, "/capstor/store/x/30") {
		t.Error("what stays as it is is listed without end")
	}
	data, err := Marshal(sharedPlan(3), Options{})
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
		p := sharedPlan(3)
		spoil(&p.Context.Shared[0])
		if _, err := Marshal(p, Options{}); err == nil {
			t.Errorf("%s: it is written", name)
		}
	}
}
