package planner_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/near"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// whole returns everything that counts: the newer listing, and what it lacks of the last complete
// one, whose tenants and customers are believed.
func whole(listed, indexed []planner.Item) []planner.Item {
	resources, known := map[planner.Key]bool{}, map[planner.Key]bool{}
	for _, it := range listed {
		resources[it.Key] = resources[it.Key] || !it.Target.IsBranch()
	}
	var all []planner.Item
	for _, it := range indexed {
		known[it.Key] = true
		if !resources[it.Key] {
			all = append(all, it)
		}
	}
	for _, it := range listed {
		if !it.Target.IsBranch() || !known[it.Key] {
			all = append(all, it)
		}
	}
	return all
}

// part finds the part of the site on which a plan for the watched resources depends.
func (s *site) part(t rapid.TB, watch map[planner.Key]bool) near.Part {
	audit := planner.Desire(&planner.Input{Settings: s.settings, Items: s.indexed, Now: now,
		Recorded: planner.Recorded{Records: records(s.then...).Records}})
	chunks := index.Make(s.settings, s.indexed, audit.Loose())
	x, err := index.Open(s.settings, func(n int) (json.RawMessage, error) { return chunks[n], nil })
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := x.Loose()
	present := map[planner.Key]planner.Record{}
	for _, r := range s.all() {
		present[r.Key] = r
	}
	written := maps.Clone(present) // those that are not as they were then
	for _, r := range s.then {
		if reflect.DeepEqual(present[r.Key], r) {
			delete(written, r.Key)
		}
	}
	keys = append(keys, slices.Collect(maps.Keys(written))...)
	var loose []planner.Record
	for _, k := range keys {
		if r, ok := present[k]; ok {
			loose = append(loose, r)
		}
	}
	p, err := near.Find(near.Site{Settings: s.settings, Items: x, Listed: s.listed, Watch: watch,
		Loose: loose, Archived: s.recorded.Archived,
		RecordsOf: func(item string) (found []planner.Record, _ error) {
			for _, r := range present {
				if r.Key.Item == item {
					found = append(found, r)
				}
			}
			return found, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// all returns all records, those of unfinished directories too.
func (s *site) all() []planner.Record {
	all := slices.Collect(s.recorded.Records.All())
	for _, it := range whole(s.listed, s.indexed) {
		if r, ok := s.recorded.Records.Unfinished(it.Key); ok {
			all = append(all, r)
		}
	}
	return all
}

// TestThePartIsEnough: the plan of the part that [near.Find] finds is the plan of the whole site,
// as far as the listed resources go, and so is what an apply compares with an approved plan.
func TestThePartIsEnough(t *testing.T) {
	items, left := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s, w, m := drawSite(t)
		w.Recorded, w.Now = s.recorded, now
		w.Items = whole(s.listed, s.indexed)
		if !near.Allows(w.Settings, w.Overrides) {
			t.Skip("everything counts")
		}
		w.Watch = map[planner.Key]bool{}
		for _, it := range s.listed {
			w.Watch[it.Key] = true
		}
		if w.MustAsk = rapid.Bool().Draw(t, "apply"); w.MustAsk { // of something that may be gone
			w.Watch = map[planner.Key]bool{}
			for _, it := range w.Items {
				w.Watch[it.Key] = oneIn(t, 8, "watched")
			}
		}
		all, some, isEnough := s.compare(t, w, m)
		if !isEnough {
			t.Skip("everything counts")
		}
		items, left = items+all, left+all-some
	})
	if left*10 < items {
		t.Errorf("of %d items, parts leave out only %d", items, left)
	}
}

// compare compares the plan of the part with the plan of the whole site, and returns how many items
// both have. isEnough is false if the part says itself that it is not enough.
func (s *site) compare(t rapid.TB, w *planner.Input, m *model) (all, some int, isEnough bool) {
	p := s.part(t, w.Watch)
	of := *w
	of.Items = whole(p.Listed, p.Indexed)
	of.Recorded.Records = p.Records
	g, h := planner.Desire(w), planner.Desire(&of)
	seen := m.observe(h)
	if h.NeedsAll(&seen, p.IDs) {
		return 0, 0, false
	}
	samePlans(t, w, planner.Compare(g, m.observe(g), planner.Context{}),
		planner.Compare(h, seen, planner.Context{}))
	for k := range w.Watch {
		if k.Item == "" {
			continue // no plan is about it: it is always blocked
		}
		x, _ := g.Watched(k)
		y, _ := h.Watched(k)
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("of the whole site\n%+v\nof a part\n%+v", x, y)
		}
	}
	for old, now := range h.Renamed() {
		if g.Renamed()[old] != now {
			t.Fatalf("a part renames %v to %v, and the whole site does not", old, now)
		}
	}
	return len(w.Items), len(of.Items), true
}

// samePlans compares plans. A plan of a part does not warn of resources that it is not about.
func samePlans(t rapid.TB, w *planner.Input, plans ...*planner.Plan) {
	others := map[string]bool{}
	for _, it := range w.Items {
		others[it.MountPath] = others[it.MountPath] || !w.Watch[it.Key]
	}
	var texts []string
	for _, p := range plans {
		p.Context.Warnings = slices.DeleteFunc(p.Context.Warnings, func(x planner.Warning) bool {
			return others[x.Address] || strings.Contains(x.Text, "the records of")
		})
		text, err := json.MarshalIndent(p, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if whole, part := plantest.Difference(texts[0], texts[1]); whole != part {
		t.Fatalf("of the whole site\n%s\nof a part\n%s", whole, part)
	}
}

// TestThePartHasWhatIsFar: what decides about an order can be far from its resource. In each site,
// the plan of the part is the plan of the whole.
func TestThePartHasWhatIsFar(t *testing.T) {
	order := project("new", 30500, ordered(planner.StatusPending))
	customer := func(name, path string) planner.Item {
		it := tree()[1]
		it.Key.Item, it.Name, it.MountPath, it.Parent = id(name), name, path, ""
		return it
	}
	far := at("/capstor/store/far/away")
	for name, change := range map[string]func(*site, *model){
		"an enclosing resource that encloses a customer": func(s *site, _ *model) {
			s.listed[0].MountPath = "/capstor/odd/new"
			s.indexed = append(s.indexed, project("odd", 30501, at("/capstor/odd")),
				customer("c", "/capstor/odd/deep/c"))
		},
		"a sharer inside a resource that encloses a customer": func(s *site, _ *model) {
			s.indexed = append(s.indexed, project("odd", 30501, at("/capstor/odd")),
				customer("c", "/capstor/odd/c"), project("sharer", 30500, at("/capstor/odd/sharer")))
		},
		"an archived directory of another key of a neighbour": func(s *site, _ *model) {
			it, old := project("neighbour", 30501), order.Key
			old.Item, old.System = id("neighbour"), "cscs-capstor"
			s.indexed = append(s.indexed, it, project("neighbour", 30502, far,
				func(it *planner.Item) { it.Key = old }))
			s.recorded.Archived = map[planner.Key]planner.Archived{old: {Key: old,
				Address: it.MountPath, System: "capstor", Storage: it.MountPath[1:],
				Archive: "capstor/.trash/n", Group: 30502, Mode: 0o2770}}
		},
		"an archived directory of a resource that is recorded in another group": func(s *site, _ *model) {
			gone := project("gone", 30501)
			r := planner.Record{Key: gone.Key, Address: gone.MountPath, System: "capstor",
				Storage: gone.MountPath[1:], Target: gone.Target, Group: 30501, Mode: 0o2770,
				QuotaBy: planner.ByGroup, QuotaID: 30501,
				Claim: planner.Limits{planner.SpaceHard: planner.LimitOf(7 * tib)}}
			s.then, s.recorded.Records = []planner.Record{r}, records(r).Records
			r.Group, r.QuotaID = 30500, 30500
			s.recorded.Archived = map[planner.Key]planner.Archived{r.Key: archivedFrom(r)}
			s.indexed = append(s.indexed, project("other", 30501, far))
		},
		"a record at the place of a resource that counts elsewhere": func(s *site, _ *model) {
			s.settings.Systems[0].Quota.By = planner.ByDirectory
			s.listed[0] = project("new", 30500, ordered(planner.StatusRemoving))
			r := recordOf("moved", 30501)
			r.Storage, r.QuotaBy, r.QuotaID = order.MountPath[1:], planner.ByDirectory, 0
			s.then, s.recorded.Records = []planner.Record{r}, records(r).Records
			s.indexed = append(s.indexed, project("moved", 30501, far,
				func(it *planner.Item) { it.Status = planner.StatusError }))
		},
		"siblings, of which the first has an order, too": func(s *site, m *model) {
			for i, name := range []string{"a", "b", "c", "d"} {
				it := project(name, int64(40000+i))
				r := recordOf(name, planner.GID(it.GID))
				r.Inode = 7
				s.then, s.indexed = append(s.then, r), append(s.indexed, it)
			}
			s.recorded.Records = records(s.then...).Records
			s.listed = append(s.listed, project("a", 40000, ordered(planner.StatusRemoving)))
			m.put("capstor/store/cscs/eth/d", 40003, 0o2770)
			d := m.dirs["capstor/store/cscs/eth/d"]
			d.Inode = 7
			m.dirs["capstor/store/cscs/eth/d"] = d
		},
		"a customer that names the order": func(s *site, _ *model) {
			it := customer("c", "/capstor/store/far")
			it.URLs = order.URLs
			s.listed = append(s.listed, it)
		},
		"a customer without an id": func(s *site, _ *model) {
			it := customer("c", "/capstor/store/far")
			it.Key.Item = ""
			s.listed[0].Parent = ""
			s.listed = append(s.listed, it)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{settings: testSettings(), listed: []planner.Item{order}, indexed: tree()}
			s.settings.Systems[0].Quota.Shared = planner.SharedSum
			m := newModel()
			change(s, m)
			w := &planner.Input{Settings: s.settings, Items: whole(s.listed, s.indexed), Now: now,
				Recorded:  s.recorded,
				Overrides: []planner.Override{ofCustomer{says{then: limits(tib, 2*tib)}, "c"}},
				Watch:     map[planner.Key]bool{order.Key: true}}
			if _, _, isEnough := s.compare(t, w, m); !isEnough {
				t.Error("the whole site is read")
			}
		})
	}
}
