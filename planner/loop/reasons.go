package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// Reason says how a round ended. Each round has exactly one, which is logged and counted.
type Reason string

// The reasons; docs/reference/rounds.md says what to do with each.
const (
	Applied           Reason = "applied"
	WouldApply        Reason = "would_apply" // of a dry run
	NoChanges         Reason = "no_changes"
	AllHeld           Reason = "all_held"
	OrdersBlocked     Reason = "orders_blocked"
	OutsideWindow     Reason = "outside_window"
	OverLimit         Reason = "over_limit"
	InBackoff         Reason = "backoff"
	SourceUnreachable Reason = "source_unreachable"
	SourceIncomplete  Reason = "source_incomplete"
	SourceShrank      Reason = "source_shrank"
	LockBusy          Reason = "lock_busy"
	ObserveFailed     Reason = "observe_failed"
	PartialRound      Reason = "partial"
	NotConverged      Reason = "not_converged"
	Stopped           Reason = "stopped"
	RoundFailed       Reason = "error"
)

// Reasons lists all reasons.
func Reasons() []Reason {
	return []Reason{Applied, WouldApply, NoChanges, AllHeld, OrdersBlocked, OutsideWindow,
		OverLimit, InBackoff, SourceUnreachable, SourceIncomplete, SourceShrank,
		LockBusy, ObserveFailed, PartialRound, NotConverged, Stopped, RoundFailed}
}

// fine reports whether a round with this reason did all that it may do. A round in which something
// waits for its next try or for a person is fine too: each of these has a metric of its own.
func (r Reason) fine() bool {
	return slices.Contains([]Reason{Applied, WouldApply, NoChanges, AllHeld, OrdersBlocked,
		OutsideWindow, OverLimit, InBackoff, Stopped}, r)
}

// sourceReason returns the reason for an error of a listing; empty for any other error.
func sourceReason(err error) Reason {
	var failed *engine.SourceError
	var quiet *quietError
	var listing *engine.ListingError
	switch {
	case errors.As(err, &failed) && failed.Problem == engine.SourceChanged:
		return SourceIncomplete
	case errors.Is(err, apply.ErrUnreachable), errors.As(err, &quiet),
		failed != nil && (failed.Problem == engine.SourceFails ||
			failed.Problem == engine.SourceRefuses):
		return SourceUnreachable
	case errors.As(err, &listing):
		return SourceIncomplete // the answer is no listing
	}
	return ""
}

// reasonOf returns the reason of a round that ends with an error.
func (r *round) reasonOf(err error) (Reason, error) {
	var busy *ledger.LockedError
	var used *ledger.UsedError
	var superseded *ledger.SupersededError
	if errors.As(err, &busy) || errors.As(err, &used) || errors.As(err, &superseded) {
		return LockBusy, err // another process applies, or has just done so
	}
	if stoppedNow(r.loop.stop()) {
		return Stopped, nil
	}
	if errors.As(err, new(*engine.HangsError)) {
		r.loop.metrics.hung.Set(float64(len(r.loop.cfg.Engine.Settings.Systems)))
		return ObserveFailed, err
	}
	if why := sourceReason(err); why != "" {
		return why, err
	}
	if errors.Is(err, context.Canceled) {
		return PartialRound, nil
	}
	return RoundFailed, err
}

// unlessStopped returns why, or the reason for a stop if the loop was asked to stop.
func (r *round) unlessStopped(why Reason) Reason {
	if stoppedNow(r.loop.stop()) {
		return Stopped
	}
	return why
}

// outcome returns the reason of a round without an error. If several fit, it is the most urgent
// one.
func (r *round) outcome(p *engine.Planned, held []policy.Group) (Reason, error) {
	if r.orders != nil {
		if err := r.orders.problem(); err != nil {
			return SourceIncomplete, err
		}
	}
	switch {
	case r.failed > 0:
		return PartialRound, r.asHeld
	case p.Plan.Context.Unobserved > 0:
		return ObserveFailed, fmt.Errorf("%s could not be observed",
			planner.Count(p.Plan.Context.Unobserved, "resource"))
	case r.unsettled > 0:
		return NotConverged,
			fmt.Errorf("%s changed as planned, and again each time: the log names them",
				planner.Count(r.unsettled, "resource"))
	case r.applied > 0:
		return Applied, nil
	}
	why := r.idleReason(held)
	if next := r.loop.history.next(r.loop.now()); why == InBackoff && !next.IsZero() {
		return why, fmt.Errorf("%s failed before; the next try is at %s",
			planner.Count(r.later[policy.Backoff], "action"),
			next.UTC().Format(time.RFC3339))
	}
	return why, nil
}

// idleReason returns why a successful round changed nothing.
func (r *round) idleReason(held []policy.Group) Reason {
	switch {
	case r.later[policy.OverLimit] > 0:
		return OverLimit
	case r.later[policy.OutsideWindow] > 0:
		return OutsideWindow
	case r.later[policy.Backoff] > 0:
		return InBackoff
	}
	if blocked, _ := r.loop.history.BlockedOrders(r.loop.now()); blocked > 0 {
		return OrdersBlocked
	}
	if len(held) > 0 {
		return AllHeld
	}
	return NoChanges
}
