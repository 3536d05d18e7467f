package apply

import (
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// removal returns the work to archive capstor/NAME, which exists.
func (w *world) removal(name string) Work {
	x := work(planner.Archive, name, planner.Approve, planner.SetStateDone)
	d := w.put("capstor/"+name, 0, 30500, 0o2770)
	x.Action.Inode, x.Action.Folder = d.Inode, "capstor/.trash"
	x.Action.Changes = []planner.Change{{Attribute: planner.Owner, Before: planner.Number(0)},
		{Attribute: planner.Group, Before: planner.Number(30500)},
		{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o2770)},
		{Attribute: planner.Project, Before: planner.Number(7)}}
	x.Action.Quota = &planner.QuotaID{By: planner.ByGroup, ID: 30500}
	return x
}

const trashed = "capstor/.trash/20261122T214003Z-01234567-bio"

// Everything that could fail is checked before the approve. The move comes after it, and the end is
// reported last.
func TestArchiveInOrder(t *testing.T) {
	w := newWorld(t)
	x := w.removal("bio")
	w.check(w.store.Update(func(tx ledger.Tx) error {
		return tx.PutRecord(planner.Record{Key: x.Action.Key, Address: x.Action.Address,
			Inode: x.Action.Inode, At: now})
	}))
	wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Done})
	if r := w.records(); len(r) != 0 {
		t.Errorf("what was archived is recorded still: %+v", r)
	}
	w.wantLog("prepare capstor/bio", "approve bio", "ask bio", "archive capstor/bio",
		"set_state_done bio", "ask bio")
	r := w.register()
	if len(r) != 1 || r[0].Archive != trashed || r[0].Group != 30500 || r[0].Mode != 0o2770 ||
		r[0].Project != planner.Number(7) || r[0].Plan != "sha256:plan" || r[0].Order == "" {
		t.Errorf("the register holds %+v", r)
	}
}

// The manifest is the register's entry, so that the register can be rebuilt.
func TestManifestIsTheEntry(t *testing.T) {
	w := newWorld(t)
	x := w.removal("bio")
	e := w.engine()
	spy := &spyStorage{world: w}
	e.Storage = spy
	job := Job{Work: []Work{x}}
	w.begin(&job)
	if _, err := e.Run(t.Context(), nil, job); err != nil {
		t.Fatal(err)
	}
	var told planner.Archived
	entry := w.register()[0]
	entry.Seq = 0 // the state sets it
	if err := json.Unmarshal(spy.manifest, &told); err != nil || told != entry {
		t.Errorf("the manifest says %s, %v; the register %+v", spy.manifest, err, w.register())
	}
}

type spyStorage struct {
	*world
	manifest []byte
}

func (s *spyStorage) PrepareArchive(m Move) (Archiving, error) {
	s.manifest = m.Manifest
	return s.world.PrepareArchive(m)
}

