package planner_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

func (o says) Matches(f planner.Facts) bool { return o.path == "" || o.path == f.Path }
func (o says) Apply(planner.Upstream) (planner.Wishes, error) {
	return o.then, o.err
}
func (o says) Expired(now time.Time) bool { return !o.ends.IsZero() && !now.Before(o.ends) }
func (o says) Source() planner.Provenance {
	return planner.Provenance{From: planner.FromOverride, Override: "o", At: "o.hcl:1"}
}

func overrides(os ...planner.Override) []planner.Override { return os }

func limits(soft, hard planner.Bytes) planner.Wishes {
	return planner.Wishes{Quota: planner.Quota{SpaceSoft: planner.LimitOf(soft), SpaceHard: planner.LimitOf(hard)}}
}

// TestOneBadItemStopsNobody: whatever one item asks for, a good one beside it is made.
func TestOneBadItemStopsNobody(t *testing.T) {
	inError := func(it *planner.Item) { it.Status = planner.StatusError }
	for name, bad := range map[string]planner.Item{
		"the system's directory":               project("bad", 30999, at("/capstor")),
		"above a tenant":                       project("bad", 30999, at("/capstor/store")),
		"a tenant's directory":                 project("bad", 30999, at("/capstor/store/cscs")),
		"a customer's directory":               project("bad", 30999, at("/capstor/store/cscs/eth")),
		"the folder of other paths":            project("bad", 30999, at("/scratch")),
		"the system's directory, in error":     project("bad", 30999, at("/capstor"), inError),
		"above a tenant, to be removed":        project("bad", 30999, ordered(planner.StatusRemoving), at("/capstor/store")),
		"the system's directory, removed":      project("bad", 30999, at("/capstor"), func(it *planner.Item) { it.Status = planner.StatusRemoved }),
		"unreadable":                           project("bad", 30999, func(it *planner.Item) { it.Problem = "quotas: no list" }),
		"another's group, beyond every limit":  project("bad", 30500, func(it *planner.Item) { it.Quotas = quotas("1048577", "1048577") }),
		"its directory inside, but no address": project("bad", 30999, at("bio/inner")),
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := plan(&planner.World{Items: items(project("bio", 30500), bad)}, newModel())
			a, _ := action(t, p, bio)
			if a.Kind != planner.Create || a.Quota == nil {
				t.Errorf("got %+v, want a create with its quota; blocked: %v", a, p.Context.Blocked)
			}
		})
	}
}

// TestNothingAskedIsNothing: what is removed, or in error without an order, is neither blocked nor touched, however bad.
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
			p, g := plan(&planner.World{Items: items(project("bio", 30500), it), Recorded: records(recordOf("bio", 30500))}, m)
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

