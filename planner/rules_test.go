package planner_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// says is an override that matches one mount path, or all if that is empty.
type says struct {
	path string
	then planner.Wishes
	err  error
	ends time.Time
}

func (o says) GivesGroup() bool { return o.then.Group != nil }

func (o says) Matches(f planner.Facts) bool { return o.path == "" || o.path == f.Path }
func (o says) Apply(planner.Upstream) (planner.Wishes, error) {
	return o.then, o.err
}
func (o says) Expired(now time.Time) bool { return !o.ends.IsZero() && !now.Before(o.ends) }
func (o says) Source() planner.Provenance {
	return planner.Provenance{From: planner.FromOverride, Override: "o", At: "o.hcl:1"}
}

// stranger is an ACL that lets one more user in.
var stranger = &planner.ACL{Access: []planner.ACLEntry{{Tag: planner.ACLOwner, Rights: 7},
	{Tag: planner.ACLUser, ID: 12345, Rights: 7},
	{Tag: planner.ACLGroup, Rights: 5}, {Tag: planner.ACLMask, Rights: 7},
	{Tag: planner.ACLOthers}}}

func overrides(os ...planner.Override) []planner.Override { return os }

func limits(soft, hard planner.Bytes) planner.Wishes {
	return planner.Wishes{Quota: planner.Limits{planner.SpaceSoft: planner.LimitOf(soft),
		planner.SpaceHard: planner.LimitOf(hard)}}
}

// TestOneBadItemStopsNobody: whatever one item asks for, a good one beside it is made.
func TestOneBadItemStopsNobody(t *testing.T) {
	inError := func(it *planner.Item) { it.Status = planner.StatusError }
	for name, bad := range map[string]planner.Item{
		"the system's directory":           project("bad", 30999, at("/capstor")),
		"above a tenant":                   project("bad", 30999, at("/capstor/store")),
		"a tenant's directory":             project("bad", 30999, at("/capstor/store/cscs")),
		"a customer's directory":           project("bad", 30999, at("/capstor/store/cscs/eth")),
		"the folder of other paths":        project("bad", 30999, at("/scratch")),
		"the system's directory, in error": project("bad", 30999, at("/capstor"), inError),
		"above a tenant, to be removed": project("bad", 30999,
			ordered(planner.StatusRemoving), at("/capstor/store")),
		"the system's directory, removed": project("bad", 30999, at("/capstor"),
			func(it *planner.Item) { it.Status = planner.StatusRemoved }),
		"unreadable": project("bad", 30999,
			func(it *planner.Item) { it.Problem = "quotas: no list" }),
		"another's group, beyond every limit": project("bad", 30500,
			func(it *planner.Item) { it.Quotas = quotas("1048577", "1048577") }),
		"its directory inside, but no address": project("bad", 30999, at("bio/inner")),
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := plan(&planner.Input{Items: items(project("bio", 30500), bad)}, newModel())
			a, _ := action(t, p, bio)
			if a.Kind != planner.Create || a.Quota == nil {
				t.Errorf("got %+v, want a create with its quota; blocked: %v", a, p.Context.Blocked)
			}
		})
	}
}

// TestNothingAskedIsNothing: an item that is removed, or in error without an order, is neither
// blocked nor changed, however bad it is.
func TestNothingAskedIsNothing(t *testing.T) {
	for _, status := range []planner.Status{planner.StatusRemoved, planner.StatusError} {
		for name, change := range map[string]func(*planner.Item){
			"good":           func(*planner.Item) {},
			"no group":       func(it *planner.Item) { it.HasGID = false },
			"relative path":  at("x"),
			"unknown system": func(it *planner.Item) { it.Key.System = "nowhere" },
			"soft over hard": func(it *planner.Item) { it.Quotas = quotas("20.0", "10.0") },
			"negative limit": func(it *planner.Item) { it.Quotas = quotas("-1", "10.0") },
			"bad mode":       func(it *planner.Item) { it.Permission = "rwx" },
			"taken path":     at(bio),
		} {
			m := newModel()
			asWanted(m, "bio", 30500)
			it := project("sick", 30501, change, func(it *planner.Item) { it.Status = status })
			p, g := plan(&planner.Input{Items: items(project("bio", 30500), it),
				Recorded: records(recordOf("bio", 30500))}, m)
			if c := p.Context.Counts; c.Unchanged != 2 || len(p.Core.Actions) != 0 {
				t.Errorf("%s, %s: counts %+v, blocked %v", status, name, c, p.Context.Blocked)
			}
			for _, v := range g.Views() {
				if v.Key == it.Key && v.Verdict.Code != "" {
					t.Errorf("%s, %s: shown as refused: %v", status, name, v.Verdict)
				}
			}
		}
	}
}

