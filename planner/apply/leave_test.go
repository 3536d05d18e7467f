package apply

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// named is where the state of a quota with a name is from.
func named(handle string) *planner.QuotaSource { return &planner.QuotaSource{Handle: handle} }

// TestTheQuotaOfAnArchivedDirectory: after the move, the quota that the plan saw is looked for in
// both places and handled where it is. Somebody else's quota stays, and the apply says what is not
// known.
func TestTheQuotaOfAnArchivedDirectory(t *testing.T) {
	const was = "capstor/bio"
	used := func(handle string) planner.QuotaState {
		q := planner.QuotaState{Source: named(handle), Limits: planner.NoLimits(),
			Space:  planner.UsageOf(planner.Bytes(5<<20 + 1)),
			Inodes: planner.UsageOf(planner.Inodes(5000))}
		q.Limits[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1 << 40)
		return q
	}
	unknown := planner.UnknownQuota("it does not answer")
	for _, c := range []struct {
		name             string
		freeze           bool
		stayed, followed planner.QuotaState
		step             string // the last one on the storage
		said             string
	}{
		{name: "removed where it stayed", stayed: used("17"), step: "remove quota of " + was},
		{name: "removed where it went", followed: used("17"), step: "remove quota of ARCHIVE"},
		{name: "somebody else's", stayed: used("18"), followed: used("19")},
		{name: "gone"},
		{name: "not known", stayed: unknown, followed: unknown, said: "it does not answer"},
		{name: "frozen where it went", freeze: true, followed: used("17"), step: "quota of ARCHIVE"},
		{name: "not frozen where it stayed", freeze: true, stayed: used("17")},
	} {
		w := newWorld(t)
		x := w.removal("bio")
		a := x.Action
		a.Quota, a.Handle, a.Freeze, a.Unlimit = &planner.QuotaID{By: planner.ByDirectory, Path: was},
			"17", c.freeze, !c.freeze
		archive := a.ArchivePath(now)
		w.places = map[string]planner.QuotaState{}
		for path, q := range map[string]planner.QuotaState{was: c.stayed, archive: c.followed} {
			if q.Handle() != "" || q.LimitsWhy() != "" {
				w.places[path] = q
			}
		}
		var told []string
		e := w.engine()
		e.Notify = func(ev Event) { told = append(told, ev.Step) }
		job := Job{Work: []Work{x}}
		w.begin(&job)
		if results, err := e.Run(t.Context(), nil, job); err != nil || results[0].Status != Done {
			t.Errorf("%s: %v, %+v", c.name, err, results)
		}
		want := []string{"prepare capstor/bio", "approve bio", "ask bio", "archive capstor/bio"}
		if c.step != "" {
			want = append(want, strings.ReplaceAll(c.step, "ARCHIVE", archive))
		}
		w.wantLog(append(want, "set_state_done bio", "ask bio")...)
		if c.said != "" && !slices.ContainsFunc(told,
			func(s string) bool { return strings.Contains(s, c.said) }) {
			t.Errorf("%s: told %q", c.name, told)
		}
		if hard, _ := w.places[archive].Limits[planner.SpaceHard].Number(); c.step == "quota of ARCHIVE" && hard != 5<<20+1024 {
			t.Errorf("%s: the hard limit is %d", c.name, hard)
		}
	}
}

// TestNoQuotaThatWasReplaced: limits are not set in another quota than the plan saw, and a new
// directory is then not opened.
func TestNoQuotaThatWasReplaced(t *testing.T) {
	w := newWorld(t)
	x := withQuota(creation("bio"), 1<<40)
	x.Action.Quota = &planner.QuotaID{By: planner.ByDirectory, Path: "capstor/bio"}
	w.places = map[string]planner.QuotaState{"capstor/bio": {Source: named("18"),
		Limits: planner.NoLimits()}}
	results := w.run(Job{Work: []Work{x}})
	if results[0].Status != Failed || !strings.Contains(results[0].Err.Error(), "there is quota 18") {
		t.Errorf("%+v", results)
	}
	if d := w.dirs["capstor/bio"]; d == nil || d.Mode != 0o700 || d.Group != 0 {
		t.Errorf("left as %+v", d)
	}
	if slices.Contains(w.log, "quota of capstor/bio") {
		t.Error("its limits were set")
	}
}

// TestAQuotaThatIsStillBeingMade: if the backend may still be working after its answer, a request
// for a quota is journaled before it is sent. The resumed run waits for that quota, and asks for a
// second one only if none appears.
func TestAQuotaThatIsStillBeingMade(t *testing.T) {
	for _, comes := range []bool{true, false} {
		w := newWorld(t)
		x := withQuota(creation("bio"), 1<<40)
		x.Action.Quota = &planner.QuotaID{By: planner.ByDirectory, Path: "capstor/bio"}
		x.Async, x.Pending = true, true
		w.places = map[string]planner.QuotaState{}
		slept := 0
		e := w.engine()
		e.Sleep = func(context.Context, time.Duration) error {
			if slept++; comes && slept == 3 {
				want, err := limitsAfter(x.Action, planner.NoLimits())
				w.check(err)
				w.mu.Lock()
				w.places["capstor/bio"] = planner.QuotaState{Source: named("17"), Limits: want}
				w.mu.Unlock()
			}
			return nil
		}
		job := Job{Work: []Work{x}, Resumed: true}
		w.begin(&job)
		if results, err := e.Run(t.Context(), nil, job); err != nil || results[0].Status != Done {
			t.Errorf("comes %t: %v, %+v", comes, err, results)
		}
		if asked := slices.Contains(w.log, "quota of capstor/bio"); asked == comes || slept < 3 ||
			comes && slept > 3 {
			t.Errorf("comes %t: asked again %t, after %d looks", comes, asked, slept)
		}
	}
	w := newWorld(t)
	x := withQuota(creation("bio"), 1<<40)
	x.Action.Quota, x.Async = &planner.QuotaID{By: planner.ByDirectory, Path: "capstor/bio"}, true
	w.places = map[string]planner.QuotaState{}
	journaled := false
	e := w.engine()
	e.Reached = func(point string) {
		if point == "quota" {
			w.check(w.store.View(func(tx ledger.Tx) error {
				steps, err := tx.Steps("sha256:plan")
				journaled = keysWith(steps, stepPending)[x.Action.Key]
				return err
			}))
		}
	}
	job := Job{Work: []Work{x}}
	w.begin(&job)
	if results, err := e.Run(t.Context(), nil, job); err != nil || results[0].Status != Done ||
		!journaled {
		t.Errorf("journaled %t: %v, %+v", journaled, err, results)
	}
}
