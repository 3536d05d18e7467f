package planner_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// after returns the world once a plan has been applied: storage, records and the register are as an
// apply leaves them, and Waldur has finished its orders.
func after(w *planner.Input, m *model, p *planner.Plan, g *planner.Graph) *planner.Input {
	next := *w
	recorded := map[planner.Key]planner.Record{}
	for r := range w.Recorded.Records.All() {
		recorded[r.Key] = r
	}
	next.Recorded = planner.Recorded{Archived: maps.Clone(w.Recorded.Archived),
		Roots: w.Recorded.Roots}
	done := map[planner.Key]planner.Action{}
	for _, a := range p.Core.Actions {
		done[a.Key] = a
		seen, _ := g.Watched(a.Key)
		switch {
		case a.Target.IsBranch(), a.Kind == planner.RejectOrder, a.Kind == planner.FailOrder:
		case a.Kind == planner.Archive:
			next.Recorded.Archived[a.Key] = planner.Archived{Key: a.Key, Address: a.Address,
				System: a.System, Storage: a.Storage, Archive: a.ArchivePath(now),
				Claim:   recorded[a.Key].Claim,
				QuotaBy: recorded[a.Key].QuotaBy, QuotaID: recorded[a.Key].QuotaID, At: now}
			delete(recorded, a.Key)
		case a.Kind == planner.Report && slices.Contains(a.Danger, planner.DangerMissing):
			delete(recorded, a.Key)
		default:
			delete(next.Recorded.Archived, a.Key)
			recorded[a.Key] = seen.Record
		}
	}
	next.Recorded.Records = records(slices.Collect(maps.Values(recorded))...).Records
	next.Items = slices.Clone(w.Items)
	for i := range next.Items {
		it := &next.Items[i]
		a, acted := done[it.Key]
		if !acted || len(a.Callbacks) == 0 {
			continue
		}
		if it.Status == planner.StatusUpdating || it.Status == planner.StatusError &&
			!wasRemoval(w, it) {
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
			merged[planner.SpaceHard], q = o.Options.Quotas[planner.SpaceHard], &merged
		}
	}
	if q != nil {
		it.Quotas = q
	}
}

// wasRemoval reports whether an item's order ends it.
func wasRemoval(w *planner.Input, it *planner.Item) bool {
	for _, url := range it.URLs {
		if order, _, ok := planner.OrderOf(url); ok && it.Status == planner.StatusError {
			return w.Orders[order].Order.Type == planner.OrderTerminate
		}
	}
	return it.Status == planner.StatusRemoving
}

// watchAll makes a plan keep what it saw of everything, as the plan of an apply does.
func watchAll(w *planner.Input) {
	w.Watch = map[planner.Key]bool{}
	for i := range w.Items {
		w.Watch[w.Items[i].Key] = true
	}
}

// TestApplyThenPlanIsEmpty: after a plan, nothing is left to do, except for what had to wait for
// others: a resource that was refused before, or that shares a quota with one whose order is done
// now.
func TestApplyThenPlanIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
		watchAll(w)
		first, g := plan(w, m)
		next := after(w, m, first, g)
		second, _ := plan(next, m)
		free := freed(w, first)
		for _, a := range second.Core.Actions {
			if a.Target.IsBranch() || free.keys[a.Key] || a.Quota != nil &&
				free.groups[a.Quota.ID] && onlyQuota(a) {
				continue
			}
			t.Fatalf("after applying %+v\nthere is still %+v", first.Core.Actions, a)
		}
	})
}

// freedom says which resources may act in the plan after.
type freedom struct {
	keys   map[planner.Key]bool
	groups map[uint32]bool
}

// freed returns the resources that were refused, completely or in part, and the groups of these and
// of those whose claim has changed.
func freed(w *planner.Input, p *planner.Plan) freedom {
	f := freedom{map[planner.Key]bool{}, map[uint32]bool{}}
	for _, r := range slices.Concat(p.Context.Blocked, p.Context.Waiting) {
		f.keys[r.Key] = true
	}
	for i := range w.Items { // what is no longer refused claims what it asks for
		if it := &w.Items[i]; f.keys[it.Key] {
			f.groups[uint32(it.GID)] = true
		}
	}
	for _, a := range p.Core.Actions {
		// a restored directory is as it was archived, and the next plan compares it with the wish
		if a.Kind == planner.Restore {
			f.keys[a.Key] = true
		}
		for i := range w.Items {
			if it := &w.Items[i]; it.Key == a.Key && len(a.Callbacks) > 0 && it.NewQuotas == nil &&
				it.Status != planner.StatusPending {
				// nobody said what its order wanted, and once it is done, the proxy says another wish
				f.keys[a.Key] = true
			}
			if it := &w.Items[i]; it.Key == a.Key &&
				(len(a.Callbacks) > 0 || a.Kind == planner.Archive || a.Kind == planner.Restore) {
				f.groups[uint32(it.GID)] = true
				was, _ := w.Recorded.Records.Of(a.Key)
				f.groups[was.QuotaID] = true
				f.groups[w.Recorded.Archived[a.Key].QuotaID] = true
			}
		}
	}
	return f
}

