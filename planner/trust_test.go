package planner_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestOrderOfAnother: an order belongs to one resource. An order that two items name, that Waldur
// says is another's, or whose URLs lead elsewhere acts for none.
func TestOrderOfAnother(t *testing.T) {
	const base = "https://waldur.example.com/api/"
	remove := func(name string) planner.Item {
		return project(name, 30500, ordered(planner.StatusRemoving))
	}
	sameOrder := func(it planner.Item) planner.Item {
		for _, c := range []planner.Callback{planner.Approve, planner.Reject,
			planner.SetStateDone} {
			it.URLs[c] = remove("bio").URLs[c]
		}
		return it
	}
	dashed := sameOrder(remove("chem"))
	for c, u := range dashed.URLs {
		hex := id("o-bio")
		dashed.URLs[c] = strings.ReplaceAll(u, hex,
			strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]}, "-"))
	}
	foreign := sameOrder(remove("chem"))
	foreign.URLs[planner.SetBackendID] = remove("bio").URLs[planner.SetBackendID]
	active := sameOrder(remove("chem"))
	active.Status = planner.StatusActive
	with := func(c planner.Callback, url string) planner.Item {
		it := remove("bio")
		it.URLs[c] = url
		return it
	}
	order, resource := base+"marketplace-orders/"+id("o-bio")+"/",
		base+"marketplace-provider-resources/"+id("bio")+"/"
	for name, tc := range map[string]struct {
		items   []planner.Item
		owner   string
		code    string
		blocked int
	}{
		"its own":     {[]planner.Item{remove("bio")}, id("bio"), "", 0},
		"nobody says": {[]planner.Item{remove("bio")}, "", "", 0},
		"another's": {[]planner.Item{remove("bio")}, id("chem"), "order_resource",
			1},
		"at two": {[]planner.Item{remove("bio"), sameOrder(remove("chem"))},
			"", "order_twice", 2},
		"at two, one with dashes": {[]planner.Item{remove("bio"), dashed}, "", "order_twice",
			2},
		"at two, one is active": {[]planner.Item{remove("bio"), active}, "", "order_twice",
			1},
		"at two, one URL is foreign": {[]planner.Item{foreign}, "", "order_url", 1},
		"done aims at cancel": {[]planner.Item{with(planner.SetStateDone, order+"cancel/")},
			"", "order_url", 1},
		"done aims at erred": {[]planner.Item{with(planner.SetStateDone,
			order+"set_state_erred/")}, "", "order_url", 1},
		"approve aims at reject": {[]planner.Item{with(planner.Approve,
			order+"reject_by_provider/")}, "", "order_url", 1},
		"backend id aims at an end": {[]planner.Item{with(planner.SetBackendID,
			resource+"terminate/")}, "", "order_url", 1},
		"backend id aims at the done": {[]planner.Item{with(planner.SetBackendID,
			order+"set_state_done/")}, "", "order_url", 1},
		"a secret in the query": {[]planner.Item{with(planner.Approve,
			order+"approve_by_provider/?token=s3cret")}, "", "order_url", 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			m.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
			m.put("capstor/store/cscs/eth/chem", 30500, 0o2770)
			answer := planner.OrderAnswer{Order: planner.Order{ID: id("o-bio"),
				Type: planner.OrderTerminate, State: planner.OrderPendingProvider,
				Resource: tc.owner}}
			p, _ := plan(&planner.Input{Items: items(tc.items...),
				Orders: map[string]planner.OrderAnswer{id("o-bio"): answer}}, m)
			var codes []string
			for _, b := range p.Context.Blocked {
				for _, r := range b.Reasons {
					codes = append(codes, string(r.Code))
					if strings.Contains(r.Text, "s3cret") {
						t.Errorf("a secret is shown: %s", r.Text)
					}
				}
			}
			if want := strings.Repeat(tc.code+" ", tc.blocked); strings.Join(codes, " ")+
				" " != want && !(want == "" && len(codes) == 0) {
				t.Errorf("blocked with %q, want %q", codes, want)
			}
			for _, a := range p.Core.Actions {
				if a.Kind == planner.Archive && tc.code != "" {
					t.Errorf("%s is archived", a.Address)
				}
			}
		})
	}
}
