package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/state"
)

// begunFolder is where the plans lie that the policy has approved, while they run: after a kill the next run goes on with
// them. To plan anew would take a directory that was left half made for somebody's own, and hold it for a person.
func (s *session) begunFolder() string { return filepath.Join(s.store.Dir(), "begun") }

// keepBegun writes a plan with its approval down before it begins.
func (r *round) keepBegun(p *planner.Plan, block []byte) (path string, err error) {
	data, err := planfile.Marshal(p, planfile.Options{})
	if err != nil {
		return "", fmt.Errorf("plan to begin: %w", err)
	}
	if err := os.MkdirAll(r.s.begunFolder(), 0o700); err != nil {
		return "", fmt.Errorf("plan to begin: %w", err)
	}
	path = filepath.Join(r.s.begunFolder(), planfile.ShortID(planfile.ID(p.Core))+".plan")
	if err := state.WriteFile(path, append(data, block...), fs.FileMode(0o600), onlyPlans); err != nil {
		return "", fmt.Errorf("plan to begin %s: %w", path, err)
	}
	return path, nil
}

// dropBegun removes a plan that is over, or was refused; any other end leaves it for the next round.
func dropBegun(path string, end error) error {
	if code := exitCode(end); code != exitDone && code != exitPartial && code != exitRefused {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("plan that is over: %w", err)
	}
	return nil
}

// resumeBegun goes on with plans that an earlier run, or round, has begun.
func (r *round) resumeBegun(ctx context.Context) error {
	if r.o.dryRun {
		return nil
	}
	names, err := pendingPlans(r.s.begunFolder())
	errs, ask := []error{err}, r.whole()
	for _, name := range names {
		if stoppedNow(r.s.stop) {
			break
		}
		errs = append(errs, r.resume(ctx, filepath.Join(r.s.begunFolder(), name), ask))
	}
	return errors.Join(errs...)
}

// resume goes on with one plan. One that never began has no approval any more: the policy is asked anew. One that may not go
// on, because the configuration is another, is given up.
func (r *round) resume(ctx context.Context, path string, ask *request) error {
	file, err := r.s.readPlan(path)
	if err != nil {
		return errors.Join(err, dropBegun(path, nil))
	}
	p := &approved{plan: file.Plan, id: planfile.ID(file.Plan.Core), path: path, blocks: file.Approvals, policy: r.s.cfg.AutoApprove.Digest(), ask: ask}
	if begun, _, err := r.s.ledger(p); err != nil || !begun {
		return errors.Join(err, dropBegun(path, nil))
	}
	if r.waitsFor(file.Plan) {
		r.leaveOpen(file.Plan)
		return nil
	}
	r.log.Info("going on with a plan that was begun", "plan", path)
	if err = file.Check(); err == nil {
		err = r.applyAs(ctx, p)
	}
	if exitCode(err) == exitRefused {
		err = errors.Join(err, r.s.store.Update(func(tx *state.Tx) error { return tx.Abandon(p.id, r.s.user, err.Error()) }))
	}
	return errors.Join(err, dropBegun(path, err))
}

// waitsFor tells that something in a begun plan failed lately and is not due yet.
func (r *round) waitsFor(p *planner.Plan) bool {
	return slices.ContainsFunc(p.Core.Actions, func(a planner.Action) bool {
		_, waits := r.memory.waits(&a, r.s.now())
		return waits
	})
}

// leaveOpen keeps the policy from what a begun plan goes on with.
func (r *round) leaveOpen(p *planner.Plan) {
	for _, k := range keysOf(p) {
		r.open[k] = true
	}
}
