package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Each answer leads to another try, to parking, or to asking for the order.
func TestAnswers(t *testing.T) {
	again := "set_state_done in 1m0s"
	for _, c := range []struct {
		name   string
		answer Answer
		order  planner.OrderState
		want   string
		sent   int
	}{
		{"200", Answer{Status: 200}, planner.OrderDone, "", 1},
		{"201", Answer{Status: 201}, planner.OrderDone, "", 1},
		{"200 without effect", Answer{Status: 200}, planner.OrderExecuting, again, 3},
		{"200, and it was canceled", Answer{Status: 200}, planner.OrderCanceled, "dropped", 1},
		{"no answer, not carried out", Answer{Err: errors.New("reset")}, planner.OrderExecuting,
			again, 3},
		{"no answer, carried out", Answer{Err: errors.New("reset")}, planner.OrderDone, "", 1},
		{"500", Answer{Status: 500}, planner.OrderExecuting, again, 3},
		{"500, carried out", Answer{Status: 500}, planner.OrderDone, "", 1},
		{"503", Answer{Status: 503}, planner.OrderExecuting, again, 3},
		{"408", Answer{Status: 408}, planner.OrderExecuting, again, 3},
		{"429", Answer{Status: 429}, planner.OrderExecuting, again, 3},
		{"429, later than this apply waits", Answer{Status: 429, RetryAfter: time.Hour},
			planner.OrderExecuting, "set_state_done in 1h0m0s", 1},
		{"401", Answer{Status: 401}, planner.OrderExecuting, again, 1},
		{"403", Answer{Status: 403}, planner.OrderExecuting, again, 1},
		{"400", Answer{Status: 400, Detail: "Offering is unavailable."}, planner.OrderExecuting,
			"set_state_done parked", 1},
		{"404", Answer{Status: 404}, planner.OrderExecuting, "set_state_done parked", 1},
		{"405", Answer{Status: 405}, planner.OrderExecuting, "set_state_done parked", 1},
		{"415", Answer{Status: 415}, planner.OrderExecuting, "set_state_done parked", 1},
		{"302", Answer{Status: 302, Detail: "it redirects"}, planner.OrderExecuting,
			"set_state_done parked", 1},
		{"409, it is done", Answer{Status: 409}, planner.OrderDone, "", 1},
		{"409, too early", Answer{Status: 409}, planner.OrderPendingStartDate, again, 1},
		{"409, not approved", Answer{Status: 409}, planner.OrderPendingProvider, again, 1},
		{"409, canceled", Answer{Status: 409}, planner.OrderCanceled, "dropped", 1},
		{"400, canceled", Answer{Status: 400}, planner.OrderCanceled, "dropped", 1},
		{"409, erred", Answer{Status: 409}, planner.OrderErred, "dropped", 1},
	} {
		w := newWorld(t)
		x := work(planner.Report, "bio", planner.SetStateDone)
		w.answers["set_state_done"] = []Answer{c.answer}
		w.orders[x.Order] = c.order
		results := w.run(Job{Work: []Work{x}})
		sent := strings.Count(strings.Join(w.log, "\n"), "set_state_done")
		got := w.outbox()
		var gone *DroppedError
		if errors.As(results[0].Err, &gone) {
			got += "dropped"
		}
		if got != c.want || sent != c.sent || (results[0].Status == Done) != (c.want == "") ||
			c.want != "" && results[0].Status != Undelivered {
			t.Errorf("%s: sent %d times, the outbox holds %q, %s, %v; want %d times, %q", c.name,
				sent, got, results[0].Status, results[0].Err, c.sent, c.want)
		}
		lost := c.answer.Detail != "" && !mentions(results[0].Err, planner.Clause(c.answer.Detail),
			"/capstor/bio")
		if lost || results[0].Err != nil && mentions(results[0].Err, ".;") {
			t.Errorf("%s: Waldur's words are lost, or end in a full stop in a sentence: %v", c.name,
				results[0].Err)
		}
	}
}

