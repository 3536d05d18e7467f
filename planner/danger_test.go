package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// TestMaxMode: a mode that grants more than storage.max_mode is dangerous, whatever the action is
// and wherever the mode comes from.
func TestMaxMode(t *testing.T) {
	mode := func(m string) func(
		*planner.Item) {
		return func(it *planner.Item) { it.Permission = m }
	}
	for _, tc := range []struct {
		name, permission string
		override         string
		most             planner.Mode
		stands           planner.Mode // 0: not there
		recorded         bool
		want             bool
	}{
		{"a create", "0777", "", 0o2775, 0, false, true},
		{"a create, three digits", "777", "", 0o2775, 0, false, true},
		{"a create that only others may write in", "0772", "", 0o2775, 0, false, true},
		{"a create by an override", "2770", "0777", 0o2775, 0, false, true},
		{"a create with setuid", "4770", "", 0o2775, 0, false, true},
		{"a create with setgid and sticky", "3775", "", 0o0775, 0, false, false},
		{"a create at the most", "2775", "", 0o2775, 0, false, false},
		{"a create where less is allowed", "2775", "", 0o2770, 0, false, true},
		{"a create where all is allowed", "0777", "", 0o7777, 0, false, false},
		{"an adoption", "0777", "", 0o2775, 0o770, false, true},
		{"an adoption that narrows, but not enough", "0776", "", 0o2775, 0o777, false, true},
		{"an update that narrows", "2770", "", 0o2775, 0o777, true, false},
		{"an update by an override", "2770", "0777", 0o2775, 0o2770, true, true},
		{"three digits beside a setuid that stands", "750", "", 0o2775, 0o4770, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &planner.Input{Settings: testSettings(),
				Items: items(project("bio", 30500, mode(tc.permission)))}
			w.Settings.MaxMode = tc.most
			if tc.override != "" {
				w.Overrides = overrides(says{path: bio, then: planner.Wishes{Mode: &tc.override}})
			}
			m := newModel()
			if tc.stands != 0 {
				asWanted(m, "bio", 30500)
				m.put("capstor/store/cscs/eth/bio", 30500, tc.stands)
			}
			if tc.recorded {
				r := recordOf("bio", 30500)
				r.Inode = m.dirs["capstor/store/cscs/eth/bio"].Inode
				w.Recorded = records(r)
			}
			p, _ := plan(w, m)
			a, d := action(t, p, bio)
			said := slices.ContainsFunc(d.Reasons,
				func(r planner.Reason) bool { return r.Code == "max_mode" })
			if dangerous(a, planner.DangerWiderAccess) != tc.want || said != tc.want {
				t.Errorf("danger %v, reasons %v; want wider access: %t", a.Danger, d.Reasons,
					tc.want)
			}
		})
	}
}

// TestMaxModeOfWhatStands: the mode of an adopted directory counts too. A mode that is as wanted is
// a warning.
func TestMaxModeOfWhatStands(t *testing.T) {
	open := func(it *planner.Item) { it.Permission = "2777" }
	standing := func(gid planner.GID) *model {
		m := newModel()
		asWanted(m, "bio", 30500)
		m.put(bioPath, gid, 0o2777)
		return m
	}
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500, open))}, standing(30501))
	if a, _ := action(t, p, bio); a.Kind != planner.Adopt ||
		!dangerous(a, planner.DangerWiderAccess) {
		t.Errorf("adopted: %s, danger %v", a.Kind, a.Danger)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500, open,
		ordered(planner.StatusPending)))}, standing(30500))
	if a, _ := action(t, p, bio); a.Kind != planner.Report ||
		!dangerous(a, planner.DangerWiderAccess) {
		t.Errorf("told done: %s, danger %v", a.Kind, a.Danger)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500, open))}, standing(30500))
	if w := warningsOf(p, "max_mode"); len(p.Core.Actions) > 0 || len(w) != 1 ||
		!strings.Contains(w[0], `"2777" (rwxrwsrwx) grants more`) {
		t.Errorf("as wanted: %v, warnings %q", p.Core.Actions, w)
	}
}

