package state

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

func begin(s *Store, p ledger.PlanStart) (resumed bool, err error) {
	err = s.Update(func(tx ledger.Tx) error {
		resumed, err = tx.Begin(p)
		return err
	})
	return resumed, err
}

func finish(s *Store, id string, r ledger.Result) error {
	return s.Update(func(tx ledger.Tx) error { return tx.Finish(id, r, "anna", map[string]int{"done": 2}) })
}

func TestAPlanIsSingleUse(t *testing.T) {
	for _, result := range []ledger.Result{ledger.Done, ledger.Partial, ledger.Abandoned} {
		s, c := newStore(t)
		p := start(c, "p1", key(1))
		if resumed, err := begin(s, p); resumed || err != nil {
			t.Fatalf("first begin: %t, %v", resumed, err)
		}
		c.forward(time.Hour)
		end := func(tx ledger.Tx) error { return tx.Finish("p1", result, "anna", nil) }
		if result == ledger.Abandoned {
			end = func(tx ledger.Tx) error { return tx.Abandon("p1", "anna", "node died") }
		}
		update(t, s, end)
		_, err := begin(reopen(t, s), p)
		var used *ledger.UsedError
		if !errors.As(err, &used) || !used.At.Equal(c.t) || used.By != "anna" || used.Result != result {
			t.Errorf("%s: second begin: %v", result, err)
		}
		if err := s.Update(end); !errors.Is(err, ledger.ErrNotBegun) {
			t.Errorf("%s: ended twice: %v", result, err)
		}
	}
}

func TestABegunPlanResumesDaysLater(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		s, c := newStore(t)
		p := start(c, "p1", key(1))
		begin(s, p)
		update(t, s, func(tx ledger.Tx) error {
			return tx.AppendSteps("p1", []ledger.Step{{Key: key(1), Name: "made", Inode: 5}})
		})
		if interrupted {
			if err := finish(s, "p1", ledger.Interrupted); err != nil {
				t.Fatal(err)
			}
		}
		c.forward(9 * 24 * time.Hour)
		newer := start(c, "p2", key(1))
		if _, err := begin(s, newer); err != nil {
			t.Fatal(err)
		}
		resumed, err := begin(openStore(t, s.dir, c), p)
		if !resumed || err != nil {
			t.Errorf("interrupted %t: begin again: %t, %v", interrupted, resumed, err)
		}
		view(t, s, func(tx ledger.Tx) error {
			steps, err := tx.Steps("p1")
			if len(steps) != 1 || steps[0].Inode != 5 {
				t.Errorf("journal %v", steps)
			}
			plan, ok, err2 := tx.Plan("p1")
			if !ok || plan.Result != "" || plan.Over() || plan.Begun.Equal(c.t) {
				t.Errorf("ledger %+v", plan)
			}
			return firstError(err, err2)
		})
	}
}

func TestAPlanWithTheSameIDMadeLaterIsNew(t *testing.T) {
	s, c := newStore(t)
	p := start(c, "p1", key(1))
	begin(s, p)
	c.forward(time.Hour)
	if err := finish(s, "p1", ledger.Done); err != nil {
		t.Fatal(err)
	}
	p.Made = c.t.AddDate(10, 0, 0)
	if _, err := begin(s, p); !errors.As(err, new(*ledger.UsedError)) {
		t.Errorf("made before the first ended, by a clock that is ahead: %v", err)
	}
	p.Made = c.t.AddDate(-10, 0, 0) // whatever the clock says
	view(t, s, func(tx ledger.Tx) error { p.Ledger, _ = tx.Head(); return nil })
	if _, err := begin(s, p); !errors.As(err, new(*ledger.ApprovalUsedError)) {
		t.Errorf("with the approval of the first: %v", err)
	}
	p.Approvals[0].Digest = "another"
	if resumed, err := begin(s, p); resumed || err != nil {
		t.Errorf("with an approval of its own: %t, %v", resumed, err)
	}
}

