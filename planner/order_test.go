package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// TestOrderStates: an order acts only while it is with the provider, whatever an older listing
// says.
func TestOrderStates(t *testing.T) {
	types := map[planner.Status]planner.OrderType{planner.StatusPending: planner.OrderCreate,
		planner.StatusUpdating: planner.OrderUpdate, planner.StatusRemoving: planner.OrderTerminate}
	for state, code := range map[planner.OrderState]string{
		planner.OrderPendingProvider: "", planner.OrderExecuting: "",
		planner.OrderPendingConsumer:  "order_not_ready",
		planner.OrderPendingProject:   "order_not_ready",
		planner.OrderPendingStartDate: "order_not_ready",
		planner.OrderDone:             "order_over", planner.OrderErred: "order_over",
		planner.OrderCanceled: "order_over", planner.OrderRejected: "order_over",
	} {
		for status, kind := range types {
			m := newModel()
			asWanted(m, "bio", 30500)
			it := project("bio", 30500, ordered(status),
				func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
			answers := map[planner.Status]planner.OrderType{status: kind,
				planner.StatusError: planner.OrderUpdate}
			for as, kind := range answers {
				it.Status = as
				answer := planner.OrderAnswer{Order: planner.Order{ID: id("o-bio"),
					Resource: id("bio"), Type: kind, State: state}}
				p, _ := plan(&planner.Input{Items: items(it),
					Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, m)
				if got, waits := refusal(p, bio); got != code || waits != (code != "") {
					t.Errorf("%s, order %q: refused with %q (waits %t), want %q", as, state, got,
						waits, code)
				}
				if (code == "") != (len(p.Core.Actions) == 1) {
					t.Errorf("%s, order %q: actions %v", as, state, p.Core.Actions)
				}
			}
		}
	}
}

// TestErrorWithAnOrder: only Waldur knows what such an order wants. An update acts. A removal is an
// archive with a reason of its own, which no policy approves. Any other order is blocked.
func TestErrorWithAnOrder(t *testing.T) {
	for _, tc := range []struct {
		kind planner.OrderType
		want planner.ActionKind
		code string
	}{{planner.OrderUpdate, planner.Update, "order_update"},
		{planner.OrderTerminate, planner.Archive, string(reason.ErrorTerminate)},
		{planner.OrderCreate, "", "order_type"}, {"Restore", "", "order_type"}} {
		m := newModel()
		asWanted(m, "bio", 30500)
		it := project("bio", 30500, ordered(planner.StatusError),
			func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
		answer := planner.OrderAnswer{Order: planner.Order{ID: id("o-bio"), Resource: id("bio"),
			Type: tc.kind, State: planner.OrderPendingProvider, HasLimits: true}}
		p, _ := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500)),
			Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, m)
		if tc.want == "" {
			if code, _ := refusal(p, bio); code != tc.code || len(p.Core.Actions) != 0 {
				t.Errorf("%s: refused with %q, want %q; %v", tc.kind, code, tc.code, p.Core.Actions)
			}
			continue
		}
		a, d := action(t, p, bio)
		if a.Kind != tc.want || string(d.Reasons[0].Code) != tc.code ||
			!slices.Equal(a.Callbacks, []planner.Callback{planner.Approve, planner.SetStateDone}) {
			t.Errorf("%s: %s because %v, telling %v; want %s because %s", tc.kind, a.Kind,
				d.Reasons, a.Callbacks, tc.want, tc.code)
		}
	}
}