// TestSharedLimitsOfNewDirectories: each of several new directories sets the limits that they
// share, so that none is without a limit if the others are not made.
func TestSharedLimitsOfNewDirectories(t *testing.T) {
	s := testSettings()
	s.Systems[0].Quota.Shared = planner.SharedSum
	p, _ := plan(&planner.Input{Settings: s, Items: items(project("bio", 30500),
		project("chem", 30500))}, newModel())
	for _, address := range []string{bio, "/capstor/store/cscs/eth/chem"} {
		a, _ := action(t, p, address)
		if v, ok := a.After(planner.SpaceHard); !ok || v != planner.Number(20<<40) ||
			dangerous(a, planner.DangerUnlimited) {
			t.Errorf("%s: space_hard %s, danger %v", address, v, a.Danger)
		}
	}
}

// TestMaxModeOfParents: a tenant's directory that everybody may write to is as dangerous to make as
// a resource's.
func TestMaxModeOfParents(t *testing.T) {
	w := &planner.Input{Items: items(project("bio", 30500))}
	for i := range w.Items {
		if w.Items[i].Target == planner.TargetCustomer {
			w.Items[i].Permission = "0777"
		}
	}
	p, _ := plan(w, newModel())
	a, _ := action(t, p, "/capstor/store/cscs/eth")
	b, _ := action(t, p, "/capstor/store/cscs")
	if !dangerous(a, planner.DangerWiderAccess) || len(b.Danger) > 0 {
		t.Errorf("danger %v of the customer's, %v of the tenant's", a.Danger, b.Danger)
	}
}

func dangerous(a planner.Action, d planner.Danger) bool { return slices.Contains(a.Danger, d) }

func codes(d planner.Detail) (out []string) {
	for _, r := range d.Reasons {
		out = append(out, string(r.Code))
	}
	return out
}

// TestUnlimited: a directory that is made, adopted or reported done without a hard limit is
// dangerous, and so is one that loses its limit.
func TestUnlimited(t *testing.T) {
	none := func(it *planner.Item) { it.Quotas = nil }
	hard0 := func(it *planner.Item) { it.Quotas = quotas("10", "0") }
	free := planner.Wishes{Quota: planner.Limits{planner.SpaceHard: planner.Unlimited()}}
	noInodes := planner.Wishes{Quota: planner.Limits{planner.InodesHard: planner.Unlimited()}}
	const space, inodes = string(reason.UnlimitedSpace), string(reason.UnlimitedInodes)
	for _, tc := range []struct {
		name     string
		item     func(*planner.Item)
		override planner.Wishes
		limits   bool // the identity has limits already
		stands   bool
		recorded bool
		want     []string
	}{
		{"a create without quotas", none, planner.Wishes{}, false, false, false,
			[]string{space, inodes}},
		{"a create whose group has limits already", none, planner.Wishes{}, true, false, false,
			nil},
		{"a create with hard 0", hard0, planner.Wishes{}, false, false, false, []string{space}},
		{"a create by an override without space limit", func(*planner.Item) {}, free, false, false,
			false, []string{space}},
		{"a create by an override without inode limit", func(*planner.Item) {}, noInodes, false,
			false, false, []string{inodes}},
		{"a create with limits", func(*planner.Item) {}, planner.Wishes{}, false, false, false,
			nil},
		{"an adoption without quotas", func(it *planner.Item) { none(it); it.Permission = "2750" },
			planner.Wishes{}, false, true, false, []string{space, inodes}},
		{"an update that removes the limit", func(*planner.Item) {}, free, true, true, true,
			[]string{space}},
		{"an update where there was none",
			func(it *planner.Item) { none(it); it.Permission = "2750" }, planner.Wishes{}, false,
			true, true, nil},
		{"an update of the mode under a limit", func(it *planner.Item) { it.Permission = "2750" },
			planner.Wishes{}, true, true, true, nil},
		{"an order that is only to be told done",
			func(it *planner.Item) { ordered(planner.StatusPending)(it); none(it) },
			planner.Wishes{}, false, true, false, []string{space, inodes}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			if tc.stands {
				asWanted(m, "bio", 30500)
			}
			if !tc.limits {
				delete(m.quotas, 30500)
			} else if !tc.stands {
				asWanted(m, "bio", 30500)
				delete(m.dirs, "capstor/store/cscs/eth/bio")
			}
			w := &planner.Input{Items: items(project("bio", 30500, tc.item)),
				Overrides: overrides(says{path: bio, then: tc.override})}
			if tc.recorded {
				w.Recorded = records(recordOf("bio", 30500))
			}
			p, _ := plan(w, m)
			a, d := action(t, p, bio)
			got := slices.DeleteFunc(codes(d),
				func(c string) bool { return c != space && c != inodes })
			if !slices.Equal(got, tc.want) ||
				dangerous(a, planner.DangerUnlimited) != (tc.want != nil) {
				t.Errorf("%s: danger %v, reasons %v; want %v", a.Kind, a.Danger, d.Reasons, tc.want)
			}
		})
	}
}

