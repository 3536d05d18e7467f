package planner_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"pgregory.net/rapid"
)

// TestMain makes 1,000 tries of each property; -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }

// drawItem draws a resource, good or bad, out of a few names, groups and paths, so that they collide. All that the proxy
// was seen to do occurs: every status, orders in every state, null, zero and negative quotas, paths that nobody may have.
func drawItem(t *rapid.T, i int) planner.Item {
	name := fmt.Sprintf("p%d", rapid.IntRange(0, 5).Draw(t, "name"))
	it := project(name, pick(t, "gid", int64(30500), 30501, 30502, 30503, 30504, 0, 999, -1, 65534, 1<<31))
	it.Key.Item = id(fmt.Sprintf("i%d", i))
	it.HasGID = !oneIn(t, 12, "no gid")
	if oneIn(t, 8, "nested") {
		it.MountPath += "/inner"
	}
	if oneIn(t, 8, "odd path") {
		it.MountPath = pick(t, "path", "/capstor", "/capstor/store", "/capstor/store/cscs", "/capstor/.trash/x", "/scratch", "/scratch/p1", "/", "//", "rel", "/capstor/../x", "/vast/x", "")
	}
	if oneIn(t, 4, "vast") {
		it.Key.System, it.MountPath = "vast", "/vast/store/cscs/eth/"+name
	}
	if oneIn(t, 15, "no system") {
		it.Key.System = "nowhere"
	}
	if oneIn(t, 15, "user") {
		it.Target = planner.TargetUser
	}
	it.Permission = pick(t, "mode", "2770", "2770", "770", "2775", "0700", "7777", "rwx")
	it.Quotas, it.NewQuotas = drawQuotas(t, "quotas"), drawQuotas(t, "new quotas")
	if oneIn(t, 20, "unreadable") {
		it.Problem = "quotas: no list"
	}
	it.Status = pick(t, "status", planner.StatusPending, planner.StatusActive, planner.StatusActive, planner.StatusUpdating, planner.StatusRemoving, planner.StatusRemoved, planner.StatusError)
	drawURLs(t, &it, fmt.Sprintf("o%d", i))
	return it
}

func drawQuotas(t *rapid.T, label string) *planner.ProxyQuotas {
	if oneIn(t, 4, label+" null") {
		return nil
	}
	q := quotas(pick(t, label+" soft", "10.0", "10.0", "20.5", "0.0", "-1", "1e-12"), pick(t, label+" hard", "20.5", "20.5", "10.0", "0.0", "2000000"))
	if oneIn(t, 6, label+" inodes") {
		q.InodesSoft, q.InodesHard = dec(pick(t, label+" inodes soft", "0.0", "5", "1e15")), dec(pick(t, label+" inodes hard", "0.0", "9.9"))
	}
	return q
}

func drawURLs(t *rapid.T, it *planner.Item, order string) {
	switch pick(t, "order", "none", "provider", "provider", "executing", "customer", "evil") {
	case "provider":
		it.URLs = orderURLs(order, planner.Approve, planner.Reject, planner.SetStateDone, planner.SetBackendID)
	case "executing":
		it.URLs = orderURLs(order, planner.SetStateDone, planner.SetStateErred, planner.SetBackendID)
	case "customer":
		it.URLs = orderURLs(order, planner.SetBackendID)
	case "evil":
		it.URLs = map[planner.Callback]string{planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id(order) + "/approve_by_provider/"}
	}
}

// drawAnswer is what Waldur says of an item's order: mostly what its status makes one expect.
func drawAnswer(t *rapid.T, it *planner.Item) planner.OrderAnswer {
	if oneIn(t, 5, "no answer") {
		return planner.OrderAnswer{Why: "404"}
	}
	o := planner.Order{State: pick(t, "state", planner.OrderPendingProvider, planner.OrderExecuting, planner.OrderExecuting, planner.OrderPendingConsumer, planner.OrderCanceled, planner.OrderDone)}
	o.Type = map[planner.Status]planner.OrderType{planner.StatusPending: planner.OrderCreate, planner.StatusRemoving: planner.OrderTerminate}[it.Status]
	if o.Type == "" || oneIn(t, 10, "another type") {
		o.Type = pick(t, "type", planner.OrderUpdate, planner.OrderTerminate, planner.OrderCreate)
	}
	if o.HasLimits = rapid.Bool().Draw(t, "limits"); !o.HasLimits && rapid.Bool().Draw(t, "options") {
		o.Options = &planner.Options{HardSpace: dec(pick(t, "option", "15", "0", "40")), Permission: pick(t, "permission", "", "2750")}
	}
	return planner.OrderAnswer{Order: o}
}