// TestChecksAreOnTheFinalValues: an override can correct a wrong value of the proxy, and a wrong
// value of an override is blocked.
func TestChecksAreOnTheFinalValues(t *testing.T) {
	quota := func(soft, hard string) func(*planner.Item) {
		return func(it *planner.Item) { it.Quotas = quotas(soft, hard) }
	}
	for _, tc := range []struct {
		name     string
		change   func(*planner.Item)
		override planner.Wishes
		code     string
	}{
		{"negative", quota("-1", "10"), limits(tib, tib), ""},
		{"negative, and the other limit is mended", quota("-1", "10"),
			planner.Wishes{Quota: planner.Limits{planner.SpaceHard: planner.LimitOf(tib)}},
			"quota"},
		{"beyond every storage", quota("1e99", "1e99"), limits(tib, tib), ""},
		{"becomes 0", quota("1e-12", "1e-12"), limits(tib, tib), ""},
		{"soft above hard", quota("20", "10"), limits(tib, tib), ""},
		{"hard 0", quota("10", "0"), limits(tib, tib), ""},
		{"no group", func(it *planner.Item) { it.HasGID = false },
			planner.Wishes{Group: ptr(planner.GID(30500))}, ""},
		{"group 0", func(it *planner.Item) { it.GID = 0 },
			planner.Wishes{Group: ptr(planner.GID(30500))}, ""},
		{"mode", func(it *planner.Item) { it.Permission = "rwx" },
			planner.Wishes{Mode: ptr("2770")}, ""},
		{"an override's group", func(*planner.Item) {}, planner.Wishes{Group: ptr(planner.GID(7))},
			"gid"},
		{"an override's owner", func(*planner.Item) {},
			planner.Wishes{Owner: ptr(planner.UID(65534))}, "owner"},
		{"an override's mode", func(*planner.Item) {}, planner.Wishes{Mode: ptr("abc")},
			"override"},
		{"an override's limit below 1 KiB", func(*planner.Item) {}, limits(1023, tib), "quota"},
		{"an override's limits the wrong way", func(*planner.Item) {}, limits(2*tib, tib),
			"soft_above_hard"},
		{"an override leaves it alone", func(it *planner.Item) { it.HasGID = false },
			planner.Wishes{Manage: ptr(false)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := plan(&planner.Input{Items: items(project("bio", 30500, tc.change)),
				Overrides: overrides(says{then: tc.override, path: bio})}, newModel())
			if code, _ := refusal(p, bio); code != tc.code {
				t.Errorf("refused with %q, want %q: %v", code, tc.code, p.Context.Blocked)
			}
		})
	}
}

// TestOverrides: overrides apply in file order. An expired override is ignored with a warning, and
// one that matches nothing is a warning. One that cannot be computed blocks only what it matches.
// Limits are cut to whole KiB.
func TestOverrides(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.Input{Complete: true,
		Items: items(project("bio", 30500), project("chem", 30501)),
		Overrides: overrides(
			says{path: bio, then: planner.Wishes{Mode: ptr("2750"),
				Quota: planner.Limits{planner.SpaceSoft: planner.LimitOf(3*tib + 1023)}}},
			says{path: bio, then: planner.Wishes{Mode: ptr("2700"),
				Quota: planner.Limits{planner.SpaceHard: planner.Unlimited()}}},
			says{then: planner.Wishes{Mode: ptr("0777")}, ends: now},
			says{path: "/nowhere", then: planner.Wishes{Mode: ptr("0777")}},
			says{path: "/capstor/store/cscs/eth/chem", err: errors.New("space_hard is null")},
		)}, m)
	a, d := action(t, p, bio)
	got := map[planner.Attribute]planner.Value{}
	for i, c := range a.Changes {
		got[c.Attribute] = c.After
		if over := d.Notes[i].Provenance.From == planner.FromOverride; over != (c.Attribute == planner.ModeAttr || c.Attribute.IsSpace()) {
			t.Errorf("%s comes from %+v", c.Attribute, d.Notes[i].Provenance)
		}
	}
	if got[planner.ModeAttr] != planner.ModeValue(0o2700) ||
		got[planner.SpaceSoft] != planner.Number(3<<40) ||
		got[planner.SpaceHard] != planner.UnlimitedValue() {
		t.Errorf("wanted: %v", got)
	}
	if code, _ := refusal(p, "/capstor/store/cscs/eth/chem"); code != "override" {
		t.Errorf("an override that cannot be computed: %q", code)
	}
	var codes []string
	for _, w := range p.Context.Warnings {
		codes = append(codes, string(w.Code))
	}
	if !slices.Equal(codes, []string{"override_expired", "override_unmatched"}) {
		t.Errorf("warnings %v", p.Context.Warnings)
	}
}