// TestQuestions: planning asks about each order that may act, and uses only URLs below waldur.url.
func TestQuestions(t *testing.T) {
	s := testSettings()
	var all []planner.Item
	for i, status := range []planner.Status{planner.StatusPending, planner.StatusActive,
		planner.StatusUpdating, planner.StatusRemoving, planner.StatusRemoved,
		planner.StatusError} {
		all = append(all, project(fmt.Sprintf("p%d", i), 30500, ordered(status)))
	}
	all = append(all, project("free", 30500,
		func(it *planner.Item) { it.Status = planner.StatusError }),
		project("evil", 30500, func(it *planner.Item) {
			it.Status, it.URLs = planner.StatusError,
				map[planner.Callback]string{
					planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id("o") +
						"/approve_by_provider/"}
		}))
	var asked []string
	for _, q := range planner.Questions(s, &planner.Selection{}, all) {
		asked = append(asked, q.ID)
		if !strings.HasPrefix(q.URL, s.Waldur.URL) {
			t.Errorf("asks %s", q.URL)
		}
	}
	want := []string{id("o-p0"), id("o-p2"), id("o-p3"), id("o-p5")}
	slices.Sort(want)
	if !slices.Equal(asked, want) {
		t.Errorf("asks about %q, want those of all that an order may change, %q", asked, want)
	}
	if qs := planner.Questions(s, &planner.Selection{Targets: []string{"/**/p5"}},
		all); len(qs) != 1 || qs[0].ID != id("o-p5") {
		t.Errorf("for p5 alone it asks %v", qs)
	}
	s.Waldur = planner.WaldurSettings{}
	if qs := planner.Questions(s, &planner.Selection{}, all); len(qs) != 0 {
		t.Errorf("without a waldur block it asks %v", qs)
	}
	p, _ := plan(&planner.Input{Settings: s, Items: items(all[0])}, newModel())
	if code, waits := refusal(p, all[0].MountPath); code != "order_url" || waits {
		t.Errorf("an order without a waldur block: %q, want order_url", code)
	}
}

// TestCallbacksByOrder: which callbacks belong to which order. Only those that Waldur offers are
// sent.
func TestCallbacksByOrder(t *testing.T) {
	offer := func(names ...planner.Callback) func(*planner.Item) {
		return func(it *planner.Item) { it.URLs = orderURLs(it, "o-bio", names...) }
	}
	all := offer(planner.Approve, planner.Reject, planner.SetStateDone, planner.SetBackendID)
	for _, tc := range []struct {
		name    string
		status  planner.Status
		offered func(*planner.Item)
		set     func(*planner.WaldurSettings)
		want    []planner.Callback
	}{
		{"create", planner.StatusPending, all, nil, []planner.Callback{planner.Approve,
			planner.SetBackendID, planner.SetStateDone}},
		{"create, backend ids are not set here", planner.StatusPending, all,
			func(w *planner.WaldurSettings) { w.SetBackendID = false },
			[]planner.Callback{planner.Approve, planner.SetStateDone}},
		{"create, approved already", planner.StatusPending,
			offer(planner.SetStateDone, planner.SetStateErred, planner.SetBackendID), nil,
			[]planner.Callback{planner.SetBackendID, planner.SetStateDone}},
		{"update", planner.StatusUpdating, all, nil, []planner.Callback{planner.Approve,
			planner.SetStateDone}},
		{"removal", planner.StatusRemoving, all, nil, []planner.Callback{planner.Approve,
			planner.SetStateDone}},
		{"active: none", planner.StatusActive, all, nil, nil},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		s := testSettings()
		if tc.set != nil {
			tc.set(&s.Waldur)
		}
		it := project("bio", 30500, tc.offered,
			func(it *planner.Item) { it.Status, it.NewQuotas = tc.status, it.Quotas })
		p, _ := plan(&planner.Input{Settings: s, Items: items(it),
			Recorded: records(recordOf("bio", 30500))}, m)
		if tc.want == nil {
			if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 ||
				p.Context.Warnings[0].Code != "active_with_order" {
				t.Errorf("%s: %v, warnings %v", tc.name, p.Core.Actions, p.Context.Warnings)
			}
			continue
		}
		if a, _ := action(t, p, bio); !slices.Equal(a.Callbacks, tc.want) ||
			a.Order != id("o-bio") {
			t.Errorf("%s: callbacks %v of order %s, want %v", tc.name, a.Callbacks, a.Order,
				tc.want)
		}
	}
}

