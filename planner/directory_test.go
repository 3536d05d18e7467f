package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// directorySettings have quotas of directories on capstor, as storage with other traits has them.
func directorySettings(change ...func(*planner.System)) *planner.Settings {
	s := testSettings()
	sys := &s.Systems[0]
	sys.Quota = planner.QuotaSettings{Kind: "other", By: planner.ByDirectory,
		Shared: planner.SharedRefuse, OnRemove: planner.OnRemoveKeep}
	sys.Traits = planner.Traits{Unit: 1, Soft: true, NeedsDirectory: true, MaxSpace: 1 << 60,
		MaxInodes: 1 << 48}
	for _, c := range change {
		c(sys)
	}
	return s
}

const bioDir = "capstor/store/cscs/eth/bio"

// named is where the state of a quota with a name is from.
func named(handle string) *planner.QuotaSource { return &planner.QuotaSource{Handle: handle} }

// limited returns a quota of a directory that was set as project wants it.
func limited(handle string) planner.QuotaState {
	q := newModel().quota(0)
	q.Source = named(handle)
	q.Limits = planner.Limits{planner.SpaceSoft: planner.LimitOf(10 * tib),
		planner.SpaceHard:  planner.LimitOf(10 * tib),
		planner.InodesSoft: planner.LimitOf(planner.Inodes(1_330_000)),
		planner.InodesHard: planner.LimitOf(planner.Inodes(2_000_000))}
	return q
}

// TestQuotaOfADirectory: a new directory gets a quota of its own, and then nothing is left to do.
// Another directory with the same group shares nothing with it.
func TestQuotaOfADirectory(t *testing.T) {
	m := newModel()
	w := func() *planner.Input {
		return &planner.Input{Settings: directorySettings(),
			Items: items(project("bio", 30500), project("chem", 30500))}
	}
	p, _ := plan(w(), m)
	a, d := action(t, p, bio)
	if a.Kind != planner.Create || a.Quota == nil ||
		*a.Quota != (planner.QuotaID{By: planner.ByDirectory, Path: bioDir}) || a.Handle != "" {
		t.Errorf("%s of %v, handle %q", a.Kind, a.Quota, a.Handle)
	}
	if hard, _ := a.After(planner.SpaceHard); hard != planner.Number(uint64(10*tib)) {
		t.Errorf("the hard limit becomes %v: %v", hard, d.Reasons)
	}
	for _, c := range a.Changes {
		if c.Attribute.IsQuota() && !c.Before.IsAbsent() {
			t.Errorf("%s was %v, want none: there was no quota", c.Attribute, c.Before)
		}
	}
	m.apply(p)
	if p, _ = plan(w(), m); len(p.Core.Actions) != 0 {
		t.Errorf("not settled: %+v", p.Core.Actions)
	}
	if m.places[bioDir].Limits != limited("").Limits || len(m.quotas) != 0 {
		t.Errorf("quotas of directories %v, of ids %v", m.places, m.quotas)
	}
}

// TestAQuotaThatIsGone: a managed directory whose quota is gone gets one, and the change is drift.
func TestAQuotaThatIsGone(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	rec := recordOf("bio", 30500)
	rec.QuotaBy, rec.QuotaID, rec.Claim = planner.ByDirectory, 0, limited("").Limits
	p, _ := plan(&planner.Input{Settings: directorySettings(), Items: items(project("bio", 30500)),
		Recorded: records(rec)}, m)
	a, d := action(t, p, bio)
	if a.Kind != planner.Update || len(a.Changes) != 4 || !slices.ContainsFunc(d.Reasons,
		func(r planner.Reason) bool { return r.Code == reason.Drift }) {
		t.Errorf("%s %v because %v", a.Kind, a.Changes, d.Reasons)
	}
}

