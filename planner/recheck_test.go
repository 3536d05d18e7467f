package planner_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestRecheckNamesWhatMoved(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	update := project("bio", 30500, ordered(planner.StatusUpdating),
		func(it *planner.Item) { it.NewQuotas = quotas("20.0", "20.0") })
	approved, _ := plan(&planner.Input{Items: items(update),
		Recorded: records(recordOf("bio", 30500))}, m)
	watch := map[planner.Key]bool{update.Key: true}
	check := func(it planner.Item) []string {
		_, g := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500)),
			Watch: watch}, m)
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
	if diff := cmp.Diff([]string{"desired space_soft", "desired space_hard"},
		check(other)); diff != "" {
		t.Errorf("another wish (-want +got):\n%s", diff)
	}
	other = update
	other.MountPath += "2"
	_, g := plan(&planner.Input{Items: items(other), Watch: watch}, m)
	if stale := planner.Recheck(approved, g); len(stale) != 1 || stale[0].Field != "address" {
		t.Errorf("another path: stale %v, want the address", stale)
	}
	other = update
	other.URLs = orderURLs(&other, "another", planner.Approve, planner.SetStateDone)
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

// A create is stale once the proxy wants the directory elsewhere. Nothing is made at its old place.
func TestACreateThatWasMovedIsStale(t *testing.T) {
	created := project("bio", 30500, ordered(planner.StatusPending))
	watch := map[planner.Key]bool{created.Key: true}
	approved, g := plan(&planner.Input{Items: items(created), Watch: watch}, newModel())
	if stale := planner.Recheck(approved, g); len(stale) != 0 {
		t.Errorf("nothing moved, but stale: %v", stale)
	}
	created.MountPath = "/capstor/store/cscs/eth/biology"
	_, g = plan(&planner.Input{Items: items(created), Watch: watch}, newModel())
	if stale := planner.Recheck(approved, g); len(stale) != 1 || stale[0].Field != "address" ||
		stale[0].Now != created.MountPath {
		t.Errorf("stale %v, want the address", stale)
	}
}

// A limit that a plan leaves as it is can change too. If the plan mentions it, the result says
// which side changed; otherwise it names both sides.
func TestRecheckOfWhatThePlanLeaves(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	with := func(soft, hard, mode string) planner.Item {
		return project("bio", 30500,
			func(it *planner.Item) { it.Quotas, it.Permission = quotas(soft, hard), mode })
	}
	approved, _ := plan(&planner.Input{Items: items(with("10.0", "20.0", "2770")),
		Recorded: records(recordOf("bio", 30500))}, m)
	check := func(it planner.Item) string {
		_, g := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500)),
			Watch: map[planner.Key]bool{it.Key: true}}, m)
		var s []string
		for _, st := range planner.Recheck(approved, g) {
			s = append(s, st.Field+": "+st.Then+", "+st.Now)
		}
		return strings.Join(s, "; ")
	}
	if got := check(with("15.0", "20.0", "2770")); got != "desired space_soft: 10 TiB, 15 TiB" {
		t.Error(got)
	}
	if got := check(with("10.0", "20.0",
		"2750")); got != `mode: as wanted, "2770" (rwxrws---), with "2750" (rwxr-s---) wanted` {
		t.Error(got)
	}
	q := m.quotas[30500]
	q.Limits[planner.SpaceSoft] = planner.LimitOf(5 * tib)
	m.quotas[30500] = q
	if got := check(with("10.0", "20.0", "2770")); got != "observed space_soft: 10 TiB, 5 TiB" {
		t.Error(got)
	}
}

// An apply that watches its own resources also sees what it may record: what is selected, active
// and not recorded.
func TestWhatAnApplyRecordsBesideItsPlan(t *testing.T) {
	m := newModel()
	for i, name := range []string{"bio", "chem", "geo"} {
		asWanted(m, name, planner.GID(30500+i))
	}
	all := items(project("bio", 30500), project("chem", 30501), project("geo", 30502))
	_, g := plan(&planner.Input{Items: all, KeepRecords: true}, m)
	first := g.AsWanted()
	if len(first) != 3 {
		t.Fatalf("recorded would be %+v", first)
	}
	_, g = plan(&planner.Input{Items: all, Recorded: records(first[0]),
		Watch: map[planner.Key]bool{}, KeepRecords: true,
		Selection: planner.Selection{Excludes: []string{"/**/geo"}}}, m)
	if got := g.AsWanted(); len(got) != 1 || got[0].Address != first[1].Address {
		t.Errorf("recorded would be %+v, want only %s", got, first[1].Address)
	}
	for _, p := range g.Targets().All() {
		if strings.HasSuffix(p.Path, "/geo") {
			t.Errorf("what was left out is observed: %v", p)
		}
	}
	_, g = plan(&planner.Input{Items: all, Watch: map[planner.Key]bool{}}, m)
	if len(g.AsWanted()) != 0 || g.Targets().Len() != 0 {
		t.Errorf("nobody asked, and %d were observed", g.Targets().Len())
	}
}
