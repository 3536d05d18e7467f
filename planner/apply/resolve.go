package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// verdict says what to do with a callback after asking for its order, or after an answer.
type verdict uint8

const (
	due       verdict = iota // it may be sent
	delivered                // Waldur has it
	dropped                  // it can have no effect any more, or no longer applies
	again                    // keep it and try again
	stuck                    // try again, a few times; then a person has to look
	paused                   // keep it; nothing else will get through either
	parked                   // a person has to look
)

// finding is a verdict with its reason, for people.
type finding struct {
	verdict verdict
	why     string
}

// resolve decides from the state of an order what to do with a callback about it.
func resolve(c planner.Callback, s planner.OrderState) finding {
	why := "its order is " + string(s)
	switch {
	case took(c, s) || c == planner.Approve && s == planner.OrderPendingStartDate:
		return finding{delivered, why}
	case over(s):
		return finding{dropped, why}
	case waits(s):
		return finding{again, why + ": somebody else has to act first"}
	case s == actsIn(c):
		return finding{due, ""}
	case s == planner.OrderPendingProvider:
		return finding{stuck, why + ": its approve has had no effect"}
	}
	return finding{stuck, why}
}

// actsIn returns the state of an order in which Waldur takes a callback about it. Waldur takes
// set_state_erred in every state, but changes the order only in this one and otherwise the
// resource.
func actsIn(c planner.Callback) planner.OrderState {
	if c == planner.Approve || c == planner.Reject {
		return planner.OrderPendingProvider
	}
	return planner.OrderExecuting
}

// took reports whether an order's state shows that a callback has had its effect. An order that is
// done was approved.
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

// over reports whether an order has ended, so that no callback can change it.
func over(s planner.OrderState) bool {
	return s == planner.OrderDone || s == planner.OrderErred || s == planner.OrderCanceled ||
		s == planner.OrderRejected
}

// waits reports whether an order is not with the provider, so that all its callbacks have to wait.
func waits(s planner.OrderState) bool {
	return s == planner.OrderPendingConsumer || s == planner.OrderPendingProject ||
		s == planner.OrderPendingStartDate
}

// subject returns what a callback may be about.
func subject(d *ledger.Delivery) planner.About {
	return planner.About{Order: d.Order, Resource: d.Key.Item}
}

// unasked decides what to do with a callback if Waldur did not answer about its order or resource.
func unasked(what string, err error) finding {
	switch {
	case errors.Is(err, ErrOrderGone):
		return finding{dropped, err.Error()}
	case errors.Is(err, ErrNotOwn):
		return finding{parked, err.Error()}
	case errors.Is(err, ErrTokenRefused):
		return finding{paused, err.Error()}
	}
	return finding{again, "Waldur could not be asked about its " + what + ": " + err.Error()}
}

// ask asks for the order of a callback and decides whether to send it. A callback that gives a
// resource a value goes through [Engine.resolveValue].
func (e *Engine) ask(ctx context.Context, d *ledger.Delivery, t *telling) finding {
	if d.OrderURL == "" {
		return e.askResource(ctx, d, "it has no order")
	}
	s, known := t.take()
	if !known || d.Callback.AboutOrder() {
		order, err := e.Orders.Get(ctx, d.OrderURL)
		if err != nil {
			return unasked("order", err)
		}
		if err := subject(d).Owns(&order); err != nil {
			return finding{parked, err.Error()}
		}
		s = order.State
	}
	if !d.Callback.AboutOrder() {
		return e.resolveValue(ctx, d, s, t.fresh)
	}
	t.keep(s)
	return resolve(d.Callback, s)
}

// resolveValue decides about a callback that gives a resource a value, such as its backend_id.
// While its order is open, nobody else can have set a later value. An order may end with its
// approve; a value that this run has just applied is still right then. A value that an earlier run
// left in the outbox may be older than the one that the resource has now.
func (e *Engine) resolveValue(ctx context.Context, d *ledger.Delivery, s planner.OrderState,
	fresh bool) finding {
	why := "its order is " + string(s)
	switch {
	case waits(s):
		return finding{again, why + ": somebody else has to act first"}
	case s == planner.OrderDone && fresh, !over(s):
		return finding{due, ""}
	case s == planner.OrderDone:
		return e.askResource(ctx, d, why)
	}
	return finding{dropped, why}
}

// askResource compares the value of a callback with the resource's own. It never replaces a value
// by one that may be older.
func (e *Engine) askResource(ctx context.Context, d *ledger.Delivery, why string) finding {
	has, err := e.Orders.Resource(ctx, resourceOf(d.URL))
	if err != nil {
		return unasked("resource", err)
	}
	same, unset, err := compareValue(d, has)
	switch {
	case err != nil:
		return finding{parked, err.Error()}
	case same:
		return finding{delivered, why + ", and the resource has this value"}
	case unset:
		return finding{due, ""}
	}
	return finding{dropped, why + ", but the resource now has another value"}
}

// resourceOf returns the resource's own URL: a callback's without its last part.
func resourceOf(callback string) string {
	rest := strings.TrimSuffix(callback, "/")
	return rest[:strings.LastIndexByte(rest, '/')+1]
}

// compareValue reports whether a resource has the value that a callback gives it (same), or no
// value at all (unset).
func compareValue(d *ledger.Delivery, has Resource) (same, unset bool, err error) {
	var body struct {
		BackendID string                     `json:"backend_id"`
		Options   map[string]json.RawMessage `json:"options"`
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return false, false, fmt.Errorf("read the body of %s: %w", d.Callback, err)
	}
	if d.Callback == planner.SetBackendID {
		return has.BackendID == body.BackendID, has.BackendID == "", nil
	}
	same, unset = true, true
	for name, value := range body.Options {
		now, ok := has.Options[name]
		same = same && ok && bytes.Equal(bytes.Trim(now, `"`), value)
		unset = unset && (!ok || string(now) == "null")
	}
	return same, unset, nil
}

// telling is what one run knows while it sends the callbacks of one resource.
type telling struct {
	// fresh reports whether this run has queued the callbacks, so that their values are current.
	fresh bool
	// order is the order's state after the last callback; empty if it is not known.
	order planner.OrderState
}

// take returns the order's state and forgets it, because the next callback may change it.
func (t *telling) take() (planner.OrderState, bool) {
	s := t.order
	t.order = ""
	return s, s != ""
}

func (t *telling) keep(s planner.OrderState) { t.order = s }