func drawWorld(t *rapid.T) (*planner.World, *model) {
	w := &planner.World{Settings: testSettings(), Items: tree(), Complete: true, Orders: map[string]planner.OrderAnswer{}}
	w.Settings.Systems[0].Quota.Shared = pick(t, "shared", planner.SharedRefuse, planner.SharedSum, planner.SharedMax)
	w.Settings.Systems[1].Quota.Orders = pick(t, "orders", "hold", "complete")
	w.Settings.Parents = pick(t, "parents", planner.ParentsCreate, planner.ParentsEnforce)
	if quota := &w.Settings.Systems[0].Quota; oneIn(t, 3, "by project") {
		quota.By = planner.ByProject
		if rapid.Bool().Draw(t, "range") {
			quota.ProjectIDs = planner.ProjectRange{First: 100, Last: 103}
		}
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "items") {
		w.Items = append(w.Items, drawItem(t, i))
		if it := &w.Items[len(w.Items)-1]; it.URLs[planner.Approve]+it.URLs[planner.SetStateDone] != "" && !oneIn(t, 4, "not asked") {
			w.Orders[id(fmt.Sprintf("o%d", i))] = drawAnswer(t, it)
		}
	}
	m := drawModel(t)
	w.Recorded = drawRecorded(t, w.Items, m)
	if oneIn(t, 3, "override") {
		w.Overrides = append(w.Overrides, says{path: fmt.Sprintf("/capstor/store/cscs/eth/p%d", rapid.IntRange(0, 5).Draw(t, "overridden")), then: drawWishes(t)})
	}
	if oneIn(t, 6, "hold") {
		w.Holds = []planner.Hold{{Glob: pick(t, "held", "/capstor/**/p1", "/vast/**", "/capstor/store/cscs/eth", "/**/p2/**"), Reason: "incident", By: "root"}}
	}
	if oneIn(t, 6, "selection") {
		w.Selection = planner.Selection{Targets: []string{pick(t, "target", "/capstor/**", "/**/p1", "/nobody")}}
	}
	return w, m
}

func drawWishes(t *rapid.T) planner.Wishes {
	return pick(t, "wishes", limits(tib, 2*tib), limits(3*tib, 2*tib), planner.Wishes{Manage: ptr(false)}, planner.Wishes{Group: ptr(planner.GID(30501))},
		planner.Wishes{Group: ptr(planner.GID(7))}, planner.Wishes{Mode: ptr("0750")}, planner.Wishes{Owner: ptr(planner.UID(4242))})
}

// drawModel draws a storage on which some of it stands already, with limits and usage, and where some cannot be seen.
func drawModel(t *rapid.T) *model {
	m := newModel()
	for range rapid.IntRange(0, 6).Draw(t, "dirs") {
		sys := pick(t, "on", "capstor", "vast")
		for _, up := range []string{"/store", "/store/cscs", "/store/cscs/eth"} {
			if _, ok := m.dirs[sys+up]; !ok {
				m.put(sys+up, 0, pick(t, "parent mode", planner.Mode(0o775), 0o755))
			}
		}
		at := fmt.Sprintf("%s/store/cscs/eth/p%d", sys, rapid.IntRange(0, 5).Draw(t, "dir"))
		m.put(at, pick(t, "dir group", planner.GID(30500), 30501), pick(t, "dir mode", planner.Mode(0o2770), 0o700, 0o1777))
		d := m.dirs[at]
		d.Project, d.Inherit = pick(t, "project", planner.ProjectID(0), 101, 102, 500), rapid.Bool().Draw(t, "inherit")
		m.dirs[at] = d
		if oneIn(t, 6, "trouble") {
			d.State, d.Why = pick(t, "trouble is", planner.DirUnknown, planner.DirObstructed), "trouble"
			m.dirs[at] = d
		}
	}
	for gid := uint32(30500); gid < 30505; gid++ {
		if !rapid.Bool().Draw(t, "quota") {
			continue
		}
		q := m.quota(gid)
		q.Limits.SpaceHard = pick(t, "limit", planner.LimitOf(10*tib), planner.LimitOf(40*tib), planner.Unlimited[planner.Bytes]())
		q.Space = planner.Usage[planner.Bytes]{N: pick(t, "used", 0, tib, 30*tib), Known: !oneIn(t, 5, "usage unknown"), Why: "no valid bit"}
		if oneIn(t, 8, "limits unknown") {
			q.LimitsWhy = "lfs gave [0]"
		}
		m.quotas[gid] = q
	}
	if oneIn(t, 15, "mount") {
		m.mounts["vast"] = pick(t, "mount is", planner.Mount{Unknown: "it hangs"}, planner.Mount{Problem: "it is not mounted"})
	}
	return m
}