func onlyQuota(a planner.Action) bool {
	return !slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool { return !c.Attribute.IsQuota() }) && len(a.Callbacks) == 0
}

// TestInputOrderNeverMatters: shuffled items give the same plan, byte for byte.
func TestInputOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
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

// TestABadOneChangesNothingForOthers: a resource that can have no place leaves the plan of any
// world as it was.
func TestABadOneChangesNothingForOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
		w.Selection, w.Overrides = planner.Selection{}, nil
		bad := drawItem(t, 99)
		bad.GID = 31000
		bad.MountPath = pick(t, "bad path", "/capstor", "/capstor/store", "/capstor/store/cscs",
			"/capstor/store/cscs/eth", "/scratch", "/capstor/.trash/x", "/capstor/../x", "rel", "",
			"/vast/x")
		bad.Key.System = "capstor"
		// a single item that waits for an order can show that the listing has no orders at all
		bad.Status = planner.StatusActive
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

// TestWhatEveryPlanHolds checks the promises of package planner on every plan that can be made.
func TestWhatEveryPlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawInput(t)
		p, g := plan(w, m)
		items := map[planner.Key]*planner.Item{}
		for i := range w.Items {
			items[w.Items[i].Key] = &w.Items[i]
		}
		targets := map[string]planner.Directory{}
		for _, place := range g.Targets().All() {
			targets[place.Path] = m.look(place.Path)
		}
		for i := range p.Core.Actions {
			a := &p.Core.Actions[i]
			if mount := m.mounts[a.System]; mount.Problem+mount.Unknown != "" &&
				a.Kind != planner.RejectOrder && a.Kind != planner.FailOrder {
				t.Fatalf("acts on a system that cannot be used: %+v", a)
			}
			if err := firstOf(breaks(w, a, &p.Context.Details[i], items[a.Key], targets[a.Storage]),
				breaksByDanger(w, m, a, targets[a.Storage])); err != "" {
				t.Fatalf("%s: %+v of %+v", err, a, items[a.Key])
			}
			for j := range i {
				if b := &p.Core.Actions[j]; !a.Target.IsBranch() && !b.Target.IsBranch() &&
					(a.Storage == b.Storage || within(a.Storage, b.Storage) ||
						within(b.Storage, a.Storage)) {
					t.Fatalf("two actions on one directory, or one inside another: %+v and %+v", a,
						b)
				}
			}
		}
		checkCounts(t, w, p)
	})
}

func within(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// breaks says which promise an action breaks; empty if it keeps all.
func breaks(w *planner.Input, a *planner.Action, d *planner.Detail, it *planner.Item,
	dir planner.Directory) string {
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
	case a.Kind != planner.Restore && a.Kind != planner.RejectOrder &&
		dir.State == planner.DirUnknown && dir.Why != "":
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
	case len(w.Selection.Targets) > 0 && !a.Target.IsBranch() &&
		!planner.MatchGlob(w.Selection.Targets[0], a.Address):
		return "it is not selected"
	}
	return firstOf(breaksByCallback(w, a, it), breaksByValue(w, a, dir))
}

// mayEnd reports whether an order may terminate a resource: only with the status removing, or in
// error with an order that Waldur calls so.
func mayEnd(w *planner.Input, a *planner.Action, it *planner.Item) bool {
	if a.Order == "" || a.Folder == "" || !slices.Contains(a.Danger, planner.DangerArchive) {
		return false
	}
	return it.Status == planner.StatusRemoving || it.Status == planner.StatusError &&
		w.Orders[a.Order].Order.Type == planner.OrderTerminate
}

// acts reports whether an order may act according to Waldur's answer, if there was a question.
func acts(w *planner.Input, order string) bool {
	answer, asked := w.Orders[order]
	return !asked || answer.Why != "" || answer.Order.State == planner.OrderPendingProvider ||
		answer.Order.State == planner.OrderExecuting
}