// TestAnotherQuotaStandsThere: if the quota that a plan saw was replaced, the plan is stale, but
// only while a limit is to be set.
func TestAnotherQuotaStandsThere(t *testing.T) {
	raise := project("bio", 30500)
	raise.Quotas = quotas("20.0", "20.0")
	world := func() *planner.Input {
		return &planner.Input{Settings: directorySettings(), Items: items(raise),
			Watch: map[planner.Key]bool{raise.Key: true}}
	}
	m := newModel()
	asWanted(m, "bio", 30500)
	m.places[bioDir] = limited("17")
	approved, _ := plan(world(), m)
	if a, _ := action(t, approved, bio); a.Handle != "17" {
		t.Fatalf("handle %q", a.Handle)
	}
	for _, c := range []struct {
		name   string
		change func(q planner.QuotaState) planner.QuotaState
		stale  bool
	}{
		{"as it was", func(q planner.QuotaState) planner.QuotaState { return q }, false},
		{"replaced", func(planner.QuotaState) planner.QuotaState { return limited("18") }, true},
		{"as wanted already", func(q planner.QuotaState) planner.QuotaState {
			q.Source = named("18")
			q.Limits[planner.SpaceSoft], q.Limits[planner.SpaceHard] = planner.LimitOf(20*tib),
				planner.LimitOf(20*tib)
			return q
		}, false},
	} {
		m.places[bioDir] = c.change(limited("17"))
		_, g := plan(world(), m)
		if stale := planner.Recheck(approved, g); (len(stale) > 0) != c.stale {
			t.Errorf("%s: stale %v", c.name, stale)
		}
	}
}

// TestQuotaAbove: somebody else's quota of a parent directory is named once. A managed directory
// inside a managed one is refused.
func TestQuotaAbove(t *testing.T) {
	m := newModel()
	for _, name := range []string{"bio", "chem"} {
		q := m.quotaOf(planner.QuotaID{By: planner.ByDirectory})
		q.SetAbove("capstor/store")
		m.places["capstor/store/cscs/eth/"+name] = q
	}
	p, _ := plan(&planner.Input{Settings: directorySettings(),
		Items: items(project("bio", 30500), project("chem", 30501))}, m)
	var named []string
	for _, w := range p.Context.Warnings {
		if w.Code == reason.QuotaAbove {
			named = append(named, w.Text)
		}
	}
	if len(named) != 1 || !strings.Contains(named[0], "capstor/store") {
		t.Errorf("warnings %q", named)
	}
	inner := project("inner", 30502, at("/capstor/store/cscs/eth/bio/inner"))
	p, _ = plan(&planner.Input{Settings: directorySettings(),
		Items: items(project("bio", 30500), inner)}, m)
	if code, _ := refusal(p, inner.MountPath); code != string(reason.Conflict) ||
		len(p.Core.Actions) > 0 {
		t.Errorf("one inside the other: %q, actions %v", code, p.Core.Actions)
	}
}

// TestTraitsShapeWishes: limits are rounded down to the unit, soft limits need a storage that has
// them, and larger limits than the storage allows are refused.
func TestTraitsShapeWishes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*planner.System)
		hard   uint64
		code   reason.Code
	}{
		{"whole blocks", func(s *planner.System) { s.Traits.Unit = 3 << 40 }, 9 << 40, ""},
		{"no soft limits", func(s *planner.System) { s.Traits.Soft = false }, 10 << 40,
			reason.NoSoftLimits},
		{"too much", func(s *planner.System) { s.Traits.MaxSpace = 9 * tib }, 0, reason.Quota},
		{"too many", func(s *planner.System) { s.Traits.MaxInodes = 10 }, 0, reason.Quota},
	} {
		p, _ := plan(&planner.Input{Settings: directorySettings(c.change),
			Items: items(project("bio", 30500))}, newModel())
		if c.hard == 0 {
			if code, _ := refusal(p, bio); code != string(c.code) {
				t.Errorf("%s: %q", c.name, code)
			}
			continue
		}
		a, _ := action(t, p, bio)
		if hard, _ := a.After(planner.SpaceHard); hard != planner.Number(c.hard) {
			t.Errorf("%s: hard %v", c.name, hard)
		}
		warned := slices.ContainsFunc(p.Context.Warnings,
			func(w planner.Warning) bool { return w.Code == reason.NoSoftLimits })
		if _, soft := a.After(planner.SpaceSoft); soft == (c.code == reason.NoSoftLimits) ||
			warned == soft {
			t.Errorf("%s: a soft limit is set: %t, warned: %t", c.name, soft, warned)
		}
	}
}

