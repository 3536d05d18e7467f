package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// byProject returns settings with quotas by project on capstor, with ids from a range unless last
// is 0.
func byProject(first, last planner.ProjectID) *planner.Settings {
	s := testSettings()
	s.Systems[0].Quota.By, s.Systems[0].Quota.ProjectIDs = planner.ByProject,
		planner.ProjectRange{First: first, Last: last}
	return s
}

// tagged puts a directory with a project id into the model.
func (m *model) tagged(name string, project planner.ProjectID, inherit bool) {
	path := "capstor/store/cscs/eth/" + name
	m.put(path, 30500, 0o2770)
	d := m.dirs[path]
	d.Project, d.Inherit = project, inherit
	m.dirs[path] = d
}

func recordedProject(name string, project planner.ProjectID) planner.Record {
	r := recordOf(name, 30500)
	r.Project, r.QuotaBy, r.QuotaID = project, planner.ByProject, uint32(project)
	return r
}

// given returns the project ids that a plan gives, by name.
func given(p *planner.Plan) map[string]string {
	ids := map[string]string{}
	for _, a := range p.Core.Actions {
		if v, ok := a.After(planner.Project); ok {
			ids[a.Address[strings.LastIndexByte(a.Address, '/')+1:]] = v.String()
		}
	}
	return ids
}

func TestProjectIsTheGroup(t *testing.T) {
	p, _ := plan(&planner.Input{Settings: byProject(0, 0), Items: items(project("bio", 30500))},
		newModel())
	a, _ := action(t, p, bio)
	if v, _ := a.After(planner.Project); v != planner.Number(30500) || a.Quota == nil ||
		*a.Quota != (planner.QuotaID{By: planner.ByProject, ID: 30500}) || a.Tag {
		t.Errorf("%+v", a)
	}
}

// A resource gets the lowest id of the range that is neither recorded, nor archived, nor shown by a
// listed directory. The order is that of the addresses, whatever is selected.
func TestProjectIDsAreGivenAway(t *testing.T) {
	m := newModel()
	m.tagged("shows", 103, true)
	m.tagged("recorded", 101, true)
	m.tagged("outside", 7, true) // out of the range: gets one, and is tagged
	rec := records(recordedProject("recorded", 101))
	rec.Archived = map[planner.Key]planner.Archived{{Item: id("gone"), System: "capstor",
		DataType: "store"}: {System: "capstor", Project: planner.Number(102)}}
	w := planner.Input{Settings: byProject(100, 199), Recorded: rec,
		Items: items(project("recorded", 30500), project("shows", 30501), project("b", 30502),
			project("a", 30502), project("outside", 30503))}
	p, _ := plan(&w, m)
	if got, want := fmt.Sprint(given(p)), "map[a:100 b:104 outside:105]"; got != want {
		t.Errorf("given %s, want %s", got, want)
	}
	if a, _ := action(t, p, "/capstor/store/cscs/eth/outside"); !a.Tag {
		t.Error("one that stands is not tagged")
	}
	w.Selection.Targets = []string{"/capstor/store/cscs/eth/b"}
	p, _ = plan(&w, m)
	if got := fmt.Sprint(given(p)); got != "map[b:104]" {
		t.Errorf("with a target, given %s", got)
	}
}

// A tree is not tagged while its quota cannot be set, because it would count against whatever
// limits that id has.
func TestNoTagWithoutQuota(t *testing.T) {
	m := newModel()
	m.tagged("bio", 7, true)
	m.quotas[100] = planner.UnknownQuota("EIO")
	p, _ := plan(&planner.Input{Settings: byProject(100, 199),
		Items: items(project("bio", 30500, func(it *planner.Item) { it.Permission = "2750" }))}, m)
	a, d := action(t, p, bio)
	if a.Tag || len(a.Changes) != 1 || a.Changes[0].Attribute != planner.ModeAttr ||
		len(d.Notes) != 1 || slices.ContainsFunc(d.Reasons,
		func(r planner.Reason) bool { return r.Code == "tag" }) {
		t.Errorf("%+v %+v", a, d)
	}
	if code, _ := refusal(p, bio); code != "quota_unknown" {
		t.Errorf("refused by %q", code)
	}
}

// The plan warns about an id that seems to be free but already has files.
func TestProjectIsUsed(t *testing.T) {
	m := newModel()
	q := m.quota(100)
	q.Inodes = planner.UsageOf(planner.Inodes(3))
	m.quotas[100] = q
	p, _ := plan(&planner.Input{Settings: byProject(100, 199), Items: items(project("bio", 30500))},
		m)
	if !slices.ContainsFunc(p.Context.Warnings,
		func(w planner.Warning) bool { return w.Code == "project_used" && w.Address == bio }) {
		t.Errorf("warnings %v", p.Context.Warnings)
	}
}

// If two directories show one id, the recorded one keeps it; if none is recorded, neither does.
func TestProjectIDsOfSeveral(t *testing.T) {
	m := newModel()
	m.tagged("a", 150, true)
	m.tagged("b", 150, true)
	w := planner.Input{Settings: byProject(100, 199), Items: items(project("a", 30500),
		project("b", 30500))}
	p, _ := plan(&w, m)
	if got := fmt.Sprint(given(p)); got != "map[a:100 b:101]" {
		t.Errorf("given %s", got)
	}
	w.Recorded = records(recordedProject("b", 150))
	p, _ = plan(&w, m)
	if got := fmt.Sprint(given(p)); got != "map[a:100]" {
		t.Errorf("b is recorded, and given %s", got)
	}
}

