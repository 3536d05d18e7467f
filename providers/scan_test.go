package providers

import (
	"context"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// Entries and Aged make the storage a [FolderReader], Survey a [QuotaSurveyor].
func (s *storage) Entries(system planner.System, path string) scan.Folder {
	defer s.enter(system.Name, path)()
	return scan.Folder{State: planner.DirPresent, Names: []string{path}}
}

func (s *storage) Aged(system planner.System, path string) scan.Directory {
	return scan.Directory{Directory: s.Observe(system, path)}
}

func (s *storage) Survey(_ context.Context, system planner.System,
	of scan.Range) ([]planner.QuotaID, error) {
	defer s.enter(system.Name, "survey")()
	return []planner.QuotaID{{By: of.By, ID: of.First}}, nil
}

// TestScanOfAMountThatHangs: a hung mount makes its own answers unknown and delays no other.
func TestScanOfAMountThatHangs(t *testing.T) {
	s := newStorage()
	release := make(chan struct{})
	defer close(release)
	s.slow["b/3"], s.slow["survey"] = release, release
	o := newObserver(s, "a", "b")
	got := o.Folders(t.Context(), append(places("a", 5), places("b", 5)...))
	if got[4].Names[0] != "a/4" || got[8].State != planner.DirUnknown ||
		!strings.Contains(got[8].Why, "did not answer") {
		t.Errorf("%+v", got)
	}
	if d := o.Aged(t.Context(), append(places("a", 1), places("b", 1)...)); d[0].State !=
		planner.DirPresent || !strings.Contains(d[1].Why, "still hangs") {
		t.Errorf("asked again: %+v", d)
	}
	found := o.Survey(t.Context(), []scan.Range{{System: "a", Filesystem: "fs a", First: 1},
		{System: "a", Filesystem: "other", First: 2}})
	if !strings.Contains(found[0].Why, "did not answer") ||
		!strings.Contains(found[1].Why, `not on "other"`) {
		t.Errorf("%+v", found)
	}
}

// TestSurveyIsSerial: calls on one filesystem come one at a time.
func TestSurveyIsSerial(t *testing.T) {
	s := newStorage()
	o := newObserver(s, "a")
	ranges := make([]scan.Range, 200)
	for i := range ranges {
		ranges[i] = scan.Range{System: "a", Filesystem: "fs a", First: uint32(i)}
	}
	found := o.Survey(t.Context(), ranges)
	if s.max["a"] != 1 || found[150].Subjects[0].ID != 150 {
		t.Errorf("%d at a time, %+v", s.max["a"], found[150])
	}
}