// TestOnRemoveOfADirectory: the quota of a removed directory is kept, frozen or removed, as
// configured.
func TestOnRemoveOfADirectory(t *testing.T) {
	for _, policy := range []planner.RemovePolicy{planner.OnRemoveKeep, planner.OnRemoveFreeze,
		planner.OnRemoveRemove} {
		for _, there := range []bool{true, false} {
			m := newModel()
			asWanted(m, "bio", 30500)
			if there {
				m.places[bioDir] = limited("17")
			}
			s := directorySettings(func(s *planner.System) { s.Quota.OnRemove = policy })
			p, _ := plan(&planner.Input{Settings: s,
				Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}, m)
			a, _ := action(t, p, bio)
			if a.Unlimit != (there && policy == planner.OnRemoveRemove) ||
				a.Freeze != (policy == planner.OnRemoveFreeze) || (a.Handle == "17") != there {
				t.Errorf("%s, there %t: unlimit %t, freeze %t, handle %q", policy, there, a.Unlimit, a.Freeze,
					a.Handle)
			}
		}
	}
}

// TestRestoreLooksWhereTheQuotaIs: a quota that follows its directory is read in the archive, and
// one that does not is read at the old path. Nobody claims an archived directory's limits at its
// old path.
func TestRestoreLooksWhereTheQuotaIs(t *testing.T) {
	rec := recordOf("bio", 30500)
	archived := planner.Archived{Key: rec.Key, Address: bio, System: "capstor", Storage: rec.Storage,
		Archive: "capstor/.trash/x", Inode: 9, Group: 30500,
		Mode: 0o2770, QuotaBy: planner.ByDirectory, Claim: limited("").Limits, At: now}
	for _, follows := range []bool{true, false} {
		m := newModel()
		frozen := limited("17")
		frozen.Limits[planner.SpaceSoft], frozen.Limits[planner.SpaceHard] = planner.LimitOf(tib),
			planner.LimitOf(tib)
		m.places["capstor/.trash/x"] = frozen
		s := directorySettings(func(s *planner.System) { s.Traits.FollowsRename = follows })
		p, _ := plan(&planner.Input{Settings: s, Items: items(project("bio", 30500)),
			Recorded: planner.Recorded{Archived: map[planner.Key]planner.Archived{rec.Key: archived}}}, m)
		a, _ := action(t, p, bio)
		i := slices.IndexFunc(a.Changes, func(c planner.Change) bool { return c.Attribute == planner.SpaceHard })
		if a.Kind != planner.Restore || i < 0 || a.Quota == nil || a.Quota.Path != bioDir {
			t.Fatalf("follows %t: %s, quota %v, changes %v", follows, a.Kind, a.Quota, a.Changes)
		}
		if was := a.Changes[i].Before; (was == planner.Number(uint64(tib))) != follows ||
			(a.Handle == "17") != follows {
			t.Errorf("follows %t: it was %v, handle %q", follows, was, a.Handle)
		}
	}
}

// TestUsageThatNothingCounts: nothing counts what is in a directory without a quota. A new
// directory is empty. For an existing one a person decides, because only the new quota will count
// its content.
func TestUsageThatNothingCounts(t *testing.T) {
	for _, stands := range []bool{false, true} {
		m := newModel()
		m.uncounted = true
		if stands {
			asWanted(m, "bio", 30500)
		}
		p, _ := plan(&planner.Input{Settings: directorySettings(), Items: items(project("bio", 30500))},
			m)
		a, d := action(t, p, bio)
		if got := slices.Contains(a.Danger, planner.DangerBelowUsage); got != stands || a.Quota == nil {
			t.Errorf("stands %v: %v, dangers %v because %v", stands, a.Quota, a.Danger, d.Reasons)
		}
	}
}