func TestProjectIDsRunOut(t *testing.T) {
	p, _ := plan(&planner.Input{Settings: byProject(100, 100), Items: items(project("a", 30500),
		project("b", 30500))}, newModel())
	code, _ := refusal(p, "/capstor/store/cscs/eth/b")
	if got := fmt.Sprint(given(p)); got != "map[a:100]" || code != "project_ids" {
		t.Errorf("given %s, b is refused by %q", got, code)
	}
}

// As long as an unrecorded directory cannot be looked at, no id is known to be free.
func TestProjectIDsUnknown(t *testing.T) {
	m := newModel()
	m.dirs["capstor/store/cscs/eth/b"] = planner.Directory{State: planner.DirUnknown, Why: "EIO"}
	p, _ := plan(&planner.Input{Settings: byProject(100, 199), Items: items(project("a", 30500),
		project("b", 30500))}, m)
	if code, _ := refusal(p, "/capstor/store/cscs/eth/a"); code != "project_unknown" {
		t.Errorf("refused by %q", code)
	}
	w := planner.Input{Settings: byProject(100, 199), Items: items(project("a", 30500),
		project("b", 30500)), Recorded: records(recordedProject("b", 100))}
	p, _ = plan(&w, m)
	if got := fmt.Sprint(given(p)); got != "map[a:101]" {
		t.Errorf("what is recorded tells its id: given %s", got)
	}
}

// A wrong id and a lost inheritance flag are drift, and tagging corrects them.
func TestProjectDrift(t *testing.T) {
	for name, c := range map[string]struct {
		project planner.ProjectID
		inherit bool
		before  planner.Value
	}{"another id": {9, true, planner.Number(9)}, "none": {0, false, planner.Value{}},
		"flag lost": {101, false, planner.Value{}}} {
		m := newModel()
		asWanted(m, "bio", 101)
		m.tagged("bio", c.project, c.inherit)
		p, _ := plan(&planner.Input{Settings: byProject(100, 199),
			Items: items(project("bio", 30500)), Recorded: records(recordedProject("bio", 101))}, m)
		a, d := action(t, p, bio)
		want := []planner.Change{{Attribute: planner.Project, Before: c.before,
			After: planner.Number(101)}}
		if !slices.Equal(a.Changes, want) || !a.Tag || !d.Notes[0].Drift ||
			d.Reasons[0].Code != "tag" {
			t.Errorf("%s: %+v %+v", name, a, d)
		}
		if len(p.Context.Drift) != 1 || p.Context.Drift[0].Attribute != planner.Project {
			t.Errorf("%s: drift %+v", name, p.Context.Drift)
		}
	}
}

// An id that was taken meanwhile makes the plan stale. An id that became free does not.
func TestProjectTakenIsStale(t *testing.T) {
	m := newModel()
	m.tagged("shows", 100, true)
	w := planner.Input{Settings: byProject(100, 199), Items: items(project("bio", 30500),
		project("shows", 30500)), Selection: planner.Selection{Targets: []string{bio}}}
	p, _ := plan(&w, m)
	if got := fmt.Sprint(given(p)); got != "map[bio:101]" {
		t.Fatalf("given %s", got)
	}
	again := func() []planner.Stale {
		w.Watch, w.Projects = map[planner.Key]bool{}, map[planner.Key]planner.ProjectID{}
		for _, a := range p.Core.Actions {
			w.Watch[a.Key] = true
			if v, _ := a.After(planner.Project); !v.IsAbsent() {
				n, _ := v.Number()
				w.Projects[a.Key] = planner.ProjectID(n)
			}
		}
		_, g := plan(&w, m)
		return planner.Recheck(p, g)
	}
	if stale := again(); len(stale) > 0 {
		t.Errorf("nothing changed: %v", stale)
	}
	m.tagged("shows", 150, true)
	if stale := again(); len(stale) > 0 {
		t.Errorf("100 became free: %v", stale)
	}
	m.tagged("shows", 101, true)
	if stale := again(); len(stale) != 1 || stale[0].Field != "desired project_id" {
		t.Errorf("101 was taken: %v", stale)
	}
	w.Items = items(project("bio", 30500))
	w.Recorded = records(recordedProject("elsewhere", 101))
	if stale := again(); len(stale) != 1 {
		t.Errorf("101 was recorded for another: %v", stale)
	}
}

// What was applied is as wanted, and the archive keeps the id.
func TestProjectIsKept(t *testing.T) {
	m := newModel()
	w := planner.Input{Settings: byProject(100, 199), Items: items(project("bio", 30500))}
	p, _ := plan(&w, m)
	m.apply(p)
	w.KeepRecords = true
	p, g := plan(&w, m)
	if len(p.Core.Actions) > 0 || len(g.AsWanted()) != 1 || g.AsWanted()[0].Project != 100 ||
		g.AsWanted()[0].QuotaID != 100 {
		t.Errorf("%+v, as wanted %+v", p.Core.Actions, g.AsWanted())
	}
	w.Items = items(project("bio", 30500, ordered(planner.StatusRemoving)))
	w.Orders = map[string]planner.OrderAnswer{id("o-bio"): {Order: planner.Order{ID: id("o-bio"),
		Resource: id("bio"), Type: planner.OrderTerminate, State: planner.OrderPendingProvider}}}
	p, _ = plan(&w, m)
	a, _ := action(t, p, bio)
	if !slices.Contains(a.Changes, planner.Change{Attribute: planner.Project,
		Before: planner.Number(100)}) || a.Quota == nil || a.Quota.ID != 100 {
		t.Errorf("archive: %+v", a)
	}
}
