package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// site is one resource of the proxy on one system, which is planned once and looked at again before
// the plan runs.
type site struct {
	settings planner.Settings
	item     planner.Item
	dir      planner.Directory
	orders   map[string]planner.OrderAnswer
	recorded planner.Recorded
}

const orderID = "0123456789abcdef0123456789abcdef"

func newSite(status planner.Status) *site {
	s := &site{settings: planner.Settings{Tera: 1 << 40, MinGID: 1000,
		Parents: planner.ParentsCreate,
		Waldur: planner.WaldurSettings{URL: "https://waldur.example.com/api/",
			Aliases: []string{"http://internal/api/"}, SetBackendID: true, ReportQuotas: true},
		Systems: []planner.System{{Name: "capstor", Directory: "capstor", Filesystem: "lustre",
			Archive: "capstor/.trash", Quota: planner.QuotaSettings{Kind: planner.QuotaNone,
				Orders: "complete"}}}},
		orders: map[string]planner.OrderAnswer{}}
	s.item = planner.Item{Key: planner.Key{Item: fmt.Sprintf("%032d", 1), System: "capstor",
		DataType: "store"}, Status: status, MountPath: "/capstor/bio", Permission: "2770",
		Target: planner.TargetProject, Name: "bio", GID: 30500, HasGID: true,
		URLs: map[planner.Callback]string{}}
	for call, last := range map[planner.Callback]string{planner.Approve: "approve_by_provider",
		planner.SetStateDone: "set_state_done", planner.SetStateErred: "set_state_erred",
		planner.Reject: "reject_by_provider"} {
		s.item.URLs[call] = "http://internal/api/marketplace-orders/" + orderID + "/" + last + "/"
	}
	s.item.URLs[planner.SetBackendID] = "http://internal/api/marketplace-provider-resources/" +
		s.item.Key.Item + "/set_backend_id/"
	s.dir = planner.Directory{State: planner.DirAbsent}
	if status != planner.StatusPending {
		s.dir = planner.Directory{State: planner.DirPresent, Inode: 9, Group: 30500, Mode: 0o750}
	}
	s.is(map[planner.Status]planner.OrderType{planner.StatusPending: planner.OrderCreate,
		planner.StatusRemoving: planner.OrderTerminate}[status], planner.OrderPendingProvider)
	return s
}

// is gives the order a type and a state.
func (s *site) is(kind planner.OrderType, state planner.OrderState) {
	s.orders[orderID] = planner.OrderAnswer{Order: planner.Order{ID: orderID,
		Resource: s.item.Key.Item, Type: kind, State: state}}
}

// look makes a plan from what there is now.
func (s *site) look(watch ...planner.Key) (*planner.Plan, *planner.Graph) {
	w := planner.Input{Settings: &s.settings, Items: []planner.Item{s.item}, Orders: s.orders,
		Recorded: s.recorded, Now: now}
	for _, k := range watch {
		w.Watch, w.MustAsk = map[planner.Key]bool{k: true}, true
	}
	g := planner.Desire(&w)
	seen := planner.Observed{Mounts: map[string]planner.Mount{"capstor": {Filesystem: "lustre x",
		Inode: 1}}}
	for range g.Targets().Len() {
		seen.Directories = append(seen.Directories, s.dir)
	}
	return planner.Compare(g, seen, planner.Context{Made: now}), g
}

// prepare compares a plan with what there is now.
func (s *site) prepare(p *planner.Plan, resumed bool) (Job, []planner.Stale) {
	_, g := s.look(s.item.Key)
	return Prepare(p, "sha256:plan", Now{Settings: &s.settings, Items: []planner.Item{s.item},
		Graph: g, Recorded: s.recorded, Orders: s.orders, Resumed: resumed})
}

// Callback URLs are the present ones, rewritten to waldur.url. Their bodies use Waldur's terms.
func TestPrepareURLsAndBodies(t *testing.T) {
	s := newSite(planner.StatusPending)
	p, _ := s.look()
	job, stale := s.prepare(p, false)
	if len(stale) > 0 || len(job.Work) != 1 {
		t.Fatalf("%v, %+v", stale, job)
	}
	w := job.Work[0]
	if w.Order != "https://waldur.example.com/api/marketplace-orders/"+orderID+"/" ||
		w.URLs[planner.SetStateDone] != w.Order+"set_state_done/" {
		t.Errorf("order %s, URLs %v", w.Order, w.URLs)
	}
	if got := string(w.Bodies[planner.SetBackendID]); got != `{"backend_id":"/capstor/bio"}` {
		t.Errorf("the body of set_backend_id is %s", got)
	}
	if w.Record.Plan != "sha256:plan" || w.Record.Mode != 0o2770 || w.Record.Group != 30500 {
		t.Errorf("to be recorded is %+v", w.Record)
	}
	verdict := &planner.Action{Callbacks: []planner.Callback{planner.SetStateErred, planner.Reject},
		Verdict: `no "room"`}
	got := bodies(verdict, &s.item, &s.settings)
	if string(got[planner.SetStateErred]) != `{"error_message":"no \"room\"","error_traceback":""}` ||
		string(got[planner.Reject]) != `{"provider_rejection_comment":"no \"room\""}` {
		t.Errorf("%s, %s", got[planner.SetStateErred], got[planner.Reject])
	}
	limits := &planner.Action{Callbacks: []planner.Callback{planner.UpdateOptions},
		Changes: []planner.Change{
			{Attribute: planner.SpaceSoft, After: planner.Number(1 << 40)},
			{Attribute: planner.SpaceHard, After: planner.Number(2 << 40)},
			{Attribute: planner.InodesSoft, After: planner.Number(5)},
			{Attribute: planner.InodesHard, After: planner.UnlimitedValue()}}}
	if got := string(bodies(limits, &s.item,
		&s.settings)[planner.UpdateOptions]); got != `{"options":{"hard_quota_space":2,"soft_quota_inodes":5}}` {
		t.Errorf("the options are %s", got)
	}
	limits.Changes[1].After = planner.Number(2<<40 + 1)
	if got := string(bodies(limits, &s.item,
		&s.settings)[planner.UpdateOptions]); got != `{"options":{"soft_quota_inodes":5}}` {
		t.Errorf("a fraction of a tera is reported: %s", got)
	}
}

