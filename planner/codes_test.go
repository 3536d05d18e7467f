package planner_test

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// met are the codes in the plans of this package's tests.
var met sync.Map

// reached notes the codes of a plan.
func reached(p *planner.Plan) {
	for _, d := range p.Context.Details {
		for _, r := range d.Reasons {
			met.Store(r.Code, true)
		}
	}
	for _, list := range [][]planner.Refusal{p.Context.Blocked, p.Context.Waiting} {
		for _, refusal := range list {
			for _, r := range refusal.Reasons {
				met.Store(r.Code, true)
			}
		}
	}
	for _, w := range p.Context.Warnings {
		met.Store(w.Code, true)
	}
}

// elsewhere are the codes that only tests of other packages reach.
var elsewhere = map[reason.Code]string{
	reason.Held: "policy: a warning of held plans",
}

// TestMain makes 1,000 tries of each property, unless -rapid.checks says otherwise. If all tests
// ran and passed, it then checks that each documented code was in a plan.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		panic(err)
	}
	code := m.Run()
	if f := flag.Lookup("test.run"); code == 0 && f.Value.String() == "" &&
		flag.Lookup("test.fuzz").Value.String() == "" {
		for _, i := range reason.All() {
			if _, ok := met.Load(i.Code); !ok && elsewhere[i.Code] == "" {
				fmt.Printf("no test has a plan with the code %s\n", i.Code)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// A waiting callback keeps its own order from being planned again, and no other order.
func TestUndelivered(t *testing.T) {
	it := project("bio", 30500, ordered(planner.StatusPending))
	for order, want := range map[string]string{"": "undelivered", "of another order": ""} {
		r := records()
		r.Undelivered = []planner.Undelivered{{Key: it.Key, Order: id("o-bio"),
			Callback: planner.SetStateDone, Since: now, Problem: "503"}}
		if order != "" {
			r.Undelivered[0].Order = id("another")
		}
		m := newModel()
		asWanted(m, "bio", 30500)
		p, _ := plan(&planner.Input{Items: items(it), Recorded: r}, m)
		if got, _ := refusal(p, bio); got != want {
			t.Errorf("a callback %s waits: %q, want %q", order, got, want)
		}
	}
}

// If two resources with orders have one address, the address does not say which of them to reject.
func TestAmbiguousVerdict(t *testing.T) {
	a, b := project("bio", 30500, ordered(planner.StatusPending)),
		project("chem", 30501, ordered(planner.StatusPending), at("/capstor/store/cscs/eth/bio"))
	p, _ := plan(&planner.Input{Items: items(a, b),
		Selection: planner.Selection{Rejects: []planner.OrderVerdict{
			{Address: "/capstor/store/cscs/eth/bio", Reason: "no room"}}}}, newModel())
	if got, _ := refusal(p, bio); got != "ambiguous" || len(p.Core.Actions) != 0 {
		t.Errorf("%q, actions %+v", got, p.Core.Actions)
	}
}

// Many modes that are as wanted but grant much are counted and not listed.
func TestManyWideModes(t *testing.T) {
	m := newModel()
	var all []planner.Item
	for i := range 50 {
		name := fmt.Sprintf("p%02d", i)
		it := project(name, 31000+int64(i))
		it.Permission = "2777"
		all = append(all, it)
		asWanted(m, name, planner.GID(31000+i))
		d := m.dirs["capstor/store/cscs/eth/"+name]
		d.Mode = 0o2777
		m.dirs["capstor/store/cscs/eth/"+name] = d
	}
	p, _ := plan(&planner.Input{Items: items(all...)}, m)
	if few, more := warningsOf(p, reason.MaxMode),
		warningsOf(p, reason.MaxModeMore); len(few) != 20 || len(more) != 1 {
		t.Errorf("%d are named, %v", len(few), more)
	}
}
