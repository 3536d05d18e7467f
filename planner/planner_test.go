package planner_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

const bio = "/capstor/store/cscs/eth/bio"

func items(more ...planner.Item) []planner.Item { return append(tree(), more...) }

// asWanted puts a directory and a quota into the model that are as project wants them.
func asWanted(m *model, name string, gid planner.GID) {
	m.put("capstor/store/cscs/eth/"+name, gid, 0o2770)
	m.quotas[uint32(gid)] = planner.QuotaState{Limits: planner.Limits{planner.SpaceSoft: planner.LimitOf(10 * tib), planner.SpaceHard: planner.LimitOf(10 * tib),
		planner.InodesSoft: planner.LimitOf(planner.Inodes(1330000)),
		planner.InodesHard: planner.LimitOf(planner.Inodes(2000000))},
		Space:  planner.UsageOf(planner.Bytes(tib)),
		Inodes: planner.UsageOf(planner.Inodes(7))}
}

func recordOf(name string, gid planner.GID) planner.Record {
	return planner.Record{Key: planner.Key{Item: id(name), System: "capstor", DataType: "store"},
		Address: "/capstor/store/cscs/eth/" + name, System: "capstor",
		Storage: "capstor/store/cscs/eth/" + name, Target: planner.TargetProject, Group: gid,
		Mode: 0o2770, QuotaBy: planner.ByGroup, QuotaID: uint32(gid),
		Claim: planner.Limits{planner.SpaceSoft: planner.LimitOf(10 * tib),
			planner.SpaceHard:  planner.LimitOf(10 * tib),
			planner.InodesSoft: planner.LimitOf(planner.Inodes(1330000)),
			planner.InodesHard: planner.LimitOf(planner.Inodes(2000000))}, At: now}
}

func records(rs ...planner.Record) planner.Recorded {
	packed, err := planner.PackRecords(rs...)
	if err != nil {
		panic(err)
	}
	return planner.Recorded{Records: packed}
}