func breaksByCallback(w *planner.Input, a *planner.Action, it *planner.Item) string {
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
func breaksByValue(w *planner.Input, a *planner.Action, dir planner.Directory) string {
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
		case c.Attribute == planner.Group && set && !a.Target.IsBranch() &&
			a.Kind != planner.Restore && (planner.GID(n) < w.Settings.MinGID || n > 1<<31-1 ||
			n == 65534 || n == 65535):
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
		case c.Attribute == planner.ModeAttr && stands &&
			(after&^before&0o077 != 0 || before&0o1000 != 0 && after&0o1000 == 0) &&
			!marked(planner.DangerWiderAccess):
			return "wider access is not marked"
		}
	}
	return breaksByLimits(a)
}

// breaksByDanger checks the dangers that are not about one change alone: another directory than the
// recorded one, a mode that grants too much, and no hard limit.
func breaksByDanger(w *planner.Input, m *model, a *planner.Action, dir planner.Directory) string {
	marked := func(d planner.Danger) bool { return slices.Contains(a.Danger, d) }
	rec, recorded := w.Recorded.Records.Of(a.Key)
	other := recorded && dir.State == planner.DirPresent && rec.Inode != 0 &&
		(rec.Inode != dir.Inode || rec.Born != 0 && dir.Born != 0 && rec.Born != dir.Born)
	told := a.Kind == planner.RejectOrder || a.Kind == planner.FailOrder
	after, _ := a.After(planner.ModeAttr)
	mode, _ := after.Mode()
	switch {
	case other && !told && !marked(planner.DangerReplaced):
		return "another directory than the recorded one is not marked"
	case !other && dir.State == planner.DirPresent && marked(planner.DangerReplaced):
		return "the recorded directory is called another"
	case other && (a.Kind == planner.Update || a.Kind == planner.Report):
		return "another directory is treated as the recorded one"
	case mode&^0o2775&0o4777 != 0 && !marked(planner.DangerWiderAccess):
		return "a mode that grants too much is not marked"
	case a.Kind == planner.Adopt && dir.ACL != nil && !marked(planner.DangerWiderAccess):
		return "an ACL is adopted unmarked"
	}
	group, sets := a.After(planner.Group)
	if a.Kind != planner.Create || a.Target.IsBranch() || a.System != "capstor" || !sets ||
		w.Settings.Systems[0].Quota.By != planner.ByGroup {
		return ""
	}
	gid, _ := group.Number()
	now := m.quota(uint32(gid)).Limits
	if m.quota(uint32(gid)).LimitsWhy() != "" {
		now = planner.Limits{}
	}
	hard := func(at planner.Attribute) bool {
		v, ok := a.After(at)
		if !ok {
			v = now[at].Value()
		}
		_, limited := v.Number()
		return limited
	}
	// another resource's action may set the quota that both share
	if !hard(planner.SpaceHard) && w.Settings.Systems[0].Quota.Shared == planner.SharedRefuse &&
		!marked(planner.DangerUnlimited) {
		return "a directory without a hard limit for space is not marked"
	}
	if hard(planner.SpaceHard) && hard(planner.InodesHard) && marked(planner.DangerUnlimited) {
		return "a directory with hard limits is called unlimited"
	}
	return ""
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

// checkCounts checks that every selected resource is counted once, and that only those to which
// something happens are listed.
func checkCounts(t *rapid.T, w *planner.Input, p *planner.Plan) {
	resources, nodes := 0, 0
	for i := range w.Items {
		if !w.Items[i].Target.IsBranch() && (len(w.Selection.Targets) == 0 ||
			planner.MatchGlob(w.Selection.Targets[0], w.Items[i].MountPath)) {
			resources++
		}
	}
	for _, a := range p.Core.Actions {
		if a.Target.IsBranch() {
			nodes++
		}
	}
	for _, r := range slices.Concat(p.Context.Blocked, p.Context.Waiting) {
		if r.Address == "/capstor/store/cscs" && r.Key.Item == id("cscs") ||
			r.Address == "/capstor/store/cscs/eth" && r.Key.Item == id("eth") {
			nodes++
		}
	}
	c := p.Context.Counts
	if sum := c.Create + c.Adopt + c.Update + c.Archive + c.Restore + c.Reject + c.Fail + c.Report +
		c.Blocked + c.Waiting + c.Unchanged; sum != resources+nodes {
		t.Fatalf("%d resources and %d of the tree, and counts of %d: %+v", resources, nodes, sum, c)
	}
}
