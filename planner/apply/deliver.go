package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/state"
)

// Tries of a callback within one apply, and the longest wait between two of them. What is not delivered then stays in the
// outbox for the next apply, the loop, or `callbacks retry`.
const (
	triesNow    = 3
	longestWait = 10 * time.Second
)

// deliver sends the callbacks of one resource in their order, those first that an earlier apply left. The first that cannot
// be delivered keeps the rest waiting; one that is parked waits for a person.
func (e *Engine) deliver(ctx context.Context, o *outcome, resend bool) error {
	for i := range o.earlier {
		d := &o.earlier[i]
		if d.Parked {
			return fmt.Errorf("tell Waldur %s of %s: its earlier callback %s is parked: see `cscs-sync callbacks list`, then retry or drop it",
				o.calls[0].Callback, d.Address, d.Callback)
		}
		if err := e.deliverOne(ctx, d, true); err != nil {
			return err
		}
	}
	for i := range o.calls {
		if err := e.deliverOne(ctx, &o.calls[i], resend); err != nil {
			return err
		}
	}
	return nil
}

// Redeliver sends what waits in the outbox and is due, resource by resource in its order, until nothing more gets through.
// One that fails keeps only its own resource waiting. What may have been sent before is first looked up by its order. due
// is asked again after each pass, for what was delivered makes the next of its resource due. It returns how many were
// delivered, and an error for each that was not; [ErrPaused] ends everything.
func (e *Engine) Redeliver(ctx context.Context, due func() ([]state.Delivery, error)) (delivered int, err error) {
	var problems []error
	for progress := true; progress; {
		waiting, err := due()
		if err != nil {
			return delivered, errors.Join(append(problems, err)...)
		}
		progress = false
		for i := range waiting {
			if ctx.Err() != nil {
				return delivered, errors.Join(append(problems, ctx.Err())...)
			}
			if err := e.deliverOne(ctx, &waiting[i], true); errors.Is(err, ErrPaused) {
				return delivered, errors.Join(append(problems, err)...)
			} else if err != nil {
				problems = append(problems, err)
				continue
			}
			delivered++
			progress = true
		}
	}
	return delivered, errors.Join(problems...)
}

// ErrPaused tells that Waldur refused our token: no other callback will fare better.
var ErrPaused = errors.New("all callbacks pause until the token of the waldur block is mended")

// refused tells answers that say something about the token, and nothing about the callback.
func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// verdict is what is to be done with a callback after an answer.
type verdict uint8

const (
	delivered verdict = iota
	again             // keep it and try again
	paused            // keep it; nothing else will get through either
	parked            // a person has to look
)

// deliverOne brings one callback to Waldur, with a few tries, and notes what came of it.
func (e *Engine) deliverOne(ctx context.Context, d *state.Delivery, resend bool) error {
	if e.paused.Load() {
		return fmt.Errorf("tell Waldur %s of %s: %w", d.Callback, d.Address, ErrPaused)
	}
	var v verdict
	var why string
	var wait time.Duration
	for try := range triesNow {
		v, why, wait = e.attempt(ctx, d, resend || try > 0)
		if v != again || try == triesNow-1 {
			break
		}
		if wait = max(wait, time.Duration(1<<try)*500*time.Millisecond); wait > longestWait {
			break
		}
		if e.Sleep(ctx, wait) != nil {
			break
		}
	}
	if v == paused {
		e.paused.Store(true)
	}
	return e.note(d, v, why, wait)
}

// note writes down what became of a callback: one sync after each answer.
func (e *Engine) note(d *state.Delivery, v verdict, why string, wait time.Duration) error {
	err := e.Journal.Update(func(tx *state.Tx) error {
		switch v {
		case delivered:
			return tx.MarkDelivered(d.Seq)
		case parked:
			return tx.Park(d.Seq, why)
		}
		return tx.MarkFailed(d.Seq, why, e.Now().Add(max(wait, backoff(d.Tries))))
	})
	e.reached("callback noted")
	switch {
	case err != nil:
		return fmt.Errorf("note the answer to %s of %s: %w", d.Callback, d.Address, err)
	case v == delivered:
		return nil
	case v == paused:
		return fmt.Errorf("tell Waldur %s of %s: %s: %w", d.Callback, d.Address, why, ErrPaused)
	case v == parked:
		return fmt.Errorf("tell Waldur %s of %s: %s; it is parked: see `cscs-sync callbacks list`, then retry or drop it", d.Callback, d.Address,
			why)
	}
	return fmt.Errorf("tell Waldur %s of %s: %s; it is kept and tried again later", d.Callback, d.Address, why)
}

// backoff is how long to wait before the next apply or round tries again: from a minute up to an hour.
func backoff(tries int) time.Duration {
	return min(time.Minute<<min(tries, 6), time.Hour)
}

// attempt makes one try. A resend is decided by the order's state first, so that nothing takes effect twice.
func (e *Engine) attempt(ctx context.Context, d *state.Delivery, resend bool) (verdict, string, time.Duration) {
	if resend && d.Callback.AboutOrder() {
		if v, why, settled := e.settledBy(ctx, d); settled {
			return v, why, 0
		}
	}
	e.reached("callback")
	answer := e.Orders.Send(ctx, providers.Call{Callback: d.Callback, URL: d.URL, Body: d.Body})
	e.reached("answer")
	why := describe(answer)
	switch s := answer.Status; {
	case s >= 200 && s < 300:
		return delivered, "", 0
	case s == http.StatusConflict && d.Callback.AboutOrder():
		return e.afterConflict(ctx, d, why)
	case refused(s):
		return paused, why, answer.RetryAfter
	case s == 0 || s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500:
		return again, why, answer.RetryAfter
	}
	return parked, why, 0
}

// settledBy asks for the order before something is sent again; settled tells that the answer decides it.
func (e *Engine) settledBy(ctx context.Context, d *state.Delivery) (verdict, string, bool) {
	order, err := e.Orders.Get(ctx, d.OrderURL)
	switch {
	case errors.Is(err, providers.ErrOrderGone):
		return parked, err.Error(), true
	case errors.Is(err, providers.ErrTokenRefused):
		return paused, err.Error(), true
	case err != nil:
		return again, "its order could not be asked: " + err.Error(), true
	case took(d.Callback, order.State):
		return delivered, "", true
	case over(order.State):
		return parked, "its order is " + string(order.State), true
	}
	return again, "", false
}

// afterConflict tells a callback that came too late from one that came too early.
func (e *Engine) afterConflict(ctx context.Context, d *state.Delivery, why string) (verdict, string, time.Duration) {
	v, text, settled := e.settledBy(ctx, d)
	switch {
	case settled && text != "":
		return v, why + "; " + text, 0
	case settled:
		return v, "", 0
	}
	return again, why, 0
}

// took tells whether an order's state shows that the callback has had its effect. An order that is done was approved.
func took(c planner.Callback, s planner.OrderState) bool {
	switch c {
	case planner.Approve:
		return s == planner.OrderExecuting || s == planner.OrderDone
	case planner.SetStateDone:
		return s == planner.OrderDone
	case planner.SetStateErred:
		return s == planner.OrderErred
	case planner.Reject:
		return s == planner.OrderRejected
	}
	return false
}

// over tells that an order has ended, so that no callback can change it.
func over(s planner.OrderState) bool {
	return s == planner.OrderDone || s == planner.OrderErred || s == planner.OrderCanceled || s == planner.OrderRejected
}