// TestOrderStates: an order acts only while it is with the provider, whatever an older listing says.
func TestOrderStates(t *testing.T) {
	types := map[planner.Status]planner.OrderType{planner.StatusPending: planner.OrderCreate, planner.StatusUpdating: planner.OrderUpdate, planner.StatusRemoving: planner.OrderTerminate}
	for state, code := range map[planner.OrderState]string{
		planner.OrderPendingProvider: "", planner.OrderExecuting: "",
		planner.OrderPendingConsumer: "order_not_ready", planner.OrderPendingProject: "order_not_ready", planner.OrderPendingStartDate: "order_not_ready",
		planner.OrderDone: "order_over", planner.OrderErred: "order_over", planner.OrderCanceled: "order_over", planner.OrderRejected: "order_over", "": "order_over",
	} {
		for status, kind := range types {
			m := newModel()
			asWanted(m, "bio", 30500)
			it := project("bio", 30500, ordered(status), func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
			answers := map[planner.Status]planner.OrderType{status: kind, planner.StatusError: planner.OrderUpdate}
			for as, kind := range answers {
				it.Status = as
				answer := planner.OrderAnswer{Order: planner.Order{ID: id("o-bio"), Type: kind, State: state}}
				p, _ := plan(&planner.World{Items: items(it), Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, m)
				if got, waits := refusal(p, bio); got != code || waits != (code != "") {
					t.Errorf("%s, order %q: refused with %q (waits %t), want %q", as, state, got, waits, code)
				}
				if (code == "") != (len(p.Core.Actions) == 1) {
					t.Errorf("%s, order %q: actions %v", as, state, p.Core.Actions)
				}
			}
		}
	}
}

// TestErrorWithAnOrder: only Waldur knows what it wants. An update acts, a removal is an archive with a reason of its own,
// which no policy approves, and anything else is blocked.
func TestErrorWithAnOrder(t *testing.T) {
	for _, tc := range []struct {
		kind planner.OrderType
		want planner.ActionKind
		code string
	}{{planner.OrderUpdate, planner.Update, "order_update"}, {planner.OrderTerminate, planner.Archive, planner.ErrorTerminate}, {planner.OrderCreate, "", "order_type"}, {"Restore", "", "order_type"}} {
		m := newModel()
		asWanted(m, "bio", 30500)
		it := project("bio", 30500, ordered(planner.StatusError), func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
		answer := planner.OrderAnswer{Order: planner.Order{ID: id("o-bio"), Type: tc.kind, State: planner.OrderPendingProvider, HasLimits: true}}
		p, _ := plan(&planner.World{Items: items(it), Recorded: records(recordOf("bio", 30500)), Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, m)
		if tc.want == "" {
			if code, _ := refusal(p, bio); code != tc.code || len(p.Core.Actions) != 0 {
				t.Errorf("%s: refused with %q, want %q; %v", tc.kind, code, tc.code, p.Core.Actions)
			}
			continue
		}
		a, d := action(t, p, bio)
		if a.Kind != tc.want || d.Reasons[0].Code != tc.code || !slices.Equal(a.Callbacks, []planner.Callback{planner.Approve, planner.SetStateDone}) {
			t.Errorf("%s: %s because %v, telling %v; want %s because %s", tc.kind, a.Kind, d.Reasons, a.Callbacks, tc.want, tc.code)
		}
	}
}

// TestQuestions: planning asks only where the listing does not tell, and only what lies below waldur.url.
func TestQuestions(t *testing.T) {
	s := testSettings()
	var all []planner.Item
	for i, status := range []planner.Status{planner.StatusPending, planner.StatusActive, planner.StatusUpdating, planner.StatusRemoving, planner.StatusRemoved, planner.StatusError} {
		all = append(all, project(fmt.Sprintf("p%d", i), 30500, ordered(status)))
	}
	all = append(all, project("free", 30500, func(it *planner.Item) { it.Status = planner.StatusError }),
		project("evil", 30500, func(it *planner.Item) {
			it.Status, it.URLs = planner.StatusError, map[planner.Callback]string{planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id("o") + "/approve_by_provider/"}
		}))
	var asked []string
	for _, q := range planner.Questions(s, &planner.Selection{}, all) {
		asked = append(asked, q.ID)
		if !strings.HasPrefix(q.URL, s.Waldur.URL) {
			t.Errorf("asks %s", q.URL)
		}
	}
	want := []string{id("o-p2"), id("o-p5")}
	slices.Sort(want)
	if !slices.Equal(asked, want) {
		t.Errorf("asks about %q, want those of the update and of the one in error, %q", asked, want)
	}
	if qs := planner.Questions(s, &planner.Selection{Targets: []string{"/**/p5"}}, all); len(qs) != 1 || qs[0].ID != id("o-p5") {
		t.Errorf("for p5 alone it asks %v", qs)
	}
	s.Waldur = planner.WaldurSettings{}
	if qs := planner.Questions(s, &planner.Selection{}, all); len(qs) != 0 {
		t.Errorf("without a waldur block it asks %v", qs)
	}
	p, _ := plan(&planner.World{Settings: s, Items: items(all[0])}, newModel())
	if code, waits := refusal(p, all[0].MountPath); code != "order_url" || waits {
		t.Errorf("an order without a waldur block: %q, want order_url", code)
	}
}

// TestChecksAreOnTheFinalValues: what the proxy gets wrong, an override can mend; what an override gets wrong is blocked.
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
		{"negative, and the other limit is mended", quota("-1", "10"), planner.Wishes{Quota: planner.Quota{SpaceHard: planner.LimitOf(tib)}}, "quota"},
		{"beyond every storage", quota("1e99", "1e99"), limits(tib, tib), ""},
		{"becomes 0", quota("1e-12", "1e-12"), limits(tib, tib), ""},
		{"soft above hard", quota("20", "10"), limits(tib, tib), ""},
		{"hard 0", quota("10", "0"), limits(tib, tib), ""},
		{"no group", func(it *planner.Item) { it.HasGID = false }, planner.Wishes{Group: ptr(planner.GID(30500))}, ""},
		{"group 0", func(it *planner.Item) { it.GID = 0 }, planner.Wishes{Group: ptr(planner.GID(30500))}, ""},
		{"mode", func(it *planner.Item) { it.Permission = "rwx" }, planner.Wishes{Mode: ptr("2770")}, ""},
		{"an override's group", func(*planner.Item) {}, planner.Wishes{Group: ptr(planner.GID(7))}, "gid"},
		{"an override's owner", func(*planner.Item) {}, planner.Wishes{Owner: ptr(planner.UID(65534))}, "owner"},
		{"an override's mode", func(*planner.Item) {}, planner.Wishes{Mode: ptr("abc")}, "override"},
		{"an override's limit below 1 KiB", func(*planner.Item) {}, limits(1023, tib), "quota"},
		{"an override's limits the wrong way", func(*planner.Item) {}, limits(2*tib, tib), "soft_above_hard"},
		{"an override leaves it alone", func(it *planner.Item) { it.HasGID = false }, planner.Wishes{Manage: ptr(false)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := plan(&planner.World{Items: items(project("bio", 30500, tc.change)), Overrides: overrides(says{then: tc.override, path: bio})}, newModel())
			if code, _ := refusal(p, bio); code != tc.code {
				t.Errorf("refused with %q, want %q: %v", code, tc.code, p.Context.Blocked)
			}
		})
	}
}

// TestOverrides: they apply in file order, an expired one is ignored with a warning, one that matches nothing is a
// warning, one that cannot be computed blocks only what it matches, and limits are cut to whole KiB.
func TestOverrides(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.World{Items: items(project("bio", 30500), project("chem", 30501)), Overrides: overrides(
		says{path: bio, then: planner.Wishes{Mode: ptr("2750"), Quota: planner.Quota{SpaceSoft: planner.LimitOf(3*tib + 1023)}}},
		says{path: bio, then: planner.Wishes{Mode: ptr("2700"), Quota: planner.Quota{SpaceHard: planner.Unlimited[planner.Bytes]()}}},
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
	if got[planner.ModeAttr] != planner.ModeValue(0o2700) || got[planner.SpaceSoft] != planner.Number(3<<40) || got[planner.SpaceHard] != planner.UnlimitedValue() {
		t.Errorf("wanted: %v", got)
	}
	if code, _ := refusal(p, "/capstor/store/cscs/eth/chem"); code != "override" {
		t.Errorf("an override that cannot be computed: %q", code)
	}
	var codes []string
	for _, w := range p.Context.Warnings {
		codes = append(codes, w.Code)
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
		p, _ := plan(&planner.World{Items: items(project("bio", 30500, ordered(planner.StatusRemoving), func(it *planner.Item) { it.Quotas = q }))}, m)
		if a, _ := action(t, p, bio); a.Kind != planner.Archive {
			t.Errorf("%+v: %s", q, a.Kind)
		}
	}
}

// TestSoftAboveWhatStands: a soft limit is held against the hard one that stays, because nobody says what it should be.
func TestSoftAboveWhatStands(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.World{Items: items(project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas("20.0", "0.0") })), Recorded: records(recordOf("bio", 30500))}, m)
	if code, _ := refusal(p, bio); code != "soft_above_hard" || len(p.Core.Actions) != 0 {
		t.Errorf("refused with %q, want soft_above_hard; %v", code, p.Core.Actions)
	}
}

// TestEnforcedParents: a tenant's directory is held to its owner and mode, as dangerous as any; a hold and an obstacle show.
func TestEnforcedParents(t *testing.T) {
	const eth = "/capstor/store/cscs/eth"
	s := testSettings()
	s.Parents = planner.ParentsEnforce
	world := func(holds ...planner.Hold) *planner.World {
		return &planner.World{Settings: s, Items: items(project("bio", 30500)), Recorded: records(recordOf("bio", 30500)), Holds: holds}
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
	if a, _ := action(t, p, eth); a.Kind != planner.Update || !slices.Equal(a.Danger, []planner.Danger{planner.DangerWiderAccess}) || len(p.Core.Actions) != 1 {
		t.Errorf("a mode to be widened: %+v", p.Core.Actions)
	}
	p, _ = plan(world(planner.Hold{Glob: eth, Reason: "incident", By: "root"}), m)
	if code, waits := refusal(p, eth); code != "hold" || !waits || len(p.Core.Actions) != 0 {
		t.Errorf("held: %q (waits %t) and %v", code, waits, p.Core.Actions)
	}
	m.dirs["capstor/store/cscs/eth"] = planner.Directory{State: planner.DirObstructed, Why: "a link stands there"}
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

// TestHoldOnATenant: while it must not be made, nothing below it is.
func TestHoldOnATenant(t *testing.T) {
	holds := []planner.Hold{{Glob: "/capstor/store/cscs", Reason: "incident", By: "root"}}
	p, _ := plan(&planner.World{Items: items(project("bio", 30500)), Holds: holds}, newModel())
	if code, waits := refusal(p, bio); code != "hold" || !waits || len(p.Core.Actions) != 0 {
		t.Errorf("%q (waits %t) and %v", code, waits, p.Core.Actions)
	}
	m := newModel()
	m.put("capstor/store", 0, 0o755)
	m.put("capstor/store/cscs", 0, 0o775)
	p, _ = plan(&planner.World{Items: items(project("bio", 30500)), Holds: holds}, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Create {
		t.Errorf("one that stands already holds nothing up: %s", a.Kind)
	}
}

// TestAskedBackIsHeldToo: a hold covers what the command line wants back from the archive.
func TestAskedBackIsHeldToo(t *testing.T) {
	rec := recordOf("bio", 30500)
	archived := map[planner.Key]planner.Archived{rec.Key: {Key: rec.Key, Address: bio, System: "capstor", Storage: rec.Storage, Archive: "capstor/.trash/x", Inode: 9, Group: 30500, Mode: 0o2770, At: now}}
	w := &planner.World{Items: tree(), Recorded: planner.Recorded{Archived: archived}, Selection: planner.Selection{Restores: []string{bio}}}
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

// TestSameItemOnTwoSystems: each has its own record, and neither is taken for the other, moved.
func TestSameItemOnTwoSystems(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("vast/store/cscs/eth/bio", 30500, 0o2770)
	twin := project("bio", 30500, func(it *planner.Item) { it.Key.System, it.MountPath = "vast", "/vast/store/cscs/eth/bio" })
	rec := recordOf("bio", 30500)
	rec.Key, rec.Address, rec.System, rec.Storage, rec.QuotaBy = twin.Key, twin.MountPath, "vast", "vast/store/cscs/eth/bio", ""
	for range 20 { // maps have no order
		p, _ := plan(&planner.World{Items: items(project("bio", 30500), twin), Recorded: records(recordOf("bio", 30500), rec)}, m)
		if p.Context.Counts.Unchanged != 2 {
			t.Fatalf("counts %+v, blocked %v", p.Context.Counts, p.Context.Blocked)
		}
	}
	p, _ := plan(&planner.World{Items: items(twin), Recorded: records(recordOf("bio", 30500))}, m)
	if code, _ := refusal(p, twin.MountPath); code != "moved" {
		t.Errorf("on another system than recorded: %q, want moved", code)
	}
}

// TestCallbacksByOrder: which callbacks go with which order, and that only those are sent that Waldur offers.
func TestCallbacksByOrder(t *testing.T) {
	offer := func(names ...planner.Callback) func(*planner.Item) {
		return func(it *planner.Item) { it.URLs = orderURLs("o-bio", names...) }
	}
	all := offer(planner.Approve, planner.Reject, planner.SetStateDone, planner.SetBackendID)
	for _, tc := range []struct {
		name    string
		status  planner.Status
		offered func(*planner.Item)
		set     func(*planner.WaldurSettings)
		want    []planner.Callback
	}{
		{"create", planner.StatusPending, all, nil, []planner.Callback{planner.Approve, planner.SetBackendID, planner.SetStateDone}},
		{"create, backend ids are not set here", planner.StatusPending, all, func(w *planner.WaldurSettings) { w.SetBackendID = false }, []planner.Callback{planner.Approve, planner.SetStateDone}},
		{"create, approved already", planner.StatusPending, offer(planner.SetStateDone, planner.SetStateErred, planner.SetBackendID), nil, []planner.Callback{planner.SetBackendID, planner.SetStateDone}},
		{"update", planner.StatusUpdating, all, nil, []planner.Callback{planner.Approve, planner.SetStateDone}},
		{"removal", planner.StatusRemoving, all, nil, []planner.Callback{planner.Approve, planner.SetStateDone}},
		{"active: none", planner.StatusActive, all, nil, nil},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		s := testSettings()
		if tc.set != nil {
			tc.set(&s.Waldur)
		}
		it := project("bio", 30500, tc.offered, func(it *planner.Item) { it.Status, it.NewQuotas = tc.status, it.Quotas })
		p, _ := plan(&planner.World{Settings: s, Items: items(it), Recorded: records(recordOf("bio", 30500))}, m)
		if tc.want == nil {
			if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 || p.Context.Warnings[0].Code != "active_with_order" {
				t.Errorf("%s: %v, warnings %v", tc.name, p.Core.Actions, p.Context.Warnings)
			}
			continue
		}
		if a, _ := action(t, p, bio); !slices.Equal(a.Callbacks, tc.want) || a.Order != id("o-bio") {
			t.Errorf("%s: callbacks %v of order %s, want %v", tc.name, a.Callbacks, a.Order, tc.want)
		}
	}
}

// TestVerdicts: rejecting and failing are one callback, and refused where Waldur does not offer it.
func TestVerdicts(t *testing.T) {
	pending := project("bio", 30500, ordered(planner.StatusPending))
	running := project("bio", 30500, ordered(planner.StatusPending), func(it *planner.Item) { it.URLs = orderURLs("o-bio", planner.SetStateDone, planner.SetStateErred) })
	verdict := []planner.OrderVerdict{{Address: bio, Reason: "no such group"}}
	for _, tc := range []struct {
		name string
		item planner.Item
		sel  planner.Selection
		kind planner.ActionKind
		call planner.Callback
	}{
		{"reject before approval", pending, planner.Selection{Rejects: verdict}, planner.RejectOrder, planner.Reject},
		{"fail before approval", pending, planner.Selection{Fails: verdict}, "", ""},
		{"fail after approval", running, planner.Selection{Fails: verdict}, planner.FailOrder, planner.SetStateErred},
		{"reject after approval", running, planner.Selection{Rejects: verdict}, "", ""},
		{"reject although it is blocked", project("bio", 7, ordered(planner.StatusPending)), planner.Selection{Rejects: verdict}, planner.RejectOrder, planner.Reject},
		{"no order", project("bio", 30500), planner.Selection{Rejects: verdict}, "", ""},
	} {
		p, _ := plan(&planner.World{Items: items(tc.item), Selection: tc.sel}, newModel())
		if tc.kind == "" {
			if code, _ := refusal(p, bio); code != "no_callback" {
				t.Errorf("%s: %q, want no_callback", tc.name, code)
			}
			continue
		}
		a, _ := action(t, p, bio)
		if a.Kind != tc.kind || !slices.Equal(a.Callbacks, []planner.Callback{tc.call}) || a.Verdict != "no such group" || len(a.Changes) != 0 {
			t.Errorf("%s: %+v", tc.name, a)
		}
	}
}

// TestATenantOnARecordedPath: a directory has one master, the resource that is recorded there.
func TestATenantOnARecordedPath(t *testing.T) {
	s := testSettings()
	s.Parents = planner.ParentsEnforce
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs", 0, 0o775)
	m.put("capstor/store/cscs/eth", 0, 0o775)
	late := planner.Item{Key: planner.Key{Item: id("t"), System: "capstor", DataType: "x"}, Status: planner.StatusPending, MountPath: bio, Permission: "775", Target: planner.TargetTenant, Name: "t"}
	p, _ := plan(&planner.World{Settings: s, Items: items(project("bio", 30500), late), Recorded: records(recordOf("bio", 30500))}, m)
	if len(p.Core.Actions) != 0 {
		t.Errorf("actions %+v, want none", p.Core.Actions)
	}
}

// TestARecordKeepsWhatThreeDigitsLeaveAlone: a mode of three digits is recorded with the setgid bit that stands.
func TestARecordKeepsWhatThreeDigitsLeaveAlone(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs/eth/bio", 30500, 0o3770)
	_, g := plan(&planner.World{Items: items(project("bio", 30500, func(it *planner.Item) { it.Permission = "770" })), KeepRecords: true}, m)
	if rs := g.AsWanted(); len(rs) != 1 || rs[0].Mode != 0o3770 || rs[0].Storage != "capstor/store/cscs/eth/bio" || rs[0].QuotaID != 30500 {
		t.Errorf("recorded: %+v", rs)
	}
}

// TestUnmounted: a system that is not what it should be is blocked as a whole, and known to be so: nothing is unobserved.
func TestUnmounted(t *testing.T) {
	for code, change := range map[string]func(*model, *planner.Recorded){
		"system_unavailable": func(m *model, _ *planner.Recorded) {
			m.mounts["capstor"] = planner.Mount{Problem: "ext4 is mounted there, want lustre"}
		},
		"root_changed": func(_ *model, r *planner.Recorded) {
			r.Roots = map[string]planner.RootIdentity{"capstor": {Filesystem: "lustre:capstor", Inode: 2}}
		},
	} {
		m, r := newModel(), planner.Recorded{}
		change(m, &r)
		p, _ := plan(&planner.World{Items: items(project("bio", 30500), project("v", 30501, at("/vast/x"), func(it *planner.Item) { it.Key.System = "vast" })), Recorded: r}, m)
		if got, waits := refusal(p, bio); got != code || waits || p.Context.Unobserved != 0 {
			t.Errorf("%q (waits %t), %d unobserved; want %s, 0", got, waits, p.Context.Unobserved, code)
		}
		if a, _ := action(t, p, "/vast/x"); a.Kind != planner.Create {
			t.Errorf("the other system: %s", a.Kind)
		}
	}
}

// TestNotSelectedCountsAtItsRecord: a plan for one resource does not carry out what its neighbour in the quota asks for.
func TestNotSelectedCountsAtItsRecord(t *testing.T) {
	for policy, want := range map[planner.SharedPolicy]uint64{planner.SharedSum: 20 << 40, planner.SharedMax: 10 << 40} {
		s := testSettings()
		s.Systems[0].Quota.Shared = policy
		grows := project("chem", 30500, func(it *planner.Item) { it.Quotas = quotas("50.0", "50.0") })
		p, _ := plan(&planner.World{Settings: s, Items: items(project("bio", 30500), grows), Recorded: records(recordOf("chem", 30500)), Selection: planner.Selection{Targets: []string{bio}}}, newModel())
		a, _ := action(t, p, bio)
		i := slices.IndexFunc(a.Changes, func(c planner.Change) bool { return c.Attribute == planner.SpaceHard })
		if n, _ := a.Changes[i].After.Number(); n != want {
			t.Errorf("%s: %d, want %d", policy, n, want)
		}
	}
}

// TestNothingIsArchivedWhereItCannotBe: a removal that would fail is blocked when planning; what is gone already is reported.
func TestNothingIsArchivedWhereItCannotBe(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.mounts["capstor"] = planner.Mount{Filesystem: "lustre:capstor", Inode: 1, Archive: "another mount stands at /mnt/capstor/.trash"}
	w := &planner.World{Items: items(project("bio", 30500, ordered(planner.StatusRemoving)))}
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