// Without a clear yes nothing is moved and nothing is queued. After a lost answer the order is
// asked for.
func TestRemovalNeedsAYes(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer
		order  planner.OrderState
		moved  bool
	}{
		{"yes", Answer{Status: 200}, planner.OrderExecuting, true},
		{"yes, and it waits for its start date", Answer{Status: 200}, planner.OrderPendingStartDate,
			false},
		{"yes, said by somebody else", Answer{Status: 200}, planner.OrderPendingProvider, false},
		{"no answer, and it was carried out", Answer{Err: errors.New("reset")},
			planner.OrderExecuting, true},
		{"no answer, and it was not", Answer{Err: errors.New("reset")},
			planner.OrderPendingProvider, false},
		{"500, and it was carried out", Answer{Status: 500}, planner.OrderExecuting, true},
		{"500, and it was not", Answer{Status: 500}, planner.OrderPendingProvider, false},
		{"409, approved by somebody", Answer{Status: 409}, planner.OrderExecuting, true},
		{"409, done at approve", Answer{Status: 409}, planner.OrderDone, true},
		{"409, canceled by the customer", Answer{Status: 409}, planner.OrderCanceled, false},
		{"400", Answer{Status: 400}, planner.OrderPendingProvider, false},
		{"404", Answer{Status: 404}, planner.OrderPendingProvider, false},
		{"401", Answer{Status: 401}, planner.OrderExecuting, false},
		{"403", Answer{Status: 403}, planner.OrderExecuting, false},
	} {
		w := newWorld(t)
		x := w.removal("bio")
		w.answers["approve"] = []Answer{c.answer}
		w.orders[x.Order] = c.order
		results := w.run(Job{Work: []Work{x}})
		if moved := w.dirs[trashed] != nil; moved != c.moved ||
			(w.dirs["capstor/bio"] == nil) != c.moved || (results[0].Status == Done) != c.moved {
			t.Errorf("%s: moved %t, %s, %v", c.name, moved, results[0].Status, results[0].Err)
		}
		if discarded := slices.Contains(w.log, "discard capstor/bio"); discarded == c.moved {
			t.Errorf("%s: the manifest was removed again: %t", c.name, discarded)
		}
		if !c.moved && (!mentions(results[0].Err, "nothing was moved") || w.outbox() != "" ||
			len(w.register()) != 0) {
			t.Errorf("%s: %v; outbox %q, register %v", c.name, results[0].Err, w.outbox(),
				w.register())
		}
	}
}

// If Waldur offers no approve, nothing is moved unless the order says that it was approved.
func TestRemovalWithoutAnApproveNeedsAnApprovedOrder(t *testing.T) {
	for state, moved := range map[planner.OrderState]bool{planner.OrderExecuting: true,
		planner.OrderDone: true, planner.OrderPendingProvider: false,
		planner.OrderCanceled: false} {
		w := newWorld(t)
		x := w.removal("bio")
		delete(x.URLs, planner.Approve)
		w.orders[x.Order] = state
		results := w.run(Job{Work: []Work{x}})
		if got := w.dirs[trashed] != nil; got != moved {
			t.Errorf("order %s: moved %t, want %t; %v", state, got, moved, results[0].Err)
		}
		if !moved && !mentions(results[0].Err, "offers no approve", string(state),
			"nothing was moved", "plan again") {
			t.Errorf("order %s: %v", state, results[0].Err)
		}
	}
	w := newWorld(t)
	x := w.removal("bio")
	delete(x.URLs, planner.Approve)
	w.asking = errors.New("no answer")
	if r := w.run(Job{Work: []Work{x}}); w.dirs[trashed] != nil || !mentions(r[0].Err, "no answer",
		"nothing was moved") {
		t.Errorf("moved %t: %v", w.dirs[trashed] != nil, r[0].Err)
	}
}

// A removal whose end could not be reported is not begun.
func TestRemovalThatCannotBeReportedIsNotApproved(t *testing.T) {
	w := newWorld(t)
	x := w.removal("bio")
	delete(x.URLs, planner.SetStateDone)
	if r := w.run(Job{Work: []Work{x}}); !mentions(r[0].Err, "no longer offers set_state_done") {
		t.Errorf("%v", r[0].Err)
	}
	w.wantLog()
}

// What could fail is found before anything is reported.
func TestRemovalThatCannotBeDoneIsNotApproved(t *testing.T) {
	w := newWorld(t)
	x := w.removal("bio")
	w.fail["prepare capstor/bio"] = errors.New("a mount is below it")
	wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Failed})
	w.wantLog("prepare capstor/bio")
}

// A refused token ends all approvals and all callbacks of this run.
func TestRemovalsPauseWithTheToken(t *testing.T) {
	w := newWorld(t)
	job := Job{Work: []Work{w.removal("bio"), w.removal("chem"), creation("new")}}
	w.answers["approve"] = []Answer{{Status: 401, Detail: "Invalid token."}}
	results := w.run(job)
	wantStatuses(t, results, map[string]Status{"bio": Failed, "chem": Failed, "new": Undelivered})
	if got := strings.Count(strings.Join(w.log, " "), "approve"); got != 1 {
		t.Errorf("%d approvals were tried, want 1: %v", got, w.log)
	}
}

