package planner_test

import (
	"slices"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// TestUnmatchedGlobs: each target, exclusion and hold that matches nothing is named, and no other.
func TestUnmatchedGlobs(t *testing.T) {
	for _, c := range []struct {
		name      string
		selection planner.Selection
		holds     []planner.Hold
		partial   bool
		want      []reason.Code
	}{
		{"all match", planner.Selection{Targets: []string{"/**/bio", "/capstor/store/cscs"},
			Excludes: []string{"/**/chem"}},
			[]planner.Hold{{Glob: "/**/chem", Reason: "x"}}, false, nil},
		{"one target of two", planner.Selection{Targets: []string{"/**/bio", "/**/bo"}}, nil, false,
			[]reason.Code{reason.TargetUnmatched}},
		{"every target", planner.Selection{Targets: []string{"/**/bo"}}, nil, false,
			[]reason.Code{reason.SelectionEmpty, reason.TargetUnmatched}},
		{"exclusion", planner.Selection{Excludes: []string{"/**/chen"}}, nil, false,
			[]reason.Code{reason.ExcludeUnmatched}},
		{"hold", planner.Selection{}, []planner.Hold{{Glob: "/**/chen", Reason: "x"}}, false,
			[]reason.Code{reason.HoldUnmatched}},
		{"hold that is over", planner.Selection{},
			[]planner.Hold{{Glob: "/**/chen", Reason: "x", Until: now.Add(-time.Hour)}}, false,
			nil},
		{"hold on what is recorded only", planner.Selection{},
			[]planner.Hold{{Glob: "/**/gone", Reason: "x"}}, false,
			[]reason.Code{reason.Unlisted}},
		{"partial listing", planner.Selection{Excludes: []string{"/**/chen"}},
			[]planner.Hold{{Glob: "/**/chen", Reason: "x"}}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &planner.Input{Items: items(project("bio", 30500), project("chem", 30501)),
				Selection: c.selection, Holds: c.holds,
				Complete: !c.partial}
			if c.name == "hold on what is recorded only" {
				w.Recorded = records(planner.Record{Key: planner.Key{System: "capstor",
					DataType: "store", Item: "gone"},
					Target: planner.TargetProject, Address: "/capstor/store/cscs/uzh/gone",
					System: "capstor", Storage: "capstor/store/cscs/uzh/gone"})
			}
			p, _ := plan(w, newModel())
			var got []reason.Code
			for _, warning := range p.Context.Warnings {
				got = append(got, warning.Code)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("warnings %v, want %v", p.Context.Warnings, c.want)
			}
		})
	}
}

// TestNoWarningAboutTheUnselected: nothing is said about an order that the selection leaves out.
func TestNoWarningAboutTheUnselected(t *testing.T) {
	all := items(project("bio", 30500), project("chem", 30501))
	for i := range all {
		all[i].URLs = map[planner.Callback]string{planner.SetStateDone: "https://waldur/done"}
	}
	p, _ := plan(&planner.Input{Items: all,
		Selection: planner.Selection{Targets: []string{"/**/bio"}}, Complete: true}, newModel())
	for _, warning := range p.Context.Warnings {
		if warning.Address != "" && warning.Address != bio {
			t.Errorf("%+v", warning)
		}
	}
}
