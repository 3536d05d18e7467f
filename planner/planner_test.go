package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/waldur/cscs-storage-sync/planner"
)

const bio = "/capstor/store/cscs/eth/bio"

func items(more ...planner.Item) []planner.Item { return append(tree(), more...) }

// asWanted puts a directory and a quota into the model that are just what project wants.
func asWanted(m *model, name string, gid planner.GID) {
	m.put("capstor/store/cscs/eth/"+name, gid, 0o2770)
	m.quotas[uint32(gid)] = planner.QuotaState{Limits: planner.Quota{SpaceSoft: planner.LimitOf(10 * tib), SpaceHard: planner.LimitOf(10 * tib),
		InodesSoft: planner.LimitOf(planner.Inodes(1330000)), InodesHard: planner.LimitOf(planner.Inodes(2000000))},
		Space: planner.Usage[planner.Bytes]{N: tib, Known: true}, Inodes: planner.Usage[planner.Inodes]{N: 7, Known: true}}
}

func recordOf(name string, gid planner.GID) planner.Record {
	return planner.Record{Key: planner.Key{Item: id(name), System: "capstor", DataType: "store"}, Address: "/capstor/store/cscs/eth/" + name, System: "capstor",
		Storage: "capstor/store/cscs/eth/" + name, Target: planner.TargetProject, Group: gid, Mode: 0o2770, QuotaBy: planner.ByGroup, QuotaID: uint32(gid),
		Claim: planner.Claim{SpaceSoft: planner.Number(10 << 40), SpaceHard: planner.Number(10 << 40), InodesSoft: planner.Number(1330000), InodesHard: planner.Number(2000000)}, At: now}
}

func records(rs ...planner.Record) planner.Recorded {
	packed, err := planner.PackRecords(rs...)
	if err != nil {
		panic(err)
	}
	return planner.Recorded{Records: packed}
}

func TestCreateMakesParentsFirst(t *testing.T) {
	p, _ := plan(&planner.World{Items: items(project("bio", 30500, ordered(planner.StatusPending)))}, newModel())
	a, d := action(t, p, bio)
	want := []planner.Change{
		{planner.Owner, planner.Value{}, planner.Number(0)}, {planner.Group, planner.Value{}, planner.Number(30500)}, {planner.ModeAttr, planner.Value{}, planner.ModeValue(0o2770)},
		{planner.SpaceSoft, planner.Value{}, planner.Number(10 << 40)}, {planner.SpaceHard, planner.Value{}, planner.Number(10 << 40)},
		{planner.InodesSoft, planner.Value{}, planner.Number(1330000)}, {planner.InodesHard, planner.Value{}, planner.Number(2000000)},
	}
	if a.Kind != planner.Create || !slices.Equal(a.Changes, want) {
		t.Errorf("action %s with changes %v, want create with %v", a.Kind, a.Changes, want)
	}
	if want := []planner.Callback{planner.Approve, planner.SetBackendID, planner.SetStateDone}; !slices.Equal(a.Callbacks, want) {
		t.Errorf("callbacks %v, want %v", a.Callbacks, want)
	}
	if d.Reasons[0].Code != "order_create" || d.Notes[0].Provenance.From != planner.FromDefault || d.Notes[1].Provenance.From != planner.FromProxy {
		t.Errorf("reasons %v, notes %v", d.Reasons, d.Notes)
	}
	for _, up := range []string{"/capstor/store/cscs", "/capstor/store/cscs/eth"} {
		if a, _ := action(t, p, up); a.Kind != planner.Create || !slices.Contains(a.Changes, planner.Change{Attribute: planner.ModeAttr, After: planner.ModeValue(0o775)}) {
			t.Errorf("%s: %+v, want a create with mode 0775", up, a)
		}
	}
	if !slices.Equal(a.Parents, []string{"capstor/store"}) {
		t.Errorf("parents that are no resource: %v, want capstor/store", a.Parents)
	}
	if p.Context.Counts.Create != 3 {
		t.Errorf("counts %+v, want 3 to create", p.Context.Counts)
	}
}

