package apply

import (
	"errors"
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// A create goes step by step, and until the last step only root can enter the directory. The result
// is recorded first and reported to Waldur after that.
func TestCreateInOrder(t *testing.T) {
	w := newWorld(t)
	bio := withQuota(creation("bio"), 1<<40)
	bio.Action.Changes = append(bio.Action.Changes, planner.Change{Attribute: planner.Project,
		After: planner.Number(7)})
	w.effect["approve bio"] = func() {
		if got := w.outbox(); got != "approve due, set_backend_id due, set_state_done due" {
			t.Errorf("when the first callback is sent, the outbox holds %q", got)
		}
		if r := w.records(); len(r) != 1 || r[0].Inode != w.dirs["capstor/bio"].Inode ||
			!r[0].At.Equal(now) {
			t.Errorf("when the first callback is sent, recorded is %+v", r)
		}
	}
	results := w.run(Job{Work: []Work{bio}})
	wantStatuses(t, results, map[string]Status{"bio": Done})
	w.wantLog("make capstor/bio", "project 7 bio", "quota of 30500", "acl bio", "own 0:30500 bio",
		"mode 2770 bio", "sync bio",
		"sync names in capstor", "approve bio", "ask bio", "set_backend_id bio",
		"set_state_done bio", "ask bio")
	if got := w.outbox(); got != "" {
		t.Errorf("the outbox still holds %q", got)
	}
}

// A new directory that inherited no ACL loses none.
func TestACreateWithoutACLs(t *testing.T) {
	w := newWorld(t)
	w.noACLs = true
	wantStatuses(t, w.run(Job{Work: []Work{creation("bio")}}), map[string]Status{"bio": Done})
	if slices.Contains(w.log, "acl bio") || w.dirs["capstor/bio"].Mode != 0o2770 {
		t.Errorf("it ends as %+v after %q", w.dirs["capstor/bio"], w.log)
	}
}

// If a step fails, nothing after it is done and nothing is reported. The directory is closed to all
// but root, and recorded as unfinished.
func TestAFailedStepEndsACreate(t *testing.T) {
	for _, step := range []string{"make capstor/bio", "project 7 bio", "quota of 30500", "acl bio",
		"own 0:30500 bio", "mode 2770 bio", "sync bio"} {
		w := newWorld(t)
		w.fail[step] = errors.New("no")
		bio := withQuota(creation("bio"), 1<<40)
		bio.Action.Changes = append(bio.Action.Changes, planner.Change{Attribute: planner.Project,
			After: planner.Number(7)})
		results := w.run(Job{Work: []Work{bio, creation("chem")}})
		wantStatuses(t, results, map[string]Status{"bio": Failed, "chem": Done})
		d := w.dirs["capstor/bio"]
		if d != nil && (d.Mode != 0o700 || d.Owner != 0 || d.Group != 0) {
			t.Errorf("after %q failed the directory has owner %d, group %d, mode %s", step, d.Owner,
				d.Group, d.Mode)
		}
		r := w.records()
		if d != nil && (len(r) != 2 || !r[0].Unfinished || r[0].Inode != d.Inode ||
			r[1].Unfinished) || d == nil && len(r) != 1 {
			t.Errorf("after %q failed, recorded is %+v", step, r)
		}
		if got := w.outbox(); got != "" {
			t.Errorf("after %q failed, the outbox holds %q", step, got)
		}
	}
}

// If setgid cannot be set, no new directory stays open and no old one gets wider than it was.
func TestSetgidThatDoesNotStick(t *testing.T) {
	w := newWorld(t)
	w.noSetgid = true
	adopted := work(planner.Adopt, "old")
	adopted.Action.Inode = w.put("capstor/old", 0, 5, 0o750).Inode
	adopted.Action.Changes = []planner.Change{{Attribute: planner.Group, Before: planner.Number(5),
		After: planner.Number(30500)},
		{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o750),
			After: planner.ModeValue(0o2770)}}
	tenant := creation("tenant")
	tenant.Action.Target, tenant.Action.Callbacks = planner.TargetTenant, nil
	results := w.run(Job{Work: []Work{creation("bio"), adopted, tenant}})
	wantStatuses(t, results, map[string]Status{"bio": Failed, "old": Failed, "tenant": Failed})
	for name, want := range map[string]planner.Directory{"bio": {Mode: 0o700},
		"old": {Mode: 0o750, Group: 30500}, "tenant": {Mode: 0o700}} {
		if d := w.dirs["capstor/"+name]; d.Mode != want.Mode || d.Owner != want.Owner ||
			d.Group != want.Group {
			t.Errorf("%s is left with owner %d, group %d, mode %s", name, d.Owner, d.Group, d.Mode)
		}
	}
	if r := w.records(); len(r) != 2 || !r[0].Unfinished || !r[1].Unfinished {
		t.Fatalf("recorded is %+v", r)
	}
	w.noSetgid = false
	tenant.Action.Inode = w.dirs["capstor/tenant"].Inode
	w.check(w.store.Update(func(tx ledger.Tx) error {
		_, err := tx.Begin(ledger.PlanStart{ID: "sha256:next", Made: now, Who: "root"})
		return err
	}))
	job := Job{ID: "sha256:next", Work: []Work{tenant}}
	results, err := w.engine().Run(t.Context(), nil, job)
	w.check(err)
	if d := w.dirs["capstor/tenant"]; results[0].Status != Done || d.Mode != 0o2770 ||
		d.Group != 30500 {
		t.Errorf("the next plan leaves it %s, mode %s: %v", results[0].Status, d.Mode,
			results[0].Err)
	}
	if r := w.records(); len(r) != 1 || r[0].Address != "/capstor/bio" {
		t.Errorf("recorded is %+v", r)
	}
}