// Before it begins, a plan is stale if anything is no longer as it showed it. Once it has begun,
// what its own earlier run left does not make it stale.
func TestPrepareStale(t *testing.T) {
	gone := func(s *site, state planner.OrderState) {
		kind := s.orders[orderID].Order.Type
		s.item.Status, s.item.URLs = planner.StatusActive, nil
		s.is(kind, state)
	}
	archived := func(s *site) { s.dir = planner.Directory{State: planner.DirAbsent} }
	for _, c := range []struct {
		name           string
		status         planner.Status
		change         func(*site)
		fresh, resumed []string
		finished       bool
	}{
		{"as planned", planner.StatusPending, func(*site) {}, nil, nil, false},
		{"as wanted", planner.StatusPending, func(s *site) {
			s.dir = planner.Directory{State: planner.DirPresent, Inode: 7, Group: 30500,
				Mode: 0o2770}
		}, nil, nil, false},
		{"half made", planner.StatusPending,
			func(s *site) { s.dir = planner.Directory{State: planner.DirPresent, Inode: 7, Mode: 0o700} },
			[]string{"observed group", "observed mode"}, nil, false},
		{"another order", planner.StatusPending, func(s *site) {
			for k, u := range s.item.URLs {
				s.item.URLs[k] = strings.Replace(u, "orders/0", "orders/f", 1)
			}
			s.orders["f"+orderID[1:]] = s.orders[orderID]
		}, []string{"order"}, []string{"order"}, false},
		{"another wish", planner.StatusPending, func(s *site) { s.item.Permission = "2750" },
			[]string{"desired mode"}, []string{"desired mode"}, false},
		{"its order done by our last callback", planner.StatusPending, func(s *site) {
			s.dir = planner.Directory{State: planner.DirPresent, Inode: 7, Group: 30500,
				Mode: 0o2770}
			gone(s, planner.OrderDone)
		}, []string{"order"}, nil, true},
		{"its order canceled", planner.StatusPending,
			func(s *site) { gone(s, planner.OrderCanceled) }, []string{"order"}, []string{"order"},
			false},
		{"no longer listed", planner.StatusPending,
			func(s *site) { s.item.Key.Item = fmt.Sprintf("%032d", 2) }, []string{"state"},
			[]string{"state"}, false},
		{"removal, as planned", planner.StatusRemoving, func(*site) {}, nil, nil, false},
		{"removal, approved and moved", planner.StatusRemoving,
			func(s *site) { s.is(planner.OrderTerminate, planner.OrderExecuting); archived(s) },
			[]string{"state"}, nil, false},
		{"removal, over", planner.StatusRemoving,
			func(s *site) { archived(s); gone(s, planner.OrderDone); s.item.Status = planner.StatusRemoved },
			[]string{"order"}, nil, true},
		{"removal, called off", planner.StatusRemoving,
			func(s *site) { gone(s, planner.OrderCanceled) }, []string{"order"}, []string{"order"},
			false},
		{"wanted elsewhere", planner.StatusPending, func(s *site) { s.item.MountPath += "2" },
			[]string{"address"}, []string{"address"}, false},
		{"removal, wanted elsewhere", planner.StatusRemoving,
			func(s *site) { archived(s); s.item.MountPath += "2" }, []string{"address"},
			[]string{"address"}, false},
		{"removal of another directory", planner.StatusRemoving, func(s *site) { s.dir.Inode = 10 },
			[]string{"directory"}, []string{"directory"}, false},
	} {
		for _, resumed := range []bool{false, true} {
			s := newSite(c.status)
			p, _ := s.look()
			if len(p.Core.Actions) != 1 {
				t.Fatalf("%s: %+v, blocked %v", c.name, p.Core.Actions, p.Context.Blocked)
			}
			c.change(s)
			job, stale := s.prepare(p, resumed)
			want := c.fresh
			if resumed {
				want = c.resumed
			}
			var got []string
			for _, x := range stale {
				got = append(got, x.Field)
			}
			if !slices.Equal(got, want) || job.Work[0].Finished != (resumed && c.finished) ||
				job.Resumed != resumed {
				t.Errorf("%s, resumed %t: stale %v, finished %t; want %v", c.name, resumed, stale,
					job.Work[0].Finished, want)
			}
		}
	}
}
