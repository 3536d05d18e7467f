package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// How often a callback is tried within one apply, and how long at most between two tries. A
// callback that is not delivered then stays in the outbox for the next apply, the loop, or
// `callbacks retry`.
const (
	triesNow    = 3
	longestWait = 10 * time.Second
	// firstWait is the wait after the first try, unless Waldur asks for a longer one.
	firstWait = 500 * time.Millisecond
	// mostStuck is after how many rounds of triesNow tries a callback without an effect is parked.
	mostStuck = 4
)

// ErrPaused means that Waldur refused our token. All other callbacks would fail too.
var ErrPaused = errors.New("all callbacks pause until the token of the waldur block is fixed")

// DroppedError means that a callback was removed from the outbox because it can have no effect or
// no longer applies. The history keeps it.
type DroppedError struct {
	Callback     planner.Callback
	Address, Why string
}

func (e *DroppedError) Error() string {
	return fmt.Sprintf("tell Waldur %s of %s: %s; dropped it, and recorded that", e.Callback,
		e.Address, e.Why)
}

// Waits reports whether the error of an [Undelivered] resource leaves a callback in the outbox.
func Waits(err error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(all.Unwrap(), Waits)
	}
	var gone *DroppedError
	return err != nil && !errors.As(err, &gone)
}

// deliver sends the callbacks that wait for one resource: those of earlier orders, then its own. A
// callback that has to wait holds back the other callbacks of its order and no others. The error is
// about the callbacks of the action's own order.
func (e *Engine) deliver(ctx context.Context, a *planner.Action, o *outcome) error {
	var own []error
	waits, over := map[string]bool{}, map[string]string{}
	t := telling{}
	for i := range o.waiting {
		d := &o.waiting[i]
		if waits[d.Order] {
			continue
		}
		mine := d.Order == a.Order
		t.fresh = o.fresh && mine && d.Plan == o.plan && over[d.Order] == ""
		if !mine {
			t.order = ""
		}
		err := e.deliverOne(ctx, d, &t)
		var gone *DroppedError
		waits[d.Order] = err != nil && !errors.As(err, &gone)
		// That the order is over is said once.
		if mine && err != nil && (gone == nil || !strings.HasSuffix(over[d.Order], gone.Why)) {
			own = append(own, err)
		}
		if gone != nil {
			over[d.Order] = gone.Why
		}
	}
	return errors.Join(own...)
}

// Told says what became of the callbacks that [Engine.Redeliver] found due.
type Told struct {
	Delivered int
	Dropped   []*DroppedError
}

// Redeliver sends the due callbacks in the outbox, order by order, until no more get through. A
// callback that fails keeps only the callbacks of its own order waiting. Before it resends a
// callback, Redeliver asks Waldur for the state of its order. It calls due again after each pass,
// because a delivered callback makes the next of its order due. The error is about each callback
// that still waits. [ErrPaused] ends everything.
func (e *Engine) Redeliver(ctx context.Context, due func() ([]ledger.Delivery, error)) (told Told,
	err error) {
	e.beGuarded()
	var problems []error
	for progress := true; progress; {
		waiting, err := due()
		if err != nil {
			return told, errors.Join(append(problems, err)...)
		}
		progress = false
		for i := range waiting {
			if ctx.Err() != nil {
				return told, errors.Join(append(problems, ctx.Err())...)
			}
			err := e.deliverOne(ctx, &waiting[i], &telling{})
			var gone *DroppedError
			switch {
			case errors.Is(err, ErrPaused):
				return told, errors.Join(append(problems, err)...)
			case errors.As(err, &gone):
				told.Dropped = append(told.Dropped, gone)
			case err != nil:
				problems = append(problems, err)
				continue
			default:
				told.Delivered++
			}
			progress = true
		}
	}
	return told, errors.Join(problems...)
}

// refused reports whether an HTTP status is about the token and not about the callback.
func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// deliverOne sends one callback, with a few tries, and records what became of it. For a parked
// callback it only asks for the order.
func (e *Engine) deliverOne(ctx context.Context, d *ledger.Delivery, t *telling) error {
	if e.paused.Load() {
		return fmt.Errorf("tell Waldur %s of %s: %w", d.Callback, d.Address, ErrPaused)
	}
	if e.full.Load() {
		return fmt.Errorf("tell Waldur %s of %s: %w", d.Callback, d.Address, errUnsent)
	}
	if err := e.held(d.Address); err != nil {
		return fmt.Errorf("tell Waldur %s: it waits in the outbox: %w", d.Callback, err)
	}
	if d.Parked {
		return e.lookUpParked(ctx, d, t)
	}
	var f finding
	var wait time.Duration
	for try := range triesNow {
		f, wait = e.attempt(ctx, d, t, !t.fresh || try > 0)
		if f.verdict != again && f.verdict != stuck || try == triesNow-1 {
			break
		}
		if wait = max(wait, backoff.Wait(firstWait, longestWait, try+1)); wait > longestWait {
			break
		}
		if e.Sleep(ctx, wait) != nil {
			break
		}
	}
	return e.note(d, f, wait)
}