// If a directory cannot be closed again, the error says that it is open.
func TestANewDirectoryThatCannotBeClosed(t *testing.T) {
	w := newWorld(t)
	w.noSetgid = true
	w.fail["mode 0700 bio"] = errors.New("read-only file system")
	results := w.run(Job{Work: []Work{creation("bio")}})
	if !mentions(results[0].Err, "made it 0770", "could not be closed again",
		"read-only file system") {
		t.Errorf("%v", results[0].Err)
	}
	if r := w.records(); len(r) != 1 || !r[0].Unfinished {
		t.Errorf("recorded is %+v", r)
	}
}

// A plan that knows an unfinished directory finishes it, if it is still the same one and empty.
func TestAnUnfinishedDirectoryIsFinished(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *world, d *planner.Directory)
		want  Status
		says  string
	}{
		{"as it was left", func(*world, *planner.Directory) {}, Done, ""},
		{"left open", func(_ *world, d *planner.Directory) { d.Mode, d.Group = 0o770, 30500 }, Done,
			""},
		{"with something in it",
			func(w *world, _ *planner.Directory) { w.full["capstor/bio"] = true }, Failed,
			"cscs-sync state rm /capstor/bio"},
		{"another one", func(w *world, _ *planner.Directory) { w.put("capstor/bio", 0, 0, 0o700) },
			Failed, "not there"},
	} {
		w := newWorld(t)
		d := w.put("capstor/bio", 0, 0, 0o700)
		x := creation("bio")
		x.Action.Inode = d.Inode
		w.check(w.store.Update(func(tx ledger.Tx) error {
			return tx.PutRecord(planner.Record{Key: x.Action.Key, Address: x.Action.Address,
				Inode: d.Inode, At: now, Unfinished: true})
		}))
		c.spoil(w, d)
		results := w.run(Job{Work: []Work{x}})
		if results[0].Status != c.want || c.says != "" && !mentions(results[0].Err, c.says) {
			t.Errorf("%s: %s, %v", c.name, results[0].Status, results[0].Err)
		}
		if r := w.records(); len(r) != 1 || r[0].Unfinished == (c.want == Done) {
			t.Errorf("%s: recorded is %+v", c.name, r)
		}
	}
}

