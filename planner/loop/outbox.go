package loop

import (
	"context"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
)

// redeliver sends what waits in the outbox and is due. While Waldur refuses the token nothing is
// sent: that is logged once, and tried again later and later.
func (r *round) redeliver(ctx context.Context) error {
	if r.Options.DryRun || r.cfg.Engine.Orders == nil || waitsUntil(r.now(), r.refused.until,
		LongestBackoff) {
		return nil
	}
	e := r.cfg.Engine
	if d, err := e.Due(nil); err != nil || len(d) == 0 {
		return err
	}
	told, problem, err := e.Redeliver(ctx, nil, nil)
	if err != nil {
		return err
	}
	for _, d := range told.Dropped {
		r.log.Warn("Dropped a callback that no longer applies; the history keeps it", "callback",
			d.Callback, "address", d.Address, "why", d.Why)
	}
	if errors.Is(problem, apply.ErrPaused) {
		r.refused.count++
		r.refused.until = r.now().Add(backoff.Wait(2*time.Minute, time.Hour, r.refused.count))
	} else {
		r.refused = pause{}
	}
	return problem
}