// TestVerdicts: rejecting and failing are one callback each, and are refused if Waldur does not
// offer it.
func TestVerdicts(t *testing.T) {
	pending := project("bio", 30500, ordered(planner.StatusPending))
	running := project("bio", 30500, ordered(planner.StatusPending),
		func(it *planner.Item) {
			it.URLs = orderURLs(it, "o-bio", planner.SetStateDone, planner.SetStateErred)
		})
	verdict := []planner.OrderVerdict{{Address: bio, Reason: "no such group"}}
	for _, tc := range []struct {
		name string
		item planner.Item
		sel  planner.Selection
		kind planner.ActionKind
		call planner.Callback
	}{
		{"reject before approval", pending, planner.Selection{Rejects: verdict},
			planner.RejectOrder, planner.Reject},
		{"fail before approval", pending, planner.Selection{Fails: verdict}, "", ""},
		{"fail after approval", running, planner.Selection{Fails: verdict}, planner.FailOrder,
			planner.SetStateErred},
		{"reject after approval", running, planner.Selection{Rejects: verdict}, "", ""},
		{"reject although it is blocked", project("bio", 7, ordered(planner.StatusPending)),
			planner.Selection{Rejects: verdict}, planner.RejectOrder, planner.Reject},
		{"no order", project("bio", 30500), planner.Selection{Rejects: verdict}, "", ""},
	} {
		p, _ := plan(&planner.Input{Items: items(tc.item), Selection: tc.sel}, newModel())
		if tc.kind == "" {
			if code, _ := refusal(p, bio); code != "no_callback" {
				t.Errorf("%s: %q, want no_callback", tc.name, code)
			}
			continue
		}
		a, _ := action(t, p, bio)
		if a.Kind != tc.kind || !slices.Equal(a.Callbacks, []planner.Callback{tc.call}) ||
			a.Verdict != "no such group" || len(a.Changes) != 0 {
			t.Errorf("%s: %+v", tc.name, a)
		}
	}
}

// restorable returns a world in which bio was archived and its resource is pending again.
func restorable(kind planner.OrderType, change ...func(*planner.Item)) *planner.Input {
	key := planner.Key{Item: id("bio"), System: "capstor", DataType: "store"}
	w := &planner.Input{Items: items(project("bio", 30500,
		append([]func(*planner.Item){ordered(planner.StatusPending)}, change...)...)),
		Recorded: planner.Recorded{Archived: map[planner.Key]planner.Archived{key: {Key: key,
			Address: bio, System: "capstor",
			Storage: "capstor/store/cscs/eth/bio", Archive: "capstor/.trash/x", Inode: 77,
			Group: 30500, Mode: 0o2770,
			QuotaBy: planner.ByGroup, QuotaID: 30500, At: now, Until: now}}}}
	if kind != "" {
		w.Orders = map[string]planner.OrderAnswer{
			id("o-bio"): {Order: planner.Order{ID: id("o-bio"), Type: kind,
				State: planner.OrderPendingProvider}}}
	}
	return w
}

// TestRestoreOrder: a pending resource that is archived under the same key is restored, whatever
// the type of its order is, and never as an empty directory.
func TestRestoreOrder(t *testing.T) {
	tell := []planner.Callback{planner.Approve, planner.SetStateDone}
	for _, tc := range []struct {
		name, reason string
		kind         planner.OrderType
		calls        []planner.Callback
	}{
		{"restore", "order_restore", planner.OrderRestore, tell},
		{"not asked", "order_restore", "", tell},
		{"create", "order_create", planner.OrderCreate, []planner.Callback{planner.Approve,
			planner.SetBackendID, planner.SetStateDone}},
	} {
		for _, sel := range []planner.Selection{{}, {Restores: []string{bio}}} {
			w := restorable(tc.kind)
			w.Selection = sel
			p, _ := plan(w, newModel())
			a, d := action(t, p, bio)
			if a.Kind != planner.Restore || a.From != "capstor/.trash/x" || a.Inode != 77 ||
				len(a.Danger) != 0 || a.Order != id("o-bio") ||
				string(d.Reasons[0].Code) != tc.reason || !slices.Equal(a.Callbacks, tc.calls) ||
				d.Notes[0].Provenance.From != planner.FromArchive {
				t.Errorf("%s, %v: %+v because %v", tc.name, sel, a, d.Reasons)
			}
			if a, ok := a.After(planner.SpaceHard); !ok || a != planner.Number(10<<40) {
				t.Errorf("%s: hard limit %v", tc.name, a)
			}
		}
	}
}