// A move that was made is in the register, even if something fails after it.
func TestAMoveIsNoted(t *testing.T) {
	for _, c := range []struct {
		name, step string
		err        error
	}{{"not durable", "archive capstor/bio", errAfter}, {"not frozen", "quota of 30500",
		errors.New("no")}} {
		w := newWorld(t)
		x := w.removal("bio")
		x.Action.Freeze = true
		w.fail[c.step] = c.err
		results := w.run(Job{Work: []Work{x}})
		if r := w.register(); results[0].Status != Failed || len(r) != 1 ||
			r[0].Archive != trashed || w.outbox() != "" {
			t.Errorf("%s: %s, %v; register %+v, outbox %q", c.name, results[0].Status,
				results[0].Err, r, w.outbox())
		}
	}
	w := newWorld(t)
	x := w.removal("bio")
	w.fail["archive capstor/bio"] = errors.New("no")
	w.run(Job{Work: []Work{x}})
	if r := w.register(); len(r) != 0 || w.dirs["capstor/bio"] == nil {
		t.Errorf("a move that failed: register %+v", r)
	}
}

// Freezing lowers the hard limit to the usage, in whole KiB and at least 1 MiB. It never raises a
// limit.
func TestFreeze(t *testing.T) {
	bytes := planner.LimitOf[planner.Bytes]
	for _, c := range []struct {
		name             string
		used             planner.Usage[planner.Bytes]
		soft, hard       planner.Limit
		wantSoft, wantIt planner.Limit
	}{
		{"lowered", planner.UsageOf(planner.Bytes(5<<20 + 1)), bytes(8 << 20),
			bytes(9 << 20), bytes(5<<20 + 1024), bytes(5<<20 + 1024)},
		{"soft below", planner.UsageOf(planner.Bytes(5 << 20)), bytes(2 << 20),
			bytes(9 << 20), bytes(2 << 20), bytes(5 << 20)},
		{"unlimited", planner.UsageOf(planner.Bytes(5 << 20)), planner.Unlimited(),
			planner.Unlimited(), planner.Unlimited(), bytes(5 << 20)},
		{"empty", planner.UsageOf(planner.Bytes(0)), bytes(8 << 20), bytes(9 << 20),
			bytes(1 << 20), bytes(1 << 20)},
		{"over its limit", planner.UsageOf(planner.Bytes(12 << 20)), bytes(8 << 20),
			bytes(9 << 20), bytes(8 << 20), bytes(9 << 20)},
		{"usage unknown", planner.Usage[planner.Bytes]{}, bytes(8 << 20),
			bytes(9 << 20), bytes(8 << 20), bytes(9 << 20)},
	} {
		w := newWorld(t)
		x := w.removal("bio")
		x.Action.Freeze = true
		w.limits.Space, w.limits.Limits[planner.SpaceSoft],
			w.limits.Limits[planner.SpaceHard] = c.used, c.soft, c.hard
		if !c.used.Known() {
			w.limits.SetWhys(planner.Whys{Space: "an OST is down"})
		}
		w.limits.Inodes = planner.UsageOf(planner.Inodes(5000))
		w.limits.Limits[planner.InodesHard] = planner.LimitOf[planner.Inodes](9000)
		var told []string
		e := w.engine()
		e.Notify = func(ev Event) { told = append(told, ev.Step) }
		job := Job{Work: []Work{x}}
		w.begin(&job)
		if results, err := e.Run(t.Context(), nil, job); err != nil || results[0].Status != Done {
			t.Errorf("%s: %v, %+v", c.name, err, results)
		}
		if said := slices.ContainsFunc(told,
			func(s string) bool {
				return strings.Contains(s, "not frozen") &&
					strings.Contains(s, "an OST is down")
			}); said == c.used.Known() {
			t.Errorf("%s: told %q", c.name, told)
		}
		if got := w.limits.Limits[planner.InodesHard]; got != planner.LimitOf(planner.Inodes(5000)) {
			t.Errorf("%s: inodes %s", c.name, got.Value())
		}
		if l := w.limits.Limits; l[planner.SpaceSoft] != c.wantSoft ||
			l[planner.SpaceHard] != c.wantIt {
			t.Errorf("%s: soft %s, hard %s; want %s, %s", c.name, l[planner.SpaceSoft].Value(),
				l[planner.SpaceHard].Value(), c.wantSoft.Value(), c.wantIt.Value())
		}
	}
}