// TestUnlimitedWhereNothingIsKnown: if a quota is refused or could not be read, a new directory
// gets no limit.
func TestUnlimitedWhereNothingIsKnown(t *testing.T) {
	two := items(project("bio", 30500), project("chem", 30500)) // shared = "refuse"
	p, _ := plan(&planner.Input{Items: two}, newModel())
	if a, _ := action(t, p, bio); !dangerous(a, planner.DangerUnlimited) {
		t.Errorf("a refused quota: danger %v", a.Danger)
	}
	m := newModel()
	m.quotas[30500] = planner.UnknownQuota("no answer")
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500))}, m)
	if a, _ := action(t, p, bio); !dangerous(a, planner.DangerUnlimited) {
		t.Errorf("an unknown quota: danger %v", a.Danger)
	}
}

// TestNobodySetsQuotas: on a system with quota "none", the configuration says that somebody else
// sets limits.
func TestNobodySetsQuotas(t *testing.T) {
	it := project("bio", 30500, at("/vast/store/bio"),
		func(it *planner.Item) { it.Key.System, it.Quotas = "vast", nil })
	p, _ := plan(&planner.Input{Items: []planner.Item{it}}, newModel())
	if a, _ := action(t, p, "/vast/store/bio"); a.Kind != planner.Create || len(a.Danger) > 0 {
		t.Errorf("%s, danger %v", a.Kind, a.Danger)
	}
}

// TestReplaced: another directory than the recorded one is never changed, recorded or archived as
// if it were the recorded one.
func TestReplaced(t *testing.T) {
	const path = "capstor/store/cscs/eth/bio"
	active := func(*planner.Item) {}
	updating := func(it *planner.Item) {
		ordered(planner.StatusUpdating)(it)
		it.NewQuotas = quotas("20.0", "20.0")
	}
	for _, tc := range []struct {
		name          string
		item          func(*planner.Item)
		inode, record uint64
		born, made    int64 // recorded, observed
		want          planner.ActionKind
		replaced      bool
	}{
		{"the recorded one", active, 7, 7, 5, 5, "", false},
		{"as wanted, but another", active, 8, 7, 0, 0, planner.Adopt, true},
		{"an inode used again", active, 7, 7, 5, 6, planner.Adopt, true},
		{"a filesystem that does not say when", active, 7, 7, 5, 0, "", false},
		{"recorded before that was recorded", active, 7, 7, 0, 6, "", false},
		{"recorded before inodes were", active, 8, 0, 0, 0, "", false},
		{"with drift", func(it *planner.Item) { it.Permission = "2750" }, 8, 7, 0, 0, planner.Adopt,
			true},
		{"a quota alone", func(it *planner.Item) { it.Quotas = quotas("20.0", "20.0") }, 8, 7, 0, 0,
			planner.Adopt, true},
		{"an order for its quota", updating, 8, 7, 0, 0, planner.Adopt, true},
		{"to be removed", ordered(planner.StatusRemoving), 8, 7, 0, 0, planner.Archive, true},
		{"to be removed, the recorded one", ordered(planner.StatusRemoving), 7, 7, 0, 0,
			planner.Archive, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			asWanted(m, "bio", 30500)
			d := m.dirs[path]
			d.Inode, d.Born = tc.inode, tc.made
			m.dirs[path] = d
			r := recordOf("bio", 30500)
			r.Inode, r.Born = tc.record, tc.born
			it := project("bio", 30500, tc.item)
			p, g := plan(&planner.Input{Items: items(it), Recorded: records(r), KeepRecords: true,
				Watch: map[planner.Key]bool{it.Key: true}}, m)
			if tc.want == "" {
				if len(p.Core.Actions) > 0 || len(g.AsWanted()) != 1 {
					t.Fatalf("actions %+v, as wanted %v", p.Core.Actions, g.AsWanted())
				}
				return
			}
			a, _ := action(t, p, bio)
			w, _ := g.Watched(it.Key)
			if a.Kind != tc.want || dangerous(a, planner.DangerReplaced) != tc.replaced ||
				w.Replaced != tc.replaced || len(g.AsWanted()) > 0 {
				t.Errorf("%s, danger %v, watched as replaced: %t, as wanted %v", a.Kind, a.Danger,
					w.Replaced, g.AsWanted())
			}
			if a.Inode != tc.inode {
				t.Errorf("the plan is about inode %d", a.Inode)
			}
			if len(p.Context.Drift) > 0 {
				t.Errorf("another directory drifted: %v", p.Context.Drift)
			}
		})
	}
}