// TestRefusals are the rules by which nothing is done, each with the smallest input that meets it.
func TestRefusals(t *testing.T) {
	neg, zero := dec("-1"), dec("0.0")
	for _, tc := range []struct {
		name, code string
		waits      bool
		item       planner.Item
	}{
		{"no group", "gid", false, project("bio", 0, func(it *planner.Item) { it.HasGID = false })},
		{"group below min_gid", "gid", false, project("bio", 999)},
		{"group zero", "gid", false, project("bio", 0)},
		{"negative group", "gid", false, project("bio", -1)},
		{"group of 2^31", "gid", false, project("bio", 1<<31)},
		{"group of 2^40", "gid", false, project("bio", 1<<40)},
		{"nobody", "gid", false, project("bio", 65534)},
		{"nogroup", "gid", false, project("bio", 65535)},
		{"relative path", "path", false, project("bio", 30500, at("capstor/x"))},
		{"root", "path", false, project("bio", 30500, at("/"))},
		{"dots", "path", false, project("bio", 30500, at("/capstor/../etc"))},
		{"empty component", "path", false, project("bio", 30500, at("/capstor//x"))},
		{"trailing slash", "path", false, project("bio", 30500, at("/capstor/x/"))},
		{"hidden", "path", false, project("bio", 30500, at("/capstor/.trash"))},
		{"option", "path", false, project("bio", 30500, at("/capstor/-rf"))},
		{"shell", "path", false, project("bio", 30500, at("/capstor/b;rm -rf $HOME"))},
		{"long component", "path", false, project("bio", 30500, at("/capstor/"+strings.Repeat("x", 256)))},
		{"long path", "path", false, project("bio", 30500, at("/capstor"+strings.Repeat("/xxxxxxx", 512)))},
		{"the system itself", "path", false, project("bio", 30500, at("/capstor"))},
		{"a tenant's directory", "path", false, project("bio", 30500, at("/capstor/store/cscs"))},
		{"above a tenant", "path", false, project("bio", 30500, at("/capstor/store"))},
		{"another system's path", "path", false, project("bio", 30500, at("/vast/store/x"))},
		{"unknown system", "no_system", false, project("bio", 30500, func(it *planner.Item) { it.Key.System = "nowhere" })},
		{"bad mode", "mode", false, project("bio", 30500, func(it *planner.Item) { it.Permission = "rwx" })},
		{"unreadable", "unreadable", false, project("bio", 30500, func(it *planner.Item) { it.Problem = "quotas: no list" })},
		{"soft above hard", "soft_above_hard", false, project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("20.0", "10.0") })},
		{"negative limit", "quota", false, project("bio", 30500, func(it *planner.Item) { it.Quotas.SpaceHard = neg })},
		{"a limit that becomes 0", "quota", false, project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("0.0000000001", "0.0000000001") })},
		{"space beyond 2^60", "quota", false, project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("1048577", "1048577") })},
		{"inodes beyond 2^48", "quota", false, project("bio", 30500, func(it *planner.Item) { it.Quotas.InodesSoft, it.Quotas.InodesHard = zero, dec("281474976710657") })},
		{"not with the provider yet", "order_not_ready", true, project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusPending })},
		{"update not with the provider", "order_not_ready", true, project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusUpdating })},
		{"removal not with the provider", "order_not_ready", true, project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusRemoving })},
		{"callbacks elsewhere", "order_url", false, project("bio", 30500, func(it *planner.Item) {
			it.Status, it.URLs = planner.StatusPending, map[planner.Callback]string{planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id("o") + "/approve_by_provider/"}
		})},
		{"one callback of several elsewhere", "order_url", false, project("bio", 30500, ordered(planner.StatusRemoving), func(it *planner.Item) {
			it.URLs[planner.SetBackendID] = "https://evil.example.com/api/marketplace-provider-resources/" + id("o") + "/set_backend_id/"
		})},
		{"error with an order nobody was asked about", "order_unknown", false, project("bio", 30500, ordered(planner.StatusError))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			m.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
			p, _ := plan(&planner.World{Items: items(tc.item)}, m)
			code, waits := refusal(p, tc.item.MountPath)
			if code != tc.code || waits != tc.waits {
				t.Errorf("refused with %q (waits %t), want %q (%t)", code, waits, tc.code, tc.waits)
			}
			if len(p.Core.Actions) != 0 {
				t.Errorf("actions %v, want none", p.Core.Actions)
			}
		})
	}
}

