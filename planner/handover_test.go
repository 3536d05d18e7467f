package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// reasonOf returns the text of a reason; empty if it is not given.
func reasonOf(d planner.Detail, code reason.Code) string {
	for _, r := range d.Reasons {
		if r.Code == code {
			return r.Text
		}
	}
	return ""
}

// TestGroupChangeLeaves: a new group says what stays with the old one, and promises nothing twice.
func TestGroupChangeLeaves(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	q := m.quotas[30500]
	q.Space = planner.UsageOf(planner.Bytes(9 * tib))
	m.quotas[30500] = q
	for _, tc := range []struct {
		name, claimed string
		others        []planner.Item
	}{
		{"nobody else", "which no listed resource claims any more", nil},
		{"another resource has it", "which other resources claim",
			[]planner.Item{project("chem", 30500)}},
	} {
		p, _ := plan(&planner.Input{Items: items(append(tc.others, project("bio", 30999))...),
			Recorded: records(recordOf("bio", 30500))}, m)
		_, d := action(t, p, bio)
		if got := reasonOf(d, "content_keeps_group"); !strings.Contains(got,
			"everything below it keeps group 30500") {
			t.Errorf("%s: reasons %v", tc.name, d.Reasons)
		}
		left := reasonOf(d, "quota_left")
		for _, want := range []string{"group 30500 (9 TiB used)",
			"10 TiB and 2,000,000 inodes hard", tc.claimed} {
			if !strings.Contains(left, want) {
				t.Errorf("%s: quota_left %q lacks %q", tc.name, left, want)
			}
		}
	}
	p, _ := plan(&planner.Input{Items: items(project("bio", 30999)),
		Recorded: records(recordOf("bio", 30500))}, m)
	if got := p.Context.Promised[0]; got.Before != 10*tib || got.After != 10*tib {
		t.Errorf("promised %v -> %v, want 10 TiB -> 10 TiB", got.Before, got.After)
	}
	p, _ = plan(&planner.Input{Items: items(project("bio", 30500)),
		Recorded: records(recordOf("bio", 30500))}, m)
	if len(p.Core.Actions) != 0 || p.Context.Promised[0].Before != 10*tib {
		t.Errorf("nothing changes: %v, promised %v", p.Core.Actions, p.Context.Promised)
	}
}

// TestProjectChangeLeaves: the same for project ids.
func TestProjectChangeLeaves(t *testing.T) {
	s := testSettings()
	s.Systems[0].Quota.By = planner.ByProject
	m := newModel()
	m.tagged("bio", 30500, true)
	m.quotas[30500] = planner.QuotaState{
		Limits: planner.Limits{planner.SpaceHard: planner.LimitOf(4 * tib)},
		Space:  planner.UsageOf(planner.Bytes(3 * tib))}
	p, _ := plan(&planner.Input{Settings: s, Items: items(project("bio", 30999)),
		Recorded: records(recordedProject("bio", 30500))}, m)
	_, d := action(t, p, bio)
	if got := reasonOf(d, "quota_left"); !strings.Contains(got,
		"project 30500 has 3 TiB used until the files are tagged") {
		t.Errorf("reasons %v", d.Reasons)
	}
}

// TestTakenOver: it is dangerous to restore data to a group that somebody else has now, and the
// reason says who.
func TestTakenOver(t *testing.T) {
	for _, tc := range []struct {
		name  string
		other planner.Item
		taken bool
	}{
		{"another project", project("chem", 30500), true},
		{"another project that is to come", project("chem", 30500, ordered(planner.StatusPending)),
			true},
		{"the same project's archive", project("bio2", 30500, at("/capstor/archive/cscs/eth/bio")),
			false},
		{"one that was removed",
			project("chem", 30500, func(it *planner.Item) { it.Status = planner.StatusRemoved }),
			false},
		{"another group", project("chem", 30501), false},
	} {
		for _, asked := range []bool{false, true} {
			w := restorable(planner.OrderRestore)
			if asked {
				w.Items = tree()
				w.Selection.Restores = []string{bio}
			}
			w.Items = append(w.Items, tc.other)
			p, _ := plan(w, newModel())
			a, d := action(t, p, bio)
			said := reasonOf(d, "taken_over")
			if got := slices.Contains(a.Danger, planner.DangerTakenOver); got != tc.taken ||
				(said != "") != tc.taken || tc.taken &&
				!strings.Contains(said, "/capstor/store/cscs/eth/chem") {
				t.Errorf("%s, asked %t: dangers %v because %v", tc.name, asked, a.Danger, d.Reasons)
			}
		}
	}
}

// TestLimitsExist: a new directory under an identity that has limits says whose they are.
func TestLimitsExist(t *testing.T) {
	archived := restorable("").Recorded
	other := planner.Recorded{Archived: map[planner.Key]planner.Archived{}}
	for k, a := range archived.Archived {
		k.Item = id("old")
		a.Key, a.Address, a.Storage = k, "/capstor/store/cscs/eth/old", "capstor/store/cscs/eth/old"
		other.Archived[k] = a
	}
	for _, tc := range []struct {
		name, want string
		rec        planner.Recorded
	}{
		{"nobody's", "nothing recorded here has them", planner.Recorded{}},
		{"an archived directory's", "those of /capstor/store/cscs/eth/old, archived", other},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		delete(m.dirs, "capstor/store/cscs/eth/bio")
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
			ordered(planner.StatusPending))), Recorded: tc.rec}, m)
		if _, d := action(t, p, bio); !strings.Contains(reasonOf(d, "limits_exist"), tc.want) {
			t.Errorf("%s: %v", tc.name, d.Reasons)
		}
	}
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
		ordered(planner.StatusPending)))}, newModel())
	if _, d := action(t, p, bio); reasonOf(d, "limits_exist") != "" {
		t.Errorf("no limits: %v", d.Reasons)
	}
}

// TestTwoArchivedInOnePlace: a register that has one place twice gives the same plan each time.
func TestTwoArchivedInOnePlace(t *testing.T) {
	rec := planner.Recorded{Archived: map[planner.Key]planner.Archived{}}
	for _, a := range restorable("").Recorded.Archived {
		for _, name := range []string{"new", "old"} {
			a.Key.Item, a.Address = id(name), "/capstor/store/cscs/eth/"+name
			rec.Archived[a.Key] = a
		}
	}
	texts := map[string]bool{}
	for range 50 {
		m := newModel()
		asWanted(m, "bio", 30500)
		delete(m.dirs, "capstor/store/cscs/eth/bio")
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500,
			ordered(planner.StatusPending))), Recorded: rec}, m)
		_, d := action(t, p, bio)
		texts[reasonOf(d, "limits_exist")] = true
	}
	if len(texts) != 1 {
		t.Errorf("one register gives different reasons: %v", texts)
	}
}
