package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	planOptions
	skipStale, auto bool
	approvals       []string
	lockTimeout     time.Duration
	// id is the plan's, once it is known.
	id string
	// quiet prints nothing: the loop logs instead, from results.
	quiet   bool
	results []apply.Result
	// guard tells whether the lock still protects anything.
	guard func() error
	// head is the history's after the apply: kept elsewhere, it shows every later edit of what was before it.
	head string
	// keepOpen has a plan go on another time when a create failed: as one that was interrupted.
	keepOpen bool
}

func (a *app) applyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "run an approved plan",
		Args:  arguments(0, 1),
		Long: `With PLAN: runs that approved plan, and asks nothing. Everything it touches is
looked at again first; what is no longer as the plan showed it makes the plan
stale, and nothing is done. A plan that was interrupted is resumed.

Without PLAN: plans, shows the plan, and asks on the terminal. With
--auto-approve the policy (auto_approve) approves what it allows.

Exit codes: 0 done; 1 error; 3 refused, nothing was done; 4 finished, but some
changes failed or were skipped; 130 interrupted.`,
	}
	f := cmd.Flags()
	var o applyOptions
	f.BoolVar(&o.skipStale, "skip-stale", false, "leave out what is stale, and do the rest")
	f.StringArrayVar(&o.approvals, "approval", nil, "count a detached approval in `FILE` too")
	f.BoolVar(&o.json, "json", false, "print events as JSON, one a line")
	f.DurationVar(&o.lockTimeout, "lock-timeout", 0, "wait for the lock for at most `D`, such as 30s")
	f.BoolVar(&o.auto, "auto-approve", false, "without PLAN: let the policy approve what it allows")
	o.selectionFlags(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := o.selection(); err != nil {
			return &usageError{"apply", err}
		}
		if o.lockTimeout < 0 {
			return &usageError{"apply", fmt.Errorf("--lock-timeout %s: want a time that is not negative", o.lockTimeout)}
		}
		run := func() error { return o.runNow(cmd.Context(), a) }
		if len(args) == 1 {
			run = func() error { return o.runFile(cmd.Context(), a, args[0]) }
		}
		err := run()
		if o.json && exitCode(err) == exitRefused {
			a.refusedResult(o.id)
		}
		return err
	}
	return cmd
}

// runFile applies a plan file.
func (o *applyOptions) runFile(ctx context.Context, a *app, path string) error {
	if len(o.targets)+len(o.targetFiles)+len(o.excludes)+len(o.excludeFiles)+len(o.rejects)+len(o.fails) > 0 || o.auto {
		return &usageError{"apply", errors.New("a plan file is applied as it is: --target, --target-file, --exclude, --exclude-file, --reject, --fail and " +
			"--auto-approve go with apply without a file")}
	}
	file, err := a.readPlan(path)
	if err != nil {
		return err
	}
	if err := file.Check(); err != nil {
		return fmt.Errorf("plan %s: %w", path, err)
	}
	o.id = planfile.ID(file.Plan.Core)
	s, err := o.openForApply(a)
	if err != nil {
		return err
	}
	blocks, err := detached(file.Approvals, o.approvals)
	if err != nil {
		return err
	}
	return o.apply(ctx, s, &approved{plan: file.Plan, id: o.id, path: path, blocks: blocks})
}

// openForApply opens a configuration that an apply can work with.
func (o *applyOptions) openForApply(a *app) (*session, error) {
	s, err := a.open(config.Read)
	if err != nil {
		return nil, err
	}
	if s.cfg.Proxy == nil || s.cfg.Waldur == nil {
		return nil, refused(errors.New("apply: the configuration has no proxy or no waldur block; apply asks the proxy before it " +
			"changes anything, and reports to Waldur"))
	}
	return s, nil
}

// runNow plans, shows, asks and applies.
func (o *applyOptions) runNow(ctx context.Context, a *app) error {
	sel, err := o.selection()
	if err != nil {
		return &usageError{"apply", err}
	}
	if !o.auto && !a.terminal(a.stdin) {
		return &usageError{"apply", errors.New("apply without a plan file asks on a terminal, and there is none; apply an approved plan file, " +
			"or let the policy decide with --auto-approve")}
	}
	s, err := o.openForApply(a)
	if err != nil {
		return err
	}
	o.keepRecords = true
	p, err := o.make(ctx, s, sel)
	if err != nil {
		return err
	}
	if !o.json {
		if err := a.showPlan(p.plan, false, false); err != nil {
			return err
		}
	}
	if len(p.plan.Core.Actions) == 0 {
		if err := s.recordNothingToDo(ctx, o, p); err != nil {
			return err
		}
		if o.json {
			newReport(a, &approved{plan: p.plan, id: planfile.ID(p.plan.Core)}, true, o.quiet).end(nil, ledger.Done)
		}
		return planOutcome(p.plan, false)
	}
	ok, err := o.approveNow(s, p)
	if err != nil {
		return err
	}
	return o.apply(ctx, s, ok)
}

