package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// holding holds everything from when a step was done.
func holding(w *world, e *Engine, step string) {
	e.Holds = func() ([]planner.Hold, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !slices.Contains(w.log, step) {
			return nil, nil
		}
		return []planner.Hold{{Glob: "/capstor/**", By: "ben", Reason: "incident"}}, nil
	}
}

// A hold stops an apply before the next change and before the next callback, wherever the apply is.
func TestHoldsStop(t *testing.T) {
	tenant := creation("tenant")
	tenant.Action.Target, tenant.Action.Callbacks = planner.TargetTenant, nil
	for _, c := range []struct {
		name, after string
		work        func(w *world) []Work
		log         []string
		status      map[string]Status
		outbox      string
	}{
		{"before anything", "", func(*world) []Work { return []Work{creation("bio")} }, nil,
			map[string]Status{"bio": Skipped}, ""},
		{"between two resources", "sync bio",
			func(*world) []Work { return []Work{creation("bio"), creation("chem")} },
			[]string{"make capstor/bio", "acl bio", "own 0:30500 bio", "mode 2770 bio", "sync bio",
				"sync names in capstor"},
			map[string]Status{"bio": Undelivered, "chem": Skipped},
			"approve due, set_backend_id due, set_state_done due"},
		{"between two callbacks", "approve bio",
			func(*world) []Work { return []Work{creation("bio")} },
			[]string{"make capstor/bio", "acl bio", "own 0:30500 bio", "mode 2770 bio", "sync bio",
				"sync names in capstor", "approve bio", "ask bio"},
			map[string]Status{"bio": Undelivered}, "set_backend_id due, set_state_done due"},
		{"before an approve", "prepare capstor/bio",
			func(w *world) []Work { return []Work{w.removal("bio")} },
			[]string{"prepare capstor/bio", "discard capstor/bio"},
			map[string]Status{"bio": Skipped}, ""},
		{"a directory above", "", func(*world) []Work { return []Work{tenant} }, nil,
			map[string]Status{"tenant": Skipped}, ""},
		{"while a tree is tagged", "open capstor/bio", func(w *world) []Work {
			x := work(planner.Update, "bio")
			x.Action.Inode, x.Action.Tag = w.put("capstor/bio", 0, 30500, 0o2770).Inode, true
			x.Action.Changes = []planner.Change{{Attribute: planner.Project,
				After: planner.Number(7)}}
			w.endless = true
			return []Work{x}
		}, []string{"open capstor/bio"}, map[string]Status{"bio": Skipped}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			job := Job{Work: c.work(w)}
			w.begin(&job)
			e := w.engine()
			if holding(w, e, c.after); c.after == "" {
				e.Holds = func() ([]planner.Hold, error) {
					return []planner.Hold{{Glob: "/**", By: "ben", Reason: "incident"}}, nil
				}
			}
			results, err := e.Run(context.Background(), nil, job)
			w.check(err)
			w.wantLog(c.log...)
			wantStatuses(t, results, c.status)
			for _, r := range results {
				if r.Status != Done && !mentions(r.Err, "is held by ben: incident",
					"cscs-sync hold rm") {
					t.Errorf("%s: %v", r.Action.Address, r.Err)
				}
			}
			if got := w.outbox(); got != c.outbox {
				t.Errorf("the outbox holds %q, want %q", got, c.outbox)
			}
		})
	}
}

// An apply that cannot see the holds changes nothing.
func TestHoldsThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	job := Job{Work: []Work{creation("bio"), w.removal("old")}}
	w.begin(&job)
	e := w.engine()
	e.Holds = func() ([]planner.Hold, error) { return nil, errors.New("state file is damaged") }
	results, err := e.Run(context.Background(), nil, job)
	w.check(err)
	wantStatuses(t, results, map[string]Status{"bio": Failed, "old": Failed})
	if len(w.log) > 0 || !strings.Contains(results[0].Err.Error(), "look for holds") {
		t.Errorf("%v; done was %v", results[0].Err, w.log)
	}
}