// A quota that others use now is left alone, and the apply says so.
func TestNoFreezeOfWhatOthersLiveOn(t *testing.T) {
	w := newWorld(t)
	x := w.removal("bio")
	x.Action.Freeze, x.Shared = true, true
	w.limits.Limits[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1 << 40)
	var told []string
	e := w.engine()
	e.Notify = func(ev Event) { told = append(told, ev.Step) }
	job := Job{Work: []Work{x}}
	w.begin(&job)
	if results, err := e.Run(t.Context(), nil, job); err != nil || results[0].Status != Done {
		t.Errorf("%v, %+v", err, results)
	}
	w.wantLog("prepare capstor/bio", "approve bio", "ask bio", "archive capstor/bio",
		"set_state_done bio", "ask bio")
	if !slices.ContainsFunc(told, func(s string) bool {
		return strings.Contains(s, "not frozen") && strings.Contains(s, "others use it now")
	}) {
		t.Errorf("told %q", told)
	}
}

// A resumed removal continues from where it was: already moved, already approved, or over at its
// approve.
func TestRemovalResumes(t *testing.T) {
	for _, c := range []struct {
		name             string
		moved, noApprove bool
		finished         bool
		want             []string
	}{
		{"before the approve", false, false, false, []string{"prepare capstor/bio", "approve bio",
			"ask bio", "archive capstor/bio", "quota of 30500", "set_state_done bio", "ask bio"}},
		{"approved", false, true, false, []string{"prepare capstor/bio", "ask bio",
			"archive capstor/bio", "quota of 30500", "set_state_done bio", "ask bio"}},
		{"moved", true, true, false, []string{"sync archived capstor/bio", "quota of 30500",
			"set_state_done bio", "ask bio"}},
		{"over at its approve, not moved", false, true, true, []string{"prepare capstor/bio",
			"archive capstor/bio", "quota of 30500"}},
		{"over, and moved", true, true, true, []string{"sync archived capstor/bio",
			"quota of 30500"}},
	} {
		w := newWorld(t)
		x := w.removal("bio")
		x.Action.Freeze, x.Finished = true, c.finished
		if c.noApprove {
			delete(x.URLs, planner.Approve)
		}
		w.orders[x.Order] = planner.OrderExecuting
		if c.moved {
			w.dirs[trashed] = w.dirs["capstor/bio"]
			delete(w.dirs, "capstor/bio")
		}
		results := w.run(Job{Work: []Work{x}, Resumed: true})
		t.Log(c.name)
		w.wantLog(c.want...)
		if r := w.register(); results[0].Status != Done || len(r) != 1 || r[0].Archive != trashed {
			t.Errorf("%s: %s, %v, register %+v", c.name, results[0].Status, results[0].Err, r)
		}
	}
}

