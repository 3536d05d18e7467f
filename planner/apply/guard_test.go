package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// guardedJob returns a job with a create with a quota, and a removal.
func guardedJob(t *testing.T) (*world, Job) {
	w := newWorld(t)
	return w, Job{Work: []Work{withQuota(creation("bio"), 1<<30), w.removal("old")}}
}

// TestTheGuardStopsEverything makes the guard refuse from its nth call on, for each n. After that
// nothing changes on the storage, no callback is sent, and the plan continues another time.
func TestTheGuardStopsEverything(t *testing.T) {
	lost := errors.New("the lease is lost")
	for n := 1; ; n++ {
		w, job := guardedJob(t)
		w.begin(&job)
		e := w.engine()
		asked, at := 0, -1
		e.Guard = func() error {
			if asked++; asked < n {
				return nil
			}
			if at < 0 {
				at = len(w.log)
			}
			return lost
		}
		results, err := e.Run(context.Background(), nil, job)
		if at < 0 {
			if err != nil || n < 10 {
				t.Errorf("the guard was asked %d times, and said yes: %v", asked, err)
			}
			return
		}
		for _, step := range w.log[at:] {
			what, _, _ := strings.Cut(step, " ")
			// A sync changes nothing: it makes durable what was made while the guard still allowed it.
			if !slices.Contains([]string{"open", "ask", "quota", "discard", "close", "observe",
				"empty", "sync"}, what) {
				t.Errorf("question %d: after the guard said no: %s\nall: %s", n, step,
					strings.Join(w.log, ", "))
			}
		}
		if slices.ContainsFunc(results, func(r Result) bool { return r.Status == Failed }) {
			t.Errorf("question %d: what was stopped counts as failed: %+v", n, results)
		}
		// Once the guard allows it, a resume finishes everything.
		again, err := w.engine().Run(context.Background(), nil, Job{ID: job.ID, Begun: job.Begun,
			Work: job.Work, Resumed: true})
		if err != nil || len(again) != 2 {
			t.Errorf("question %d: the resume: %v", n, err)
		}
	}
}

// TestTheGuardIsAskedBeforeEachChange: the guard is called between every two changes.
func TestTheGuardIsAskedBeforeEachChange(t *testing.T) {
	w, job := guardedJob(t)
	w.begin(&job)
	e := w.engine()
	e.Guard = func() error {
		w.log = append(w.log, "?")
		return nil
	}
	if _, err := e.Run(context.Background(), nil, job); err != nil {
		t.Fatal(err)
	}
	asked := false
	for _, step := range w.log {
		switch what, _, _ := strings.Cut(step, " "); what {
		case "?":
			asked = true
		case "make", "own", "chmod", "prepare", "archive", "limits", string(planner.Approve),
			string(planner.SetStateDone), string(planner.SetBackendID):
			if !asked {
				t.Errorf("%s without a question before it: %s", step, strings.Join(w.log, ", "))
			}
			asked = false
		}
	}
}
