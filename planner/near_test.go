package planner_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/near"
)

// site is a site between two listings: what the last complete one had, and what a newer one of some
// resources has.
type site struct {
	settings        *planner.Settings
	listed, indexed []planner.Item
	recorded        planner.Recorded
	// then are the records at the last complete listing.
	then []planner.Record
}

// drawSite draws a site with many more resources than a plan is about.
func drawSite(t *rapid.T) (*site, *planner.Input, *model) {
	w, m := drawInput(t)
	w.Settings.Parents, w.Complete, w.Selection = planner.ParentsCreate, false, planner.Selection{}
	w.Settings.Systems[0].Quota.ProjectIDs = planner.ProjectRange{}
	if !oneIn(t, 4, "places around everything") {
		w.Items = slices.DeleteFunc(w.Items, func(it planner.Item) bool {
			return !it.Target.IsBranch() && strings.Count(it.MountPath, "/") < 5
		})
	}
	s := &site{settings: w.Settings, recorded: w.Recorded}
	recorded := slices.Collect(w.Recorded.Records.All())
	for i := range rapid.IntRange(0, 40).Draw(t, "others") {
		it, rec := drawOther(t, i)
		w.Items = append(w.Items, it)
		m.put(it.MountPath[1:], rec.Group, rec.Mode)
		rec.Inode = cmp.Or(rec.Inode, m.dirs[it.MountPath[1:]].Inode)
		if !oneIn(t, 4, "new") {
			recorded = append(recorded, rec)
		}
	}
	drawExtremes(t, w)
	isIdle := oneIn(t, 8, "no resource listed")
	for _, it := range w.Items {
		switch {
		case isIdle && !it.Target.IsBranch():
			s.indexed = append(s.indexed, it)
		case oneIn(t, 10, "only in the newer listing"):
			s.listed = append(s.listed, it)
		case it.Target.IsBranch() && rapid.Bool().Draw(t, "branch in both"),
			!it.Target.IsBranch() && oneIn(t, 8, "resource in both"):
			s.listed, s.indexed = append(s.listed, it), append(s.indexed, before(t, it))
		default:
			s.indexed = append(s.indexed, it)
		}
	}
	if w.Settings.Systems[0].Quota.By == planner.ByDirectory {
		for i := range recorded {
			recorded[i].QuotaBy, recorded[i].QuotaID = planner.ByDirectory, 0
		}
	}
	for _, r := range recorded {
		s.then = append(s.then, drawThen(t, r)...)
	}
	for i := range recorded {
		recorded[i].Unfinished = oneIn(t, 15, "unfinished")
	}
	if d, ok := m.dirs["capstor/store/cscs/eth"]; ok && oneIn(t, 4, "unfinished customer") {
		eth := tree()[1]
		recorded = append(recorded, planner.Record{Key: eth.Key, Address: eth.MountPath,
			System: "capstor", Storage: eth.MountPath[1:], Target: eth.Target, Inode: d.Inode, At: now, Unfinished: true})
	}
	s.recorded.Records = records(recorded...).Records
	return s, w, m
}

// drawOther draws a resource and its record, most of them far from all others.
func drawOther(t *rapid.T, i int) (planner.Item, planner.Record) {
	own := fmt.Sprintf("c%d", i)
	customer := pick(t, "customer", own, own, own, "eth", "uzh", "epfl/lab")
	group := rapid.IntRange(40000, 50000).Draw(t, "group")
	if oneIn(t, 6, "shared group") {
		group = rapid.IntRange(30500, 30504).Draw(t, "group")
	}
	it := project(fmt.Sprintf("x%d", i), int64(group))
	it.MountPath = fmt.Sprintf("/capstor/store/cscs/%s/x%d", customer, i)
	if oneIn(t, 4, "another has its path") {
		it.MountPath = fmt.Sprintf("/capstor/store/cscs/shared/x%d%s", i/3,
			pick(t, "in it", "", "", "/inner"))
	}
	it.Parent = id(pick(t, "above", "eth", "uzh"))
	rec := planner.Record{Key: it.Key, Address: it.MountPath, System: "capstor",
		Storage: it.MountPath[1:], Target: it.Target, Group: planner.GID(it.GID), Mode: 0o2770,
		QuotaBy: planner.ByGroup, QuotaID: uint32(it.GID), At: now,
		Claim: planner.Limits{planner.SpaceHard: planner.LimitOf(10 * tib)}}
	switch pick(t, "odd", "", "", "", "", "group", "quota", "place", "key",
		"project", "inode") {
	case "group":
		rec.Group++
	case "quota":
		rec.QuotaID = uint32(rapid.IntRange(30500, 30504).Draw(t, "quota"))
	case "place":
		rec.Storage = fmt.Sprintf("capstor/store/cscs/eth/p%d", rapid.IntRange(0, 5).Draw(t, "old"))
	case "key":
		rec.Key.System = "cscs-capstor"
	case "project":
		rec.Project = 30503
	case "inode":
		rec.Inode = uint64(rapid.IntRange(101, 104).Draw(t, "inode"))
	}
	return it, rec
}