// TestSwapped: if two directories were exchanged by a rename, both are named, with where each is
// now.
func TestSwapped(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	asWanted(m, "chem", 30501)
	const bioPath, chemPath = "capstor/store/cscs/eth/bio", "capstor/store/cscs/eth/chem"
	r1, r2 := recordOf("bio", 30500), recordOf("chem", 30501)
	r1.Inode, r2.Inode = m.dirs[bioPath].Inode, m.dirs[chemPath].Inode
	m.dirs[bioPath], m.dirs[chemPath] = m.dirs[chemPath], m.dirs[bioPath]
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500), project("chem", 30501)),
		Recorded: records(r1, r2)}, m)
	for address, words := range map[string]string{
		bio: "is now at " + chemPath +
			", and the one here is recorded as that of /capstor/store/cscs/eth/chem",
		"/capstor/store/cscs/eth/chem": "is now at " + bioPath +
			", and the one here is recorded as that of " + bio,
	} {
		a, d := action(t, p, address)
		if !dangerous(a, planner.DangerReplaced) ||
			!strings.Contains(d.Reasons[0].Text+d.Reasons[len(d.Reasons)-1].Text, words) {
			t.Errorf("%s: danger %v, reasons %v", address, a.Danger, d.Reasons)
		}
	}
}

// TestLost: replaced directories are looked for, at most 100 of them, and the plan says what was
// found.
func TestLost(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	r := recordOf("bio", 30500)
	r.Inode, r.Born = 7, 9
	g := planner.Desire(&planner.Input{Settings: testSettings(),
		Items: items(project("bio", 30500)), Recorded: records(r)})
	seen := m.observe(g)
	lost := g.Lost(seen.Directories)
	want := planner.Lost{Place: planner.Place{System: "capstor",
		Path: "capstor/store/cscs/eth/bio"}, Inode: 7, Born: 9}
	if len(lost) != 1 || lost[0] != want {
		t.Fatalf("lost %v", lost)
	}
	for found, words := range map[string]string{
		"capstor/store/cscs/eth/x": "the recorded directory is now at capstor/store/cscs/eth/x",
		"":                         "the recorded directory is not in capstor/store/cscs/eth",
	} {
		g := planner.Desire(&planner.Input{Settings: testSettings(),
			Items: items(project("bio", 30500)), Recorded: records(r)})
		seen := m.observe(g)
		seen.Found = map[planner.Place]string{want.Place: found}
		p := planner.Compare(g, seen, planner.Context{Made: now})
		if _, d := action(t, p, bio); !strings.Contains(d.Reasons[len(d.Reasons)-1].Text+
			d.Reasons[0].Text, words) {
			t.Errorf("found at %q: %v", found, d.Reasons)
		}
	}
	var many []planner.Item
	var recs []planner.Record
	for i := range 150 {
		name := fmt.Sprintf("p%03d", i)
		many = append(many, project(name, int64(31000+i)))
		asWanted(m, name, planner.GID(31000+i))
		rec := recordOf(name, planner.GID(31000+i))
		rec.Inode = 1 << 40
		recs = append(recs, rec)
	}
	g = planner.Desire(&planner.Input{Settings: testSettings(), Items: items(many...),
		Recorded: records(recs...)})
	if n := len(g.Lost(m.observe(g).Directories)); n != 100 {
		t.Errorf("%d are looked for", n)
	}
}

