package main

import (
	"context"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// applyGroup applies a plan in the policy's name, through the same door as everybody's.
func (r *round) applyGroup(ctx context.Context, p *planner.Plan) error {
	id := planfile.ID(p.Core)
	made, err := r.s.policyApproval(approval.Message{Plan: id, Context: planfile.ContextDigest(p), Name: "policy",
		Time: r.s.now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	block, err := made.Block()
	if err != nil {
		return err
	}
	path, err := r.keepBegun(p, block)
	if err != nil {
		return err
	}
	err = r.applyAs(ctx, &approved{plan: p, id: id, blocks: [][]byte{block}, policy: r.s.cfg.AutoApprove.Digest(), ask: r.ask})
	return errors.Join(err, dropBegun(path, err))
}

// applyAs applies an approved plan, and remembers how its resources fared.
func (r *round) applyAs(ctx context.Context, p *approved) error {
	before, err := r.doneBefore(p)
	if err != nil {
		return err
	}
	o := applyOptions{skipStale: true, quiet: true, keepOpen: true}
	err = o.apply(ctx, r.s, p)
	if exitCode(err) == exitInterrupted {
		r.leaveOpen(p.plan)
	}
	for _, res := range o.results {
		if res.Status != apply.Done || !before[res.Action.Key] {
			r.account(res)
		}
	}
	if o.head != "" {
		r.log.Info("history", "plan", p.id, "head", o.head)
	}
	return err
}

// doneBefore are the resources that an earlier run of the plan has done: they are told and counted once.
func (r *round) doneBefore(p *approved) (map[planner.Key]bool, error) {
	begun, steps, err := r.s.ledger(p)
	if err != nil || !begun {
		return nil, err
	}
	done := map[planner.Key]bool{}
	for _, st := range steps {
		done[st.Key] = done[st.Key] || st.Name == stepDone
	}
	for i := range p.plan.Core.Actions { // directories above them are not journaled: they come first
		if a := &p.plan.Core.Actions[i]; a.Target.IsNode() && a.Kind == planner.Create {
			done[a.Key] = true
		}
	}
	return done, nil
}

// account remembers how a resource fared. What was left out because the world has changed since it was planned, is planned
// anew in the next round; that counts as a failure all the same, or it could go on for ever.
func (r *round) account(res apply.Result) {
	switch res.Status {
	case apply.Done:
		r.applied++
		r.memory.done(res.Action, r.s.now())
		r.log.Info("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status)
	case apply.NotBegun:
	case apply.Unrecorded: // the plan is still open: the next round continues it
		r.failed++
		r.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status, "error", errorText(res.Err))
	case apply.Undelivered: // the outbox tries again by itself
		r.failed++
		r.memory.done(res.Action, r.s.now())
		r.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status, "error", errorText(res.Err),
			"next", "cscs-sync callbacks list")
	default:
		r.failed++
		var held *apply.HeldError
		if errors.Is(res.Err, context.Canceled) || errors.As(res.Err, &held) { // which says nothing about the resource
			r.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status, "error", errorText(res.Err))
			break
		}
		r.logFailure(res, r.memory.failed(res.Action, errorText(res.Err), r.s.now(), r.interval()))
	}
	r.metrics.change(res)
}

// logFailure says what failed, how often by now, and when it is tried again.
func (r *round) logFailure(res apply.Result, f failure) {
	r.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status, "failures", f.Count,
		"quarantined", f.quarantined(), "again", f.Until.UTC().Format(time.RFC3339), "error", errorText(res.Err))
}

func errorText(err error) string {
	if err == nil {
		return "no reason was given"
	}
	return err.Error()
}

// policyApproval approves in the policy's name.
func (s *session) policyApproval(m approval.Message) (approval.Approval, error) {
	key, err := s.localKey()
	if err != nil {
		return approval.Approval{}, err
	}
	return approval.Policy(m, s.cfg.AutoApprove.Digest(), s.user, key)
}