// drawExtremes draws what makes resources depend on others that are far away.
func drawExtremes(t *rapid.T, w *planner.Input) {
	if oneIn(t, 3, "quotas of directories") {
		w.Settings.Systems[0].Quota.By = planner.ByDirectory
	}
	if oneIn(t, 3, "override of a customer") {
		w.Overrides = append(w.Overrides, ofCustomer{says{then: drawWishes(t)},
			pick(t, "customer", "eth", "cscs")})
	}
	hasNameless := false
	for _, it := range slices.Clone(w.Items) {
		if it.Key.System == "capstor" && oneIn(t, 15, "under two keys") {
			it.Key.System = "cscs-capstor"
			it.MountPath = pick(t, "second path", it.MountPath, "/capstor/store/cscs/far/"+it.Name)
			w.Items = append(w.Items, it)
		}
		if !hasNameless && !it.Target.IsBranch() && oneIn(t, 15, "also without an id") {
			it.Key.Item, hasNameless = "", true
			w.Items = append(w.Items, it)
		}
	}
	for _, at := range []string{"uzh", "eth/p1", "eth/p2/inner", "c0", "c1", "far"} {
		if oneIn(t, 4, "customer") {
			it := tree()[1]
			it.Key.Item, it.Name, it.MountPath = id(at), at, "/capstor/store/cscs/"+at
			w.Items = append(w.Items, it)
		}
	}
}

// ofCustomer is an override that matches the resources of a customer.
type ofCustomer struct {
	says
	customer string
}

func (o ofCustomer) Matches(f planner.Facts) bool { return f.Customer == o.customer }

// before draws how an item was in the last complete listing.
func before(t *rapid.T, it planner.Item) planner.Item {
	switch pick(t, "before", "", "", "status", "group", "path") {
	case "status":
		it.Status, it.URLs = planner.StatusActive, nil
	case "group":
		it.GID++
	case "path":
		it.MountPath += "-before"
	}
	return it
}

// drawThen draws what was recorded at the last complete listing of what is recorded now.
func drawThen(t *rapid.T, r planner.Record) []planner.Record {
	switch pick(t, "then", "same", "same", "same", "not", "group", "place") {
	case "not":
		return nil
	case "group":
		r.Group++
	case "place":
		r.Storage += "-then"
	}
	return []planner.Record{r}
}

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
func (s *site) part(t *rapid.T, watch map[planner.Key]bool) near.Part {
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
		p := s.part(t, w.Watch)
		some := *w
		some.Items = whole(p.Listed, p.Indexed)
		some.Recorded.Records = p.Records
		items, left = items+len(w.Items), left+len(w.Items)-len(some.Items)
		g, h := planner.Desire(w), planner.Desire(&some)
		seen := m.observe(h)
		if h.NeedsAll(&seen, p.IDs) {
			t.Skip("everything counts")
		}
		all, part := planner.Compare(g, m.observe(g), planner.Context{}), planner.Compare(h, seen,
			planner.Context{})
		samePlans(t, w, all, part)
		for k := range w.Watch {
			x, _ := g.Watched(k)
			y, _ := h.Watched(k)
			if !reflect.DeepEqual(x, y) {
				t.Fatalf("of the whole site\n%+v\nof a part\n%+v", x, y)
			}
		}
	})
	if left*5 < items {
		t.Errorf("of %d items, parts leave out only %d", items, left)
	}
}

// samePlans compares plans. A plan of a part does not warn of resources that it is not about.
func samePlans(t *rapid.T, w *planner.Input, plans ...*planner.Plan) {
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
	if texts[0] != texts[1] {
		a, b := strings.Split(texts[0], "\n"), strings.Split(texts[1], "\n")
		first := 0
		for first < min(len(a), len(b)) && a[first] == b[first] {
			first++
		}
		t.Fatalf("of the whole site\n%s\nof a part\n%s",
			strings.Join(a[max(first-12, 0):min(first+25, len(a))], "\n"),
			strings.Join(b[max(first-3, 0):min(first+25, len(b))], "\n"))
	}
}