// drawRecorded records some of what stands, as it is or as it was, something that is no longer listed, and something that
// was archived.
func drawRecorded(t *rapid.T, items []planner.Item, m *model) planner.Recorded {
	r := planner.Recorded{Records: map[planner.Key]planner.Record{}, Archived: map[planner.Key]planner.Archived{}}
	for _, it := range items {
		storage := strings.TrimPrefix(it.MountPath, "/")
		d, stands := m.dirs[storage]
		if it.Target.IsNode() || !oneIn(t, 3, "recorded") {
			continue
		}
		if oneIn(t, 8, "elsewhere") {
			storage += "-old"
		}
		rec := planner.Record{Key: it.Key, Address: "/" + storage, System: it.Key.System, Storage: storage, Target: it.Target, Group: d.Group, Mode: 0o2770, At: now}
		if it.Key.System == "capstor" {
			rec.QuotaBy, rec.QuotaID, rec.Claim = planner.ByGroup, 30500, planner.Claim{SpaceHard: planner.Number(uint64(10 * tib))}
		}
		if stands || oneIn(t, 2, "missing") {
			r.Records[it.Key] = rec
		} else {
			r.Archived[it.Key] = planner.Archived{Key: it.Key, Address: rec.Address, System: rec.System, Storage: storage, Archive: "capstor/.trash/" + it.Key.Item[:8], Inode: 77,
				Group: 30500, Mode: 0o2770, QuotaBy: rec.QuotaBy, QuotaID: rec.QuotaID, Claim: rec.Claim, At: now}
			m.dirs["capstor/.trash/"+it.Key.Item[:8]] = planner.Directory{State: planner.DirPresent, Group: 30500, Mode: 0o2770, Inode: 77}
		}
	}
	return r
}

// after is the world once a plan has been applied: storage, records and the register are as an apply leaves them, and
// Waldur has done its orders.
func after(w *planner.World, m *model, p *planner.Plan, g *planner.Graph) *planner.World {
	next := *w
	next.Recorded = planner.Recorded{Records: maps.Clone(w.Recorded.Records), Archived: maps.Clone(w.Recorded.Archived), Roots: w.Recorded.Roots}
	done := map[planner.Key]planner.Action{}
	for _, a := range p.Core.Actions {
		done[a.Key] = a
		seen, _ := g.Watched(a.Key)
		switch {
		case a.Target.IsNode(), a.Kind == planner.RejectOrder, a.Kind == planner.FailOrder:
		case a.Kind == planner.Archive:
			next.Recorded.Archived[a.Key] = planner.Archived{Key: a.Key, Address: a.Address, System: a.System, Storage: a.Storage, Archive: a.ArchivePath(now), Claim: next.Recorded.Records[a.Key].Claim,
				QuotaBy: next.Recorded.Records[a.Key].QuotaBy, QuotaID: next.Recorded.Records[a.Key].QuotaID, At: now}
			delete(next.Recorded.Records, a.Key)
		case a.Kind == planner.Report && slices.Contains(a.Danger, planner.DangerMissing):
			delete(next.Recorded.Records, a.Key)
		default:
			delete(next.Recorded.Archived, a.Key)
			next.Recorded.Records[a.Key] = seen.Record
		}
	}
	next.Items = slices.Clone(w.Items)
	for i := range next.Items {
		it := &next.Items[i]
		a, acted := done[it.Key]
		if !acted || len(a.Callbacks) == 0 {
			continue
		}
		if it.Status == planner.StatusUpdating || it.Status == planner.StatusError && !wasRemoval(w, it) {
			updated(it, w.Orders[a.Order].Order)
		}
		removal := wasRemoval(w, it)
		it.Status, it.URLs = planner.StatusActive, nil
		if removal {
			it.Status = planner.StatusRemoved
		}
	}
	m.apply(p)
	return &next
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// updated gives an item what its update asked for, as Waldur and the proxy do.
func updated(it *planner.Item, o planner.Order) {
	q := it.NewQuotas
	if o.Options != nil {
		it.Permission = firstOf(o.Options.Permission, it.Permission)
		if !o.HasLimits && it.Quotas != nil {
			merged := *it.Quotas
			merged.SpaceHard, q = o.Options.HardSpace, &merged
		}
	}
	if q != nil {
		it.Quotas = q
	}
}

// wasRemoval tells whether an item's order ends it.
func wasRemoval(w *planner.World, it *planner.Item) bool {
	for _, url := range it.URLs {
		if order, _, ok := planner.OrderOf(url); ok && it.Status == planner.StatusError {
			return w.Orders[order].Order.Type == planner.OrderTerminate
		}
	}
	return it.Status == planner.StatusRemoving
}

// watchAll makes a plan keep what it saw of everything, as the plan of an apply does.
func watchAll(w *planner.World) {
	w.Watch = map[planner.Key]bool{}
	for i := range w.Items {
		w.Watch[w.Items[i].Key] = true
	}
}

// TestApplyThenPlanIsEmpty: what a plan does leaves nothing to do, but for what stood in the way of others: a resource that
// was refused before, or shares a quota with one whose order is done now.
func TestApplyThenPlanIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		watchAll(w)
		first, g := plan(w, m)
		next := after(w, m, first, g)
		second, _ := plan(next, m)
		free := freed(w, first)
		for _, a := range second.Core.Actions {
			if a.Target.IsNode() || free.keys[a.Key] || a.Quota != nil && free.groups[a.Quota.ID] && onlyQuota(a) {
				continue
			}
			t.Fatalf("after applying %+v\nthere is still %+v", first.Core.Actions, a)
		}
	})
}