// A 409 to a callback that no order's state shows needs a person, because the customer is blocked.
func TestConflictOfABackendID(t *testing.T) {
	w := newWorld(t)
	w.answers["set_backend_id"] = []Answer{{Status: 409}}
	w.run(Job{Work: []Work{creation("bio")}})
	if got := w.outbox(); got != "set_backend_id parked, set_state_done due" {
		t.Errorf("the outbox holds %q", got)
	}
}

// Before a callback is sent again, its order is asked for. Nothing takes effect twice, and nothing
// is sent to an order that is over.
func TestAResendAsksFirst(t *testing.T) {
	states := []planner.OrderState{planner.OrderPendingProvider, planner.OrderExecuting,
		planner.OrderDone, planner.OrderErred, planner.OrderCanceled, planner.OrderRejected}
	for call, want := range map[planner.Callback]string{
		planner.Approve:       "sent delivered delivered dropped dropped dropped",
		planner.SetStateDone:  "in 1m0s sent delivered dropped dropped dropped",
		planner.SetStateErred: "in 1m0s sent dropped delivered dropped dropped",
		planner.Reject:        "sent in 1m0s dropped dropped dropped delivered",
		planner.SetBackendID:  "sent sent sent dropped dropped dropped",
	} {
		var got []string
		for _, s := range states {
			w := newWorld(t)
			x := work(planner.Report, "bio", call)
			w.orders[x.Order] = s
			w.queuedBefore(x)
			x.Queued = true
			var gone *DroppedError
			results := w.run(Job{Work: []Work{x}, Resumed: true})
			switch {
			case errors.As(results[0].Err, &gone):
				got = append(got, "dropped")
			case slices.Contains(w.log, string(call)+" bio"):
				got = append(got, "sent")
			case w.outbox() == "":
				got = append(got, "delivered")
			default:
				got = append(got, strings.TrimPrefix(w.outbox(), string(call)+" "))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s in %v:\n%s\nwant\n%s", call, states, text, want)
		}
	}
}

// The answer to a question about an order decides too: a callback of an order that is gone is
// dropped, a refused token pauses, and all else is tried again.
func TestAnOrderThatCannotBeAsked(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{ErrOrderGone, ""},
		{fmt.Errorf("401: %w", ErrTokenRefused), "set_state_done in 1m0s"},
		{ErrUnreachable, "set_state_done in 1m0s"},
	} {
		w := newWorld(t)
		w.asking = c.err
		x := work(planner.Report, "bio", planner.SetStateDone)
		w.queuedBefore(x)
		x.Queued = true
		results := w.run(Job{Work: []Work{x}, Resumed: true})
		paused := errors.Is(results[0].Err, ErrPaused)
		if got := w.outbox(); got != c.want || slices.Contains(w.log, "set_state_done bio") ||
			paused != errors.Is(c.err, ErrTokenRefused) {
			t.Errorf("%v: the outbox holds %q, paused %t, %v", c.err, got, paused, w.log)
		}
	}
}

// The first callback of a resource that fails makes the resource's other callbacks wait, and no
// others.
func TestOrderOfEachResource(t *testing.T) {
	w := newWorld(t)
	w.answers["approve"] = []Answer{{Status: 400}, {Status: 200}}
	results := w.run(Job{Work: []Work{creation("bio"), creation("chem")}})
	wantStatuses(t, results, map[string]Status{"bio": Undelivered, "chem": Done})
	if got := w.outbox(); got != "approve parked, set_backend_id due, set_state_done due" {
		t.Errorf("the outbox holds %q", got)
	}
	if slices.Contains(w.log, "set_backend_id bio") {
		t.Errorf("sent out of order: %v", w.log)
	}
}

