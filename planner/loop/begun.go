package loop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// keepBegun writes a plan with its approval to the state before the plan begins.
func (r *round) keepBegun(p *planner.Plan, block []byte) (path string, err error) {
	data, err := planfile.Marshal(p, render.Options{})
	if err != nil {
		return "", fmt.Errorf("plan to begin: %w", err)
	}
	path = filepath.Join(r.loop.begunFolder(), canonical.ShortID(canonical.ID(p.Core))+".plan")
	if err := r.loop.env.Files.Write(path, append(data, block...), planfile.MayReplace); err != nil {
		return "", fmt.Errorf("plan to begin %s: %w", path, err)
	}
	return path, nil
}

// dropBegun removes a plan that is over or was refused. Any other plan stays for the next round.
func (r *round) dropBegun(path string) error {
	if err := r.loop.env.Files.Remove(path); err != nil {
		return fmt.Errorf("plan that is over: %w", err)
	}
	return nil
}

// resumeBegun continues plans that an earlier run or round has begun. A dry run only names them.
func (r *round) resumeBegun(ctx context.Context) error {
	r.tidy()
	ask := r.whole()
	return r.eachPlan(r.loop.begunFolder(), func(path string) error {
		return r.resume(ctx, path, ask)
	})
}

// tidy removes what killed writes have left in the folders of the state. If that fails, it does no
// harm.
func (r *round) tidy() {
	if r.loop.Options.DryRun || r.lane != LaneAudit {
		return
	}
	for _, dir := range []string{r.loop.env.Files.Dir(), r.loop.begunFolder(),
		r.loop.pendingFolder()} {
		if err := r.loop.env.Files.Tidy(dir); err != nil {
			r.loop.log.Warn("leftovers of killed writes", "folder", dir, "error", err.Error())
		}
	}
}

// resume continues one plan. A plan that never began has no approval any more, so the policy is
// asked again. A plan that may not continue because the configuration has changed is given up. If
// nothing is known about a plan, because it or the state cannot be read, the plan stays: only this
// plan knows which unfinished directories are its own.
func (r *round) resume(ctx context.Context, path string, ask *engine.Request) error {
	p, err := r.begunAt(path)
	if p == nil {
		return err
	}
	p.Ask = ask
	if r.loop.Options.DryRun {
		r.leaveOpen(p.Plan)
		return r.showFirst("begun", path, p.Plan)
	}
	if r.waitsFor(p.Plan) {
		r.leaveOpen(p.Plan)
		return nil
	}
	r.loop.log.Info("continuing a plan that has begun", "plan", path)
	if err := r.takeOver(ctx, p); err != nil {
		r.leaveOpen(p.Plan)
		return err
	}
	out, err := r.applyAs(ctx, p)
	code, refused := engine.RefusedAs(err)
	var block *approval.BlockError
	switch {
	case code == engine.Held:
		r.leaveOpen(p.Plan)
		r.loop.log.Info("begun plan is on hold", "plan", path, "code", code, "because", err.Error())
		return nil
	case errors.As(err, &block): // an approval of another version, or made with another key
		return r.keepBegunUnusable(path, err)
	case refused:
		return r.giveUp(p, err)
	case isOver(out, err):
		return r.dropBegun(path)
	}
	return err
}

// takeOver lets the policy of this node approve a plan that another node has begun. If that fails,
// the plan stays, because only this plan knows what was left unfinished.
func (r *round) takeOver(ctx context.Context, p *engine.Proposal) error {
	block, err := r.loop.cfg.Engine.TakeOver(ctx, p)
	if block == nil || err != nil {
		return err
	}
	p.Blocks = [][]byte{block}
	_, err = r.keepBegun(p.Plan, block)
	if err == nil {
		r.loop.log.Info("the policy approved the plan of another node again", "plan", p.Path)
	}
	return err
}

// begunAt reads a begun plan that has to continue. It returns nil for a plan that is removed
// because it never began or is over, and for a plan that this version can't use, which is kept.
func (r *round) begunAt(path string) (*engine.Proposal, error) {
	file, why, err := ReadUsable(r.loop.env.Files, path)
	if err != nil {
		return nil, err
	}
	if why != nil {
		return nil, r.keepBegunUnusable(path, why)
	}
	p := engine.InFile(file, path)
	p.Policy = r.loop.cfg.Engine.Policy.Digest()
	begun, _, err := r.loop.cfg.Engine.Begun(p)
	switch {
	case err == nil && !begun:
		return nil, r.drop(path, errors.New("it never began"))
	case engine.IsRefused(err):
		return nil, r.drop(path, err)
	case err != nil:
		return nil, err
	}
	return p, nil
}

// giveUp ends a begun plan that may not continue. What it has done stays done, and the rest is
// planned again.
func (r *round) giveUp(p *engine.Proposal, why error) error {
	if r.loop.Options.DryRun {
		return nil
	}
	if err := r.loop.cfg.Engine.Store.Update(
		func(tx ledger.Tx) error {
			return tx.Abandon(p.ID, r.loop.cfg.Engine.Who, why.Error())
		}); err != nil {
		return err
	}
	return r.drop(p.Path, why)
}

// drop removes a plan from the begun plans.
func (r *round) drop(path string, why error) error {
	if r.loop.Options.DryRun {
		return nil
	}
	r.loop.log.Info("begun plan is over", "plan", path, "code", codeOf(why), "because", why.Error())
	return r.dropBegun(path)
}

// waitsFor reports whether something in a begun plan failed recently and its next try is not due
// yet.
func (r *round) waitsFor(p *planner.Plan) bool {
	return slices.ContainsFunc(p.Core.Actions, func(a planner.Action) bool {
		_, waits := r.loop.history.waits(&a, r.loop.now())
		return waits
	})
}

// leaveOpen keeps the policy from approving changes that a begun plan will continue.
func (r *round) leaveOpen(p *planner.Plan) {
	for _, k := range engine.KeysOf(p) {
		r.open[k] = true
	}
}