// Only what was seen counts as done.
func TestACreateIsLookedAt(t *testing.T) {
	w := newWorld(t)
	bio := creation("bio")
	e := w.engine()
	e.Reached = func(point string) {
		if point == "synced" {
			w.dirs["capstor/bio"].Mode = 0o2777 // somebody undoes the change
		}
	}
	job := Job{Work: []Work{bio}}
	w.begin(&job)
	results, err := e.Run(t.Context(), nil, job)
	if err != nil || results[0].Status != Failed || !mentions(results[0].Err, "mode 2777",
		"not what was set") {
		t.Errorf("%v, %+v", err, results)
	}
}

// A directory that exists where one is to be made is accepted only if it is as wanted, or if we
// left it unfinished.
func TestWhatStandsThere(t *testing.T) {
	for _, c := range []struct {
		name    string
		owner   planner.UID
		group   planner.GID
		mode    planner.Mode
		full    bool
		resumed bool
		want    Status
	}{
		{"as wanted", 0, 30500, 0o2770, true, false, Done},
		{"closed and empty, but not begun before", 0, 0, 0o700, false, false, Failed},
		{"just made", 0, 0, 0o700, false, true, Done},
		{"in a setgid parent", 0, 5, 0o2700, false, true, Done},
		{"given to its group", 0, 30500, 0o700, false, true, Done},
		{"closed, with something in it", 0, 0, 0o700, true, true, Failed},
		{"closed and empty, but somebody else's", 4711, 4711, 0o700, false, true, Failed},
		{"open", 0, 30500, 0o750, false, true, Failed},
	} {
		w := newWorld(t)
		was := *w.put("capstor/bio", c.owner, c.group, c.mode)
		w.full["capstor/bio"] = c.full
		results := w.run(Job{Work: []Work{creation("bio")}, Resumed: c.resumed})
		if results[0].Status != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, results[0].Status, results[0].Err, c.want)
		}
		now := *w.dirs["capstor/bio"]
		if c.want == Failed &&
			(now != was || !mentions(results[0].Err, "capstor/bio", "plan again")) {
			t.Errorf("%s: it was changed from %+v to %+v: %v", c.name, was, now, results[0].Err)
		}
		if c.want == Done && (now.Owner != 0 || now.Group != 30500 || now.Mode != 0o2770) {
			t.Errorf("%s: it ends as %+v", c.name, now)
		}
	}
}

