package planner_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestRecheckAsksOnlyAboutItsOwn: a recheck, and a plan from a part of the listing, ask about the quotas
// of the resources that they decide about, and about no others, unless a guard adds up all limits.
func TestRecheckAsksOnlyAboutItsOwn(t *testing.T) {
	for overcommit, want := range map[planner.Ratio]int{0: 1, 1500: 3} {
		m, settings := newModel(), testSettings()
		settings.Systems[0].Overcommit = overcommit
		w := &planner.Input{Settings: settings, Now: now, Items: items(project("a", 30500),
			project("b", 30600), project("c", 30700))}
		if all := len(m.observe(planner.Desire(w)).Quotas); all != 3 {
			t.Errorf("a plan asks about %d quotas", all)
		}
		w.Watch = map[planner.Key]bool{project("b", 30600).Key: true}
		for name, is := range map[string]struct{ complete, mustAsk bool }{"recheck": {true, true},
			"plan from a part of the listing": {false, false}} {
			w.Complete, w.MustAsk = is.complete, is.mustAsk
			g := planner.Desire(w)
			seen := planner.Observed{Mounts: m.mounts}
			for _, p := range g.Targets().All() {
				seen.Directories = append(seen.Directories, m.look(p.Path))
			}
			if asked := g.QuotaTargets(seen); asked.Len() != want || want == 1 &&
				asked.At(0).Subject.ID != 30600 {
				t.Errorf("with overcommit %s, a %s asks about %d, not %d", overcommit, name,
					asked.Len(), want)
			}
			p := planner.Compare(g, m.observe(g), planner.Context{})
			if overcommit == 0 && len(p.Context.Promised) > 0 {
				t.Errorf("a %s says what is promised: %+v", name, p.Context.Promised)
			}
		}
	}
}

// TestRecheckNeedsNoMore: a recheck comes to the same result when it asks about the quotas of all
// resources.
func TestRecheckNeedsNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
		approved, _ := plan(w, m)
		if oneIn(t, 3, "guarded") {
			mount := m.mounts["capstor"]
			mount.Capacity = planner.Bytes(rapid.IntRange(1, 40).Draw(t, "capacity")) * tib
			m.mounts["capstor"], w.Settings.Systems[0].Overcommit = mount, 1500
		}
		w.KeepRecords = rapid.Bool().Draw(t, "keep")
		w.Watch = map[planner.Key]bool{}
		for i := range w.Items {
			if rapid.Bool().Draw(t, "watched") {
				w.Watch[w.Items[i].Key] = true
			}
		}
		switch pick(t, "asks little", "recheck", "part", "targets") {
		case "recheck":
			w.MustAsk, w.Complete = true, rapid.Bool().Draw(t, "complete")
		case "part":
			w.MustAsk, w.Complete = false, false
		case "targets":
			w.MustAsk, w.Complete, w.Watch = false, true, nil
			w.Selection.Targets = []string{pick(t, "target", "/capstor/**/p1", "/capstor/**/p2", "/vast/**")}
		}
		var plans [2]*planner.Plan
		var graphs [2]*planner.Graph
		for i := range plans {
			g := planner.Desire(w)
			if i == 1 {
				seen := planner.Observed{Mounts: m.mounts}
				for _, p := range g.Targets().All() {
					seen.Directories = append(seen.Directories, m.look(p.Path))
				}
				planner.AskAll(g, seen)
			}
			graphs[i], plans[i] = g, planner.Compare(g, m.observe(g), planner.Context{})
		}
		a, _ := json.Marshal(plans[0])
		b, _ := json.Marshal(plans[1])
		if string(a) != string(b) {
			t.Fatalf("with less asked\n%s\nwith all\n%s", a, b)
		}
		for i := range w.Items {
			x, _ := graphs[0].Watched(w.Items[i].Key)
			y, _ := graphs[1].Watched(w.Items[i].Key)
			if !reflect.DeepEqual(x, y) {
				t.Fatalf("with less asked\n%+v\nwith all\n%+v", x, y)
			}
		}
		if x, y := graphs[0].AsWanted(), graphs[1].AsWanted(); !reflect.DeepEqual(x, y) {
			t.Fatalf("to record with less asked\n%+v\nwith all\n%+v", x, y)
		}
		x, y := planner.Recheck(approved, graphs[0]), planner.Recheck(approved, graphs[1])
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("stale with less asked\n%+v\nwith all\n%+v", x, y)
		}
	})
}