// Callbacks that an earlier plan could not deliver are sent first. A parked callback holds back
// only callbacks of its own order.
func TestBehindAnEarlierPlan(t *testing.T) {
	for _, parked := range []bool{false, true} {
		w := newWorld(t)
		w.check(w.store.Update(func(tx ledger.Tx) error {
			seq, err := tx.Enqueue(ledger.Delivery{Key: key("bio"), Address: "/capstor/bio",
				Callback: planner.UpdateOptions,
				URL:      "https://w/api/marketplace-provider-resources/bio/update_options",
				Body:     []byte(`{"options":{"hard_quota_space":3}}`)})
			if parked {
				err = errors.Join(err, tx.Park(seq, "no"))
			}
			return err
		}))
		results := w.run(Job{Work: []Work{creation("bio"), creation("chem")}})
		wantStatuses(t, results, map[string]Status{"bio": Done, "chem": Done})
		i, want := slices.Index(w.log, "update_options bio"), ""
		if parked {
			want = "update_options parked"
		}
		if parked != (i < 0) || i > slices.Index(w.log, "approve bio") || w.outbox() != want {
			t.Errorf("parked %t: sent %v; the outbox holds %q", parked, w.log, w.outbox())
		}
	}
}

// A callback that an earlier plan left for the same order is replaced by this plan's, and the
// history records that.
func TestALaterPlanSendsItself(t *testing.T) {
	w := newWorld(t)
	x := creation("bio")
	w.check(w.store.Update(func(tx ledger.Tx) error {
		for _, c := range []planner.Callback{planner.Approve, planner.SetBackendID} {
			if _, err := tx.Enqueue(ledger.Delivery{Key: x.Action.Key, Address: "/capstor/bio",
				Order: x.Action.Order, Callback: c, URL: x.URLs[c],
				OrderURL: x.Order, Plan: "sha256:earlier"}); err != nil {
				return err
			}
		}
		return tx.Park(1, "no")
	}))
	wantStatuses(t, w.run(Job{Work: []Work{x}}), map[string]Status{"bio": Done})
	sent := strings.Join(w.log, ", ")
	if !strings.HasSuffix(sent,
		"approve bio, ask bio, set_backend_id bio, set_state_done bio, ask bio") ||
		strings.Count(sent, "set_backend_id") != 1 || w.outbox() != "" {
		t.Errorf("sent %s; the outbox holds %q", sent, w.outbox())
	}
}

// A resume takes up only the callbacks that an earlier run queued; one that is gone from the outbox
// was delivered. If the storage is no longer as the run left it, the failure says that callbacks
// may wait. If the resource is skipped, they are sent.
func TestAResumeQueuesNothingTwice(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*world, *Work)
		want   Status
		sent   string
		says   string
	}{
		{"as it was", func(*world, *Work) {}, Done, "ask bio, set_state_done bio, ask bio", ""},
		{"skipped", func(_ *world, x *Work) { x.Skip = "stale" }, Skipped,
			"ask bio, set_state_done bio, ask bio", "stale"},
		{"failed", func(w *world, _ *Work) { w.fail["make capstor/bio"] = errors.New("read-only") },
			Failed, "", "callbacks list"},
	} {
		w := newWorld(t)
		x := creation("bio")
		x.Queued = true
		w.orders[x.Order] = planner.OrderExecuting
		w.queuedBefore(x)
		w.check(w.store.Update(
			func(tx ledger.Tx) error { return errors.Join(tx.MarkDelivered(1), tx.MarkDelivered(2)) }))
		c.change(w, &x)
		results := w.run(Job{Work: []Work{x}, Resumed: true})
		var sent []string
		for _, step := range w.log {
			if strings.HasSuffix(step, " bio") && (strings.HasPrefix(step, "ask") ||
				strings.Contains(step, "set_") || strings.HasPrefix(step, "approve")) {
				sent = append(sent, step)
			}
		}
		if got := strings.Join(sent, ", "); results[0].Status != c.want || got != c.sent ||
			c.says != "" && !mentions(results[0].Err, c.says) {
			t.Errorf("%s: %s, %v; sent %s, want %s", c.name, results[0].Status, results[0].Err, got,
				c.sent)
		}
	}
}

// queuedBefore puts the callbacks of a resource into the outbox, as a killed run of the same plan
// would have.
func (w *world) queuedBefore(x Work) {
	w.check(w.store.Update(func(tx ledger.Tx) (err error) {
		for _, c := range x.Action.Callbacks {
			_, more := tx.Enqueue(ledger.Delivery{Key: x.Action.Key, Address: x.Action.Address,
				Order: x.Action.Order, Callback: c, URL: x.URLs[c],
				OrderURL: x.Order, Body: []byte(`{"backend_id":"/capstor/bio"}`),
				Plan: "sha256:plan"})
			err = errors.Join(err, more)
		}
		return err
	}))
}