func TestZeroIsNeverUnlimited(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	for _, tc := range []struct {
		soft, hard string
		want       []planner.Change
	}{
		{"10.0", "0.0", nil},
		{"0.0", "0.0", nil},
		{"0.0", "10.0", []planner.Change{{planner.SpaceSoft, planner.Number(10 << 40), planner.UnlimitedValue()}}},
	} {
		it := project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas(tc.soft, tc.hard) })
		p, _ := plan(&planner.World{Items: items(it), Recorded: records(recordOf("bio", 30500))}, m)
		var got []planner.Change
		if len(p.Core.Actions) > 0 {
			got = p.Core.Actions[0].Changes
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("soft %s, hard %s: changes %v, want %v", tc.soft, tc.hard, got, tc.want)
		}
	}
}

func TestUpdates(t *testing.T) {
	update := project("bio", 30500, ordered(planner.StatusUpdating), func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
	order := id("o-bio")
	hard15 := dec("15")
	for _, tc := range []struct {
		name   string
		item   planner.Item
		answer map[string]planner.OrderAnswer
		want   []planner.Change
		danger []planner.Danger
	}{
		{"limits: newQuotas", update, nil, []planner.Change{{planner.SpaceSoft, planner.Number(10 << 40), planner.Number(20 << 40)}, {planner.SpaceHard, planner.Number(10 << 40), planner.Number(20 << 40)}}, nil},
		{"options: merged over the current quotas, not newQuotas", update,
			map[string]planner.OrderAnswer{order: {Order: planner.Order{ID: order, Type: planner.OrderUpdate, State: planner.OrderExecuting, Options: &planner.Options{HardSpace: hard15, Permission: "2750"}}}},
			[]planner.Change{{planner.ModeAttr, planner.ModeValue(0o2770), planner.ModeValue(0o2750)}, {planner.SpaceHard, planner.Number(10 << 40), planner.Number(15 << 40)}}, nil},
		{"options over no quotas: newQuotas", project("bio", 30500, ordered(planner.StatusUpdating), func(it *planner.Item) { it.Quotas, it.NewQuotas = nil, quotas("10.0", "15.0") }),
			map[string]planner.OrderAnswer{order: {Order: planner.Order{ID: order, Type: planner.OrderUpdate, State: planner.OrderExecuting, Options: &planner.Options{HardSpace: hard15}}}},
			[]planner.Change{{planner.SpaceHard, planner.Number(10 << 40), planner.Number(15 << 40)}}, nil},
		{"newQuotas null: the quotas stay", project("bio", 30500, ordered(planner.StatusUpdating)), nil, nil, nil},
		{"below usage", project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("0.5", "0.5") }), nil,
			[]planner.Change{{planner.SpaceSoft, planner.Number(10 << 40), planner.Number(1 << 39)}, {planner.SpaceHard, planner.Number(10 << 40), planner.Number(1 << 39)}}, []planner.Danger{planner.DangerBelowUsage}},
		{"wider access", project("bio", 30500, func(it *planner.Item) { it.Permission = "2775" }), nil,
			[]planner.Change{{planner.ModeAttr, planner.ModeValue(0o2770), planner.ModeValue(0o2775)}}, []planner.Danger{planner.DangerWiderAccess}},
		{"another group", project("bio", 30501, func(it *planner.Item) { it.Quotas = nil }), nil,
			[]planner.Change{{planner.Group, planner.Number(30500), planner.Number(30501)}}, []planner.Danger{planner.DangerGroup}},
		{"three digits keep setgid", project("bio", 30500, func(it *planner.Item) { it.Permission = "770" }), nil, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			asWanted(m, "bio", 30500)
			p, _ := plan(&planner.World{Items: items(tc.item), Orders: tc.answer, Recorded: records(recordOf("bio", 30500))}, m)
			var got planner.Action
			if len(p.Core.Actions) > 0 {
				got = p.Core.Actions[0]
			}
			if !slices.Equal(got.Changes, tc.want) || !slices.Equal(got.Danger, tc.danger) {
				t.Errorf("changes %v, danger %v; want %v, %v; refused %v", got.Changes, got.Danger, tc.want, tc.danger, p.Context.Blocked)
			}
		})
	}
}