func TestCreateMakesParentsFirst(t *testing.T) {
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
		ordered(planner.StatusPending)))}, newModel())
	a, d := action(t, p, bio)
	want := []planner.Change{
		{planner.Owner, planner.Value{}, planner.Number(0)}, {planner.Group, planner.Value{},
			planner.Number(30500)}, {planner.ModeAttr, planner.Value{}, planner.ModeValue(0o2770)},
		{planner.SpaceSoft, planner.Value{}, planner.Number(10 << 40)},
		{planner.SpaceHard, planner.Value{}, planner.Number(10 << 40)},
		{planner.InodesSoft, planner.Value{}, planner.Number(1330000)},
		{planner.InodesHard, planner.Value{}, planner.Number(2000000)},
	}
	if a.Kind != planner.Create || !slices.Equal(a.Changes, want) {
		t.Errorf("action %s with changes %v, want create with %v", a.Kind, a.Changes, want)
	}
	if want := []planner.Callback{planner.Approve, planner.SetBackendID,
		planner.SetStateDone}; !slices.Equal(a.Callbacks, want) {
		t.Errorf("callbacks %v, want %v", a.Callbacks, want)
	}
	if d.Reasons[0].Code != "order_create" || d.Notes[0].Provenance.From != planner.FromDefault ||
		d.Notes[1].Provenance.From != planner.FromProxy {
		t.Errorf("reasons %v, notes %v", d.Reasons, d.Notes)
	}
	for _, up := range []string{"/capstor/store/cscs", "/capstor/store/cscs/eth"} {
		if a, _ := action(t, p, up); a.Kind != planner.Create ||
			!slices.Contains(a.Changes, planner.Change{Attribute: planner.ModeAttr,
				After: planner.ModeValue(0o775)}) {
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

// TestRefusals has the rules by which nothing is done, each with the smallest input that meets it.
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
		{"long component", "path", false,
			project("bio", 30500, at("/capstor/"+strings.Repeat("x", 256)))},
		{"long path", "path", false,
			project("bio", 30500, at("/capstor"+strings.Repeat("/xxxxxxx", 512)))},
		{"the system itself", "path", false, project("bio", 30500, at("/capstor"))},
		{"a tenant's directory", "path", false, project("bio", 30500, at("/capstor/store/cscs"))},
		{"above a tenant", "path", false, project("bio", 30500, at("/capstor/store"))},
		{"another system's path", "path", false, project("bio", 30500, at("/vast/store/x"))},
		{"unknown system", "no_system", false,
			project("bio", 30500, func(it *planner.Item) { it.Key.System = "nowhere" })},
		{"bad mode", "mode", false,
			project("bio", 30500, func(it *planner.Item) { it.Permission = "rwx" })},
		{"a key with NUL", "unstorable", false,
			project("bio", 30500, func(it *planner.Item) { it.Key.DataType = "st\x00re" })},
		{"a key of 40 KiB", "unstorable", false,
			project("bio", 30500,
				func(it *planner.Item) { it.Key.System = strings.Repeat("x", 40<<10) })},
		{"a key that is no text", "unstorable", false,
			project("bio", 30500, func(it *planner.Item) { it.Key.DataType = "st\xffre" })},
		{"unreadable", "unreadable", false,
			project("bio", 30500, func(it *planner.Item) { it.Problem = "quotas: no list" })},
		{"soft above hard", "soft_above_hard", false,
			project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("20.0", "10.0") })},
		{"negative limit", "quota", false,
			project("bio", 30500, func(it *planner.Item) { it.Quotas[planner.SpaceHard] = neg })},
		{"a limit that becomes 0", "quota", false,
			project("bio", 30500,
				func(it *planner.Item) { it.Quotas = quotas("0.0000000001", "0.0000000001") })},
		{"space beyond 2^60", "quota", false,
			project("bio", 30500,
				func(it *planner.Item) { it.Quotas = quotas("1048577", "1048577") })},
		{"inodes beyond 2^48", "quota", false, project("bio", 30500, func(it *planner.Item) {
			it.Quotas[planner.InodesSoft], it.Quotas[planner.InodesHard] = zero,
				dec("281474976710657")
		})},
		{"not with the provider yet", "order_not_ready", true,
			project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusPending })},
		{"update not with the provider", "order_not_ready", true,
			project("bio", 30500, ordered(planner.StatusUpdating), notReady)},
		{"removal not with the provider", "order_not_ready", true,
			project("bio", 30500, ordered(planner.StatusRemoving), notReady)},
		{"its order is left out", "orders_unseen", true,
			project("bio", 30500, func(it *planner.Item) { it.Status = planner.StatusUpdating })},
		{"callbacks elsewhere", "order_url", false, project("bio", 30500, func(it *planner.Item) {
			it.Status, it.URLs = planner.StatusPending,
				map[planner.Callback]string{
					planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id("o") +
						"/approve_by_provider/"}
		})},
		{"one callback of several elsewhere", "order_url", false,
			project("bio", 30500, ordered(planner.StatusRemoving), func(it *planner.Item) {
				it.URLs[planner.SetBackendID] = "https://evil.example.com/api/marketplace-provider-resources/" +
					id("o") + "/set_backend_id/"
			})},
		{"error with an order nobody was asked about", "order_unknown", false,
			project("bio", 30500, ordered(planner.StatusError))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			m.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
			p, _ := plan(&planner.Input{Items: items(tc.item)}, m)
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

func TestOnlyRemovingArchives(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	w := &planner.Input{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}
	p, _ := plan(w, m)
	a, _ := action(t, p, bio)
	if a.Kind != planner.Archive ||
		!slices.Equal(a.Danger, []planner.Danger{planner.DangerArchive}) ||
		a.Folder != "capstor/.trash" || a.Inode == 0 {
		t.Errorf("got %+v, want a dangerous archive into capstor/.trash", a)
	}
	p, _ = plan(&planner.Input{Items: tree(), Complete: true,
		Recorded: records(recordOf("bio", 30500))}, m)
	if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 ||
		p.Context.Warnings[0].Code != "unlisted" {
		t.Errorf("absence made actions %v and warnings %v, want one warning", p.Core.Actions,
			p.Context.Warnings)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500,
		func(it *planner.Item) { it.Status = planner.StatusRemoved }))}, m)
	if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 ||
		p.Context.Warnings[0].Code != "removed_stands" {
		t.Errorf("removed made actions %v and warnings %v, want one warning", p.Core.Actions,
			p.Context.Warnings)
	}
}