// The clock was ten years ahead while a plan was made and began. The ledger orders plans, so later
// ones are not superseded.
func TestPlansAreOrderedByTheLedger(t *testing.T) {
	s, c := newStore(t)
	early := start(c, "early", key(1))
	c.forward(10 * 365 * 24 * time.Hour)
	if _, err := begin(s, start(c, "ahead", key(1))); err != nil {
		t.Fatal(err)
	}
	c.forward(-10 * 365 * 24 * time.Hour)
	late := start(c, "late", key(1))
	view(t, s, func(tx ledger.Tx) error { late.Ledger, _ = tx.Head(); return nil })
	if _, err := begin(s, late); err != nil {
		t.Errorf("a plan made later: %v", err)
	}
	if _, err := begin(s, early); !errors.As(err, new(*ledger.SupersededError)) {
		t.Errorf("a plan made before both: %v", err)
	}
}

// The clock was set back while a plan ran. The plan ends before it was made, and still counts as
// used.
func TestAPlanThatEndedBeforeItWasMade(t *testing.T) {
	s, c := newStore(t)
	p := start(c, "p1", key(1))
	begin(s, p)
	c.forward(-24 * time.Hour)
	if err := finish(s, "p1", ledger.Done); err != nil {
		t.Fatal(err)
	}
	p.Approvals[0].Digest = "another"
	if _, err := begin(s, p); !errors.As(err, new(*ledger.UsedError)) {
		t.Errorf("the same plan again: %v", err)
	}
}

func TestBeginRefusesAndChangesNothing(t *testing.T) {
	s, c := newStore(t)
	tests := map[string]func(*ledger.PlanStart){
		"no id":         func(p *ledger.PlanStart) { p.ID = "" },
		"NUL":           func(p *ledger.PlanStart) { p.ID = "a\x00" },
		"nobody":        func(p *ledger.PlanStart) { p.Who = "" },
		"no time":       func(p *ledger.PlanStart) { p.Made = time.Time{} },
		"no digest":     func(p *ledger.PlanStart) { p.Approvals[0].Digest = "" },
		"same approval": func(p *ledger.PlanStart) { p.Approvals = append(p.Approvals, p.Approvals[0]) },
		"bad key":       func(p *ledger.PlanStart) { p.Keys = []planner.Key{{}} },
	}
	for name, change := range tests {
		p := start(c, "p1", key(1))
		change(&p)
		if _, err := begin(s, p); err == nil {
			t.Errorf("%s: begun", name)
		}
	}
	view(t, s, func(tx ledger.Tx) error {
		plans, err := tx.Plans()
		if seq, _ := tx.Head(); len(plans) != 0 || seq != 0 {
			t.Errorf("plans %v, %d history entries", plans, seq)
		}
		return err
	})
}

func TestSuperseded(t *testing.T) {
	s, c := newStore(t)
	older, other := start(c, "older", key(1), key(2)), start(c, "other", key(3))
	sameTime := start(c, "same", key(2))
	c.forward(time.Minute)
	newer := start(c, "newer", key(2))
	for _, p := range []ledger.PlanStart{newer} {
		if _, err := begin(s, p); err != nil {
			t.Fatal(err)
		}
	}
	var superseded *ledger.SupersededError
	if _, err := begin(s, older); !errors.As(err, &superseded) {
		t.Fatalf("older: %v", err)
	}
	if len(superseded.By) != 1 || superseded.By[0].Plan != "newer" || superseded.By[0].Key != key(2) {
		t.Errorf("by %+v", superseded.By)
	}
	if _, err := begin(s, sameTime); err == nil {
		t.Error("an older plan for the resource began")
	}
	if _, err := begin(s, other); err != nil {
		t.Errorf("a plan for another resource: %v", err)
	}
	equal := start(c, "equal", key(2))
	if _, err := begin(s, equal); err != nil {
		t.Errorf("a plan made at the same second: %v", err)
	}
}