// freedom is what may act in the plan after.
type freedom struct {
	keys   map[planner.Key]bool
	groups map[uint32]bool
}

// freed are the resources that were refused, in whole or in part, and the groups of those whose claim has changed.
func freed(w *planner.World, p *planner.Plan) freedom {
	f := freedom{map[planner.Key]bool{}, map[uint32]bool{}}
	for _, r := range slices.Concat(p.Context.Blocked, p.Context.Waiting) {
		f.keys[r.Key] = true
	}
	for _, a := range p.Core.Actions {
		if a.Kind == planner.Restore { // what comes back is as it was archived, and compared with the wish in the next plan
			f.keys[a.Key] = true
		}
		for i := range w.Items {
			if it := &w.Items[i]; it.Key == a.Key && len(a.Callbacks) > 0 && it.NewQuotas == nil && it.Status != planner.StatusPending {
				f.keys[a.Key] = true // nobody said what its order wanted; what the proxy says once it is done is another wish
			}
			if it := &w.Items[i]; it.Key == a.Key && (len(a.Callbacks) > 0 || a.Kind == planner.Archive || a.Kind == planner.Restore) {
				f.groups[uint32(it.GID)] = true
				f.groups[w.Recorded.Records[a.Key].QuotaID] = true
				f.groups[w.Recorded.Archived[a.Key].QuotaID] = true
			}
		}
	}
	return f
}

func onlyQuota(a planner.Action) bool {
	return !slices.ContainsFunc(a.Changes, func(c planner.Change) bool { return !c.Attribute.IsQuota() }) && len(a.Callbacks) == 0
}

// TestInputOrderNeverMatters: shuffled items give the same plan, byte for byte.
func TestInputOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		first, _ := plan(w, m)
		shuffled := *w
		shuffled.Items = rapid.Permutation(w.Items).Draw(t, "order")
		second, _ := plan(&shuffled, m)
		a, _ := json.Marshal(first)
		b, _ := json.Marshal(second)
		if string(a) != string(b) {
			t.Fatalf("another order gives another plan:\n%s\n%s", a, b)
		}
	})
}

