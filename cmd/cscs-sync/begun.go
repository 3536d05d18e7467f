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
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
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

// resumeBegun goes on with plans that an earlier run, or round, has begun. A dry run only names them.
func (r *round) resumeBegun(ctx context.Context) error {
	r.tidy()
	ask := r.whole()
	return r.eachPlan(r.s.begunFolder(), func(path string) error { return r.resume(ctx, path, ask) })
}

// tidy removes what killed writes have left in the folders of the state. It matters to nobody if that fails.
func (r *round) tidy() {
	if r.o.dryRun || r.lane != laneAudit {
		return
	}
	for _, dir := range []string{r.s.store.Dir(), r.s.begunFolder(), r.s.pendingFolder()} {
		if err := state.RemoveLeftovers(dir, r.s.now()); err != nil {
			r.log.Warn("leftovers of killed writes", "folder", dir, "error", err.Error())
		}
	}
}

// resume goes on with one plan. One that never began has no approval any more: the policy is asked anew. One that may not go
// on, because the configuration is another, is given up. One of which nothing is known, because it or the state cannot be
// read, stays: only this plan knows what it has left half made as its own.
func (r *round) resume(ctx context.Context, path string, ask *request) error {
	p, err := r.begunAt(path)
	if p == nil {
		return err
	}
	p.ask = ask
	if r.o.dryRun {
		r.leaveOpen(p.plan)
		return r.showFirst("begun", path, p.plan)
	}
	if r.waitsFor(p.plan) {
		r.leaveOpen(p.plan)
		return nil
	}
	r.log.Info("going on with a plan that was begun", "plan", path)
	err = r.applyAs(ctx, p)
	var onHold *holdError
	if errors.As(err, &onHold) {
		r.leaveOpen(p.plan)
		r.log.Info("begun plan is on hold", "plan", path, "because", err.Error())
		return nil
	}
	var block *approval.BlockError
	if errors.As(err, &block) { // another version's approval, or made under another key
		return r.keepBegunUnusable(path, err)
	}
	if exitCode(err) == exitRefused {
		return r.giveUp(p, err)
	}
	err = errors.Join(err, dropBegun(path, err))
	if isSaid(err) {
		return nil
	}
	return err
}

// begunAt reads a begun plan that has to go on; nil for one that is removed, because it never began or is over, and for one
// that this version can't use, which is kept.
func (r *round) begunAt(path string) (*approved, error) {
	file, why, err := r.s.readUsable(path)
	if err != nil {
		return nil, err
	}
	if why != nil {
		return nil, r.keepBegunUnusable(path, why)
	}
	p := &approved{plan: file.Plan, id: planfile.ID(file.Plan.Core), path: path, blocks: file.Approvals, policy: r.s.cfg.AutoApprove.Digest()}
	begun, _, err := r.s.ledger(p)
	switch {
	case err == nil && !begun:
		return nil, r.drop(path, errors.New("it never began"))
	case exitCode(err) == exitRefused:
		return nil, r.drop(path, err)
	case err != nil:
		return nil, err
	}
	return p, nil
}

// giveUp ends a begun plan that may not go on. What it has done stays done, and what is left is planned anew.
func (r *round) giveUp(p *approved, why error) error {
	if r.o.dryRun {
		return nil
	}
	if err := r.s.store.Update(func(tx ledger.Tx) error { return tx.Abandon(p.id, r.s.user, why.Error()) }); err != nil {
		return err
	}
	return r.drop(p.path, why)
}

// drop takes a plan away from the begun ones.
func (r *round) drop(path string, why error) error {
	if r.o.dryRun {
		return nil
	}
	r.log.Info("begun plan is over", "plan", path, "because", why.Error())
	return dropBegun(path, nil)
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