// TestPinnedQuotasDoNotKeepARemovalFromGoingOn: a removal sets no limits.
func TestPinnedQuotasDoNotKeepARemovalFromGoingOn(t *testing.T) {
	for _, q := range []*planner.ProxyQuotas{quotas("20.0", "10.0"), quotas("-1", "10"), nil} {
		m := newModel()
		asWanted(m, "bio", 30500)
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
			ordered(planner.StatusRemoving), func(it *planner.Item) { it.Quotas = q }))}, m)
		if a, _ := action(t, p, bio); a.Kind != planner.Archive {
			t.Errorf("%+v: %s", q, a.Kind)
		}
	}
}

// TestSoftAboveWhatStands: a soft limit is compared with the hard one that stays, because nobody
// says what that should be.
func TestSoftAboveWhatStands(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
		func(it *planner.Item) { it.Quotas = quotas("20.0", "0.0") })),
		Recorded: records(recordOf("bio", 30500))}, m)
	if code, _ := refusal(p, bio); code != "soft_above_hard" || len(p.Core.Actions) != 0 {
		t.Errorf("refused with %q, want soft_above_hard; %v", code, p.Core.Actions)
	}
}

// TestEnforcedParents: a tenant's directory must have its owner and mode. Changes are as dangerous
// as for any directory, and holds and obstacles are shown.
func TestEnforcedParents(t *testing.T) {
	const eth = "/capstor/store/cscs/eth"
	s := testSettings()
	s.Parents = planner.ParentsEnforce
	world := func(holds ...planner.Hold) *planner.Input {
		return &planner.Input{Settings: s, Items: items(project("bio", 30500)),
			Recorded: records(recordOf("bio", 30500)), Holds: holds}
	}
	tree := func() *model {
		m := newModel()
		asWanted(m, "bio", 30500)
		m.put("capstor/store/cscs", 0, 0o775)
		m.put("capstor/store/cscs/eth", 0, 0o700)
		return m
	}
	m := tree()
	p, _ := plan(world(), m)
	if a, _ := action(t, p, eth); a.Kind != planner.Update ||
		!slices.Equal(a.Danger, []planner.Danger{planner.DangerWiderAccess}) ||
		len(p.Core.Actions) != 1 {
		t.Errorf("a mode to be widened: %+v", p.Core.Actions)
	}
	p, _ = plan(world(planner.Hold{Glob: eth, Reason: "incident", By: "root"}), m)
	if code, waits := refusal(p, eth); code != "hold" || !waits || len(p.Core.Actions) != 0 {
		t.Errorf("held: %q (waits %t) and %v", code, waits, p.Core.Actions)
	}
	m.dirs["capstor/store/cscs/eth"] = planner.Directory{State: planner.DirObstructed,
		Why: "a link stands there"}
	p, _ = plan(world(), m)
	if code, _ := refusal(p, eth); code != "obstructed" {
		t.Errorf("a link in its place: %q", code)
	}
	s.Parents = planner.ParentsCreate
	p, _ = plan(world(), tree())
	if len(p.Core.Actions) != 0 || len(p.Context.Blocked) != 0 {
		t.Errorf("parents = create touches what stands: %v %v", p.Core.Actions, p.Context.Blocked)
	}
}

// TestHoldOnATenant: while a tenant's directory must not be made, nothing below it is.
func TestHoldOnATenant(t *testing.T) {
	holds := []planner.Hold{{Glob: "/capstor/store/cscs", Reason: "incident", By: "root"}}
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500)), Holds: holds}, newModel())
	if code, waits := refusal(p, bio); code != "hold" || !waits || len(p.Core.Actions) != 0 {
		t.Errorf("%q (waits %t) and %v", code, waits, p.Core.Actions)
	}
	m := newModel()
	m.put("capstor/store", 0, 0o755)
	m.put("capstor/store/cscs", 0, 0o775)
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500)), Holds: holds}, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Create {
		t.Errorf("one that stands already holds nothing up: %s", a.Kind)
	}
}