// Parent directories come first, topmost first. Existing ones stay as they are, and one that a
// killed apply left unfinished is finished.
func TestParents(t *testing.T) {
	parent := func(name string, mode planner.Mode) Work {
		p := work(planner.Create, name)
		p.Action.Target = planner.TargetTenant
		p.Action.Changes = []planner.Change{{Attribute: planner.Owner, After: planner.Number(0)},
			{Attribute: planner.Group, After: planner.Number(0)},
			{Attribute: planner.ModeAttr, After: planner.ModeValue(mode)}}
		return p
	}
	jobWork := func() []Work {
		bio := work(planner.Create, "t/c/bio")
		bio.Action.Changes = creation("bio").Action.Changes
		bio.Action.Parents = []string{"capstor/t/c"}
		return []Work{bio, parent("t", 0o775), creation("other")}
	}
	t.Run("missing", func(t *testing.T) {
		w := newWorld(t)
		wantStatuses(t, w.run(Job{Work: jobWork()}), map[string]Status{"bio": Done, "t": Done,
			"other": Done})
		w.wantLog("make capstor/t", "acl t", "own 0:0 t", "mode 0775 t", "sync t",
			"make capstor/t/c", "acl c", "own 0:0 c", "mode 0755 c", "sync c",
			"sync names in capstor", "sync names in t", "make capstor/t/c/bio", "acl bio",
			"own 0:30500 bio", "mode 2770 bio", "sync bio",
			"make capstor/other", "acl other", "own 0:30500 other", "mode 2770 other", "sync other",
			"sync names in c", "sync names in capstor", "approve other",
			"ask other", "set_backend_id other", "set_state_done other", "ask other")
		if len(w.records()) != 2 {
			t.Errorf("recorded are %+v, want the two that are no parents", w.records())
		}
	})
	t.Run("standing", func(t *testing.T) {
		w := newWorld(t)
		w.put("capstor/t", 9, 9, 0o700)
		wantStatuses(t, w.run(Job{Work: jobWork()}), map[string]Status{"bio": Done, "t": Done,
			"other": Done})
		if d := w.dirs["capstor/t"]; d.Owner != 9 || d.Mode != 0o700 {
			t.Errorf("a parent that stands was changed to %+v", d)
		}
	})
	t.Run("half made", func(t *testing.T) {
		w := newWorld(t)
		w.put("capstor/t", 0, 0, 0o700).ACL = &planner.ACL{}
		wantStatuses(t, w.run(Job{Work: jobWork(), Resumed: true}), map[string]Status{"bio": Done,
			"t": Done, "other": Done})
		if d := w.dirs["capstor/t"]; d.Mode != 0o775 || d.ACL != nil {
			t.Errorf("the half-made parent ends as %+v", d)
		}
	})
	t.Run("an ACL that cannot be removed", func(t *testing.T) {
		w := newWorld(t)
		w.inherits = &planner.ACL{NFS: []string{"eve@x"}}
		for _, r := range w.run(Job{Work: jobWork()}) {
			if r.Action.Kind == planner.Create && r.Status != Failed {
				t.Errorf("%s: %s", r.Action.Address, r.Status)
			}
		}
		for at, d := range w.dirs {
			if d.ACL != nil && d.Mode&0o077 != 0 {
				t.Errorf("%s is left open to whom its ACL names: %+v", at, d)
			}
		}
		w = newWorld(t)
		w.inherits = &planner.ACL{Unread: "it could not be read"}
		wantStatuses(t, w.run(Job{Work: jobWork()}), map[string]Status{"bio": Done, "t": Done,
			"other": Done})
	})
	t.Run("made before a kill, and perhaps not synced", func(t *testing.T) {
		w := newWorld(t)
		w.put("capstor/t", 0, 0, 0o775)
		w.run(Job{Work: jobWork(), Resumed: true})
		if want := []string{"make capstor/t", "open capstor/t", "sync t"}; !slices.Equal(w.log[:3],
			want) {
			t.Errorf("it begins with %q, want %q", w.log[:3], want)
		}
	})
	t.Run("failing", func(t *testing.T) {
		w := newWorld(t)
		w.fail["make capstor/t/c"] = errors.New("no")
		results := w.run(Job{Work: jobWork()})
		wantStatuses(t, results, map[string]Status{"bio": Failed, "t": Done, "other": Done})
		if !mentions(results[0].Err, "capstor/t/c, could not be created: no") {
			t.Error(results[0].Err)
		}
	})
}

