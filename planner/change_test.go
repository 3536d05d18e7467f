package planner_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestZeroIsNeverUnlimited(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	for _, tc := range []struct {
		soft, hard string
		want       []planner.Change
	}{
		{"10.0", "0.0", nil},
		{"0.0", "0.0", nil},
		{"0.0", "10.0", []planner.Change{{planner.SpaceSoft, planner.Number(10 << 40),
			planner.UnlimitedValue()}}},
	} {
		it := project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas(tc.soft, tc.hard) })
		p, _ := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500))}, m)
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
	update := project("bio", 30500, ordered(planner.StatusUpdating),
		func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
	order := id("o-bio")
	hard15 := dec("15")
	for _, tc := range []struct {
		name   string
		item   planner.Item
		answer map[string]planner.OrderAnswer
		want   []planner.Change
		danger []planner.Danger
	}{
		{"limits: newQuotas", update, nil,
			[]planner.Change{{planner.SpaceSoft, planner.Number(10 << 40),
				planner.Number(20 << 40)}, {planner.SpaceHard, planner.Number(10 << 40),
				planner.Number(20 << 40)}}, nil},
		{"options: merged over the current quotas, not newQuotas", update,
			map[string]planner.OrderAnswer{order: {Order: planner.Order{ID: order,
				Resource: id("bio"), Type: planner.OrderUpdate, State: planner.OrderExecuting,
				Options: &planner.Options{Quotas: planner.ProxyQuotas{planner.SpaceHard: hard15},
					Permission: "2750"}}}},
			[]planner.Change{{planner.ModeAttr, planner.ModeValue(0o2770),
				planner.ModeValue(0o2750)}, {planner.SpaceHard, planner.Number(10 << 40),
				planner.Number(15 << 40)}}, nil},
		{"options over no quotas: newQuotas", project("bio", 30500, ordered(planner.StatusUpdating),
			func(it *planner.Item) { it.Quotas, it.NewQuotas = nil, quotas("10.0", "15.0") }),
			map[string]planner.OrderAnswer{order: {Order: planner.Order{ID: order,
				Resource: id("bio"), Type: planner.OrderUpdate, State: planner.OrderExecuting,
				Options: &planner.Options{
					Quotas: planner.ProxyQuotas{planner.SpaceHard: hard15}}}}},
			[]planner.Change{{planner.SpaceHard, planner.Number(10 << 40),
				planner.Number(15 << 40)}}, nil},
		{"newQuotas null: the quotas stay", project("bio", 30500, ordered(planner.StatusUpdating)),
			nil, nil, nil},
		{"below usage", project("bio", 30500,
			func(it *planner.Item) { it.Quotas = quotas("0.5", "0.5") }), nil,
			[]planner.Change{{planner.SpaceSoft, planner.Number(10 << 40), planner.Number(1 << 39)},
				{planner.SpaceHard, planner.Number(10 << 40), planner.Number(1 << 39)}},
			[]planner.Danger{planner.DangerBelowUsage}},
		{"wider access", project("bio", 30500, func(it *planner.Item) { it.Permission = "2775" }),
			nil,
			[]planner.Change{{planner.ModeAttr, planner.ModeValue(0o2770),
				planner.ModeValue(0o2775)}}, []planner.Danger{planner.DangerWiderAccess}},
		{"another group", project("bio", 30501, func(it *planner.Item) { it.Quotas = nil }), nil,
			[]planner.Change{{planner.Group, planner.Number(30500), planner.Number(30501)}},
			[]planner.Danger{planner.DangerGroup, planner.DangerUnlimited}},
		{"three digits keep setgid",
			project("bio", 30500, func(it *planner.Item) { it.Permission = "770" }), nil, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			asWanted(m, "bio", 30500)
			p, _ := plan(&planner.Input{Items: items(tc.item), Orders: tc.answer,
				Recorded: records(recordOf("bio", 30500))}, m)
			var got planner.Action
			if len(p.Core.Actions) > 0 {
				got = p.Core.Actions[0]
			}
			if !slices.Equal(got.Changes, tc.want) || !slices.Equal(got.Danger, tc.danger) {
				t.Errorf("changes %v, danger %v; want %v, %v; refused %v", got.Changes, got.Danger,
					tc.want, tc.danger, p.Context.Blocked)
			}
		})
	}
}

func TestDriftIsToldFromAChangedWish(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	m.put("capstor/store/cscs/eth/bio", 30500, 0o0770)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500)),
		Recorded: records(recordOf("bio", 30500))}, m)
	a, d := action(t, p, bio)
	if a.Kind != planner.Update || !d.Notes[0].Drift || d.Reasons[0].Code != "drift" ||
		len(p.Context.Drift) != 1 || len(a.Danger) != 0 {
		t.Errorf("lost setgid: %+v %+v, drift %v", a, d, p.Context.Drift)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500,
		func(it *planner.Item) { it.Permission = "2750" })),
		Recorded: records(recordOf("bio", 30500))}, m)
	if _, d := action(t, p, bio); d.Notes[0].Drift {
		t.Error("a changed wish is shown as drift")
	}
}

// A resource that gets another group gets another quota. It is nobody's change that its limits are
// not set yet.
func TestAnotherGroupsQuotaIsNoDrift(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30501)),
		Recorded: records(recordOf("bio", 30500))}, m)
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
	w := &planner.Input{Items: items(project("bio", 30500,
		func(it *planner.Item) { it.Quotas = quotas("10.0", "20.0") })),
		Recorded: records(recordOf("bio", 30500))}
	p, _ := plan(w, m)
	_, d := action(t, p, bio)
	want := []planner.KeptLimit{{Attribute: planner.SpaceSoft,
		Value: planner.Number(uint64(10 * tib))},
		{Attribute: planner.InodesSoft, Value: planner.Number(1330000)},
		{Attribute: planner.InodesHard, Value: planner.Number(2000000)}}
	if diff := cmp.Diff(want, d.Kept, cmp.AllowUnexported(planner.Value{})); diff != "" {
		t.Errorf("kept limits (-want +got):\n%s", diff)
	}
}
