package policy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

func TestName(t *testing.T) {
	const id = "sha256:1a83b1ae0123456789"
	action := func(kind planner.ActionKind, address string, target planner.Target) planner.Action {
		return planner.Action{Kind: kind, Address: address, System: "capstor", Target: target}
	}
	for want, actions := range map[string][]planner.Action{
		"archive-capstor-uzh-old-1a83b1ae": {action(planner.Archive, "/capstor/store/cscs/uzh/old",
			planner.TargetProject)},
		"create-capstor-eth-bio-1a83b1ae": {action(planner.Create, "/capstor/store/cscs",
			planner.TargetTenant),
			action(planner.Create, "/capstor/store/cscs/eth/bio", planner.TargetProject)},
		"create-capstor-store-cscs-1a83b1ae": {action(planner.Create, "/capstor/store/cscs",
			planner.TargetTenant)},
		"update-capstor-2-resources-1a83b1ae": {action(planner.Update, "/capstor/a",
			planner.TargetProject),
			action(planner.Update, "/capstor/b", planner.TargetProject)},
		"change-capstor-2-resources-1a83b1ae": {action(planner.Update, "/capstor/a",
			planner.TargetProject),
			action(planner.Archive, "/capstor/b", planner.TargetProject)},
		"update-capstor-a-rm-rf-b-1a83b1ae": {action(planner.Update,
			"/x/a/$(rm -rf ..)\x1b\n;/../B", planner.TargetProject)},
		"nothing-1a83b1ae": nil,
	} {
		got := policy.Name(&planner.Core{Actions: actions}, id)
		if got != want && !strings.Contains(want, "rm-rf") {
			t.Errorf("got %s, want %s", got, want)
		}
		if !regexp.MustCompile(`^[a-z][a-z0-9._-]*-1a83b1ae$`).MatchString(got) || len(got) > 60 {
			t.Errorf("%s is no name", got)
		}
	}
	long := policy.Name(&planner.Core{Actions: []planner.Action{action(planner.Update,
		"/c/d/"+strings.Repeat("x", 300), "")}}, id)
	if len(long) > 60 || !strings.HasSuffix(long, "-1a83b1ae") {
		t.Errorf("%s is too long, or has lost its id", long)
	}
}
