package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// site is a system with one project and one user below a customer, one archived directory, and one
// directory that was removed; and a second system inside the first.
func site(t *testing.T, by planner.QuotaBy) Input {
	t.Helper()
	view := func(item, storage string, target planner.Target, status planner.Status) planner.View {
		return planner.View{Key: planner.Key{Item: item, System: "cap"}, Address: "/" + storage,
			Storage: storage, System: "cap", Target: target, Status: status}
	}
	records, err := planner.PackRecords(
		planner.Record{Key: planner.Key{Item: "bio", System: "cap"}, System: "cap",
			Address: "/cap/store/eth/bio", Storage: "cap/store/eth/bio",
			QuotaBy: planner.ByGroup, QuotaID: 2000},
		planner.Record{Key: planner.Key{Item: "lost", System: "cap"}, System: "cap",
			Address: "/cap/store/psi/lost", Storage: "cap/store/psi/lost",
			QuotaBy: planner.ByGroup, QuotaID: 2001})
	if err != nil {
		t.Fatal(err)
	}
	return Input{Most: 100, MinGID: 1000, Made: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		Systems: []planner.System{
			{Name: "cap", Directory: "cap", Archive: "cap/.trash",
				Quota: planner.QuotaSettings{By: by}},
			{Name: "inner", Directory: "cap/inner", Archive: "cap/inner/.trash"}},
		Mounts: map[string]planner.Mount{"cap": {Filesystem: "fs"}, "inner": {Filesystem: "fs2"}},
		Views: []planner.View{
			view("eth", "cap/store/eth", planner.TargetCustomer, planner.StatusActive),
			view("bio", "cap/store/eth/bio", planner.TargetProject, planner.StatusActive),
			view("ann", "cap/users/ann", planner.TargetUser, planner.StatusPending),
			view("old", "cap/store/eth/old", planner.TargetProject, planner.StatusRemoved)},
		Quotas: []planner.QuotaView{{System: "cap", Keys: []planner.Key{{Item: "bio"}},
			Subject: planner.Subject{Filesystem: "fs", By: by, ID: 2000}}},
		Recorded: planner.Recorded{Records: records, Archived: map[planner.Key]planner.Archived{
			{Item: "gone"}: {System: "cap", Archive: "cap/kept/a1", Storage: "cap/store/eth/gone",
				QuotaBy: planner.ByGroup, QuotaID: 2002}}},
	}
}

func paths(list []planner.Place) (out []string) {
	for _, p := range list {
		out = append(out, p.Path)
	}
	return out
}

// folders returns what is in each folder. Other folders do not exist.
func folders(of []planner.Place, names map[string][]string) []Folder {
	list := make([]Folder, len(of))
	for i, p := range of {
		if n, ok := names[p.Path]; ok {
			list[i] = Folder{State: planner.DirPresent, Names: n}
		} else {
			list[i].State = planner.DirAbsent
		}
	}
	return list
}

// TestFolders: the folders between a system's directory and its resources are read, and never a
// project's.
func TestFolders(t *testing.T) {
	in := site(t, planner.ByGroup)
	in.Views = append(in.Views, planner.View{Storage: "cap/store/eth/bio/home/ben", System: "cap",
		Target: planner.TargetUser, Status: planner.StatusActive})
	got := paths(New(in).Folders())
	want := []string{"cap", "cap/inner", "cap/store", "cap/store/eth", "cap/store/psi", "cap/users"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	in.Mounts["cap"] = planner.Mount{Unknown: "it hangs"}
	s := New(in)
	if got := paths(s.Folders()); !slices.Equal(got, []string{"cap/inner"}) {
		t.Errorf("a system that hangs is read: %v", got)
	}
	if r := s.Report(nil, nil); r.Complete() || r.Systems[0].Problems[0] != "it hangs" {
		t.Errorf("what could not be seen is not said: %+v", r.Systems)
	}
}

// TestStrays: resources, the folders above them, other systems, archives and archived directories
// are no strays. A directory that a resource had is named so.
func TestStrays(t *testing.T) {
	s := New(site(t, planner.ByGroup))
	strays := s.Strays(folders(s.Folders(), map[string][]string{
		"cap":           {".trash", "inner", "kept", "lost+found", "store", "users", "tmp"},
		"cap/store":     {"eth", "psi"},
		"cap/store/eth": {"bio", "old", "x\n"},
		"cap/store/psi": {"lost"},
		"cap/users":     {"ann", "bob"},
		"cap/inner":     {".trash"},
	}))
	want := []string{"cap/kept", "cap/store/eth/old", "cap/store/eth/x\n", "cap/store/psi/lost",
		"cap/tmp", "cap/users/bob"}
	if !slices.Equal(paths(strays), want) {
		t.Fatalf("got %q, want %q", paths(strays), want)
	}
	seen := make([]Directory, len(strays))
	for i := range seen {
		seen[i].State = planner.DirPresent
	}
	seen[4].Directory = planner.Directory{State: planner.DirAbsent}
	seen[5].Directory = planner.Directory{Why: "permission denied"}
	r := s.Report(nil, statesOf(s.QuotaTargets(seen, nil)))
	if len(r.Directories) != 5 || r.Systems[0].Directories != 5 || r.Complete() {
		t.Fatalf("%+v", r)
	}
	if r.Directories[1].Was != "/cap/store/eth/old" || r.Directories[3].Was == "" ||
		r.Directories[4].Problem != "permission denied" {
		t.Errorf("%+v", r.Directories)
	}
}

func statesOf(targets []planner.QuotaTarget) []planner.QuotaState {
	return make([]planner.QuotaState, len(targets))
}

// TestMost: all are counted, but only this many are listed.
func TestMost(t *testing.T) {
	in := site(t, planner.ByGroup)
	in.Most = 3
	s := New(in)
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprint("d", i))
	}
	if got := s.Strays(folders(s.Folders(), map[string][]string{"cap": many})); len(got) != 3 {
		t.Errorf("%d are looked at", len(got))
	}
	targets := s.QuotaTargets(make([]Directory, 3), nil)
	text := string(s.Report(targets, statesOf(targets)).Text())
	if !strings.Contains(text, "10 directories") || !strings.Contains(text, "and 7 more") {
		t.Error(text)
	}
}