func TestMissingIsDangerousAndArchivedIsRestored(t *testing.T) {
	rec := recordOf("bio", 30500)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500)), Recorded: records(rec)},
		newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Create ||
		!slices.Contains(a.Danger, planner.DangerMissing) {
		t.Errorf("recorded but absent: %s %v, want a dangerous create", a.Kind, a.Danger)
	}
	r := records(rec)
	r.Archived = map[planner.Key]planner.Archived{rec.Key: {Key: rec.Key, Storage: rec.Storage,
		Archive: "capstor/.trash/x", Inode: 9, Group: 30500, Mode: 0o2770, At: now}}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500)), Recorded: r}, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Restore || a.From != "capstor/.trash/x" {
		t.Errorf("archived and active: %+v, want a restore", a)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500,
		ordered(planner.StatusRemoving)))}, newModel())
	if a, _ := action(t, p, bio); a.Kind != planner.Report ||
		!slices.Contains(a.Danger, planner.DangerMissing) {
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
		{"nobody recorded: both blocked", items(project("bio", 30500), bio2), planner.Recorded{},
			short("bio", "bio2")},
		{"the recorded holder goes on", items(project("bio", 30500), bio2), rec, short("bio2")},
		{"inside another", items(project("bio", 30500), inner), rec, short("inner")},
		{"a holder that is no longer listed keeps its path", items(bio2), rec, short("bio2")},
		{"moved is never made again",
			items(project("bio", 30500, at("/capstor/store/cscs/eth/elsewhere"))), rec,
			short("bio")},
		{"a tenant that turns up on a recorded path",
			items(project("bio", 30500),
				planner.Item{Key: planner.Key{Item: id("t"), System: "capstor", DataType: "x"},
					Status: planner.StatusPending, MountPath: bio, Permission: "775",
					Target: planner.TargetTenant, Name: "t"}), rec, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			asWanted(m, "bio", 30500)
			p, _ := plan(&planner.Input{Items: tc.items, Recorded: tc.rec}, m)
			if got := both(p); got != tc.want {
				t.Errorf("blocked %q, want %q: %v", got, tc.want, p.Context.Blocked)
			}
		})
	}
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)),
		project("bio2", 30501, ordered(planner.StatusPending), at(bio)))}, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Archive {
		t.Errorf("the removal is %s, want archive", a.Kind)
	}
	if code, waits := refusal(p, bio); code != "path_being_removed" || !waits {
		t.Errorf("the create on the path of a removal: %q, want it to wait", code)
	}
}

func TestSharedQuotas(t *testing.T) {
	for _, policy := range []planner.SharedPolicy{planner.SharedRefuse, planner.SharedSum,
		planner.SharedMax} {
		s := testSettings()
		s.Systems[0].Quota.Shared = policy
		a, b := project("bio", 30500),
			project("chem", 30500, func(it *planner.Item) { it.Quotas = quotas("20.0", "20.0") })
		p, _ := plan(&planner.Input{Settings: s, Items: items(a, b)}, newModel())
		hard := uint64(0)
		for _, act := range p.Core.Actions {
			for _, c := range act.Changes {
				if n, ok := c.After.Number(); ok && c.Attribute == planner.SpaceHard {
					hard = n
				}
			}
		}
		want := map[planner.SharedPolicy]uint64{planner.SharedSum: 30 << 40,
			planner.SharedMax: 20 << 40}[policy]
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
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500),
		project("v", 30501, at("/vast/x"), func(it *planner.Item) { it.Key.System = "vast" }))}, m)
	if code, _ := refusal(p, bio); code != "unknown" || p.Context.Unobserved != 1 {
		t.Errorf("a hung mount: %q, %d unobserved; want unknown, 1", code, p.Context.Unobserved)
	}
	if a, _ := action(t, p, "/vast/x"); a.Kind != planner.Create {
		t.Errorf("the other system: %s, want create", a.Kind)
	}
	m = newModel()
	asWanted(m, "bio", 30500)
	m.quotas[30500] = planner.UnknownQuota("lfs gave [0]")
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500))}, m)
	if code, _ := refusal(p, bio); code != "quota_unknown" || len(p.Core.Actions) != 0 {
		t.Errorf("unknown limits: %q and %v, want quota_unknown and nothing", code, p.Core.Actions)
	}
}