// TestABadOneChangesNothingForOthers: a resource that can have no place, beside any world, leaves its plan as it was.
func TestABadOneChangesNothingForOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		w.Selection, w.Overrides = planner.Selection{}, nil
		bad := drawItem(t, 99)
		bad.GID = 31000
		bad.MountPath = pick(t, "bad path", "/capstor", "/capstor/store", "/capstor/store/cscs", "/capstor/store/cscs/eth", "/scratch", "/capstor/.trash/x", "/capstor/../x", "rel", "", "/vast/x")
		bad.Key.System = "capstor"
		first, _ := plan(w, m)
		both := *w
		both.Items = append(slices.Clone(w.Items), bad)
		second, _ := plan(&both, m)
		a, _ := json.Marshal(first.Core)
		b, _ := json.Marshal(second.Core)
		if string(a) != string(b) {
			t.Fatalf("beside %+v\n%s\nbecomes\n%s", bad, a, b)
		}
	})
}

// TestWhatEveryPlanHolds: the promises of package planner, on every plan that can be made.
func TestWhatEveryPlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		p, g := plan(w, m)
		items := map[planner.Key]*planner.Item{}
		for i := range w.Items {
			items[w.Items[i].Key] = &w.Items[i]
		}
		targets := map[string]planner.Directory{}
		for _, place := range g.Targets() {
			targets[place.Path] = m.look(place.Path)
		}
		for i := range p.Core.Actions {
			a := &p.Core.Actions[i]
			if mount := m.mounts[a.System]; mount.Problem+mount.Unknown != "" && a.Kind != planner.RejectOrder && a.Kind != planner.FailOrder {
				t.Fatalf("acts on a system that cannot be used: %+v", a)
			}
			if err := breaks(w, a, &p.Context.Details[i], items[a.Key], targets[a.Storage]); err != "" {
				t.Fatalf("%s: %+v of %+v", err, a, items[a.Key])
			}
			for j := range i {
				if b := &p.Core.Actions[j]; !a.Target.IsNode() && !b.Target.IsNode() && (a.Storage == b.Storage || within(a.Storage, b.Storage) || within(b.Storage, a.Storage)) {
					t.Fatalf("two actions on one directory, or one inside another: %+v and %+v", a, b)
				}
			}
		}
		checkCounts(t, w, p)
	})
}