// TestQuotasNobodyClaims: the quotas of resources, records and archived directories are claimed. A
// quota without a limit does not count.
func TestQuotasNobodyClaims(t *testing.T) {
	s := New(site(t, planner.ByGroup))
	ranges := s.Ranges()
	if len(ranges) != 1 || ranges[0].First != 1000 || ranges[0].Last != 2002 {
		t.Fatalf("%+v", ranges)
	}
	var found []planner.QuotaID
	for id := uint32(1999); id < 2005; id++ {
		found = append(found, planner.QuotaID{By: planner.ByGroup, ID: id})
	}
	targets := s.QuotaTargets(nil, []Surveyed{{Subjects: found}})
	states := statesOf(targets)
	for i := range states {
		states[i].Limits = planner.NoLimits()
	}
	states[1].Limits[planner.SpaceHard] = planner.LimitOf(planner.Bytes(7))
	r := s.Report(targets, states)
	if len(targets) != 3 || len(r.Quotas) != 1 || r.Quotas[0].ID != 2003 ||
		r.Systems[0].Quotas != 1 {
		t.Errorf("%+v, %+v", targets, r)
	}
}

// TestRangesNearResources: of a large span of ids, only the parts with resources are listed.
func TestRangesNearResources(t *testing.T) {
	in := site(t, planner.ByGroup)
	in.Quotas[0].Subject.ID = 1 << 30
	s := New(in)
	ranges := s.Ranges()
	if len(ranges) != 2 || ranges[1].First > 1<<30 || ranges[1].Last < 1<<30 {
		t.Errorf("%+v", ranges)
	}
	if !strings.Contains(s.at["cap"].Looked, "near") {
		t.Error(s.at["cap"].Looked)
	}
}

// TestSizes: a directory's size is given only by a quota that counts nothing else.
func TestSizes(t *testing.T) {
	s := New(site(t, planner.ByProject))
	names := []string{"a", "b", "c", "d", "e"}
	strays := s.Strays(folders(s.Folders(), map[string][]string{"cap": names}))
	seen := make([]Directory, len(strays))
	for i, id := range []planner.ProjectID{7, 8, 8, 2000, 0} {
		seen[i].Directory = planner.Directory{State: planner.DirPresent, Project: id,
			HasProject: true, Inherit: true}
	}
	targets := s.QuotaTargets(seen, nil)
	states := statesOf(targets)
	for i := range states {
		states[i].Space = planner.UsageOf(planner.Bytes(5))
	}
	r := s.Report(targets, states)
	if r.Directories[0].Space == nil || *r.Directories[0].Space != 5 {
		t.Errorf("%+v", r.Directories[0])
	}
	for i, want := range []string{"", "1 more of these", "1 more of these",
		"together with a resource", "no project id"} {
		if x := r.Directories[i]; (x.Space == nil) != (want != "") ||
			!strings.Contains(x.Note, want) {
			t.Errorf("%d: %+v", i, x)
		}
	}
}
