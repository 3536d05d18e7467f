package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state"
)

// Stale actions are left out, and the rest is done.
func TestSkip(t *testing.T) {
	w := newWorld(t)
	job := Job{Work: []Work{creation("bio"), creation("chem")}}
	job.SkipStale([]planner.Stale{{Key: key("bio"), Address: "/capstor/bio", Field: "order",
		Then: "1", Now: "2"}, {Key: key("bio"), Field: "observed mode", Then: "null", Now: "0755"}})
	results := w.run(job)
	wantStatuses(t, results, map[string]Status{"bio": Skipped, "chem": Done})
	if !mentions(results[0].Err, "order was 1 when planned, is 2 now", "observed mode was null") ||
		w.dirs["capstor/bio"] != nil {
		t.Errorf("%v; the directory is %v", results[0].Err, w.dirs["capstor/bio"])
	}
}

// When it is told to stop, it finishes what is running, records and reports it, and begins nothing
// more.
func TestStop(t *testing.T) {
	w := newWorld(t)
	job := Job{}
	for i := range 70 {
		job.Work = append(job.Work, creation(fmt.Sprint("p", i)))
	}
	w.begin(&job)
	stop := make(chan struct{})
	e := w.engine()
	e.Notify = func(ev Event) {
		if ev.Step == "begin" && ev.Action.Storage == "capstor/p2" {
			close(stop)
		}
	}
	results, err := e.Run(context.Background(), stop, job)
	if err != nil {
		t.Fatal(err)
	}
	count := map[Status]int{}
	for _, r := range results {
		count[r.Status]++
	}
	if count[Done] != 3 || count[NotBegun] != 67 || len(w.records()) != 3 || w.outbox() != "" {
		t.Errorf("%v, %d recorded, outbox %q; want the three that were under way, done and told",
			count, len(w.records()), w.outbox())
	}
	again, err := w.engine().Run(context.Background(), nil, Job{ID: job.ID, Begun: job.Begun,
		Work: job.Work, Resumed: true})
	if err != nil || slices.ContainsFunc(again, func(r Result) bool { return r.Status != Done }) {
		t.Errorf("resumed: %v, %+v", err, again)
	}
}

// broken is a journal that fails from some batch on.
type broken struct {
	*state.Store
	good int
}

func (b *broken) Update(f func(ledger.Tx) error) error {
	if b.good--; b.good < 0 {
		return errors.New("the disk is full")
	}
	return b.Store.Update(f)
}

// twoBatches returns a begun plan whose last directory is in a batch of its own.
func twoBatches(t *testing.T) (*world, *Engine, Job) {
	t.Helper()
	w := newWorld(t)
	job := Job{}
	for i := range batchSize + 1 {
		job.Work = append(job.Work, creation(fmt.Sprint("p", i)))
	}
	w.begin(&job)
	return w, w.engine(), job
}

// A state that cannot be written ends the run: nothing is reported that is not recorded, and
// nothing more is begun.
func TestAStateThatCannotBeWritten(t *testing.T) {
	w, e, job := twoBatches(t)
	e.Journal = &broken{w.store, 0}
	results, err := e.Run(context.Background(), nil, job)
	if !mentions(err, "the disk is full", "the storage is ahead of the state") {
		t.Error(err)
	}
	for i := range batchSize {
		if results[i].Status != Unrecorded ||
			!mentions(results[i].Err, "it is done, but could not be recorded") {
			t.Fatalf("%d was made: %+v", i, results[i])
		}
	}
	if log := strings.Join(w.log, " "); strings.Contains(log, "approve") ||
		strings.Contains(log, fmt.Sprint("p", batchSize)) || results[batchSize].Status != NotBegun {
		t.Errorf("it went on: %s", log)
	}
	w.log = nil
	again, err := w.engine().Run(context.Background(), nil, Job{ID: job.ID, Begun: job.Begun,
		Work: job.Work, Resumed: true})
	if err != nil || slices.ContainsFunc(again, func(r Result) bool { return r.Status != Done }) ||
		len(w.records()) != batchSize+1 {
		t.Errorf("with room again: %v, %d recorded", err, len(w.records()))
	}
}

// Once the changes are no longer ours alone to make, no more are made. What was just made stays
// closed, and the plan continues another time.
func TestGuard(t *testing.T) {
	w, e, job := twoBatches(t)
	asked := 0
	e.Guard = func() error {
		if asked++; w.dirs["capstor/p0"] != nil {
			return errors.New("the lock was taken away")
		}
		return nil
	}
	results, err := e.Run(context.Background(), nil, job)
	if !mentions(err, "the lock was taken away") || asked < 3 || results[0].Status != NotBegun ||
		results[batchSize].Status != NotBegun {
		t.Errorf("%v after %d questions; first %s, last %s", err, asked, results[0].Status,
			results[batchSize].Status)
	}
	if d := w.dirs["capstor/p0"]; d.Mode != 0o700 || d.Group != 0 || w.dirs["capstor/p1"] != nil {
		t.Errorf("the first is %+v, the second %+v", d, w.dirs["capstor/p1"])
	}
	again, err := w.engine().Run(context.Background(), nil, Job{ID: job.ID, Begun: job.Begun,
		Work: job.Work, Resumed: true})
	if err != nil || slices.ContainsFunc(again, func(r Result) bool { return r.Status != Done }) {
		t.Errorf("resumed: %v", err)
	}
}