func TestOnlyRemovingArchives(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	w := &planner.World{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}
	p, _ := plan(w, m)
	a, _ := action(t, p, bio)
	if a.Kind != planner.Archive || !slices.Equal(a.Danger, []planner.Danger{planner.DangerArchive}) || a.Folder != "capstor/.trash" || a.Inode == 0 {
		t.Errorf("got %+v, want a dangerous archive into capstor/.trash", a)
	}
	p, _ = plan(&planner.World{Items: tree(), Complete: true, Recorded: records(recordOf("bio", 30500))}, m)
	if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 || p.Context.Warnings[0].Code != "unlisted" {
		t.Errorf("absence made actions %v and warnings %v, want one warning", p.Core.Actions, p.Context.Warnings)
	}
	p, _ = plan(&planner.World{Items: items(project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusRemoved }))}, m)
	if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 || p.Context.Warnings[0].Code != "removed_stands" {
		t.Errorf("removed made actions %v and warnings %v, want one warning", p.Core.Actions, p.Context.Warnings)
	}
}

func TestMissingIsDangerousAndArchivedIsRestored(t *testing.T) {
	rec := recordOf("bio", 30500)
	p, _ := plan(&planner.World{Items: items(project("bio", 30500)), Recorded: records(rec)}, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Create || !slices.Contains(a.Danger, planner.DangerMissing) {
		t.Errorf("recorded but absent: %s %v, want a dangerous create", a.Kind, a.Danger)
	}
	r := records(rec)
	r.Archived = map[planner.Key]planner.Archived{rec.Key: {Key: rec.Key, Storage: rec.Storage, Archive: "capstor/.trash/x", Inode: 9, Group: 30500, Mode: 0o2770, At: now}}
	p, _ = plan(&planner.World{Items: items(project("bio", 30500)), Recorded: r}, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Restore || a.From != "capstor/.trash/x" {
		t.Errorf("archived and active: %+v, want a restore", a)
	}
	p, _ = plan(&planner.World{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Report || !slices.Contains(a.Danger, planner.DangerMissing) {
		t.Errorf("removing and absent: %s %v, want a dangerous report", a.Kind, a.Danger)
	}
}

func TestConflicts(t *testing.T) {
	bio2 := project("bio2", 30501, at(bio))
	inner := project("inner", 30502, at(bio+"/inner"))
	rec := records(recordOf("bio", 30500))
	both := func(p *planner.Plan) string {
		var s []string
		for _, r := range p.Context.Blocked {
			s = append(s, r.Key.Item[:8])
		}
		slices.Sort(s)
		return strings.Join(s, " ")
	}
	short := func(names ...string) string {
		for i := range names {
			names[i] = id(names[i])[:8]
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for _, tc := range []struct {
		name  string
		items []planner.Item
		rec   planner.Recorded
		want  string
	}{
		{"nobody recorded: both blocked", items(project("bio", 30500), bio2), planner.Recorded{}, short("bio", "bio2")},
		{"the recorded holder goes on", items(project("bio", 30500), bio2), rec, short("bio2")},
		{"inside another", items(project("bio", 30500), inner), rec, short("inner")},
		{"a holder that is no longer listed keeps its path", items(bio2), rec, short("bio2")},
		{"moved is never made anew", items(project("bio", 30500, at("/capstor/store/cscs/eth/elsewhere"))), rec, short("bio")},
		{"a tenant that turns up on a recorded path", items(project("bio", 30500), planner.Item{Key: planner.Key{Item: id("t"), System: "capstor", DataType: "x"},
			Status: planner.StatusPending, MountPath: bio, Permission: "775", Target: planner.TargetTenant, Name: "t"}), rec, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			asWanted(m, "bio", 30500)
			p, _ := plan(&planner.World{Items: tc.items, Recorded: tc.rec}, m)
			if got := both(p); got != tc.want {
				t.Errorf("blocked %q, want %q: %v", got, tc.want, p.Context.Blocked)
			}
		})
	}
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.World{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)), project("bio2", 30501, ordered(planner.StatusPending), at(bio)))}, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Archive {
		t.Errorf("the removal is %s, want archive", a.Kind)
	}
	if code, waits := refusal(p, bio); code != "path_being_removed" || !waits {
		t.Errorf("the create on the path of a removal: %q, want it to wait", code)
	}
}

func TestSharedQuotas(t *testing.T) {
	for _, policy := range []planner.SharedPolicy{planner.SharedRefuse, planner.SharedSum, planner.SharedMax} {
		s := testSettings()
		s.Systems[0].Quota.Shared = policy
		a, b := project("bio", 30500), project("chem", 30500, func(it *planner.Item) { it.Quotas = quotas("20.0", "20.0") })
		p, _ := plan(&planner.World{Settings: s, Items: items(a, b)}, newModel())
		hard := uint64(0)
		for _, act := range p.Core.Actions {
			for _, c := range act.Changes {
				if n, ok := c.After.Number(); ok && c.Attribute == planner.SpaceHard {
					hard = n
				}
			}
		}
		want := map[planner.SharedPolicy]uint64{planner.SharedSum: 30 << 40, planner.SharedMax: 20 << 40}[policy]
		if hard != want {
			t.Errorf("%s: hard limit %d, want %d", policy, hard, want)
		}
		if code, _ := refusal(p, bio); (policy == planner.SharedRefuse) != (code == "shared") {
			t.Errorf("%s: quota refused with %q", policy, code)
		}
		if policy == planner.SharedRefuse && p.Context.Counts.Create != 4 {
			t.Errorf("refuse: counts %+v; the directories must go on", p.Context.Counts)
		}
	}
}

func TestUnknownIsNeverAbsent(t *testing.T) {
	m := newModel()
	m.mounts["capstor"] = planner.Mount{Unknown: "capstor did not answer within 10s"}
	p, _ := plan(&planner.World{Items: items(project("bio", 30500), project("v", 30501, at("/vast/x"), func(it *planner.Item) { it.Key.System = "vast" }))}, m)
	if code, _ := refusal(p, bio); code != "unknown" || p.Context.Unobserved != 1 {
		t.Errorf("a hung mount: %q, %d unobserved; want unknown, 1", code, p.Context.Unobserved)
	}
	if a, _ := action(t, p, "/vast/x"); a.Kind != planner.Create {
		t.Errorf("the other system: %s, want create", a.Kind)
	}
	m = newModel()
	asWanted(m, "bio", 30500)
	m.quotas[30500] = planner.QuotaState{LimitsWhy: "lfs gave [0]"}
	p, _ = plan(&planner.World{Items: items(project("bio", 30500))}, m)
	if code, _ := refusal(p, bio); code != "quota_unknown" || len(p.Core.Actions) != 0 {
		t.Errorf("unknown limits: %q and %v, want quota_unknown and nothing", code, p.Core.Actions)
	}
}

func TestHeldOrdersWhereNobodySetsQuotas(t *testing.T) {
	it := project("v", 30501, ordered(planner.StatusPending), at("/vast/x"), func(it *planner.Item) { it.Key.System = "vast" })
	p, _ := plan(&planner.World{Items: items(it)}, newModel())
	a, _ := action(t, p, "/vast/x")
	if a.Kind != planner.Create || len(a.Callbacks) != 0 {
		t.Errorf("got %s with callbacks %v, want a create without", a.Kind, a.Callbacks)
	}
	s := testSettings()
	s.Systems[1].Quota.Orders = "complete"
	p, _ = plan(&planner.World{Settings: s, Items: items(it)}, newModel())
	if a, _ := action(t, p, "/vast/x"); len(a.Callbacks) != 3 {
		t.Errorf("orders = complete: callbacks %v, want three", a.Callbacks)
	}
}

func TestHoldAndSelection(t *testing.T) {
	w := &planner.World{Items: items(project("bio", 30500), project("chem", 30501)), Holds: []planner.Hold{{Glob: "/capstor/**/bio", Reason: "incident", Until: now.Add(time.Hour), By: "root"}}}
	p, _ := plan(w, newModel())
	if code, waits := refusal(p, bio); code != "hold" || !waits {
		t.Errorf("held: %q", code)
	}
	w.Holds, w.Selection = nil, planner.Selection{Excludes: []string{"/**/chem"}}
	p, _ = plan(w, newModel())
	if len(p.Core.Actions) != 3 {
		t.Errorf("excluding chem leaves %v", p.Core.Actions)
	}
}

func TestRecheckNamesWhatMoved(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	update := project("bio", 30500, ordered(planner.StatusUpdating), func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
	approved, _ := plan(&planner.World{Items: items(update), Recorded: records(recordOf("bio", 30500))}, m)
	watch := map[planner.Key]bool{update.Key: true}
	check := func(it planner.Item) []string {
		_, g := plan(&planner.World{Items: items(it), Recorded: records(recordOf("bio", 30500)), Watch: watch}, m)
		var s []string
		for _, st := range planner.Recheck(approved, g) {
			s = append(s, st.Field)
		}
		return s
	}
	if got := check(update); got != nil {
		t.Errorf("nothing moved, but stale: %v", got)
	}
	other := update
	other.NewQuotas = quotas("30.0", "30.0")
	if diff := cmp.Diff([]string{"desired space_soft", "desired space_hard"}, check(other)); diff != "" {
		t.Errorf("another wish (-want +got):\n%s", diff)
	}
	other = update
	other.MountPath += "2"
	_, g := plan(&planner.World{Items: items(other), Watch: watch}, m)
	if stale := planner.Recheck(approved, g); len(stale) != 1 || stale[0].Field != "address" {
		t.Errorf("another path: stale %v, want the address", stale)
	}
	other = update
	other.URLs = orderURLs("another", planner.Approve, planner.SetStateDone)
	if diff := cmp.Diff([]string{"order"}, check(other)); diff != "" {
		t.Errorf("another order (-want +got):\n%s", diff)
	}
	d := m.dirs["capstor/store/cscs/eth/bio"]
	d.Mode = 0o2775
	m.dirs["capstor/store/cscs/eth/bio"] = d
	if diff := cmp.Diff([]string{"mode"}, check(update)); diff != "" {
		t.Errorf("drift since (-want +got):\n%s", diff)
	}
	d.Mode = 0o2770
	m.dirs["capstor/store/cscs/eth/bio"] = d
	m.apply(approved)
	if got := check(update); got != nil {
		t.Errorf("already as wanted, but stale: %v", got)
	}
	m.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
	if diff := cmp.Diff([]string{"directory"}, check(update)); diff != "" {
		t.Errorf("another directory in its place (-want +got):\n%s", diff)
	}
}

// A create is stale once the proxy wants the directory elsewhere: nothing is made where it was to be.
func TestACreateThatWasMovedIsStale(t *testing.T) {
	created := project("bio", 30500, ordered(planner.StatusPending))
	watch := map[planner.Key]bool{created.Key: true}
	approved, g := plan(&planner.World{Items: items(created), Watch: watch}, newModel())
	if stale := planner.Recheck(approved, g); len(stale) != 0 {
		t.Errorf("nothing moved, but stale: %v", stale)
	}
	created.MountPath = "/capstor/store/cscs/eth/biology"
	_, g = plan(&planner.World{Items: items(created), Watch: watch}, newModel())
	if stale := planner.Recheck(approved, g); len(stale) != 1 || stale[0].Field != "address" || stale[0].Now != created.MountPath {
		t.Errorf("stale %v, want the address", stale)
	}
}

// What a plan leaves as it is can move, too: what it says of limits tells which side did, else both sides are named.
func TestRecheckOfWhatThePlanLeaves(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	with := func(soft, hard, mode string) planner.Item {
		return project("bio", 30500, func(it *planner.Item) { it.Quotas, it.Permission = quotas(soft, hard), mode })
	}
	approved, _ := plan(&planner.World{Items: items(with("10.0", "20.0", "2770")), Recorded: records(recordOf("bio", 30500))}, m)
	check := func(it planner.Item) string {
		_, g := plan(&planner.World{Items: items(it), Recorded: records(recordOf("bio", 30500)), Watch: map[planner.Key]bool{it.Key: true}}, m)
		var s []string
		for _, st := range planner.Recheck(approved, g) {
			s = append(s, st.Field+": "+st.Then+", "+st.Now)
		}
		return strings.Join(s, "; ")
	}
	if got := check(with("15.0", "20.0", "2770")); got != "desired space_soft: 10 TiB, 15 TiB" {
		t.Error(got)
	}
	if got := check(with("10.0", "20.0", "2750")); got != `mode: as wanted, "2770" (rwxrws---), with "2750" (rwxr-s---) wanted` {
		t.Error(got)
	}
	q := m.quotas[30500]
	q.Limits.SpaceSoft = planner.LimitOf(5 * tib)
	m.quotas[30500] = q
	if got := check(with("10.0", "20.0", "2770")); got != "observed space_soft: 10 TiB, 5 TiB" {
		t.Error(got)
	}
}

func TestDriftIsToldFromAChangedWish(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs/eth/bio", 30500, 0o0770)
	p, _ := plan(&planner.World{Items: items(project("bio", 30500)), Recorded: records(recordOf("bio", 30500))}, m)
	a, d := action(t, p, bio)
	if a.Kind != planner.Update || !d.Notes[0].Drift || d.Reasons[0].Code != "drift" || len(p.Context.Drift) != 1 || len(a.Danger) != 0 {
		t.Errorf("lost setgid: %+v %+v, drift %v", a, d, p.Context.Drift)
	}
	p, _ = plan(&planner.World{Items: items(project("bio", 30500, func(it *planner.Item) { it.Permission = "2750" })), Recorded: records(recordOf("bio", 30500))}, m)
	if _, d := action(t, p, bio); d.Notes[0].Drift {
		t.Error("a changed wish is shown as drift")
	}
}

// A resource that gets another group gets another quota: that its limits are not set yet is nobody's doing.
func TestAnotherGroupsQuotaIsNoDrift(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.World{Items: items(project("bio", 30501)), Recorded: records(recordOf("bio", 30500))}, m)
	a, d := action(t, p, bio)
	if a.Quota == nil || a.Quota.ID != 30501 || len(a.Changes) != 5 {
		t.Fatalf("want another group and its four limits: %+v", a)
	}
	for i, note := range d.Notes {
		if note.Drift {
			t.Errorf("%s is shown as drift", a.Changes[i].Attribute)
		}
	}
	if len(p.Context.Drift) != 0 || d.Reasons[0].Code != "wish_changed" {
		t.Errorf("drift %v, reasons %v", p.Context.Drift, d.Reasons)
	}
}

func TestKeptLimits(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	w := &planner.World{Items: items(project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("10.0", "20.0") })), Recorded: records(recordOf("bio", 30500))}
	p, _ := plan(w, m)
	_, d := action(t, p, bio)
	want := []planner.KeptLimit{{Attribute: planner.SpaceSoft, Value: planner.Number(uint64(10 * tib))},
		{Attribute: planner.InodesSoft, Value: planner.Number(1330000)}, {Attribute: planner.InodesHard, Value: planner.Number(2000000)}}
	if diff := cmp.Diff(want, d.Kept, cmp.AllowUnexported(planner.Value{})); diff != "" {
		t.Errorf("kept limits (-want +got):\n%s", diff)
	}
}

