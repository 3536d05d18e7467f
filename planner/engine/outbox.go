package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Due returns the callbacks that may be sent now: all of them, or of the chosen ones.
func (e *Engine) Due(chosen []uint64) (due []ledger.Delivery, err error) {
	err = e.Store.View(func(tx ledger.Tx) error {
		all, err := tx.Due(e.Now())
		for _, d := range all {
			if len(chosen) == 0 || slices.Contains(chosen, d.Seq) {
				due = append(due, d)
			}
		}
		return err
	})
	return due, err
}

// Redeliver sends, under the lock, the callbacks in the outbox that are due, each resource's in
// order, until no more get through. before is called once the lock is held; it may be nil.
func (e *Engine) Redeliver(ctx context.Context, chosen []uint64,
	before func() error) (told apply.Told, problem, err error) {
	lock, err := e.Locker.Lock(ctx, e.holder(""), 0)
	if err != nil {
		return told, nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if before != nil {
		if err := before(); err != nil {
			return told, nil, err
		}
	}
	runner := &apply.Engine{Guard: lock.Check, Orders: e.Orders, Journal: e.Store, Now: e.Now,
		Sleep: e.Sleep, Holds: e.holdsInForce,
		Reached: e.Hooks.Reached, Host: e.Host, Who: e.Who}
	told, problem = runner.Redeliver(ctx, func() ([]ledger.Delivery, error) {
		e.stage("telling Waldur", applyingTime)
		return e.Due(chosen)
	})
	return told, problem, nil
}