// If an answer cannot be recorded, its callback stays in the outbox. The order is asked for before
// the callback is sent again.
func TestAnAnswerThatCannotBeNoted(t *testing.T) {
	w := newWorld(t)
	job := Job{Work: []Work{creation("bio")}}
	w.begin(&job)
	e := w.engine()
	e.Journal = &broken{w.store, 1}
	results, err := e.Run(context.Background(), nil, job)
	if !mentions(err, "the disk is full") || results[0].Status != Unrecorded ||
		!mentions(results[0].Err, "record Waldur's answer to approve") {
		t.Errorf("%v, %+v", err, results)
	}
	if told := e.Told(); len(told) != 1 || told[planner.Approve] != 1 {
		t.Errorf("Waldur was told %v", told)
	}
	if got := w.outbox(); got != "approve due, set_backend_id due, set_state_done due" ||
		slices.Contains(w.log, "set_backend_id bio") {
		t.Errorf("the outbox holds %q after %v", got, w.log)
	}
}

// If the state cannot hold something about one resource, only that resource of its batch fails.
func TestARecordThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	bad := creation("bad")
	bad.Action.Key.DataType = "st\x00re"
	bad.Record.Key = bad.Action.Key
	results := w.run(Job{Work: []Work{creation("bio"), bad, creation("chem")}})
	wantStatuses(t, results, map[string]Status{"bio": Done, "bad": Failed, "chem": Done})
	if !errors.Is(results[1].Err, ledger.ErrUnfit) || !mentions(results[1].Err, "/capstor/bad",
		"storageDataType.key") {
		t.Errorf("%v", results[1].Err)
	}
	if len(w.records()) != 2 || w.outbox() != "" {
		t.Errorf("recorded %+v, outbox %q", w.records(), w.outbox())
	}
}

// If the state cannot be written, an archive that failed or was left out is not reported as done.
func TestTheAccountOfAStateThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	job := Job{Work: []Work{w.removal("old"), creation("good"), creation("bad"), creation("held"),
		creation("more")}}
	w.fail["mode 2770 bad"] = errors.New("read-only file system")
	w.begin(&job)
	e := w.engine()
	e.Journal = &broken{w.store, 0}
	e.Holds = func() ([]planner.Hold, error) {
		return []planner.Hold{{Glob: "/capstor/held", By: "ben", Reason: "no"}}, nil
	}
	results, err := e.Run(context.Background(), nil, job)
	if err == nil {
		t.Error("no error")
	}
	wantStatuses(t, results, map[string]Status{"old": Unrecorded, "good": Unrecorded, "bad": Failed,
		"held": Skipped, "more": Unrecorded})
	if told := e.Told(); len(told) != 1 || told[planner.Approve] != 1 {
		t.Errorf("Waldur was told %v", told)
	}
}

// Once an answer could not be recorded, nothing more is reported and no further batch begins.
func TestNothingIsBegunOnceAnAnswerCannotBeNoted(t *testing.T) {
	w, e, job := twoBatches(t)
	e.Journal = &broken{w.store, 2}
	results, err := e.Run(context.Background(), nil, job)
	if !mentions(err, "the disk is full") || results[batchSize].Status != NotBegun ||
		results[0].Status != Unrecorded || results[1].Status != Undelivered {
		t.Errorf("%v; %s, %s … %s", err, results[0].Status, results[1].Status,
			results[batchSize].Status)
	}
	if n := strings.Count(strings.Join(w.log, "\n"), "approve"); n != 1 {
		t.Errorf("%d approves, want 1", n)
	}
}

// The journal says what became of each resource, and with which inode.
func TestJournal(t *testing.T) {
	w := newWorld(t)
	w.fail["mode 2770 chem"] = errors.New("read-only file system")
	w.run(Job{Work: []Work{creation("bio"), creation("chem")}})
	var steps []ledger.Step
	w.check(w.store.View(
		func(tx ledger.Tx) (err error) { steps, err = tx.Steps("sha256:plan"); return err }))
	if len(steps) != 3 || steps[0].Name != stepQueued ||
		steps[0].Note != "approve set_backend_id set_state_done" {
		t.Fatalf("%+v", steps)
	}
	if steps = steps[1:]; steps[0].Name != "done" ||
		steps[0].Inode != w.dirs["capstor/bio"].Inode || steps[0].Note != "owner group mode" ||
		steps[1].Name != "failed" || !strings.Contains(steps[1].Note, "read-only file system") {
		t.Errorf("%+v", steps)
	}
}

// Progress is reported one call at a time, and each resource has a beginning and an end.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	job := Job{}
	for i := range 20 {
		job.Work = append(job.Work, creation(fmt.Sprint("p", i)))
	}
	w.begin(&job)
	e := w.engine()
	e.Parallelism = 8
	open, ends := map[string]bool{}, 0
	e.Notify = func(ev Event) { // without a lock, so that the race detector finds simultaneous calls
		switch name := ev.Action.Storage; {
		case ev.Step == "begin":
			open[name] = true
		case ev.Step == "end" && open[name] && ev.Status == Done:
			ends++
		default:
			t.Errorf("%+v", ev)
		}
	}
	if _, err := e.Run(context.Background(), nil, job); err != nil || ends != 20 {
		t.Errorf("%d ended, %v", ends, err)
	}
}
