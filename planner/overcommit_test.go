package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// guarded returns settings with which capstor may promise a factor of its capacity.
func guarded(r planner.Ratio) *planner.Settings {
	s := testSettings()
	s.Systems[0].Overcommit = r
	return s
}

// holding returns a model whose capstor has this capacity.
func holding(capacity planner.Bytes) *model {
	m := newModel()
	m.mounts["capstor"] = planner.Mount{Filesystem: "lustre:capstor", Inode: 1,
		Capacity: capacity, Free: capacity / 2}
	return m
}

func hard(of string) func(*planner.Item) {
	return func(it *planner.Item) { it.Quotas = quotas(of, of) }
}

// TestOvercommit: an action that promises more than the factor is dangerous. An action that lowers
// a limit, only changes a mode, or stays within the factor is not. Recorded claims count even if
// the plan does not look at them.
func TestOvercommit(t *testing.T) {
	m := holding(30 * tib)
	asWanted(m, "bio", 30500)
	chem := recordOf("chem", 30501) // 10 TiB, not listed
	for name, c := range map[string]struct {
		item  func(*planner.Item)
		ratio planner.Ratio
		over  bool
	}{
		"raised to the bound":   {hard("20.0"), 1000, false},
		"raised above it":       {hard("20.001"), 1000, true},
		"raised, and no bound":  {hard("1000.0"), 0, false},
		"a larger factor":       {hard("35.0"), 1500, false},
		"above a larger factor": {hard("35.1"), 1500, true},
		"lowered, still above":  {hard("9.0"), 300, false},
		"a mode, far above":     {func(it *planner.Item) { it.Permission = "2750" }, 100, false},
		"a soft limit, far over": {func(it *planner.Item) { it.Quotas = quotas("9.0", "10.0") }, 100,
			false},
	} {
		w := &planner.Input{Settings: guarded(c.ratio), Items: items(project("bio", 30500, c.item)),
			Recorded: records(recordOf("bio", 30500), chem)}
		p, _ := plan(w, m)
		a, d := action(t, p, bio)
		if got := dangerous(a, planner.DangerOvercommit); got != c.over ||
			got != slices.Contains(codes(d), string(reason.Overcommit)) {
			t.Errorf("%s: danger %v, reasons %v", name, a.Danger, d.Reasons)
		}
		i := slices.IndexFunc(p.Context.Promised,
			func(p planner.Promise) bool { return p.System == "capstor" })
		promise := p.Context.Promised[i]
		if c.ratio > 0 && (promise.Before != 20*tib || promise.Capacity != 30*tib ||
			promise.Used != 15*tib || promise.Most != c.ratio.Of(30*tib)) {
			t.Errorf("%s: %+v", name, promise)
		}
	}
}

// TestOvercommitOfAPart: a plan for one target counts the others as they are recorded. Each part of
// a plan that promises too much is dangerous, whatever else the plan lowers.
func TestOvercommitOfAPart(t *testing.T) {
	m := holding(30 * tib)
	asWanted(m, "bio", 30500)
	asWanted(m, "chem", 30501)
	w := &planner.Input{Settings: guarded(1000),
		Items:    items(project("bio", 30500, hard("25.0")), project("chem", 30501, hard("1.0"))),
		Recorded: records(recordOf("bio", 30500), recordOf("chem", 30501))}
	p, _ := plan(w, m)
	a, _ := action(t, p, bio)
	lowered, _ := action(t, p, "/capstor/store/cscs/eth/chem")
	if !dangerous(a, planner.DangerOvercommit) || dangerous(lowered, planner.DangerOvercommit) {
		t.Errorf("%v, %v", a.Danger, lowered.Danger)
	}
	if got := p.Context.Promised[0]; got.Before != 20*tib || got.After != 26*tib {
		t.Errorf("%+v", got)
	}
	w.Selection.Targets = []string{bio}
	p, _ = plan(w, m)
	if a, _ := action(t, p, bio); !dangerous(a, planner.DangerOvercommit) {
		t.Errorf("a targeted plan: %v", a.Danger)
	}
	if got := p.Context.Promised[0]; got.Before != 20*tib || got.After != 35*tib {
		t.Errorf("a targeted plan: %+v", got)
	}
}

