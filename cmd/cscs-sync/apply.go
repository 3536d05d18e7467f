package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/account"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	planOptions
	skipStale, auto bool
	approvals       []string
	lockTimeout     time.Duration
	// id is the plan's id, once it is known.
	id string
}

func (a *app) applyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "run an approved plan",
		Args:  arguments(0, 1),
		Long: `With PLAN: runs that approved plan without asking. First, apply looks again at
everything that the plan touches. If anything has changed since the plan was
made, the plan is stale and apply does nothing. apply resumes an interrupted
plan.

Without PLAN: plans, shows the plan, and asks on the terminal. With
--auto-approve the policy (auto_approve) approves what it allows.

Exit codes: 0 done; 1 error; 3 refused, nothing was done; 4 finished, but some
changes failed or were skipped; 130 interrupted.`,
	}
	f := cmd.Flags()
	var o applyOptions
	f.BoolVar(&o.skipStale, "skip-stale", false, "skip stale changes and make the rest")
	f.StringArrayVar(&o.approvals, "approval", nil, "also count the detached approval in `FILE`")
	f.BoolVar(&o.json, "json", false, "print events as JSON, one a line")
	f.DurationVar(&o.lockTimeout, "lock-timeout", 0, "wait for the lock for at most `D`, such as "+
		"30s")
	f.BoolVar(&o.auto, "auto-approve", false, "without PLAN: let the policy approve what it allows")
	o.selectionFlags(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := o.selection(); err != nil {
			return &usageError{"apply", err}
		}
		if o.lockTimeout < 0 {
			return &usageError{"apply", fmt.Errorf("--lock-timeout %s: want a time that is not "+
				"negative", o.lockTimeout)}
		}
		run := func() error { return o.runNow(cmd.Context(), a) }
		if len(args) == 1 {
			run = func() error { return o.runFile(cmd.Context(), a, args[0]) }
		}
		err := run()
		if code, refused := engine.RefusedAs(err); refused && o.json {
			account.WriteRefused(a.term.Out, o.id, code)
		}
		return err
	}
	return cmd
}

// runFile applies a plan file.
func (o *applyOptions) runFile(ctx context.Context, a *app, path string) error {
	if !o.selects.IsEmpty() || o.auto {
		return &usageError{"apply", errors.New("a plan file is applied as it is: --target, " +
			"--target-file, --exclude, --exclude-file, --reject, --fail and --auto-approve go " +
			"with apply without a file")}
	}
	file, err := a.readPlan(path)
	if err != nil {
		return err
	}
	if err := file.Check(); err != nil {
		return fmt.Errorf("plan %s: %w", path, err)
	}
	o.id = file.ID()
	s, err := o.openForApply(a)
	if err != nil {
		return err
	}
	blocks, err := detached(file.Approvals, o.approvals)
	if err != nil {
		return err
	}
	p := engine.InFile(file, path)
	p.Blocks = blocks
	return o.apply(ctx, a, s, p)
}

// openForApply opens a configuration and checks that an apply can use it.
func (o *applyOptions) openForApply(a *app) (*session.Session, error) {
	s, err := a.open(config.Read)
	if err != nil {
		return nil, err
	}
	if s.Config.Proxy == nil || s.Config.Waldur == nil {
		return nil, engine.Refuse(engine.Configuration, errors.New("apply: the configuration has "+
			"no proxy or no waldur block; apply asks the proxy before it changes anything, and "+
			"reports to Waldur"))
	}
	return s, nil
}

// runNow makes a plan, shows it, asks, and applies it.
func (o *applyOptions) runNow(ctx context.Context, a *app) error {
	sel, err := o.selection()
	if err != nil {
		return &usageError{"apply", err}
	}
	if !o.auto && !a.term.Is(a.term.In) {
		return &usageError{"apply", errors.New("apply without a plan file asks on a terminal, " +
			"and there is none; apply an approved plan file, or let the policy decide with " +
			"--auto-approve")}
	}
	s, err := o.openForApply(a)
	if err != nil {
		return err
	}
	o.keepRecords = true
	p, err := o.make(ctx, a, s, sel)
	if err != nil {
		return err
	}
	if !o.json {
		if err := a.showPlan(p.Plan); err != nil {
			return err
		}
	}
	if len(p.Plan.Core.Actions) == 0 {
		if err := s.Engine().RecordNothingToDo(ctx, p, o.lockTimeout); err != nil {
			return err
		}
		if o.json {
			made := &engine.Proposal{Plan: p.Plan, ID: canonical.ID(p.Plan.Core)}
			o.account(a, made).End(&engine.Outcome{Result: ledger.Done})
		}
		return planOutcome(p.Plan, false)
	}
	ok, err := o.approveNow(a, s, p)
	if err != nil {
		return err
	}
	return o.apply(ctx, a, s, ok)
}

// approveNow approves a new plan: by the answer on the terminal, or by the policy.
func (o *applyOptions) approveNow(a *app, s *session.Session, p *engine.Planned) (*engine.Proposal, error) {
	ok := &engine.Proposal{Plan: p.Plan, ID: canonical.ID(p.Plan.Core)}
	o.id = ok.ID
	m := approval.Message{Plan: ok.ID, Context: canonical.ContextDigest(p.Plan), Name: a.user,
		Time: a.now().UTC().Truncate(time.Second)}
	var made approval.Approval
	var err error
	switch {
	case o.auto:
		made, err = s.Engine().ApproveByPolicy(p, m)
		ok.Policy = s.Config.AutoApprove.Digest()
	case s.Config.Approval.AllowedSigners != "":
		return nil, engine.Refuse(engine.NotApproved, errors.New("this site wants approvals "+
			"signed with SSH keys (approval.allowed_signers): write the plan with `cscs-sync "+
			"plan --out FILE`, have it approved, and apply the file"))
	default:
		if err := a.confirm("Do you want to perform these actions?\n  cscs-sync will perform " +
			"the actions described above." + dangersOf(p.Plan)); err != nil {
			return nil, err
		}
		made, err = s.Engine().LocalApproval(m)
	}
	if err != nil {
		return nil, err
	}
	block, err := made.Block()
	ok.Blocks = [][]byte{block}
	return ok, err
}

// dangersOf returns a plan's dangers, to repeat them in the question.
func dangersOf(p *planner.Plan) string {
	if words := render.Dangers(p); words != "" {
		return "\n  " + words
	}
	return ""
}

// apply runs an approved plan and prints the account.
func (o *applyOptions) apply(ctx context.Context, a *app, s *session.Session, p *engine.Proposal) error {
	if !o.json {
		defer a.term.ShowProgress()()
	}
	acc := o.account(a, p)
	out, err := s.Engine().Apply(ctx, p, engine.Options{SkipStale: o.skipStale,
		LockTimeout: o.lockTimeout, Parallelism: o.parallelism, Begun: acc.Begin, Event: acc.Event})
	switch {
	case out.Result == "":
		return err
	case len(p.Plan.Core.Actions) == 0:
		acc.Nothing()
		return err
	}
	a.term.EndProgress()
	acc.End(&out)
	if err != nil {
		return err
	}
	a.term.Tell("The history's head is now %s.", out.Head)
	return resultError(out.Result)
}

// account returns the account of an apply, which prints what happens.
func (o *applyOptions) account(a *app, p *engine.Proposal) *account.Account {
	return &account.Account{Plan: p, Out: a.term.Beside(a.term.Out), JSON: o.json,
		Color: a.term.Colored(a.term.Out), Now: a.now, Say: a.term.Tell,
		Progress: func(done, total int) { a.term.Progress("Applying", done, total) }}
}
