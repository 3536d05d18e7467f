package main

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// lane is one of the loop's two ways of looking.
type lane string

const (
	laneOrders lane = "orders"
	laneAudit  lane = "audit"
)

// orderStatuses are what the orders lane lists, one listing each.
var orderStatuses = []planner.Status{planner.StatusPending, planner.StatusUpdating, planner.StatusRemoving, planner.StatusError}

// plan lists what the lane looks at, and plans.
func (r *round) plan(ctx context.Context) (*planned, error) {
	source, err := r.proxy()
	if err != nil {
		return nil, err
	}
	if r.lane == laneAudit {
		begun := r.s.now()
		if err := r.s.store.View(func(tx ledger.Tx) error { r.written = tx.Written(); return nil }); err != nil {
			return nil, err
		}
		p, err := r.s.plan(ctx, request{source: source, keepRecords: true})
		if err == nil {
			r.listed = begun
		}
		return p, err
	}
	r.orders = &patient{source, map[planner.Status]error{}}
	r.ask = &request{source: r.orders, onlyListed: true, complete: r.indexed, statuses: orderStatuses}
	return r.s.plan(ctx, *r.ask)
}