func TestHeldOrdersWhereNobodySetsQuotas(t *testing.T) {
	it := project("v", 30501, ordered(planner.StatusPending), at("/vast/x"),
		func(it *planner.Item) { it.Key.System = "vast" })
	p, _ := plan(&planner.Input{Items: items(it)}, newModel())
	a, _ := action(t, p, "/vast/x")
	if a.Kind != planner.Create || len(a.Callbacks) != 0 {
		t.Errorf("got %s with callbacks %v, want a create without", a.Kind, a.Callbacks)
	}
	s := testSettings()
	s.Systems[1].Quota.Orders = "complete"
	p, _ = plan(&planner.Input{Settings: s, Items: items(it)}, newModel())
	if a, _ := action(t, p, "/vast/x"); len(a.Callbacks) != 3 {
		t.Errorf("orders = complete: callbacks %v, want three", a.Callbacks)
	}
}

func TestHoldAndSelection(t *testing.T) {
	w := &planner.Input{Items: items(project("bio", 30500), project("chem", 30501)),
		Holds: []planner.Hold{{Glob: "/capstor/**/bio", Reason: "incident",
			Until: now.Add(time.Hour), By: "root"}}}
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

func TestModeLetters(t *testing.T) {
	for mode, want := range map[planner.Mode]string{0o2770: "rwxrws---", 0o755: "rwxr-xr-x",
		0o7777: "rwsrwsrwt", 0o7000: "--S--S--T", 0: "---------"} {
		if got := mode.Letters(); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
	}
}

// TestApplyAsksEveryOrder: with MustAsk, an order without an answer is not acted on.
func TestApplyAsksEveryOrder(t *testing.T) {
	it := project("bio", 30500, ordered(planner.StatusPending))
	for why, want := range map[string]string{"401": "order_unknown", "": ""} {
		answer := planner.OrderAnswer{Why: why, Order: planner.Order{ID: id("o-bio"),
			Resource: id("bio"), Type: planner.OrderCreate, State: planner.OrderPendingProvider}}
		p, _ := plan(&planner.Input{Items: items(it), MustAsk: true,
			Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, newModel())
		if code, _ := refusal(p, bio); code != want {
			t.Errorf("answer %q: refused with %q, want %q", why, code, want)
		}
	}
	p, _ := plan(&planner.Input{Items: items(it), MustAsk: true,
		Orders: map[string]planner.OrderAnswer{id("o-bio"): {Order: planner.Order{ID: id("o-bio"),
			Resource: id("bio"), Type: planner.OrderTerminate,
			State: planner.OrderPendingProvider}}}},
		newModel())
	if code, _ := refusal(p, bio); code != "order_type" {
		t.Errorf("a create whose order terminates: %q, want order_type", code)
	}
}

// notReady leaves the URLs that an order has before its customer has approved it.
func notReady(it *planner.Item) { it.URLs = orderURLs(it, "o-"+it.Name, planner.SetBackendID) }

// TestUnseenOrders: if a listing has open orders but not one URL of them, the orders were left out
// on the way. The plan says so, and is not complete.
func TestUnseenOrders(t *testing.T) {
	bare := func(s planner.Status) func(
		*planner.Item) {
		return func(it *planner.Item) { it.Status = s }
	}
	for name, c := range map[string]struct {
		items  []planner.Item
		unseen int
	}{
		"one waits for its start date": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusPending))}, 0},
		"two creates": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusPending)), project("chem", 30501, bare(planner.StatusPending))}, 2},
		"one update": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusUpdating))}, 1},
		"one removal": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusRemoving))}, 1},
		"one of them has a URL": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusUpdating)), project("chem", 30501, ordered(planner.StatusPending),
			notReady)}, 0},
		"only active ones": {[]planner.Item{project("bio", 30500),
			project("chem", 30501)}, 0},
		"in error, which have no order": {[]planner.Item{project("bio", 30500,
			bare(planner.StatusError)), project("chem", 30501, bare(planner.StatusError))}, 0},
	} {
		p, _ := plan(&planner.Input{Items: items(c.items...)}, newModel())
		warned := slices.ContainsFunc(p.Context.Warnings,
			func(w planner.Warning) bool { return w.Code == "orders_unseen" })
		if p.Context.Unobserved != c.unseen || warned != (c.unseen > 0) {
			t.Errorf("%s: %d not observed, warned %v; want %d", name, p.Context.Unobserved, warned,
				c.unseen)
		}
	}
}