// TestRestoreOrderRefused: a restore order never makes a new directory, and never replaces an
// existing one.
func TestRestoreOrderRefused(t *testing.T) {
	gone := restorable(planner.OrderRestore)
	gone.Recorded.Archived = nil
	other := restorable(planner.OrderRestore)
	a := other.Recorded.Archived[other.Items[len(other.Items)-1].Key]
	a.Key.Item = id("another")
	other.Recorded.Archived = map[planner.Key]planner.Archived{a.Key: a}
	inWay, back := newModel(), newModel()
	inWay.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
	asWanted(back, "bio", 30500)
	dir := back.dirs["capstor/store/cscs/eth/bio"]
	dir.Inode = 77
	back.dirs["capstor/store/cscs/eth/bio"] = dir
	for _, tc := range []struct {
		name, code string
		w          *planner.Input
		m          *model
	}{
		{"nothing archived", "not_archived", gone, newModel()},
		{"archived under another key", "not_archived", other, newModel()},
		{"a directory in the way", "obstructed", restorable(planner.OrderRestore), inWay},
		{"an update", "order_type", restorable(planner.OrderUpdate), newModel()},
		{"a type of tomorrow", "order_type", restorable("Suspend"), newModel()},
		{"an unknown data type", "data_type", restorable(planner.OrderRestore,
			func(it *planner.Item) { it.Key.DataType = "tape" }), newModel()},
	} {
		p, _ := plan(tc.w, tc.m)
		if code, waits := refusal(p, bio); code != tc.code || waits || len(p.Core.Actions) != 0 {
			t.Errorf("%s: refused with %q (waits %t), want %q; %v", tc.name, code, waits, tc.code,
				p.Core.Actions)
		}
	}
	p, _ := plan(restorable(planner.OrderRestore), back)
	if a, _ := action(t, p, bio); a.Kind != planner.Report ||
		!slices.Contains(a.Callbacks, planner.SetStateDone) {
		t.Errorf("moved back already: %+v", a)
	}
}

// TestUnknownWordsBlock: an order of a type or state that this version does not know is blocked,
// whatever the status is, and the reason names it.
func TestUnknownWordsBlock(t *testing.T) {
	for _, status := range []planner.Status{planner.StatusPending, planner.StatusUpdating,
		planner.StatusRemoving, planner.StatusError} {
		for code, order := range map[string]planner.Order{"order_type": {Type: "Suspend",
			State: planner.OrderExecuting}, "order_state": {Type: planner.OrderUpdate,
			State: "on hold"}} {
			m := newModel()
			asWanted(m, "bio", 30500)
			order.ID = id("o-bio")
			p, _ := plan(&planner.Input{Items: items(project("bio", 30500, ordered(status))),
				Recorded: records(recordOf("bio", 30500)),
				Orders:   map[string]planner.OrderAnswer{order.ID: {Order: order}}}, m)
			got, waits := refusal(p, bio)
			if got != code || waits || len(p.Core.Actions) != 0 ||
				!strings.Contains(p.Context.Blocked[0].Reasons[0].Text, "this version knows no") {
				t.Errorf("%s: refused with %q (waits %t), want %q: %v", status, got, waits, code,
					p.Context.Blocked)
			}
		}
	}
}

// TestUnasked: there is one warning for all orders without an answer.
func TestUnasked(t *testing.T) {
	its := items(project("bio", 30500, ordered(planner.StatusPending)),
		project("chem", 30501, ordered(planner.StatusRemoving)))
	p, _ := plan(&planner.Input{Items: its,
		Orders: map[string]planner.OrderAnswer{id("o-bio"): {Why: "no answer"},
			id("o-chem"): {Why: "no answer"}}}, newModel())
	if len(p.Core.Actions) == 0 || len(p.Context.Warnings) != 1 ||
		p.Context.Warnings[0].Code != "orders_not_asked" ||
		!strings.Contains(p.Context.Warnings[0].Text, " 2 orders ") {
		t.Errorf("%v, warnings %v", p.Core.Actions, p.Context.Warnings)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500, ordered(planner.StatusRemoved)))},
		newModel())
	if len(p.Core.Actions) != 0 || len(p.Context.Warnings) != 1 ||
		p.Context.Warnings[0].Code != "removed_with_order" {
		t.Errorf("%v, warnings %v", p.Core.Actions, p.Context.Warnings)
	}
}