// TestReplacedAfterThePlan: a directory that replaces another one after the approval makes the plan
// stale, even if it has the same inode.
func TestReplacedAfterThePlan(t *testing.T) {
	const path = "capstor/store/cscs/eth/bio"
	it := project("bio", 30500, func(it *planner.Item) { it.Permission = "2750" })
	for name, change := range map[string]func(*planner.Directory){
		"":                   func(*planner.Directory) {},
		"another":            func(d *planner.Directory) { d.Inode++ },
		"with its inode":     func(d *planner.Directory) { d.Born++ },
		"another, as wanted": func(d *planner.Directory) { d.Inode, d.Mode = d.Inode+1, 0o2750 },
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		r := recordOf("bio", 30500)
		d := m.dirs[path]
		d.Born = 5
		m.dirs[path] = d
		r.Inode, r.Born = d.Inode, d.Born
		w := planner.Input{Items: items(it), Recorded: records(r)}
		approved, _ := plan(&w, m)
		change(&d)
		m.dirs[path] = d
		again := w
		again.Watch = map[planner.Key]bool{it.Key: true}
		_, g := plan(&again, m)
		if stale := planner.Recheck(approved, g); (len(stale) > 0) != (name != "") {
			t.Errorf("%q: stale %v", name, stale)
		}
	}
}

// TestReplacedAbove: if none of the directories recorded beside a new one exists, the new one is
// not routine. That is also so if the plan is about the new one alone, as in the orders lane.
func TestReplacedAbove(t *testing.T) {
	const chem = "/capstor/store/cscs/eth/chem"
	for _, tc := range []struct {
		name string
		then func(m *model, bio string)
		want bool
	}{
		{"as recorded", func(*model, string) {}, false},
		{"another in its place", func(m *model, bio string) { m.put(bio, 30500, 0o2770) }, true},
		{"all is gone", func(m *model, bio string) { delete(m.dirs, bio) }, true},
		{"not seen", func(m *model, bio string) { m.dirs[bio] = planner.Directory{Why: "trouble"} },
			false},
		{"one of two stands",
			func(m *model, bio string) { m.put("capstor/store/cscs/eth/phys", 30502, 0o2770) },
			false},
	} {
		for _, alone := range []bool{false, true} {
			m := newModel()
			asWanted(m, "bio", 30500)
			asWanted(m, "phys", 30502)
			asWanted(m, "math", 30503)
			var recs []planner.Record
			others := []planner.Item{project("bio", 30500)}
			if tc.name == "one of two stands" {
				others = append(others, project("phys", 30502))
			}
			for _, it := range others {
				r := recordOf(it.Name, planner.GID(it.GID))
				r.Inode = m.dirs[r.Storage].Inode
				recs = append(recs, r)
			}
			it := project("chem", 30501, ordered(planner.StatusPending))
			w := &planner.Input{Items: append(items(it), others...), Recorded: records(recs...)}
			if alone {
				w.Watch = map[planner.Key]bool{it.Key: true}
			}
			tc.then(m, bioPath)
			p, g := plan(w, m)
			a, _ := action(t, p, chem)
			if dangerous(a, planner.DangerReplaced) != tc.want {
				t.Errorf("%s, alone: %t: danger %v", tc.name, alone, a.Danger)
			}
			if watched, ok := g.Watched(it.Key); alone && (!ok || watched.Replaced != tc.want) {
				t.Errorf("%s: watched as %+v", tc.name, watched)
			}
			if alone && len(p.Core.Actions) > 3 {
				t.Errorf("%s: a witness is acted on: %+v", tc.name, p.Core.Actions)
			}
		}
	}
}
