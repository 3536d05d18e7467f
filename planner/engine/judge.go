package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// AskPolicy asks the policy about every action of a plan.
func (e *Engine) AskPolicy(p *Planned) []policy.Decision {
	c := &p.Plan.Context.Counts
	in := policy.Input{Plan: p.Plan, Policy: e.Policy, Now: e.Now(),
		Resources: max(p.Known, c.Unchanged+c.Create+c.Adopt+c.Update)}
	if len(in.Policy.Matches) > 0 {
		in.Facts = p.Graph.Facts()
	}
	return policy.Decide(in)
}

// ApproveByPolicy approves a plan if the policy allows every action. Otherwise it names the actions
// that the policy holds.
func (e *Engine) ApproveByPolicy(p *Planned, m approval.Message) (approval.Approval, error) {
	var held []string
	for _, d := range e.AskPolicy(p) {
		if !d.Approved {
			held = append(held, p.Plan.Core.Actions[d.Index].Address+": "+d.Rule)
		}
	}
	if len(held) > 0 {
		return approval.Approval{},
			Refuse(PolicyForbids,
				fmt.Errorf("the policy does not allow %d of %d actions; plan with "+
					"--exclude, or have a plan file approved:\n%s",
					len(held), len(p.Plan.Core.Actions), strings.Join(held, "\n")))
	}
	return e.PolicyApproval(m)
}

// Proposal is a plan with its approvals that has not been judged yet.
type Proposal struct {
	Plan *planner.Plan
	ID   string
	// Path is the path of the plan file; empty for a plan that was just made.
	Path   string
	Blocks [][]byte
	// Policy is the digest of the policy that was just asked; empty if none was.
	Policy string
	// Ask is how the loop asks the proxy for the plan's resources. If it is nil, the apply asks the
	// proxy for everything.
	Ask *Request
	// digest is the plan's [canonical.ContextDigest], once it is known.
	digest string
}

// InFile proposes the plan of a plan file.
func InFile(file *planfile.File, path string) *Proposal {
	return &Proposal{Plan: file.Plan, ID: file.ID(), Path: path, Blocks: file.Approvals,
		digest: file.ContextDigest()}
}

// contextDigest returns the plan's [canonical.ContextDigest]. It encodes the plan at most once.
func (p *Proposal) contextDigest() string {
	if p.digest == "" {
		p.digest = canonical.ContextDigest(p.Plan)
	}
	return p.digest
}

// Name returns the name of the plan for messages.
func (p *Proposal) Name() string {
	if p.Path != "" {
		return p.Path
	}
	return canonical.ShortID(p.ID)
}

// Judge decides whether the plan may run: it must be intact, approved, in date, unused, made under
// this configuration, and not held.
func (e *Engine) Judge(p *Proposal, started bool) ([]ledger.Approval, error) {
	if err := p.configurationChanged(e.Settings); err != nil {
		return nil, err
	}
	rules, err := e.Rules()
	if err != nil {
		return nil, err
	}
	rules.Policy = p.Policy
	verdict, err := e.verdict(p, rules, started)
	if err != nil {
		return nil, err
	}
	if !verdict.Enough {
		code := NotApproved
		if verdict.Expired {
			code = Expired
		}
		return nil, Refuse(code, fmt.Errorf("plan %s is not approved: %s", p.Name(),
			strings.Join(verdict.Reasons, "; ")))
	}
	if age := e.Now().Sub(p.Plan.Context.Made); !started && e.ValidFor > 0 &&
		age < -approval.MaxAhead {
		return nil, Refuse(Expired, fmt.Errorf("plan %s was planned %s from now: a clock is wrong",
			p.Name(), -age.Round(time.Second)))
	}
	if !started {
		if err := e.notOvertaken(p, verdict); err != nil {
			return nil, err
		}
	}
	return summaries(verdict), e.checkHolds(p)
}

// verdict judges the approvals of a plan, also by what the state knows about them.
func (e *Engine) verdict(p *Proposal, rules approval.Rules, started bool) (approval.Verdict,
	error) {
	in := approval.Input{Plan: p.ID, Context: p.contextDigest(), File: p.Name(),
		Blocks: p.Blocks, Rules: rules,
		Now: e.Now(), Started: started}
	var v approval.Verdict
	err := e.Store.View(func(tx ledger.Tx) (err error) {
		var failed error
		in.Used = func(j approval.Judged) (time.Time, bool) {
			used, at, err := tx.ApprovalUsed(p.ID, summary(j))
			failed = errors.Join(failed, err)
			return at, used
		}
		v, err = approval.Judge(in)
		return errors.Join(err, failed)
	})
	return v, err
}

// summaries returns what the state keeps of the approvals that count.
func summaries(v approval.Verdict) []ledger.Approval {
	var out []ledger.Approval
	for _, j := range v.Approvals {
		if j.Counted {
			out = append(out, summary(j))
		}
	}
	return out
}

func summary(j approval.Judged) ledger.Approval {
	return ledger.Approval{Name: j.Name, Time: j.Time, Kind: string(j.Kind), Ticket: j.Ticket,
		Comment: j.Comment, Digest: j.ID}
}

// checkHolds refuses a plan that changes a resource that somebody holds.
func (e *Engine) checkHolds(p *Proposal) error {
	holds, err := e.holdsInForce()
	if err != nil {
		return err
	}
	var errs []error
	for i := range p.Plan.Core.Actions {
		address := p.Plan.Core.Actions[i].Address
		for _, h := range holds {
			if planner.MatchGlob(h.Glob, address) {
				errs = append(errs, fmt.Errorf(
					"%s is held by %s: %s; lift the hold with `cscs-sync hold rm '%s'`, or plan "+
						"without it",
					address, h.By, h.Reason, h.Glob))
			}
		}
	}
	if len(errs) > 0 {
		return Refuse(Held, errors.Join(errs...))
	}
	return nil
}

// holdsInForce returns the holds in force now.
func (e *Engine) holdsInForce() ([]planner.Hold, error) { return e.Store.HoldsInForce(e.Now()) }

// PolicyApproval approves a plan in the policy's name.
func (e *Engine) PolicyApproval(m approval.Message) (approval.Approval, error) {
	key, err := e.Key()
	if err != nil {
		return approval.Approval{}, err
	}
	return approval.Policy(m, e.Policy.Digest(), e.Who, key)
}

// LocalApproval approves a plan with the key of this node.
func (e *Engine) LocalApproval(m approval.Message) (approval.Approval, error) {
	key, err := e.Key()
	if err != nil {
		return approval.Approval{}, err
	}
	return approval.Local(m, e.Who, key)
}