// TestOvercommitUnknown: if the capacity or a limit is not known, an action that promises more is
// dangerous. So is one that promises space without a limit.
func TestOvercommitUnknown(t *testing.T) {
	create := project("bio", 30500, ordered(planner.StatusPending))
	p, _ := plan(&planner.Input{Settings: guarded(1000), Items: items(create)}, holding(0))
	if a, d := action(t, p, bio); !dangerous(a, planner.DangerOvercommit) ||
		!strings.Contains(d.Reasons[len(d.Reasons)-1].Text, "does not say how much it holds") {
		t.Errorf("%v, %v", a.Danger, d.Reasons)
	}
	m := holding(1000 * tib)
	m.quotas[30501] = planner.UnknownQuota("no answer")
	m.put("capstor/store/cscs/eth/chem", 30501, 0o2770)
	both := items(create, project("chem", 30501))
	p, _ = plan(&planner.Input{Settings: guarded(1000), Items: both}, m)
	if a, _ := action(t, p, bio); !dangerous(a, planner.DangerOvercommit) {
		t.Errorf("a limit that could not be read: %v", a.Danger)
	}
	p, _ = plan(&planner.Input{Settings: guarded(1000), Items: both,
		Recorded: records(recordOf("chem", 30501))}, m)
	if a, _ := action(t, p, bio); dangerous(a, planner.DangerOvercommit) {
		t.Errorf("a limit that is recorded: %v", a.Danger)
	}
	free := overrides(says{path: bio,
		then: planner.Wishes{Quota: planner.Limits{planner.SpaceHard: planner.Unlimited()}}})
	asWanted(m, "bio", 30500)
	p, _ = plan(&planner.Input{Settings: guarded(1000), Items: items(project("bio", 30500)),
		Overrides: free, Recorded: records(recordOf("bio", 30500))}, m)
	if a, _ := action(t, p, bio); !dangerous(a, planner.DangerOvercommit) {
		t.Errorf("without end: %v", a.Danger)
	}
}

// TestOvercommitIsCheckedAgain: a plan that was within the bound when it was approved and is not
// any more is stale. A plan that was approved as dangerous is not.
func TestOvercommitIsCheckedAgain(t *testing.T) {
	w := func() *planner.Input {
		in := &planner.Input{Settings: guarded(1000), Items: items(project("bio", 30500, hard("20.0"))),
			Recorded: records(recordOf("bio", 30500))}
		watchAll(in)
		return in
	}
	m := holding(30 * tib)
	asWanted(m, "bio", 30500)
	approved, _ := plan(w(), m)
	for name, c := range map[string]struct {
		capacity planner.Bytes
		more     []planner.Record
		stale    bool
	}{
		"as it was":           {30 * tib, nil, false},
		"the capacity shrank": {19 * tib, nil, true},
		"it is not known":     {0, nil, true},
		"others were promised": {30 * tib, []planner.Record{recordOf("chem", 30501),
			recordOf("art", 30502)}, true},
		"others, and it is set": {30 * tib, []planner.Record{recordOf("chem", 30501)}, false},
	} {
		now := holding(c.capacity)
		now.dirs, now.quotas = m.dirs, m.quotas
		in := w()
		in.Recorded = records(append(c.more, recordOf("bio", 30500))...)
		dangerousNow, g := plan(in, now)
		stale := planner.Recheck(approved, g)
		if (len(stale) > 0) != c.stale {
			t.Errorf("%s: %v", name, stale)
		}
		if again := planner.Recheck(dangerousNow, g); len(again) > 0 {
			t.Errorf("%s: what was approved as dangerous is stale: %v", name, again)
		}
	}
}

func TestRatio(t *testing.T) {
	for r, want := range map[planner.Ratio]string{1500: "1.5", 1000: "1", 125: "0.125",
		12340: "12.34"} {
		if r.String() != want {
			t.Errorf("%d is %s, want %s", r, r, want)
		}
	}
	if got := planner.Ratio(1500).Of(3); got != 4 {
		t.Errorf("1.5 times 3 is %d", got)
	}
	if got := planner.Ratio(1_000_000).Of(1 << 63); got != 1<<64-1 {
		t.Errorf("too much is %d", got)
	}
}