func TestJournalGoesIntoTheHistory(t *testing.T) {
	s, c := newStore(t)
	begin(s, start(c, "p1", key(1)))
	begin(s, start(c, "p1x", key(2)))
	var steps []ledger.Step
	for i := range 1200 {
		steps = append(steps, ledger.Step{Key: key(i), Name: "made"}, ledger.Step{Key: key(i), Name: "done", Note: fmt.Sprint(i)})
	}
	update(t, s, func(tx ledger.Tx) error {
		return firstError(tx.AppendSteps("p1", steps[:1000]), tx.AppendSteps("p1", steps[1000:]),
			tx.AppendSteps("p1x", []ledger.Step{{Key: key(2), Name: "kept"}}))
	})
	if err := finish(s, "p1", ledger.Done); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx ledger.Tx) error {
		left, err := tx.Steps("p1")
		kept, err2 := tx.Steps("p1x")
		if len(left) != 0 || len(kept) != 1 {
			t.Errorf("journals: %d and %d steps, want none and one", len(left), len(kept))
		}
		var got []ledger.Step
		var events []string
		err3 := tx.History(3, func(e ledger.Entry) error {
			got, events = append(got, e.Steps...), append(events, e.Event)
			return nil
		})
		if len(got) != 1200 || got[7].Name != "done" || got[7].Key != key(7) {
			t.Errorf("%d steps in the history", len(got))
		}
		if diff := cmp.Diff([]string{"journal", "journal", "journal", "finish"}, events); diff != "" {
			t.Error(diff)
		}
		return firstError(err, err2, err3, tx.VerifyHistory(""))
	})
	if err := s.Update(func(tx ledger.Tx) error { return tx.AppendSteps("p1", steps[:1]) }); !errors.Is(err, ledger.ErrNotBegun) {
		t.Errorf("a step after the end: %v", err)
	}
	if err := s.Update(func(tx ledger.Tx) error { return tx.AppendSteps("never", steps[:1]) }); !errors.Is(err, ledger.ErrNotBegun) {
		t.Errorf("a step of a plan that never began: %v", err)
	}
}

func TestFinishAndAbandonRefuse(t *testing.T) {
	s, c := newStore(t)
	begin(s, start(c, "p1", key(1)))
	for name, f := range map[string]func(ledger.Tx) error{
		"unknown result": func(tx ledger.Tx) error { return tx.Finish("p1", "fine", "anna", nil) },
		"abandoned":      func(tx ledger.Tx) error { return tx.Finish("p1", ledger.Abandoned, "anna", nil) },
		"nobody":         func(tx ledger.Tx) error { return tx.Abandon("p1", "", "why") },
		"no reason":      func(tx ledger.Tx) error { return tx.Abandon("p1", "anna", "") },
		"unknown plan":   func(tx ledger.Tx) error { return tx.Abandon("p2", "anna", "why") },
	} {
		if err := s.Update(f); err == nil {
			t.Errorf("%s: done", name)
		}
	}
}

