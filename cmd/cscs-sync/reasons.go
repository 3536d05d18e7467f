package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// reason is how a round ended: exactly one for each, logged and counted.
type reason string

// The reasons; docs/loop.md says what to do with each.
const (
	applied           reason = "applied"
	wouldApply        reason = "would_apply" // of a dry run
	noChanges         reason = "no_changes"
	allHeld           reason = "all_held"
	ordersBlocked     reason = "orders_blocked"
	outsideWindow     reason = "outside_window"
	overLimit         reason = "over_limit"
	inBackoff         reason = "backoff"
	sourceUnreachable reason = "source_unreachable"
	sourceIncomplete  reason = "source_incomplete"
	sourceShrank      reason = "source_shrank"
	lockBusy          reason = "lock_busy"
	observeFailed     reason = "observe_failed"
	partialRound      reason = "partial"
	notConverged      reason = "not_converged"
	stopped           reason = "stopped"
	roundFailed       reason = "error"
)

// reasons lists all of them.
func reasons() []reason {
	return []reason{applied, wouldApply, noChanges, allHeld, ordersBlocked, outsideWindow, overLimit, inBackoff, sourceUnreachable, sourceIncomplete, sourceShrank,
		lockBusy, observeFailed, partialRound, notConverged, stopped, roundFailed}
}

// fine tells reasons of rounds that did all that they might. What waits for its next try or for a person does not make the
// loop less ready: each has a metric of its own.
func (r reason) fine() bool {
	return slices.Contains([]reason{applied, wouldApply, noChanges, allHeld, ordersBlocked, outsideWindow, overLimit, inBackoff, stopped}, r)
}

// sourceReason sorts the errors of a listing; empty for other errors.
func sourceReason(err error) reason {
	var changed *waldur.ChangedError
	var moved *waldur.MovedError
	var status *web.StatusError
	var quiet *quietError
	var listing *listingError
	switch {
	case errors.As(err, &changed), errors.As(err, &moved):
		return sourceIncomplete
	case errors.Is(err, apply.ErrUnreachable), errors.As(err, &status), errors.As(err, &quiet):
		return sourceUnreachable
	case errors.As(err, &listing):
		return sourceIncomplete // an answer that is no listing
	}
	return ""
}

// reasonOf is the reason of a round that ends with an error.
func (r *round) reasonOf(err error) (reason, error) {
	var busy *ledger.LockedError
	var used *ledger.UsedError
	var superseded *ledger.SupersededError
	if errors.As(err, &busy) || errors.As(err, &used) || errors.As(err, &superseded) {
		return lockBusy, err // somebody applies, or has just done the same
	}
	if stoppedNow(r.s.stop) {
		return stopped, nil
	}
	var hangs *posix.RootHangsError
	if errors.As(err, &hangs) {
		r.metrics.hung.Set(float64(len(r.s.cfg.Settings.Systems)))
		return observeFailed, err
	}
	if why := sourceReason(err); why != "" {
		return why, err
	}
	if code := exitCode(err); code == exitPartial || code == exitInterrupted {
		return partialRound, nil
	}
	return roundFailed, err
}

// outcome is the reason of a round that met no error, the most urgent first.
func (r *round) outcome(p *planned, held []policy.Group) (reason, error) {
	if r.orders != nil {
		if err := r.orders.problem(); err != nil {
			return sourceIncomplete, err
		}
	}
	switch {
	case r.failed > 0:
		return partialRound, r.asHeld
	case p.plan.Context.Unobserved > 0:
		return observeFailed, fmt.Errorf("%s could not be observed", count(p.plan.Context.Unobserved, "resource"))
	case r.unsettled > 0:
		return notConverged, fmt.Errorf("%s changed as planned, and again each time: the log names them", count(r.unsettled, "resource"))
	case r.applied > 0:
		return applied, nil
	}
	why := r.idleReason(held)
	if next := r.memory.next(r.s.now()); why == inBackoff && !next.IsZero() {
		return why, fmt.Errorf("%s failed before; the next try is at %s", count(r.later[policy.Backoff], "action"),
			next.UTC().Format(time.RFC3339))
	}
	return why, nil
}

// idleReason is why a round that went well changed nothing.
func (r *round) idleReason(held []policy.Group) reason {
	switch {
	case r.later[policy.OverLimit] > 0:
		return overLimit
	case r.later[policy.OutsideWindow] > 0:
		return outsideWindow
	case r.later[policy.Backoff] > 0:
		return inBackoff
	}
	if blocked, _ := r.memory.blockedOrders(r.s.now()); blocked > 0 {
		return ordersBlocked
	}
	if len(held) > 0 {
		return allHeld
	}
	return noChanges
}
