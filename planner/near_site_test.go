package planner_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
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
	isEmpty, isFlat := oneIn(t, 3, "an empty filesystem"), oneIn(t, 4, "one directory above all")
	for i := range rapid.IntRange(0, 40).Draw(t, "others") {
		it, rec := drawOther(t, i, isFlat)
		w.Items = append(w.Items, it)
		at, _ := w.Settings.PlaceOf(&it)
		if !isEmpty || oneIn(t, 8, "stands") {
			m.put(at, rec.Group, rec.Mode)
		}
		rec.Inode = cmp.Or(rec.Inode, m.dirs[at].Inode, pick[uint64](t, "inode", 0, 1, 2, 3, 4))
		known := pick(t, "known", "recorded", "recorded", "recorded", "new", "archived", "both")
		if known == "recorded" || known == "both" {
			recorded = append(recorded, rec)
		}
		if known == "archived" || known == "both" {
			a := archivedFrom(rec)
			if known == "both" {
				a.QuotaID = uint32(rapid.IntRange(30500, 30504).Draw(t, "quota of the archived"))
			}
			s.recorded.Archived[a.Key] = a
		}
	}
	drawExtremes(t, w)
	drawSystems(t, w, m)
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
			System: "capstor", Storage: eth.MountPath[1:], Target: eth.Target, Inode: d.Inode,
			At: now, Unfinished: true})
	}
	s.recorded.Records = records(recorded...).Records
	return s, w, m
}

// drawOther draws a resource and its record, most of them far from all others, or all beside each
// other.
func drawOther(t *rapid.T, i int, isFlat bool) (planner.Item, planner.Record) {
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
	storage := ""
	switch pick(t, "where", "", "", "", "", "vast", "two paths") {
	case "vast":
		it.Key.System, it.MountPath = "vast", fmt.Sprintf("/vast/store/cscs/eth/p%d", i)
	case "two paths":
		it.MountPath = fmt.Sprintf(pick(t, "path", "/scratch/x%d", "/capstor/legacy/x%d"), i/3)
		storage = fmt.Sprintf("capstor/legacy/x%d", i/3)
	}
	if isFlat {
		it.Key.System = "capstor"
		it.MountPath = fmt.Sprintf(pick(t, "path", "/scratch/f%d", "/capstor/legacy/f%d"), i)
		storage = fmt.Sprintf("capstor/legacy/f%d", i)
	}
	it.Status = pick(t, "status", planner.StatusActive, planner.StatusActive, planner.StatusActive,
		planner.StatusActive, planner.StatusRemoving, planner.StatusRemoved, planner.StatusError)
	if it.Status == planner.StatusRemoving {
		it.URLs = orderURLs(&it, fmt.Sprintf("ox%d", i), planner.Approve)
	}
	rec := planner.Record{Key: it.Key, Address: it.MountPath, System: it.Key.System,
		Storage: cmp.Or(storage, it.MountPath[1:]), Target: it.Target, Mode: 0o2770,
		Group:   planner.GID(it.GID),
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

// archivedFrom returns the entry of the archive register of a recorded directory.
func archivedFrom(r planner.Record) planner.Archived {
	return planner.Archived{Key: r.Key, Address: r.Address, System: r.System, Storage: r.Storage,
		Archive: "capstor/.trash/" + r.Key.Item, Inode: 77, Group: r.Group, Mode: r.Mode,
		QuotaBy: r.QuotaBy, QuotaID: r.QuotaID, Claim: r.Claim, At: now}
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
	for i, at := range []string{"uzh", "eth/p1", "eth/p2/inner", "c0", "c1", "far",
		"shared/x0/deep/c", "shared/x1/deep/c"} {
		if !oneIn(t, 4, "customer") {
			continue
		}
		it := tree()[1]
		it.Key.Item, it.Name, it.MountPath = id(at), at, "/capstor/store/cscs/"+at
		switch pick(t, "odd customer", "", "", "nameless", "order") {
		case "nameless": // it is above what names nothing above it
			it.Key.Item, it.Key.DataType, it.Name = "", pick(t, "type", "store", "scratch"), "eth"
		case "order":
			it.URLs = orderURLs(&it, fmt.Sprintf("o%d", i/3), planner.Approve)
		}
		w.Items = append(w.Items, it)
	}
	for i := range w.Items {
		if oneIn(t, 10, "names nothing above it") {
			w.Items[i].Parent = ""
		}
	}
}

// drawSystems draws how the systems set quotas. Both may be on one filesystem.
func drawSystems(t *rapid.T, w *planner.Input, m *model) {
	first, second := &w.Settings.Systems[0], &w.Settings.Systems[1]
	first.Quota.OnRemove = pick(t, "on remove", "keep", planner.OnRemoveFreeze,
		planner.OnRemoveRemove)
	first.Traits.FollowsRename = rapid.Bool().Draw(t, "follows a rename")
	if oneIn(t, 3, "one filesystem") {
		m.mounts["vast"] = m.mounts["capstor"]
		second.Quota, second.Traits = first.Quota, first.Traits
		second.Quota.Shared = pick(t, "shared on vast", planner.SharedRefuse, planner.SharedSum,
			planner.SharedMax)
		if first.Quota.By != planner.ByDirectory {
			second.Quota.By = pick(t, "by on vast", planner.ByGroup, planner.ByProject)
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
