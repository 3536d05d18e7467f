package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// TakeOver approves a begun plan again, in the policy's name, if the policy of another node
// approved it. A policy's approval is proved by the key of one node, which no other node has. If
// the approvals already count on this node, TakeOver returns nil.
//
// What the state says is not enough to change the storage, because a person who can write to the
// database could put anything there. So the plan must have begun under the same policy, and the
// policy is asked about every action again. An action that the policy only puts off, because a
// window has closed since, continues.
func (e *Engine) TakeOver(ctx context.Context, p *Proposal) (block []byte, err error) {
	counts, err := e.counts(p)
	if counts || err != nil {
		return nil, err
	}
	var begun ledger.Plan
	err = e.Store.View(func(tx ledger.Tx) (err error) {
		begun, _, err = tx.Plan(p.ID)
		return err
	})
	if err != nil || !e.byThisPolicy(begun) {
		return nil, err
	}
	if p.Ask == nil {
		return nil, errors.New("continue the plan of another node: the proxy could not be asked")
	}
	now, err := e.Plan(ctx, Request{Source: p.Ask.Source, Selection: p.Plan.Core.Selection})
	if err != nil {
		return nil, err
	}
	if err := e.stillAllows(p.Plan, now); err != nil {
		return nil, err
	}
	made, err := e.PolicyApproval(MessageAbout(p.Plan, "policy", e.Now()))
	if err != nil {
		return nil, err
	}
	return made.Block()
}

// counts reports whether the approvals of a begun plan are enough on this node.
func (e *Engine) counts(p *Proposal) (bool, error) {
	rules, err := e.Rules()
	if err != nil {
		return false, err
	}
	rules.Policy = p.Policy
	verdict, err := e.verdict(p, rules, true)
	var block *approval.BlockError
	if errors.As(err, &block) {
		return false, nil
	}
	return verdict.Enough, err
}

// byThisPolicy reports whether the policy of this configuration approved a plan that has begun.
func (e *Engine) byThisPolicy(p ledger.Plan) bool {
	for _, a := range p.Approvals {
		if a.Kind == string(approval.KindPolicy) &&
			a.Name == approval.PolicyPrefix+e.Policy.Digest() {
			return true
		}
	}
	return false
}

// stillAllows asks the policy whether it still allows a plan that has begun.
func (e *Engine) stillAllows(plan *planner.Plan, now *Planned) error {
	asked := *now
	asked.Plan = plan
	var forbidden []string
	for _, d := range e.AskPolicy(&asked) {
		if !d.Approved && !d.Code.Later() {
			forbidden = append(forbidden, plan.Core.Actions[d.Index].Address+": "+d.Rule)
		}
	}
	if len(forbidden) == 0 {
		return nil
	}
	return fmt.Errorf("the policy does not allow %d of the actions of this plan, which another node "+
		"has begun:\n%s", len(forbidden), strings.Join(forbidden, "\n"))
}