// due returns the callbacks that may be sent now.
func (w *world) due() (due []ledger.Delivery, err error) {
	err = w.store.View(func(tx ledger.Tx) (err error) { due, err = tx.Due(now); return err })
	return due, err
}

// A refused token pauses everything, and is reported once.
func TestARefusedTokenPauses(t *testing.T) {
	w := newWorld(t)
	w.answers["approve"] = []Answer{{Status: 401, Detail: "Invalid token."}}
	var job Job
	for i := range 70 { // more than one batch
		job.Work = append(job.Work, creation(fmt.Sprint("p", i)))
	}
	results := w.run(job)
	said := 0
	for _, r := range results {
		if r.Status != Undelivered || !errors.Is(r.Err, ErrPaused) {
			t.Fatalf("%+v", r)
		}
		if mentions(r.Err, "Invalid token") {
			said++
		}
	}
	if sent := strings.Count(strings.Join(w.log, "\n"), "approve"); sent != 1 || said != 1 {
		t.Errorf("%d were sent, and the reason was said %d times; want one of each", sent, said)
	}
	w.log = nil
	told, err := w.engine().Redeliver(context.Background(), w.due)
	if told.Delivered != 0 || !errors.Is(err, ErrPaused) || strings.Count(err.Error(), "\n") != 0 ||
		len(w.log) != 2 {
		t.Errorf("delivered %d, %v, by %v", told.Delivered, err, w.log)
	}
}

// Redeliver continues after the failure of one resource with all callbacks of the others, and stops
// when it is told to.
func TestRedeliver(t *testing.T) {
	w := newWorld(t)
	w.answers["approve"] = []Answer{{Status: 500}}
	w.run(Job{Work: []Work{creation("bio"), creation("chem"), creation("geo")}})
	w.check(w.store.Update(func(tx ledger.Tx) error { // as if their time had come
		waiting, err := tx.Outbox()
		for _, d := range waiting {
			err = errors.Join(err, tx.Retry(d.Seq))
		}
		return err
	}))
	w.answers["approve"] = []Answer{{Status: 400}, {Status: 200}}
	told, err := w.engine().Redeliver(context.Background(), w.due)
	if told.Delivered != 6 || !mentions(err, "approve of /capstor/bio") ||
		w.outbox() != "approve parked, set_backend_id due, set_state_done due" {
		t.Errorf("delivered %d, %v; the outbox holds %q", told.Delivered, err, w.outbox())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.log = nil
	w.check(w.store.Update(func(tx ledger.Tx) error { return tx.Retry(1) }))
	if told, err := w.engine().Redeliver(ctx, w.due); told.Delivered != 0 ||
		!errors.Is(err, context.Canceled) || len(w.log) != 0 {
		t.Errorf("after the end: %d, %v, %v", told.Delivered, err, w.log)
	}
}

// Within one apply a callback is tried three times, with growing delays, or when Waldur asked for
// it.
func TestTriesWithinAnApply(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  []time.Duration
	}{{0, []time.Duration{500 * time.Millisecond, time.Second}},
		{3 * time.Second, []time.Duration{3 * time.Second, 3 * time.Second}},
		{11 * time.Second, nil}} {
		w := newWorld(t)
		w.answers["set_state_done"] = []Answer{{Status: 503, RetryAfter: c.after}}
		w.orders["https://w/api/marketplace-orders/bio"] = planner.OrderExecuting
		w.run(Job{Work: []Work{work(planner.Report, "bio", planner.SetStateDone)}})
		if !slices.Equal(w.slept, c.want) {
			t.Errorf("Retry-After %s: waited %v, want %v", c.after, w.slept, c.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	for i := range 9 {
		got = append(got, later(i))
	}
	want := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
		16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour, time.Hour}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