func within(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// breaks tells which promise an action breaks; empty if it keeps all.
func breaks(w *planner.World, a *planner.Action, d *planner.Detail, it *planner.Item, dir planner.Directory) string {
	switch {
	case len(d.Notes) != len(a.Changes):
		return "notes do not go with changes"
	case len(d.Reasons) == 0:
		return "no reason"
	case it == nil:
		return "nobody lists it"
	case it.Problem != "":
		return "it cannot be read"
	case it.Status == planner.StatusRemoved, it.Status == planner.StatusError && a.Order == "":
		return "nothing is asked"
	case a.Kind == planner.Archive && !mayEnd(w, a, it):
		return "archives what is not to be removed"
	case a.Kind != planner.Restore && a.Kind != planner.RejectOrder && dir.State == planner.DirUnknown && dir.Why != "":
		return "acts on what was not seen"
	case dir.State == planner.DirObstructed:
		return "acts where something is in the way"
	case !strings.HasPrefix(a.Storage, "capstor/") && !strings.HasPrefix(a.Storage, "vast/"):
		return "lies outside of the systems"
	case strings.HasPrefix(a.Storage, "capstor/.trash"):
		return "lies in the archive"
	case a.Order != "" && !acts(w, a.Order):
		return "its order is not with the provider"
	case len(w.Holds) > 0 && planner.MatchGlob(w.Holds[0].Glob, a.Address):
		return "it is held"
	case len(w.Selection.Targets) > 0 && !a.Target.IsNode() && !planner.MatchGlob(w.Selection.Targets[0], a.Address):
		return "it is not selected"
	}
	return firstOf(breaksByCallback(w, a, it), breaksByValue(w, a, dir))
}

// mayEnd tells what an order terminates: only the status removing, or in error with an order that Waldur calls so.
func mayEnd(w *planner.World, a *planner.Action, it *planner.Item) bool {
	if a.Order == "" || a.Folder == "" || !slices.Contains(a.Danger, planner.DangerArchive) {
		return false
	}
	return it.Status == planner.StatusRemoving || it.Status == planner.StatusError && w.Orders[a.Order].Order.Type == planner.OrderTerminate
}

// acts tells whether what Waldur said of an order, if it was asked, lets it act.
func acts(w *planner.World, order string) bool {
	answer, asked := w.Orders[order]
	return !asked || answer.Why != "" || answer.Order.State == planner.OrderPendingProvider || answer.Order.State == planner.OrderExecuting
}

func breaksByCallback(w *planner.World, a *planner.Action, it *planner.Item) string {
	for i, c := range a.Callbacks {
		order, _, ok := planner.OrderOf(it.URLs[c])
		switch {
		case it.URLs[c] == "" || !strings.HasPrefix(it.URLs[c], w.Settings.Waldur.URL):
			return "calls what Waldur does not offer"
		case c != planner.SetBackendID && (!ok || order != a.Order):
			return "calls another order"
		case it.Status == planner.StatusActive:
			return "an active one calls"
		case c == planner.Approve && i != 0 || c == planner.SetStateDone && i != len(a.Callbacks)-1:
			return "the callbacks are not in order"
		case c == planner.SetBackendID && it.Status != planner.StatusPending:
			return "a backend id is set on what is no create"
		}
	}
	return ""
}

// breaksByValue checks what an action changes, and that its dangers are marked.
func breaksByValue(w *planner.World, a *planner.Action, dir planner.Directory) string {
	for _, c := range a.Changes {
		n, set := c.After.Number()
		before, after := dir.Mode, planner.Mode(0)
		if m, ok := c.After.Mode(); ok {
			after = m
		}
		_, unknown := c.After.Unknown()
		marked := func(d planner.Danger) bool { return slices.Contains(a.Danger, d) }
		stands := dir.State == planner.DirPresent && a.Kind != planner.Archive
		switch {
		case unknown:
			return "something becomes unknown"
		case c.Before == c.After:
			return "a change that is none"
		case c.Attribute == planner.Group && set && !a.Target.IsNode() && a.Kind != planner.Restore && (planner.GID(n) < w.Settings.MinGID || n > 1<<31-1 || n == 65534 || n == 65535):
			return "gives it to a group that it may not"
		case c.Attribute.IsQuota() && set && n == 0:
			return "a limit of 0"
		case c.Attribute.IsSpace() && set && (n%1024 != 0 || n > 1<<60):
			return "space in parts of KiB, or beyond 2^60"
		case c.Attribute.IsQuota() && !c.Attribute.IsSpace() && set && n > 1<<48:
			return "inodes beyond 2^48"
		case c.Attribute == planner.Group && stands && !marked(planner.DangerGroup):
			return "a changed group is not marked"
		case c.Attribute == planner.Owner && stands && !marked(planner.DangerWiderAccess):
			return "a new owner is not marked"
		case c.Attribute == planner.ModeAttr && stands && (after&^before&0o077 != 0 || before&0o1000 != 0 && after&0o1000 == 0) && !marked(planner.DangerWiderAccess):
			return "wider access is not marked"
		}
	}
	return breaksByLimits(a)
}

// breaksByLimits: no action makes a soft limit higher than a hard one that it sets too.
func breaksByLimits(a *planner.Action) string {
	set := map[planner.Attribute]uint64{}
	for _, c := range a.Changes {
		if n, ok := c.After.Number(); ok {
			set[c.Attribute] = n
		}
	}
	if h := set[planner.SpaceHard]; h > 0 && set[planner.SpaceSoft] > h {
		return "soft space above hard"
	}
	if h := set[planner.InodesHard]; h > 0 && set[planner.InodesSoft] > h {
		return "soft inodes above hard"
	}
	return ""
}

// checkCounts: every selected resource is counted once, and only those that something happens to are listed.
func checkCounts(t *rapid.T, w *planner.World, p *planner.Plan) {
	resources, nodes := 0, 0
	for i := range w.Items {
		if !w.Items[i].Target.IsNode() && (len(w.Selection.Targets) == 0 || planner.MatchGlob(w.Selection.Targets[0], w.Items[i].MountPath)) {
			resources++
		}
	}
	for _, a := range p.Core.Actions {
		if a.Target.IsNode() {
			nodes++
		}
	}
	for _, r := range slices.Concat(p.Context.Blocked, p.Context.Waiting) {
		if r.Address == "/capstor/store/cscs" && r.Key.Item == id("cscs") || r.Address == "/capstor/store/cscs/eth" && r.Key.Item == id("eth") {
			nodes++
		}
	}
	c := p.Context.Counts
	if sum := c.Create + c.Adopt + c.Update + c.Archive + c.Restore + c.Reject + c.Fail + c.Report + c.Blocked + c.Waiting + c.Unchanged; sum != resources+nodes {
		t.Fatalf("%d resources and %d of the tree, and counts of %d: %+v", resources, nodes, sum, c)
	}
}