func TestModeLetters(t *testing.T) {
	for mode, want := range map[planner.Mode]string{0o2770: "rwxrws---", 0o755: "rwxr-xr-x", 0o7777: "rwsrwsrwt", 0o7000: "--S--S--T", 0: "---------"} {
		if got := mode.Letters(); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, tc := range []struct {
		in   string
		unit uint64
		want uint64
		ok   bool
	}{
		{"10.0", 1 << 40, 10 << 40, true}, {"2.5", 1 << 40, 5 << 39, true}, {"0.001", 1 << 40, 1099511627, true}, {"1e6", 1, 1000000, true}, {"1.5e-1", 100, 15, true},
		{"1000000", 1 << 40, 1000000 << 40, true}, {"-1", 1, 0, false}, {"1e99", 1, 0, false}, {"1e-99", 1 << 40, 0, true}, {"99999999", 1 << 40, 0, false},
	} {
		n, ok := dec(tc.in).Times(tc.unit)
		if ok != tc.ok || ok && n != tc.want {
			t.Errorf("%s × %d = %d, %t; want %d, %t", tc.in, tc.unit, n, ok, tc.want, tc.ok)
		}
	}
	for _, bad := range []string{"", "-", "1.", ".5", "1e", "1e100", "0x10", "1234567890123456789", "NaN", "1_000"} {
		if d, err := planner.ParseDecimal(bad); err == nil {
			t.Errorf("%q was read as %s", bad, d)
		}
	}
	for in, want := range map[string]string{"10.0": "10", "0.001": "0.001", "-2.50": "-2.5", "1e3": "1000", "0.0": "0"} {
		if got := fmt.Sprint(dec(in)); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		}
	}
}

// TestApplyAsksEveryOrder: with MustAsk, an order that was not answered for is not acted on.
func TestApplyAsksEveryOrder(t *testing.T) {
	it := project("bio", 30500, ordered(planner.StatusPending))
	for why, want := range map[string]string{"401": "order_unknown", "": ""} {
		answer := planner.OrderAnswer{Why: why, Order: planner.Order{ID: id("o-bio"), Type: planner.OrderCreate, State: planner.OrderPendingProvider}}
		p, _ := plan(&planner.World{Items: items(it), MustAsk: true, Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, newModel())
		if code, _ := refusal(p, bio); code != want {
			t.Errorf("answer %q: refused with %q, want %q", why, code, want)
		}
	}
	p, _ := plan(&planner.World{Items: items(it), MustAsk: true, Orders: map[string]planner.OrderAnswer{id("o-bio"): {Order: planner.Order{Type: planner.OrderTerminate, State: planner.OrderPendingProvider}}}}, newModel())
	if code, _ := refusal(p, bio); code != "order_type" {
		t.Errorf("a create whose order terminates: %q, want order_type", code)
	}
}