// approveNow approves a plan that was just made: by the answer on the terminal, or by the policy.
func (o *applyOptions) approveNow(s *session, p *planned) (*approved, error) {
	ok := &approved{plan: p.plan, id: planfile.ID(p.plan.Core)}
	o.id = ok.id
	m := approval.Message{Plan: ok.id, Context: planfile.ContextDigest(p.plan), Name: s.user, Time: s.now().UTC().Truncate(time.Second)}
	var made approval.Approval
	var err error
	switch {
	case o.auto:
		made, err = s.approveByPolicy(p, m)
		ok.policy = s.cfg.AutoApprove.Digest()
	case s.cfg.Approval.AllowedSigners != "":
		return nil, refused(errors.New("this site wants approvals signed with SSH keys (approval.allowed_signers): write the plan with " +
			"`cscs-sync plan --out FILE`, have it approved, and apply the file"))
	default:
		if err := s.confirm("Do you want to perform these actions?\n  cscs-sync will perform the actions described above." + dangersOf(p.plan)); err != nil {
			return nil, err
		}
		made, err = s.approveLocally(m)
	}
	if err != nil {
		return nil, err
	}
	block, err := made.Block()
	ok.blocks = [][]byte{block}
	return ok, err
}

// dangersOf repeats a plan's dangers for the question whether to perform it.
func dangersOf(p *planner.Plan) string {
	if words := planfile.Dangers(p); words != "" {
		return "\n  " + words
	}
	return ""
}

// askPolicy asks the policy about every action of a plan.
func (s *session) askPolicy(p *planned) []policy.Decision {
	c := &p.plan.Context.Counts
	in := policy.Input{Plan: p.plan, Policy: s.cfg.AutoApprove, Now: s.now(),
		Resources: max(p.recorded.Records.Len(), c.Unchanged+c.Create+c.Adopt+c.Update)}
	if len(in.Policy.Matches) > 0 {
		in.Facts = p.graph.Facts()
	}
	return policy.Decide(in)
}

// approveByPolicy approves a plan all of which the policy allows; otherwise it names what the policy holds.
func (s *session) approveByPolicy(p *planned, m approval.Message) (approval.Approval, error) {
	var held []string
	for _, d := range s.askPolicy(p) {
		if !d.Approved {
			held = append(held, p.plan.Core.Actions[d.Index].Address+": "+d.Rule)
		}
	}
	if len(held) > 0 {
		return approval.Approval{}, refused(fmt.Errorf("the policy does not allow %d of %d actions; plan with "+
			"--exclude, or have a plan file approved:\n%s",
			len(held), len(p.plan.Core.Actions), strings.Join(held, "\n")))
	}
	return s.policyApproval(m)
}

// approved is a plan with its approvals, not judged yet.
type approved struct {
	plan *planner.Plan
	id   string
	// path is the plan file; empty for a plan that was just made.
	path   string
	blocks [][]byte
	// policy is the digest of the policy that was just asked; empty if none was.
	policy string
	// ask is how the loop asks the proxy for the plan's resources; nil: for everything, anew.
	ask *request
}

// name is how messages name the plan.
func (p *approved) name() string {
	if p.path != "" {
		return p.path
	}
	return planfile.ShortID(p.id)
}

// judge decides whether the plan may run: intact, approved, in date, unused, under this configuration, not held.
func (s *session) judge(p *approved, started bool) ([]ledger.Approval, error) {
	if err := p.configurationChanged(&s.cfg.Settings); err != nil {
		return nil, err
	}
	rules, err := s.rules()
	if err != nil {
		return nil, err
	}
	rules.Policy = p.policy
	verdict, err := s.verdict(p, rules, started)
	if err != nil {
		return nil, err
	}
	if !verdict.Enough {
		return nil, refused(fmt.Errorf("plan %s is not approved: %s", p.name(), strings.Join(verdict.Reasons, "; ")))
	}
	if age := s.now().Sub(p.plan.Context.Made); !started && s.cfg.Approval.ValidFor > 0 && age < -approval.MaxAhead {
		return nil, refused(fmt.Errorf("plan %s was made %s from now: a clock is wrong", p.name(), -age.Round(time.Second)))
	}
	if !started {
		if err := s.notOvertaken(p, verdict); err != nil {
			return nil, err
		}
	}
	return summaries(verdict), s.checkHolds(p)
}

// verdict judges the approvals of a plan, also by what the state knows of them.
func (s *session) verdict(p *approved, rules approval.Rules, started bool) (approval.Verdict, error) {
	in := approval.Input{Plan: p.id, Context: planfile.ContextDigest(p.plan), File: p.name(), Blocks: p.blocks, Rules: rules,
		Now: s.now(), Started: started}
	var v approval.Verdict
	err := s.store.View(func(tx ledger.Tx) (err error) {
		var failed error
		in.Used = func(j approval.Judged) (time.Time, bool) {
			used, at, err := tx.ApprovalUsed(p.id, summary(j))
			failed = errors.Join(failed, err)
			return at, used
		}
		v, err = approval.Judge(in)
		return errors.Join(err, failed)
	})
	return v, err
}

// summaries are what the state keeps of the approvals that count.
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
	return ledger.Approval{Name: j.Name, Time: j.Time, Kind: string(j.Kind), Ticket: j.Ticket, Comment: j.Comment, Digest: j.ID}
}

// checkHolds refuses a plan that touches what somebody holds.
func (s *session) checkHolds(p *approved) error {
	holds, err := s.holds()
	if err != nil {
		return err
	}
	var errs []error
	for i := range p.plan.Core.Actions {
		address := p.plan.Core.Actions[i].Address
		for _, h := range holds {
			if planner.MatchGlob(h.Glob, address) {
				errs = append(errs, fmt.Errorf("%s is held by %s: %s; lift the hold with `cscs-sync hold rm '%s'`, or plan without it",
					address, h.By, h.Reason, h.Glob))
			}
		}
	}
	if len(errs) > 0 {
		return refused(&holdError{errors.Join(errs...)})
	}
	return nil
}

// holdError tells that a plan touches what somebody holds: it may run once the hold is lifted.
type holdError struct{ error }
