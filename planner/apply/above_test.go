package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestOneSyncForAllInADirectory: the parent directory is synced once for all directories of a batch
// in it, after the last of them is made and before anything is recorded or reported.
func TestOneSyncForAllInADirectory(t *testing.T) {
	w := newWorld(t)
	w.put("capstor/x", 0, 0, 0o755)
	var all []Work
	for i := range 3 * batchSize / 2 {
		all = append(all, creation(fmt.Sprintf("r%03d", i)))
	}
	elsewhere := work(planner.Create, "x/other")
	elsewhere.Action.Changes = creation("other").Action.Changes
	all = slices.Insert(all, 1, elsewhere)
	w.effect["approve r000"] = func() {
		if n := len(w.records()); n != batchSize {
			t.Errorf("%d are recorded when the first is told, want %d", n, batchSize)
		}
	}
	for _, r := range w.run(Job{Work: all}) {
		if r.Status != Done {
			t.Errorf("%s: %s, %v", r.Action.Address, r.Status, r.Err)
		}
	}
	syncs := map[string]int{}
	unsynced := map[string]bool{}
	for _, step := range w.log {
		name, made := strings.CutPrefix(step, "make capstor/r")
		told, calls := strings.CutPrefix(step, "approve r")
		switch {
		case made:
			unsynced[name] = true
		case step == "sync names in capstor":
			clear(unsynced)
		case calls && unsynced[told]:
			t.Errorf("Waldur is told of r%s before its name is durable", told)
		}
		if strings.HasPrefix(step, "sync names") {
			syncs[step]++
		}
	}
	if syncs["sync names in capstor"] != 2 || syncs["sync names in x"] != 1 || len(syncs) != 2 {
		t.Errorf("syncs are %v, want one for each batch and directory", syncs)
	}
}

// TestNamesThatAreNotDurable: if the parent directory cannot be synced, nothing is reported. A
// directory that we made is closed again and recorded as unfinished, and one that existed is left
// as it is. Other directories of the batch are not affected.
func TestNamesThatAreNotDurable(t *testing.T) {
	w := newWorld(t)
	w.put("capstor/x", 0, 0, 0o755)
	w.put("capstor/adopted", 0, 30500, 0o2770)
	w.fail["sync names in capstor"] = errors.New("I/O error")
	adopted := work(planner.Adopt, "adopted", planner.Approve)
	adopted.Action.Inode = w.dirs["capstor/adopted"].Inode
	other := work(planner.Create, "x/other")
	other.Action.Changes = creation("other").Action.Changes
	results := w.run(Job{Work: []Work{creation("bio"), adopted, other}})
	wantStatuses(t, results, map[string]Status{"bio": Failed, "adopted": Failed, "other": Done})
	if d := w.dirs["capstor/bio"]; d.Mode != closed || d.Group != 0 {
		t.Errorf("it is left as %+v, want it closed", d)
	}
	if d := w.dirs["capstor/adopted"]; d.Mode != 0o2770 || d.Group != 30500 {
		t.Errorf("what stood there is %+v now", d)
	}
	for _, r := range w.records() {
		if bio := r.Inode == w.dirs["capstor/bio"].Inode; bio != r.Unfinished ||
			r.Inode == adopted.Action.Inode {
			t.Errorf("recorded is %+v", r)
		}
	}
	if len(w.records()) != 2 || w.outbox() != "" || slices.Contains(w.log, "approve bio") ||
		slices.Contains(w.log, "approve adopted") {
		t.Errorf("%d records, outbox %q, done %q", len(w.records()), w.outbox(), w.log)
	}
}

// TestParentsThatAreNotDurable: nothing is made below a directory whose name could not be made
// durable.
func TestParentsThatAreNotDurable(t *testing.T) {
	w := newWorld(t)
	w.fail["sync names in capstor"] = errors.New("I/O error")
	bio := work(planner.Create, "t/bio")
	bio.Action.Changes, bio.Action.Parents = creation("bio").Action.Changes, []string{"capstor/t"}
	results := w.run(Job{Work: []Work{bio}})
	if results[0].Status != Failed || !mentions(results[0].Err, "directory above",
		"could not be created", "I/O error", "rmdir capstor/t") {
		t.Errorf("%+v", results[0])
	}
	if w.dirs["capstor/t/bio"] != nil || w.dirs["capstor/t"].Mode != closed {
		t.Errorf("there are %+v", w.dirs)
	}
}

// TestOnlyAQuotaIsNoChangeOfTheDirectory: an update of only limits syncs no directory. An update of
// the mode syncs only the directory itself.
func TestOnlyAQuotaIsNoChangeOfTheDirectory(t *testing.T) {
	for _, mode := range []bool{false, true} {
		w := newWorld(t)
		d := w.put("capstor/bio", 0, 30500, 0o750)
		x := withQuota(work(planner.Update, "bio"), 1<<40)
		x.Action.Inode = d.Inode
		want := []string{"open capstor/bio", "quota of 30500"}
		if mode {
			x.Action.Changes = append(x.Action.Changes, planner.Change{Attribute: planner.ModeAttr,
				Before: planner.ModeValue(0o750),
				After:  planner.ModeValue(0o2770)})
			want = append(want, "mode 2770 bio", "sync bio")
		}
		wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Done})
		w.wantLog(want...)
		if len(w.records()) != 1 {
			t.Errorf("recorded is %+v", w.records())
		}
	}
}
