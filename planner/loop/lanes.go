package loop

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Lane is one of the loop's two kinds of rounds.
type Lane string

// The lanes.
const (
	LaneOrders Lane = "orders"
	LaneAudit  Lane = "audit"
)

// orderStatuses are the statuses that the orders lane lists, one listing for each.
var orderStatuses = []planner.Status{planner.StatusPending, planner.StatusUpdating,
	planner.StatusRemoving, planner.StatusError}

// plan lists what the lane looks at and makes a plan.
func (r *round) plan(ctx context.Context) (*engine.Planned, error) {
	source, err := r.proxy()
	if err != nil {
		return nil, err
	}
	if r.lane == LaneAudit {
		begun := r.loop.now()
		err := r.loop.cfg.Engine.Store.View(func(tx ledger.Tx) error {
			r.written = tx.Written()
			return nil
		})
		if err != nil {
			return nil, err
		}
		p, err := r.loop.cfg.Engine.Plan(ctx, engine.Request{Source: source, KeepRecords: true})
		if err == nil {
			r.loop.listed = begun
			if r.loop.env.Seen != nil {
				r.loop.env.Seen(p)
			}
		}
		return p, err
	}
	r.orders = &perStatus{source, map[planner.Status]error{}}
	r.ask = &engine.Request{Source: branchless{r.orders, r.loop}, OnlyListed: true, Complete: r.indexed,
		Part: r.part, Statuses: orderStatuses}
	return r.loop.cfg.Engine.Plan(ctx, *r.ask)
}
