package loop

import (
	"context"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// applyGroup applies a plan in the policy's name, in the same way as any other plan.
func (r *round) applyGroup(ctx context.Context, p *planner.Plan) (out engine.Outcome, err error) {
	id := canonical.ID(p.Core)
	made, err := r.loop.cfg.Engine.PolicyApproval(approval.Message{Plan: id,
		Context: canonical.ContextDigest(p), Name: "policy",
		Time: r.loop.now().UTC().Truncate(time.Second)})
	if err != nil {
		return out, err
	}
	block, err := made.Block()
	if err != nil {
		return out, err
	}
	path, err := r.keepBegun(p, block)
	if err != nil {
		return out, err
	}
	out, err = r.applyAs(ctx, &engine.Proposal{Plan: p, ID: id, Blocks: [][]byte{block},
		Policy: r.loop.cfg.Engine.Policy.Digest(), Ask: r.ask})
	if isOver(out, err) || engine.IsRefused(err) {
		err = errors.Join(err, r.dropBegun(path))
	}
	return out, err
}

// isOver reports whether a plan has run to its end, successfully or not.
func isOver(out engine.Outcome, err error) bool {
	return err == nil && (out.Result == ledger.Done || out.Result == ledger.Partial)
}

// applyAs applies an approved plan, and remembers what became of its resources.
func (r *round) applyAs(ctx context.Context, p *engine.Proposal) (out engine.Outcome, err error) {
	before, err := r.doneBefore(p)
	if err != nil {
		return out, err
	}
	out, err = r.loop.cfg.Engine.Apply(ctx, p, engine.Options{SkipStale: true, KeepOpen: true})
	if out.Result == ledger.Interrupted && err == nil || errors.Is(err, context.Canceled) {
		r.leaveOpen(p.Plan)
	}
	for _, res := range out.Results {
		if res.Status != apply.Done || !before[res.Action.Key] {
			r.account(res)
		}
	}
	if out.Head != "" {
		r.loop.log.Info("history", "plan", p.ID, "head", out.Head)
	}
	return out, err
}

// doneBefore returns the resources that an earlier run of the plan has done. They are reported and
// counted once.
func (r *round) doneBefore(p *engine.Proposal) (map[planner.Key]bool, error) {
	begun, steps, err := r.loop.cfg.Engine.Begun(p)
	if err != nil || !begun {
		return nil, err
	}
	done := map[planner.Key]bool{}
	for _, st := range steps {
		done[st.Key] = done[st.Key] || st.Name == engine.StepDone
	}
	// parent directories are not journaled, because they come first
	for i := range p.Plan.Core.Actions {
		if a := &p.Plan.Core.Actions[i]; a.Target.IsBranch() && a.Kind == planner.Create {
			done[a.Key] = true
		}
	}
	return done, nil
}

// account remembers what became of a resource. A resource that was left out because the world
// changed after the plan is planned again in the next round. That counts as a failure too, because
// it could go on for ever.
func (r *round) account(res apply.Result) {
	switch res.Status {
	case apply.Done:
		r.applied++
		r.loop.history.done(res.Action, r.loop.now())
		r.loop.log.Info("resource", "address", res.Action.Address, "action", res.Action.Kind, "status",
			res.Status)
	case apply.NotBegun:
	case apply.Unrecorded: // the plan is still open: the next round continues it
		r.failed++
		r.loop.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status",
			res.Status, "error", errorText(res.Err))
	case apply.Undelivered: // the loop tries callbacks in the outbox again by itself
		r.failed++
		r.loop.history.done(res.Action, r.loop.now())
		r.loop.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status",
			res.Status, "error", errorText(res.Err),
			"next", "cscs-sync callbacks list")
	default:
		r.failed++
		var held *apply.HeldError
		// This says nothing about the resource.
		if errors.Is(res.Err, context.Canceled) || errors.As(res.Err, &held) {
			r.loop.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind,
				"status", res.Status, "error", errorText(res.Err))
			break
		}
		r.logFailure(res, r.loop.history.failed(res.Action, errorText(res.Err), r.loop.now(),
			r.loop.interval()))
	}
	r.loop.metrics.change(res)
}

// logFailure logs what failed, how often so far, and when it is tried again.
func (r *round) logFailure(res apply.Result, f Failure) {
	r.loop.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status",
		res.Status, "failures", f.Count,
		"quarantined", f.Quarantined(), "again", f.Until.UTC().Format(time.RFC3339), "error",
		errorText(res.Err))
}

func errorText(err error) string {
	if err == nil {
		return "no reason was given"
	}
	return err.Error()
}