// lookUpParked removes a parked callback from the outbox if its order shows that it was delivered
// or is over.
func (e *Engine) lookUpParked(ctx context.Context, d *ledger.Delivery, t *telling) error {
	if f := e.ask(ctx, d, t); f.verdict == delivered || f.verdict == dropped ||
		f.verdict == paused {
		return e.note(d, f, 0)
	}
	return fmt.Errorf("tell Waldur %s of %s: it is parked (%s). Run `cscs-sync callbacks list`, "+
		"then retry or drop callback %d",
		d.Callback, d.Address, d.Problem, d.Seq)
}

// note records what became of a callback, with one sync after each answer.
func (e *Engine) note(d *ledger.Delivery, f finding, wait time.Duration) error {
	if f.verdict == paused {
		e.paused.Store(true)
	}
	if f.verdict == stuck && d.Tries+1 >= mostStuck {
		f = finding{parked, fmt.Sprintf("%s after %d rounds of tries", f.why, d.Tries+1)}
	}
	if f.verdict == delivered {
		e.told.add(d.Callback)
	}
	err := e.Journal.Update(func(tx ledger.Tx) error {
		switch f.verdict {
		case delivered:
			return tx.MarkDelivered(d.Seq)
		case dropped:
			return tx.Drop(d.Seq, e.Who, e.Host, f.why)
		case parked:
			return tx.Park(d.Seq, f.why)
		}
		return tx.MarkFailed(d.Seq, f.why, e.Now().Add(max(wait, later(d.Tries))))
	})
	e.reached("callback noted")
	what := fmt.Sprintf("tell Waldur %s of %s: %s", d.Callback, d.Address, f.why)
	switch {
	case err != nil:
		e.full.Store(true)
		return &unnotedError{fmt.Errorf("record Waldur's answer to %s of %s: %w", d.Callback,
			d.Address, err)}
	case f.verdict == delivered:
		return nil
	case f.verdict == dropped:
		return &DroppedError{d.Callback, d.Address, f.why}
	case f.verdict == paused:
		return fmt.Errorf("%s: %w", what, ErrPaused)
	case f.verdict == parked:
		return fmt.Errorf("%s; it is parked. Run `cscs-sync callbacks list`, then retry or drop "+
			"callback %d", what, d.Seq)
	}
	return fmt.Errorf("%s; it is kept and retried later", what)
}

// later returns how long the next apply or round waits before it tries a callback again that was
// tried this often.
func later(tries int) time.Duration { return backoff.Wait(time.Minute, time.Hour, tries+1) }

// attempt makes one try. It asks for the order first before a resend, before each callback with a
// value, and before set_state_erred, which Waldur takes in any state. So no callback takes effect
// twice, and no old value replaces a newer one. After a callback about the order, the order itself
// must show the effect. The duration is how long Waldur asked us to wait.
func (e *Engine) attempt(ctx context.Context, d *ledger.Delivery, t *telling, resend bool) (finding,
	time.Duration) {
	if resend || !d.Callback.AboutOrder() || d.Callback == planner.SetStateErred {
		if f := e.ask(ctx, d, t); f.verdict != due {
			return f, 0
		}
	}
	e.reached("callback")
	answer := e.Orders.Send(ctx, Call{Callback: d.Callback, About: subject(d), URL: d.URL,
		Body: d.Body})
	e.reached("answer")
	why := describe(answer)
	switch s := answer.Status; {
	case errors.Is(answer.Err, ErrNotOwn):
		return finding{parked, why}, 0
	case s >= 200 && s < 300 && !d.Callback.AboutOrder():
		return finding{delivered, why}, 0
	case refused(s):
		return finding{paused, why}, answer.RetryAfter
	case s == 0 || s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500:
		return finding{again, why}, answer.RetryAfter
	case !d.Callback.AboutOrder():
		return finding{parked, why}, 0
	}
	return e.afterAnswer(ctx, d, t, answer.Status, why), 0
}

// afterAnswer asks for the order after Waldur has answered a callback about it, because only the
// order shows what the callback did.
func (e *Engine) afterAnswer(ctx context.Context, d *ledger.Delivery, t *telling, status int,
	why string) finding {
	f := e.ask(ctx, d, t)
	ok := status >= 200 && status < 300
	switch {
	case f.verdict == delivered:
		return f
	case f.verdict != due && f.verdict != stuck:
		f.why = why + "; " + f.why
	case ok:
		f = finding{stuck, fmt.Sprintf("Waldur answered %s, and its order is still %s", why,
			t.order)}
	case status == http.StatusConflict:
		f = finding{stuck, fmt.Sprintf("%s; its order is %s", why, t.order)}
	default:
		f = finding{parked, why}
	}
	return f
}
