package loop

import (
	"context"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
)

// redeliver sends the due callbacks in the outbox. While Waldur refuses the token, nothing is sent.
// That is logged once, and tried again with increasing delays.
func (r *round) redeliver(ctx context.Context) error {
	if r.loop.Options.DryRun || r.loop.cfg.Engine.Orders == nil || waitsUntil(r.loop.now(),
		r.loop.refused.until,
		LongestBackoff) {
		return nil
	}
	e := r.loop.cfg.Engine
	if d, err := e.Due(nil); err != nil || len(d) == 0 {
		return err
	}
	told, problem, err := e.Redeliver(ctx, nil, nil)
	if err != nil {
		return err
	}
	for _, d := range told.Dropped {
		r.loop.log.Warn("Dropped a callback that no longer applies; the history keeps it", "callback",
			d.Callback, "address", d.Address, "why", d.Why)
	}
	if errors.Is(problem, apply.ErrPaused) {
		r.loop.refused.count++
		wait := backoff.Wait(2*time.Minute, time.Hour, r.loop.refused.count)
		r.loop.refused.until = r.loop.now().Add(wait)
	} else {
		r.loop.refused = pause{}
	}
	return problem
}
