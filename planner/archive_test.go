package planner_test

import (
	"math"
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// frozen returns settings with which an archived directory's quota is frozen.
func frozen() *planner.Settings {
	s := testSettings()
	s.Systems[0].Quota.OnRemove = "freeze"
	return s
}

// Others who use the same quota would be stopped by a freeze for somebody else's directory.
func TestFreezeOnlyWhatNobodyElseLivesOn(t *testing.T) {
	other := recordOf("chem", 30500)
	other.QuotaBy, other.QuotaID = planner.ByGroup, 30500
	own := recordOf("bio", 30500)
	own.QuotaBy, own.QuotaID = planner.ByGroup, 30500
	before := records(recordOf("bio", 30501)) // its group has changed, and it was archived once
	before.Archived = map[planner.Key]planner.Archived{own.Key: archivedFrom(own)}
	elsewhere := archivedFrom(own)
	elsewhere.System = "vast"
	for _, c := range []struct {
		name   string
		more   []planner.Item
		rec    planner.Recorded
		freeze bool
	}{
		{"nobody else", nil, planner.Recorded{}, true},
		{"its own record", nil, records(own), true},
		{"another listed one", []planner.Item{project("chem", 30500)}, records(own), false},
		{"another recorded one", nil, records(own, other), false},
		{"another group", []planner.Item{project("chem", 30501)}, records(own), true},
		{"another one, and its own archived directory", []planner.Item{project("chem", 30500),
			project("dora", 30501)}, before, false},
		{"another one, and its own archived directory on another system",
			[]planner.Item{project("chem", 30500)}, planner.Recorded{
				Archived: map[planner.Key]planner.Archived{own.Key: elsewhere}}, false},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		w := &planner.Input{Settings: frozen(),
			Items:    items(append(c.more, project("bio", 30500, ordered(planner.StatusRemoving)))...),
			Recorded: c.rec}
		w.Settings.Systems[0].Quota.Shared = planner.SharedSum
		w.Settings.Systems[1].Quota = w.Settings.Systems[0].Quota
		p, _ := plan(w, m)
		a, _ := action(t, p, bio)
		warned := slices.ContainsFunc(p.Context.Warnings,
			func(w planner.Warning) bool { return w.Code == "not_frozen" })
		if a.Kind != planner.Archive || a.Freeze != c.freeze || warned == c.freeze {
			t.Errorf("%s: %s, freeze %t, warned %t; want freeze %t", c.name, a.Kind, a.Freeze,
				warned, c.freeze)
		}
	}
}

// A freeze that was planned when nobody else used the quota is stale once somebody does.
func TestFreezeIsStaleOnceOthersLiveOnIt(t *testing.T) {
	own := recordOf("bio", 30500)
	own.QuotaBy, own.QuotaID = planner.ByGroup, 30500
	removal := project("bio", 30500, ordered(planner.StatusRemoving))
	m := newModel()
	asWanted(m, "bio", 30500)
	world := func(more ...planner.Item) *planner.Input {
		return &planner.Input{Settings: frozen(), Items: items(append(more, removal)...),
			Recorded: records(own), Watch: map[planner.Key]bool{removal.Key: true}}
	}
	approved, g := plan(world(), m)
	if stale := planner.Recheck(approved, g); len(stale) != 0 {
		t.Errorf("nothing moved, but stale: %v", stale)
	}
	_, g = plan(world(project("chem", 30500)), m)
	if stale := planner.Recheck(approved, g); len(stale) != 1 || stale[0].Field != "quota" {
		t.Errorf("another lives on it: stale %v, want the quota", stale)
	}
}

// An apply that continues after the move still knows whether others use the quota. The directory's
// own claim, recorded or in the register, does not count as another's.
func TestWhoElseLivesOnAnArchivedQuota(t *testing.T) {
	own := recordOf("bio", 30500)
	own.QuotaBy, own.QuotaID = planner.ByGroup, 30500
	register := planner.Recorded{Archived: map[planner.Key]planner.Archived{own.Key: {Key: own.Key,
		System: "capstor", QuotaBy: planner.ByGroup, QuotaID: 30500, Claim: own.Claim}}}
	removal := project("bio", 30500, ordered(planner.StatusRemoving))
	for _, c := range []struct {
		name   string
		more   []planner.Item
		rec    planner.Recorded
		shared bool
	}{
		{"noted nowhere", nil, planner.Recorded{}, false},
		{"still recorded", nil, records(own), false},
		{"in the register", nil, register, false},
		{"in the register, and another is new", []planner.Item{project("chem", 30500)}, register,
			true},
	} {
		s := frozen()
		s.Systems[0].Quota.Shared = planner.SharedSum
		_, g := plan(&planner.Input{Settings: s, Items: items(append(c.more, removal)...),
			Recorded: c.rec, Watch: map[planner.Key]bool{removal.Key: true}}, newModel())
		if w, ok := g.Watched(removal.Key); !ok || w.Shared != c.shared {
			t.Errorf("%s: shared %t (listed %t), want %t", c.name, w.Shared, ok, c.shared)
		}
	}
}

// The plan has everything that the manifest must say, because an apply knows nothing else about the
// directory.
func TestAnArchiveKnowsTheProject(t *testing.T) {
	s := testSettings()
	s.Systems[0].Quota.By = planner.ByProject
	m := newModel()
	asWanted(m, "bio", 30500)
	d := m.dirs["capstor/store/cscs/eth/bio"]
	d.Project, d.Inherit, d.HasProject = 30500, true, true
	m.dirs["capstor/store/cscs/eth/bio"] = d
	p, _ := plan(&planner.Input{Settings: s,
		Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}, m)
	a, _ := action(t, p, bio)
	if !slices.Contains(a.Changes, planner.Change{Attribute: planner.Project,
		Before: planner.Number(30500)}) {
		t.Errorf("changes %v, want the project id", a.Changes)
	}
}

// A restore puts back the limits that the directory had, unless others use them now.
func TestRestorePutsLimitsBack(t *testing.T) {
	rec := recordOf("bio", 30500)
	was := planner.Limits{planner.SpaceSoft: planner.LimitOf(10 * tib),
		planner.SpaceHard: planner.LimitOf(10 * tib)}
	archived := planner.Archived{Key: rec.Key, Address: bio, System: "capstor",
		Storage: rec.Storage, Archive: "capstor/.trash/x", Inode: 9, Group: 30500, Mode: 0o2770,
		QuotaBy: planner.ByGroup, QuotaID: 30500, Claim: was, At: now}
	for _, c := range []struct {
		name   string
		items  []planner.Item
		quotas bool
	}{
		{"asked for", tree(), true},
		{"active at Waldur", items(project("bio", 30500)), true},
		{"another has the group by now", items(project("chem", 30500)), false},
	} {
		m := newModel()
		q := m.quota(30500)
		q.Limits[planner.SpaceHard] = planner.LimitOf(tib) // frozen
		m.quotas[30500] = q
		w := &planner.Input{Items: c.items,
			Recorded: planner.Recorded{Archived: map[planner.Key]planner.Archived{
				rec.Key: archived}}}
		w.Selection.Restores = []string{bio}
		p, _ := plan(w, m)
		a, _ := action(t, p, bio)
		hard := slices.ContainsFunc(a.Changes, func(x planner.Change) bool {
			return x.Attribute == planner.SpaceHard && x.Before == planner.Number(uint64(tib)) &&
				x.After == planner.Number(uint64(10*tib))
		})
		if a.Kind != planner.Restore || hard != c.quotas || (a.Quota != nil) != c.quotas {
			t.Errorf("%s: %s, quota %v, changes %v", c.name, a.Kind, a.Quota, a.Changes)
		}
	}
}

// TestDangerousRestores: a restored directory may have a mode that grants too much, or no hard
// limit, like a new one.
func TestDangerousRestores(t *testing.T) {
	rec := recordOf("bio", 30500)
	limited := planner.Limits{planner.SpaceHard: planner.LimitOf(10 * tib),
		planner.InodesHard: planner.LimitOf(planner.Inodes(1e6))}
	for _, byWaldur := range []bool{false, true} {
		for name, c := range map[string]struct {
			mode  planner.Mode
			claim planner.Limits
			want  []planner.Danger
		}{
			"as it should be": {0o2770, limited, nil},
			"too wide":        {0o2777, limited, []planner.Danger{planner.DangerWiderAccess}},
			"without limits": {0o2770, planner.Limits{},
				[]planner.Danger{planner.DangerUnlimited}},
		} {
			w := &planner.Input{Items: tree(),
				Recorded: planner.Recorded{Archived: map[planner.Key]planner.Archived{rec.Key: {Key: rec.Key,
					Address: bio, System: "capstor", Storage: rec.Storage,
					Archive: "capstor/.trash/x",
					Inode:   9, Group: 30500, Mode: c.mode,
					QuotaBy: planner.ByGroup, QuotaID: 30500, Claim: c.claim, At: now}}}}
			want := c.want
			if byWaldur {
				w.Items = items(project("bio", 30500, func(it *planner.Item) {
					if c.claim == (planner.Limits{}) {
						it.Quotas = nil
					}
				}))
				want = append([]planner.Danger{planner.DangerMissing}, want...)
			} else {
				w.Selection.Restores = []string{bio}
			}
			p, _ := plan(w, newModel())
			if a, _ := action(t, p, bio); a.Kind != planner.Restore ||
				!slices.Equal(a.Danger, want) {
				t.Errorf("%s, by Waldur: %t: %s, danger %v, want %v", name, byWaldur, a.Kind,
					a.Danger, want)
			}
		}
	}
}

// A soft limit is not put back above the hard one that stays.
func TestRestoreLeavesLimitsThatDoNotFit(t *testing.T) {
	rec := recordOf("bio", 30500)
	archived := planner.Archived{Key: rec.Key, Address: bio, System: "capstor",
		Storage: rec.Storage, Archive: "capstor/.trash/x", Inode: 9, Group: 30500, Mode: 0o2770,
		QuotaBy: planner.ByGroup, QuotaID: 30500,
		Claim: planner.Limits{planner.SpaceSoft: planner.LimitOf(10 * tib)}, At: now}
	m := newModel()
	q := m.quota(30500)
	q.Limits[planner.SpaceHard] = planner.LimitOf(tib) // frozen
	m.quotas[30500] = q
	w := &planner.Input{Items: tree(),
		Recorded: planner.Recorded{Archived: map[planner.Key]planner.Archived{rec.Key: archived}}}
	w.Selection.Restores = []string{bio}
	p, _ := plan(w, m)
	a, d := action(t, p, bio)
	told := slices.ContainsFunc(d.Reasons,
		func(r planner.Reason) bool { return r.Code == "soft_above_hard" })
	if a.Kind != planner.Restore || a.Quota != nil || !told {
		t.Errorf("%s, quota %v, changes %v, reasons %v", a.Kind, a.Quota, a.Changes, d.Reasons)
	}
}

// What is promised does not wrap around, whatever limits stand.
func TestPromisesDoNotWrap(t *testing.T) {
	m := newModel()
	for _, gid := range []uint32{30500, 30501} {
		q := m.quota(gid)
		q.Limits[planner.SpaceHard] = planner.LimitOf(planner.Bytes(1 << 63))
		m.quotas[gid] = q
	}
	still := func(it *planner.Item) { it.Quotas = nil }
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500, still),
		project("chem", 30501, still))}, m)
	if got := p.Context.Promised; len(got) != 1 || got[0].Before != math.MaxUint64 {
		t.Errorf("promised %v", got)
	}
}

// Archived space is promised to nobody any more, unless others use the same quota.
func TestPromisedAfterAnArchive(t *testing.T) {
	own, other := recordOf("bio", 30500), recordOf("chem", 30500)
	own.QuotaBy, own.QuotaID = planner.ByGroup, 30500
	other.QuotaBy, other.QuotaID = planner.ByGroup, 30500
	for _, c := range []struct {
		name  string
		rec   planner.Recorded
		after planner.Bytes
	}{
		{"never recorded", planner.Recorded{}, 0},
		{"recorded", records(own), 0},
		{"another on the same quota", records(own, other), 10 * tib},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		p, _ := plan(&planner.Input{Settings: testSettings(),
			Items: items(project("bio", 30500, ordered(planner.StatusRemoving))), Recorded: c.rec},
			m)
		want := []planner.Promise{{System: "capstor", Before: 10 * tib, After: c.after}}
		if !slices.Equal(p.Context.Promised, want) {
			t.Errorf("%s: promised %v, want %v", c.name, p.Context.Promised, want)
		}
	}
}
