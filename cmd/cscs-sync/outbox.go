package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
)

// redeliver sends what waits in the outbox and is due. While Waldur refuses the token nothing is sent: that is logged
// once, and tried again later and later.
func (r *round) redeliver(ctx context.Context) error {
	if r.o.dryRun || r.s.cfg.Waldur == nil || waitsUntil(r.s.now(), r.refused.until, longestBackoff) {
		return nil
	}
	due := func() ([]ledger.Delivery, error) {
		r.s.stage("telling Waldur", applyingTime)
		return r.s.due(nil)
	}
	if d, err := due(); err != nil || len(d) == 0 {
		return err
	}
	lock, err := r.s.store.Lock(ctx, ledger.Holder{Who: r.s.user, Host: r.s.host, PID: os.Getpid(), Since: r.s.now()}, 0)
	if err != nil {
		return err
	}
	engine := &apply.Engine{Guard: lock.Check, Orders: r.s.orders(), Journal: r.s.store, Now: r.s.now, Sleep: waldur.Sleep, Holds: r.s.holds, Host: r.s.host, Who: r.s.user}
	told, err := engine.Redeliver(ctx, due)
	for _, d := range told.Dropped {
		r.log.Warn("Dropped a callback that no longer applies; the history keeps it", "callback", d.Callback, "address", d.Address, "why", d.Why)
	}
	if errors.Is(err, apply.ErrPaused) {
		r.refused.count++
		r.refused.until = r.s.now().Add(min(time.Minute<<min(r.refused.count, 6), time.Hour))
	} else {
		r.refused = pause{}
	}
	return errors.Join(err, lock.Release())
}
