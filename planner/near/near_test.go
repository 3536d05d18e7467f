package near

import (
	"errors"
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// That a part is enough is tested in package planner, with the sites that its tests draw.

// gives is an override that can give a group or not.
type gives struct {
	planner.Override
	group bool
}

func (g gives) GivesGroup() bool { return g.group }

// TestAllows: what all resources add up to, or what may make any two of them share a group, keeps
// parts from being planned for.
func TestAllows(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*planner.Settings)
		overrides []planner.Override
		want      bool
	}{
		"a plain site":           {want: true},
		"an override of a limit": {overrides: []planner.Override{gives{}}, want: true},
		"an override of a group": {overrides: []planner.Override{gives{}, gives{group: true}}},
		"overcommit":             {change: func(s *planner.Settings) { s.Systems[1].Overcommit = 1500 }},
		"project ids to give away": {change: func(s *planner.Settings) {
			s.Systems[1].Quota.ProjectIDs = planner.ProjectRange{First: 1, Last: 9}
		}},
		"enforced parents": {change: func(s *planner.Settings) { s.Parents = planner.ParentsEnforce }},
	} {
		s := &planner.Settings{Systems: make([]planner.System, 2)}
		if c.change != nil {
			c.change(s)
		}
		if got := Allows(s, c.overrides); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// wide is a listing in which everything is around everything. fails is the search that fails.
type wide struct {
	items int
	fails string
}

var errRead = errors.New("damaged")

func (w wide) find(search string) ([]*planner.Item, error) {
	if search == w.fails {
		return nil, errRead
	}
	found := make([]*planner.Item, w.items)
	for i := range found {
		found[i] = &planner.Item{Key: planner.Key{Item: fmt.Sprint("i", i), System: "capstor"},
			Parent: "above"}
	}
	return found, nil
}

func (w wide) Around(string) ([]*planner.Item, error)  { return w.find("around") }
func (w wide) Beside(string) ([]*planner.Item, error)  { return w.find("beside") }
func (w wide) OfItem(string) ([]*planner.Item, error)  { return w.find("of item") }
func (w wide) OfGroup(uint32) ([]*planner.Item, error) { return w.find("of group") }
func (w wide) Ordered() ([]*planner.Item, error)       { return w.find("ordered") }

// TestStops: a part that is too large, and a search that fails, end the search.
func TestStops(t *testing.T) {
	find := func(w wide) error {
		_, err := Find(Site{Items: w,
			Settings: &planner.Settings{Systems: []planner.System{{Name: "capstor",
				Directory: "capstor"}}},
			Listed: []planner.Item{{Key: planner.Key{Item: "a", System: "capstor"}, HasGID: true,
				MountPath: "/capstor/a", Target: planner.TargetProject}},
			RecordsOf: func(item string) ([]planner.Record, error) {
				if w.fails == "records" {
					return nil, errRead
				}
				return nil, nil
			}})
		return err
	}
	if err := find(wide{items: 2}); err != nil {
		t.Errorf("a small part: %v", err)
	}
	if err := find(wide{items: most + 1}); !errors.Is(err, ErrLarge) {
		t.Errorf("a large part: %v", err)
	}
	for _, search := range []string{"around", "beside", "of item", "of group", "ordered", "records"} {
		if err := find(wide{items: 2, fails: search}); !errors.Is(err, errRead) {
			t.Errorf("when %s fails: %v", search, err)
		}
	}
}