// An update compares each attribute once more. If one is neither as planned nor as wanted, the
// update stops before any change.
func TestUpdateComparesOnceMore(t *testing.T) {
	update := func(inode uint64) Work {
		u := withQuota(work(planner.Update, "bio"), 2<<40)
		u.Action.Inode = inode
		u.Action.Changes[0].Before = planner.Number(1 << 40)
		u.Action.Changes = append([]planner.Change{{Attribute: planner.Group,
			Before: planner.Number(5), After: planner.Number(30500)},
			{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o750),
				After: planner.ModeValue(0o2770)}}, u.Action.Changes...)
		return u
	}
	for _, c := range []struct {
		name  string
		group planner.GID
		mode  planner.Mode
		hard  planner.Limit
		want  Status
		says  string
	}{
		{"as planned", 5, 0o750, planner.LimitOf(planner.Bytes(1 << 40)), Done, ""},
		{"as wanted", 30500, 0o2770, planner.LimitOf(planner.Bytes(2 << 40)), Done, ""},
		{"half way", 30500, 0o750, planner.LimitOf(planner.Bytes(2 << 40)), Done, ""},
		{"another group", 6, 0o750, planner.LimitOf(planner.Bytes(1 << 40)), Failed,
			"its group is 6, but was 5 when planned"},
		{"another mode", 5, 0o777, planner.LimitOf(planner.Bytes(1 << 40)), Failed,
			`its mode is "0777" (rwxrwxrwx), but was "0750" (rwxr-x---)`},
		{"another limit", 5, 0o750, planner.LimitOf(planner.Bytes(3 << 40)), Failed,
			"its space_hard is 3 TiB, but was 1 TiB"},
		{"no limit", 5, 0o750, planner.Unlimited(), Failed, "its space_hard is unlimited"},
	} {
		w := newWorld(t)
		d := w.put("capstor/bio", 0, c.group, c.mode)
		w.limits.Limits[planner.SpaceHard] = c.hard
		was := *d
		results := w.run(Job{Work: []Work{update(d.Inode)}})
		if results[0].Status != c.want || c.says != "" && !mentions(results[0].Err, c.says,
			"plan again") {
			t.Errorf("%s: %s, %v", c.name, results[0].Status, results[0].Err)
		}
		if c.want == Failed && (*d != was || w.limits.Limits[planner.SpaceHard] != c.hard) {
			t.Errorf("%s: it was changed to %+v", c.name, d)
		}
		if c.want == Done && (d.Group != 30500 || d.Mode != 0o2770 ||
			w.limits.Limits[planner.SpaceHard] != planner.LimitOf(planner.Bytes(2<<40)) ||
			len(w.records()) != 1) {
			t.Errorf("%s: it ends as %+v, recorded %+v", c.name, d, w.records())
		}
	}
	w := newWorld(t)
	w.put("capstor/bio", 0, 5, 0o750)
	if r := w.run(Job{Work: []Work{update(77)}}); r[0].Status != Failed {
		t.Errorf("another directory in its place: %+v", r[0])
	}
}

// A quota is set in one call, only if it differs, and is read back.
func TestQuotaIsReadBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*world)
		want   Status
		says   string
		calls  int
	}{
		{"set", func(*world) {}, Done, "", 1},
		{"set already", func(
			w *world) {
			w.limits.Limits[planner.SpaceHard] = planner.LimitOf(
				planner.Bytes(1 << 40))
		}, Done, "", 0},
		{"not to be read", func(w *world) { w.limits.SetWhys(planner.Whys{Limits: "no MDT"}) }, Failed,
			"could not be read: no MDT", 0},
		{"not kept", func(w *world) { w.set = func(planner.Limits) {} }, Failed,
			"reads back as space unlimited/unlimited", 1},
		{"not to be read back",
			func(w *world) {
				w.set = func(planner.Limits) { w.limits.SetWhys(planner.Whys{Limits: "gone"}) }
			}, Failed,
			"could not be read back: gone", 1},
	} {
		w := newWorld(t)
		c.change(w)
		results := w.run(Job{Work: []Work{withQuota(creation("bio"), 1<<40)}})
		calls := 0
		for _, s := range w.log {
			if s == "quota of 30500" {
				calls++
			}
		}
		if results[0].Status != c.want || calls != c.calls || c.says != "" &&
			!mentions(results[0].Err, "group 30500", c.says) {
			t.Errorf("%s: %s after %d calls: %v", c.name, results[0].Status, calls, results[0].Err)
		}
	}
}

// A report changes nothing on the storage; a reject and a fail do not even look at it.
func TestOrdersWithoutStorage(t *testing.T) {
	for _, c := range []struct {
		kind    planner.ActionKind
		call    planner.Callback
		records int
		want    []string
	}{
		{planner.Report, planner.SetStateDone, 1, []string{"set_state_done bio", "ask bio"}},
		{planner.RejectOrder, planner.Reject, 0, []string{"reject bio", "ask bio"}},
		{planner.FailOrder, planner.SetStateErred, 0, []string{"ask bio", "set_state_erred bio",
			"ask bio"}},
	} {
		w := newWorld(t)
		x := work(c.kind, "bio", c.call)
		if c.kind == planner.FailOrder {
			w.orders[x.Order] = planner.OrderExecuting
		}
		x.Record.Inode = w.put("capstor/bio", 0, 30500, 0o2770).Inode
		x.Bodies = map[planner.Callback][]byte{c.call: []byte("{}")}
		wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Done})
		w.wantLog(c.want...)
		if n := len(w.records()); n != c.records {
			t.Errorf("%s: %d records, want %d", c.kind, n, c.records)
		}
	}
	w := newWorld(t)
	gone := work(planner.Report, "bio", planner.SetStateDone)
	delete(gone.URLs, planner.SetStateDone)
	if r := w.run(Job{Work: []Work{gone}}); r[0].Status != Failed ||
		!mentions(r[0].Err, "no longer offers set_state_done", "plan again") {
		t.Errorf("a callback that is gone: %+v", r[0])
	}
}