func TestOutbox(t *testing.T) {
	s, c := newStore(t)
	var first, second1, other uint64
	update(t, s, func(tx ledger.Tx) (err error) {
		first, _ = tx.Enqueue(delivery(1, planner.Approve))
		second1, _ = tx.Enqueue(delivery(1, planner.SetStateDone))
		other, _ = tx.Enqueue(delivery(2, planner.Approve))
		twice, err := tx.Enqueue(delivery(1, planner.Approve))
		if twice != first {
			t.Errorf("queued twice: %d and %d", first, twice)
		}
		return err
	})
	due := func(at time.Time) (out []uint64) {
		view(t, reopen(t, s), func(tx ledger.Tx) error {
			ds, err := tx.Due(at)
			for _, d := range ds {
				out = append(out, d.Seq)
			}
			return err
		})
		return out
	}
	check := func(name string, at time.Time, want ...uint64) {
		t.Helper()
		if diff := cmp.Diff(want, due(at)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	check("at first", c.t, first, other)
	update(t, s, func(tx ledger.Tx) error { return tx.MarkFailed(first, "503", c.t.Add(time.Minute)) })
	check("the next waits for the first", c.t, other)
	check("later", c.t.Add(time.Minute), first, other)
	update(t, s, func(tx ledger.Tx) error { return tx.Park(first, "400 bad") })
	check("parked", c.t.Add(time.Hour), other)
	update(t, s, func(tx ledger.Tx) error { return tx.Retry(first) })
	check("retried", c.t, first, other)
	update(t, s, func(tx ledger.Tx) error { return tx.MarkDelivered(first) })
	check("delivered", c.t, second1, other)
	update(t, s, func(tx ledger.Tx) error { return tx.Drop(second1, "anna", "node1", "order closed by hand") })
	check("dropped", c.t, other)
	for _, refused := range [][2]string{{"", "why"}, {"anna", ""}} {
		if err := s.Update(func(tx ledger.Tx) error { return tx.Drop(other, refused[0], "node1", refused[1]) }); err == nil {
			t.Errorf("dropped by %q because %q", refused[0], refused[1])
		}
	}
	check("not dropped", c.t, other)
	view(t, s, func(tx ledger.Tx) error {
		var last ledger.Entry
		err := tx.History(1, func(e ledger.Entry) error { last = e; return nil })
		if last.Event != ledger.EventDrop || last.Who != "anna" || !strings.Contains(last.Text, "order closed by hand") || !strings.Contains(last.Text, string(planner.SetStateDone)) {
			t.Errorf("history %+v", last)
		}
		return err
	})
	update(t, s, func(tx ledger.Tx) error { return tx.MarkDelivered(other) })
	update(t, s, func(tx ledger.Tx) error {
		seq, err := tx.Enqueue(delivery(1, planner.Approve))
		if seq <= other {
			t.Errorf("number %d was used before", seq)
		}
		return err
	})
}

// TestOutboxKeepsNoSecret: what is in waldur.url gets neither into the file nor out of it.
func TestOutboxKeepsNoSecret(t *testing.T) {
	s, _ := newStore(t)
	d := delivery(1, planner.Approve)
	const order = "marketplace-orders/1/"
	d.OrderURL = "https://s3cret-host.example.com/s3cret-path/api/" + order
	d.URL = d.OrderURL + "approve_by_provider/"
	update(t, s, func(tx ledger.Tx) error { return second(tx.Enqueue(d)) })
	var pulled bytes.Buffer
	if err := s.Pull(&pulled); err != nil {
		t.Fatal(err)
	}
	if text := pulled.String() + string(read(t, s.File())); strings.Contains(text, "s3cret") {
		t.Errorf("the state holds a secret:\n%s", pulled.String())
	}
	view(t, s, func(tx ledger.Tx) error {
		waiting, err := tx.Outbox()
		if err != nil || len(waiting) != 1 {
			t.Fatal(waiting, err)
		}
		for kept, want := range map[string]string{waiting[0].URL: d.URL,
			waiting[0].OrderURL: d.OrderURL} {
			if got, err := planner.WholeURL("https://s3cret-host.example.com/s3cret-path/api/",
				kept); err != nil || got != want {
				t.Errorf("%s: %s, %v", kept, got, err)
			}
		}
		return nil
	})
}

func TestOutboxRefuses(t *testing.T) {
	s, _ := newStore(t)
	bad := map[string]string{"no callback's": "https://user:secret@waldur.example.com/api/", "no host": "/api/", "no URL": ""}
	for name, u := range bad {
		d := delivery(1, planner.Approve)
		d.URL = u
		if err := s.Update(func(tx ledger.Tx) error { return second(tx.Enqueue(d)) }); err == nil {
			t.Errorf("%s: queued", name)
		}
	}
	for name, f := range map[string]func(ledger.Tx) error{
		"delivered": func(tx ledger.Tx) error { return tx.MarkDelivered(9) },
		"failed":    func(tx ledger.Tx) error { return tx.MarkFailed(9, "", time.Time{}) },
		"parked":    func(tx ledger.Tx) error { return tx.Park(9, "") },
		"retried":   func(tx ledger.Tx) error { return tx.Retry(9) },
		"dropped":   func(tx ledger.Tx) error { return tx.Drop(9, "anna", "h", "why") },
	} {
		if err := s.Update(f); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}

// TestTheHistoryKeepsWhatAPlanChanges: everything is in the history, in entries of limited size,
// and the chain is valid.
func TestTheHistoryKeepsWhatAPlanChanges(t *testing.T) {
	s, c := newStore(t)
	p := start(c, "p1", key(1))
	for i := range 2*stepsInEntry + 1 {
		p.Changed = append(p.Changed, ledger.Changed{Address: fmt.Sprint("/capstor/", i),
			Action: planner.Update,
			Changes: []planner.Change{{Attribute: planner.SpaceHard, Before: planner.UnlimitedValue(),
				After: planner.Number(uint64(i))}}})
	}
	if _, err := begin(s, p); err != nil {
		t.Fatal(err)
	}
	var kept []ledger.Changed
	most := 0
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		return errors.Join(tx.VerifyHistory(""), tx.History(0, func(e ledger.Entry) error {
			kept, most = append(kept, e.Changed...), max(most, len(e.Changed))
			return nil
		}))
	})
	if d := cmp.Diff(p.Changed, kept,
		cmp.Comparer(func(a, b planner.Value) bool { return a == b })); d != "" || most > stepsInEntry {
		t.Errorf("at most %d in an entry; %s", most, d)
	}
}