// TestAskedBackIsHeldToo: a hold also covers restores that the command line asks for.
func TestAskedBackIsHeldToo(t *testing.T) {
	rec := recordOf("bio", 30500)
	archived := map[planner.Key]planner.Archived{rec.Key: {Key: rec.Key, Address: bio,
		System: "capstor", Storage: rec.Storage, Archive: "capstor/.trash/x", Inode: 9,
		Group: 30500, Mode: 0o2770, At: now}}
	w := &planner.Input{Items: tree(), Recorded: planner.Recorded{Archived: archived},
		Selection: planner.Selection{Restores: []string{bio}}}
	p, _ := plan(w, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Restore {
		t.Errorf("asked back: %s", a.Kind)
	}
	w.Holds = []planner.Hold{{Glob: bio, Reason: "incident", By: "root"}}
	p, _ = plan(w, newModel())
	if code, waits := refusal(p, bio); code != "hold" || !waits || len(p.Core.Actions) != 0 {
		t.Errorf("held: %q (waits %t) and %v", code, waits, p.Core.Actions)
	}
}

// TestSameItemOnTwoSystems: each has its own record, and neither is taken for the other one after a
// move.
func TestSameItemOnTwoSystems(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("vast/store/cscs/eth/bio", 30500, 0o2770)
	twin := project("bio", 30500,
		func(it *planner.Item) { it.Key.System, it.MountPath = "vast", "/vast/store/cscs/eth/bio" })
	rec := recordOf("bio", 30500)
	rec.Key, rec.Address, rec.System, rec.Storage, rec.QuotaBy = twin.Key, twin.MountPath, "vast",
		"vast/store/cscs/eth/bio", ""
	for range 20 { // maps have no order
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500), twin),
			Recorded: records(recordOf("bio", 30500), rec)}, m)
		if p.Context.Counts.Unchanged != 2 {
			t.Fatalf("counts %+v, blocked %v", p.Context.Counts, p.Context.Blocked)
		}
	}
	p, _ := plan(&planner.Input{Items: items(twin), Recorded: records(recordOf("bio", 30500))}, m)
	if code, _ := refusal(p, twin.MountPath); code != "moved" {
		t.Errorf("on another system than recorded: %q, want moved", code)
	}
}

// TestATenantOnARecordedPath: a directory has one owner in the plan, the resource that is recorded
// there.
func TestATenantOnARecordedPath(t *testing.T) {
	s := testSettings()
	s.Parents = planner.ParentsEnforce
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs", 0, 0o775)
	m.put("capstor/store/cscs/eth", 0, 0o775)
	late := planner.Item{Key: planner.Key{Item: id("t"), System: "capstor", DataType: "x"},
		Status: planner.StatusPending, MountPath: bio, Permission: "775",
		Target: planner.TargetTenant, Name: "t"}
	p, _ := plan(&planner.Input{Settings: s, Items: items(project("bio", 30500), late),
		Recorded: records(recordOf("bio", 30500))}, m)
	if len(p.Core.Actions) != 0 {
		t.Errorf("actions %+v, want none", p.Core.Actions)
	}
}

// TestARecordKeepsWhatThreeDigitsLeaveAlone: a mode of three digits is recorded with the present
// setgid bit.
func TestARecordKeepsWhatThreeDigitsLeaveAlone(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs/eth/bio", 30500, 0o3770)
	_, g := plan(&planner.Input{Items: items(project("bio", 30500,
		func(it *planner.Item) { it.Permission = "770" })), KeepRecords: true}, m)
	if rs := g.AsWanted(); len(rs) != 1 || rs[0].Mode != 0o3770 ||
		rs[0].Storage != "capstor/store/cscs/eth/bio" || rs[0].QuotaID != 30500 {
		t.Errorf("recorded: %+v", rs)
	}
}

// TestUnmounted: a system with the wrong filesystem is blocked as a whole. That is known, so
// nothing counts as unobserved.
func TestUnmounted(t *testing.T) {
	for code, change := range map[string]func(*model, *planner.Recorded){
		"system_unavailable": func(m *model, _ *planner.Recorded) {
			m.mounts["capstor"] = planner.Mount{Problem: "ext4 is mounted there, want lustre"}
		},
		"root_changed": func(_ *model, r *planner.Recorded) {
			r.Roots = map[string]planner.RootIdentity{"capstor": {Filesystem: "lustre:capstor",
				Inode: 2}}
		},
	} {
		m, r := newModel(), planner.Recorded{}
		change(m, &r)
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500),
			project("v", 30501, at("/vast/x"), func(it *planner.Item) { it.Key.System = "vast" })),
			Recorded: r}, m)
		if got, waits := refusal(p, bio); got != code || waits || p.Context.Unobserved != 0 {
			t.Errorf("%q (waits %t), %d unobserved; want %s, 0", got, waits, p.Context.Unobserved,
				code)
		}
		if a, _ := action(t, p, "/vast/x"); a.Kind != planner.Create {
			t.Errorf("the other system: %s", a.Kind)
		}
	}
}

