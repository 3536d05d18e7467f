package account_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/account"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// trial is the account of a plan with two archives, at a time that the test sets.
type trial struct {
	account.Account
	out strings.Builder
	now time.Time
	// said is what was printed in addition to the account.
	said strings.Builder
}

func newTrial() *trial {
	p := &planner.Plan{Core: planner.Core{Actions: make([]planner.Action, 2)}}
	for i := range p.Core.Actions {
		p.Core.Actions[i] = planner.Action{Kind: planner.Archive,
			Address: fmt.Sprint("/capstor/p", i),
			Key:     planner.Key{Item: fmt.Sprint(i)}}
	}
	r := &trial{now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	r.Account = account.Account{Plan: &engine.Proposal{Plan: p, ID: "sha256:0123456789abcdef"},
		Out: &r.out, Now: func() time.Time { return r.now }, Progress: func(int, int) {},
		Say: func(format string, args ...any) { fmt.Fprintf(&r.said, format+"\n", args...) }}
	return r
}

func (r *trial) action(i int) *planner.Action { return &r.Plan.Plan.Core.Actions[i] }

// run shows a resource that takes a while.
func (r *trial) run(i int, took time.Duration, s apply.Status, err error) {
	r.Event(apply.Event{Action: r.action(i), Step: "begin"})
	r.now = r.now.Add(took)
	r.Event(apply.Event{Action: r.action(i), Step: "end", Status: s, Err: err})
}

// TestLongStepsSayHowLong: the line of a slow resource says how long it took.
func TestLongStepsSayHowLong(t *testing.T) {
	t.Parallel()
	r := newTrial()
	r.run(0, 9*time.Second, apply.Done, nil)
	r.Event(apply.Event{Action: r.action(1), Step: "waits for the mount"})
	r.run(1, 83*time.Second, apply.Done, nil)
	if got, want := r.out.String(), "[1/2] /capstor/p0: archived\n"+
		"[2/2] /capstor/p1: archived after 1m23s\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := r.said.String(); got != "/capstor/p1: waits for the mount\n" {
		t.Errorf("beside the account: %q", got)
	}
}

// TestEnd: the account says what was done, what was not, and what to run now.
func TestEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("no \x1b[2J space\nleft")
	for _, c := range []struct {
		result ledger.Result
		path   string
		second apply.Status
		err    error
		want   []string
	}{
		{ledger.Done, "", apply.Done, nil, []string{"Apply complete! 2 done (2 archived).\n"}},
		{ledger.Partial, "", apply.Failed, broken, []string{"Apply incomplete! 1 done (1 " +
			"archived), 1 failed.",
			"Waldur was told: 1 set_state_done.", "To see what is left: cscs-sync plan\n",
			`no \x1b[2J space; left`}},
		{ledger.Partial, "", apply.Undelivered, broken, []string{"1 done but not reported",
			"but Waldur does not know yet",
			"cscs-sync callbacks list"}},
		{ledger.Interrupted, "p q.plan", apply.NotBegun, nil,
			[]string{"1 not begun", "left in the middle",
				"To continue where it stopped: cscs-sync apply 'p q.plan'\n"}},
		{ledger.Interrupted, "", apply.NotBegun, nil, []string{"cscs-sync state abandon " +
			"sha256:0123456789abcdef`"}},
	} {
		r := newTrial()
		r.Plan.Path = c.path
		r.run(0, 0, apply.Done, nil)
		r.run(1, 0, c.second, c.err)
		r.End(&engine.Outcome{Result: c.result,
			Told: map[planner.Callback]int{planner.SetStateDone: 1},
			Results: []apply.Result{{Action: r.action(0), Status: apply.Done},
				{Action: r.action(1), Status: c.second, Err: c.err}}})
		for _, want := range c.want {
			if !strings.Contains(r.out.String(), want) || strings.Contains(r.out.String(), "\x1b") {
				t.Errorf("%s, %s: no %q in\n%q", c.result, c.second, want, r.out.String())
			}
		}
	}
}

// TestJSON: each line is an event, and the last one is the whole account.
func TestJSON(t *testing.T) {
	t.Parallel()
	r := newTrial()
	r.JSON, r.Color = true, true
	r.Begin()
	r.run(0, 0, apply.Done, nil)
	r.Event(apply.Event{Action: r.action(1), Step: "copies"})
	r.End(&engine.Outcome{Result: ledger.Partial, Results: []apply.Result{
		{Action: r.action(0), Status: apply.Done}, {Action: r.action(1), Status: apply.Failed,
			Err: errors.New("no space")}}})
	lines := strings.Split(strings.TrimSuffix(r.out.String(), "\n"), "\n")
	want := []string{`{"event":"begin",`, `"status":"started"`, `"status":"done"`,
		`"text":"copies"`, `"error":"no space"`}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), r.out.String())
	}
	for i := range want {
		if !json.Valid([]byte(lines[i])) || !strings.Contains(lines[i], want[i]) {
			t.Errorf("line %d has no %s: %s", i, want[i], lines[i])
		}
	}
	if !strings.Contains(lines[4],
		`"counts":{"done":1,"failed":1,"not_begun":0,"skipped":0,"undelivered":0,"unrecorded":0}`) {
		t.Errorf("counts: %s", lines[4])
	}
}

// TestNothing: a plan without actions has an account, too, and so has one that was refused.
func TestNothing(t *testing.T) {
	t.Parallel()
	r := newTrial()
	r.Nothing()
	if r.out.Len() != 0 || r.said.String() != "Plan 0123456789ab has nothing to do.\n" {
		t.Errorf("%q, %q", r.out.String(), r.said.String())
	}
	r.JSON = true
	r.Nothing()
	if !strings.Contains(r.out.String(), `"result":"done"`) {
		t.Error(r.out.String())
	}
	var out strings.Builder
	account.WriteRefused(&out, "", engine.Expired)
	if !json.Valid([]byte(out.String())) || !strings.Contains(out.String(), `"code":"expired"`) {
		t.Error(out.String())
	}
}