// A restore puts the directory back, then its limits, owner and mode, and removes it from the
// register.
func TestRestore(t *testing.T) {
	restoration := func(w *world) Work {
		x := withQuota(work(planner.Restore, "bio"), 1<<40)
		d := w.put(trashed, 5, 5, 0o700)
		x.Action.Inode, x.Action.From = d.Inode, trashed
		x.Action.Changes = append(creation("bio").Action.Changes[:3:3], x.Action.Changes...)
		return x
	}
	w := newWorld(t)
	x := restoration(w)
	w.check(w.store.Update(func(tx ledger.Tx) error {
		return tx.PutArchived(planner.Archived{Key: x.Action.Key, Archive: trashed,
			Inode: x.Action.Inode})
	}))
	wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Done})
	if r := w.register(); len(r) != 0 {
		t.Errorf("what was restored is in the register still: %+v", r)
	}
	w.wantLog("restore "+trashed, "open capstor/bio", "quota of 30500", "own 0:30500 bio",
		"mode 2770 bio", "sync bio")
	if r := w.records(); len(r) != 1 || r[0].Inode != x.Action.Inode {
		t.Errorf("recorded %+v", r)
	}
	w = newWorld(t)
	x = restoration(w)
	w.dirs["capstor/bio"] = w.dirs[trashed]
	delete(w.dirs, trashed)
	wantStatuses(t, w.run(Job{Work: []Work{x}, Resumed: true}), map[string]Status{"bio": Done})
	w.wantLog("restore "+trashed, "open capstor/bio", "quota of 30500", "own 0:30500 bio",
		"mode 2770 bio", "sync bio")
	w = newWorld(t)
	x = restoration(w)
	w.fail["restore "+trashed] = errors.New("something stands there")
	if r := w.run(Job{Work: []Work{x}}); r[0].Status != Failed || len(w.records()) != 0 {
		t.Errorf("a restore that failed: %+v, recorded %+v", r[0], w.records())
	}
}

// The quota of a directory does not follow it from the archive. The directory is closed before it
// is moved, and opens only after the quota was set, at whatever point an earlier run was killed.
func TestRestoreIsClosedUntilItsQuotaStands(t *testing.T) {
	const place = "capstor/bio"
	closing := func(at string) []string {
		return []string{"open " + at, "mode 0700 " + path.Base(at), "own 0:0 " + path.Base(at),
			"sync " + path.Base(at)}
	}
	finish := []string{"open " + place, "quota of " + place, "own 0:30500 bio", "mode 2770 bio",
		"sync bio"}
	for name, c := range map[string]struct {
		moved, settled, limited, refused bool
		want                             []string
	}{
		"from the start": {want: slices.Concat(closing(trashed), []string{"restore " + trashed}, finish)},
		"moved": {moved: true, want: slices.Concat(closing(place),
			[]string{"restore " + trashed}, finish)},
		"opened, and its quota was lost": {moved: true, settled: true,
			want: slices.Concat(closing(place), []string{"restore " + trashed}, finish)},
		"opened": {moved: true, settled: true, limited: true, want: []string{"restore " + trashed,
			"open " + place, "own 0:30500 bio", "mode 2770 bio", "sync bio"}},
		"refused": {refused: true, want: slices.Concat(closing(trashed), []string{"restore " + trashed},
			finish[:2])},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.places = map[string]planner.QuotaState{}
			x := withQuota(work(planner.Restore, "bio"), 1<<40)
			x.Action.Quota = &planner.QuotaID{By: planner.ByDirectory, Path: place}
			x.Action.From = trashed
			d := w.put(trashed, 5, 5, 0o775)
			x.Action.Inode = d.Inode
			x.Action.Changes = append(creation("bio").Action.Changes[:3:3], x.Action.Changes...)
			if c.moved {
				w.dirs[place] = d
				delete(w.dirs, trashed)
			}
			if c.settled {
				d.Owner, d.Group, d.Mode = 0, 30500, 0o2770
			}
			if c.limited {
				q := planner.NoLimits()
				q[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1 << 40)
				w.places[place] = planner.QuotaState{Limits: q}
			}
			if c.refused {
				w.fail["quota of "+place] = errors.New("no room for quotas")
			}
			r := w.run(Job{Work: []Work{x}, Resumed: c.moved})[0]
			w.wantLog(c.want...)
			if !c.refused && r.Status != Done {
				t.Errorf("%v", r.Err)
			}
			if c.refused && (r.Status != Failed || w.dirs[place].Mode != 0o700 || w.dirs[place].Group != 0 ||
				!strings.Contains(r.Err.Error(), "left closed") || !strings.Contains(r.Err.Error(), "2770")) {
				t.Errorf("%+v: %v", w.dirs[place], r.Err)
			}
		})
	}
}