// A tree is tagged after its quota is set. Tagging reports its progress, and the journal has what
// it left out. If it fails, the resource is neither done nor recorded.
func TestTagAfterTheQuota(t *testing.T) {
	for _, failing := range []bool{false, true} {
		w := newWorld(t)
		w.put("capstor/bio", 0, 30500, 0o2770)
		w.dirs["capstor/bio"].HasProject = true
		bio := withQuota(work(planner.Update, "bio"), 1<<40)
		bio.Action.Inode, bio.Action.Tag = w.dirs["capstor/bio"].Inode, true
		bio.Action.Changes = append(bio.Action.Changes, planner.Change{Attribute: planner.Project,
			After: planner.Number(7)})
		want := []string{"open capstor/bio", "quota of 30500", "tag 7 bio", "sync bio"}
		if failing {
			w.fail["tag 7 bio"], want = errors.New("no"), want[:3]
		}
		var told []string
		e := w.engine()
		e.Notify = func(ev Event) { told = append(told, ev.Step) }
		job := Job{Work: []Work{bio}}
		w.begin(&job)
		results, err := e.Run(t.Context(), nil, job)
		if err != nil || (results[0].Status == Done) == failing ||
			!slices.Equal(told, []string{"begin", "tagged 10000 entries", "end"}) ||
			(len(w.records()) == 1) == failing {
			t.Errorf("failing %v: %v, %+v, told %q, recorded %+v", failing, err, results, told,
				w.records())
		}
		w.wantLog(want...)
	}
}

// Trees are tagged after all else. If the apply is told to stop, tagging stops, and the plan
// continues it later.
func TestTagStops(t *testing.T) {
	w := newWorld(t)
	w.endless = true
	w.put("capstor/a", 0, 30500, 0o2770)
	w.dirs["capstor/a"].HasProject = true
	tree := work(planner.Update, "a")
	tree.Action.Inode, tree.Action.Tag = w.dirs["capstor/a"].Inode, true
	tree.Action.Changes = []planner.Change{{Attribute: planner.Project, After: planner.Number(7)}}
	e := w.engine()
	e.Parallelism = 8
	stop := make(chan struct{})
	e.Notify = func(ev Event) {
		if ev.Step == "tagged 10000 entries" {
			if r := w.records(); len(r) != 1 || r[0].Address != "/capstor/b" {
				t.Errorf("when the tree begins, recorded is %+v", r)
			}
			close(stop)
		}
	}
	job := Job{Work: []Work{tree, creation("b")}}
	w.begin(&job)
	results, err := e.Run(t.Context(), stop, job)
	if err != nil {
		t.Fatal(err)
	}
	wantStatuses(t, results, map[string]Status{"a": NotBegun, "b": Done})
}

// After a kill, the result of an order that has ended is recorded only if the directory is the one
// that the plan is about.
func TestFinishedRecordsItsOwnDirectory(t *testing.T) {
	for _, other := range []bool{false, true} {
		w := newWorld(t)
		d := w.put("capstor/bio", 0, 30500, 0o2770)
		d.Born = 5
		x := work(planner.Adopt, "bio")
		x.Finished, x.Action.Inode = true, d.Inode
		if other {
			d.Inode++
		}
		w.run(Job{Work: []Work{x}, Resumed: true})
		records := w.records()
		if other && len(records) > 0 {
			t.Errorf("another directory is recorded: %+v", records)
		}
		if !other && (len(records) != 1 || records[0].Inode != d.Inode || records[0].Born != 5) {
			t.Errorf("recorded: %+v", records)
		}
	}
}