// TestNotSelectedCountsAtItsRecord: a plan for one resource does not carry out what another
// resource with the same quota asks for.
func TestNotSelectedCountsAtItsRecord(t *testing.T) {
	for policy, want := range map[planner.SharedPolicy]uint64{planner.SharedSum: 20 << 40,
		planner.SharedMax: 10 << 40} {
		s := testSettings()
		s.Systems[0].Quota.Shared = policy
		grows := project("chem", 30500,
			func(it *planner.Item) { it.Quotas = quotas("50.0", "50.0") })
		p, _ := plan(&planner.Input{Settings: s, Items: items(project("bio", 30500), grows),
			Recorded:  records(recordOf("chem", 30500)),
			Selection: planner.Selection{Targets: []string{bio}}}, newModel())
		a, _ := action(t, p, bio)
		i := slices.IndexFunc(a.Changes,
			func(c planner.Change) bool { return c.Attribute == planner.SpaceHard })
		if n, _ := a.Changes[i].After.Number(); n != want {
			t.Errorf("%s: %d, want %d", policy, n, want)
		}
	}
}

// TestNothingIsArchivedWhereItCannotBe: a removal that would fail is blocked in the plan. A
// directory that is already gone is reported.
func TestNothingIsArchivedWhereItCannotBe(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.mounts["capstor"] = planner.Mount{Filesystem: "lustre:capstor", Inode: 1,
		Archive: "another mount stands at /mnt/capstor/.trash"}
	w := &planner.Input{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}
	p, _ := plan(w, m)
	if code, waits := refusal(p, bio); code != "archive" || waits || len(p.Core.Actions) != 0 {
		t.Errorf("%q (waits %t) and %v", code, waits, p.Core.Actions)
	}
	delete(m.dirs, "capstor/store/cscs/eth/bio")
	p, _ = plan(w, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Report {
		t.Errorf("gone already: %s, want report", a.Kind)
	}
}

// TestDangers: each kind of change to an existing directory, and whether it is dangerous.
func TestDangers(t *testing.T) {
	wider, group := planner.DangerWiderAccess, planner.DangerGroup
	for _, tc := range []struct {
		name       string
		dir        planner.Directory
		permission string
		want       []planner.Danger
	}{
		{"narrower", planner.Directory{Group: 30500, Mode: 0o2775}, "2750", nil},
		{"a bit for others", planner.Directory{Group: 30500, Mode: 0o2770}, "2771",
			[]planner.Danger{wider}},
		{"a bit for the group", planner.Directory{Group: 30500, Mode: 0o2750}, "2770",
			[]planner.Danger{wider}},
		{"a bit for the owner", planner.Directory{Group: 30500, Mode: 0o2070}, "2770", nil},
		{"setgid", planner.Directory{Group: 30500, Mode: 0o0770}, "2770", nil},
		{"sticky lost", planner.Directory{Group: 30500, Mode: 0o3770}, "2770",
			[]planner.Danger{wider}},
		{"narrower, with an ACL", planner.Directory{Group: 30500, Mode: 0o2770, ACL: stranger},
			"2750", []planner.Danger{wider}},
		{"another owner", planner.Directory{Owner: 1000, Group: 30500, Mode: 0o2770}, "2770",
			[]planner.Danger{wider}},
		{"another group", planner.Directory{Group: 30999, Mode: 0o2770}, "2770",
			[]planner.Danger{group}},
		{"all of it, once each", planner.Directory{Owner: 1000, Group: 30999, Mode: 0o3700}, "2777",
			[]planner.Danger{wider, group}},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		tc.dir.State, tc.dir.Inode = planner.DirPresent, 7
		m.dirs["capstor/store/cscs/eth/bio"] = tc.dir
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
			func(it *planner.Item) { it.Permission = tc.permission })),
			Recorded: records(recordOf("bio", 30500))}, m)
		a, d := action(t, p, bio)
		told := slices.ContainsFunc(d.Reasons,
			func(r planner.Reason) bool { return r.Code == "acl" })
		if !slices.Equal(a.Danger, tc.want) || told != (tc.dir.ACL != nil) {
			t.Errorf("%s: danger %v, want %v; reasons %v", tc.name, a.Danger, tc.want, d.Reasons)
		}
	}
}
