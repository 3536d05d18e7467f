package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// round is one round of the loop.
type round struct {
	loop                  *Loop
	lane                  Lane
	applied, held, failed int
	// unsettled counts resources whose changes do not last.
	unsettled int
	planned   *engine.Planned
	// orders and ask are how the orders lane asks the proxy; nil in an audit.
	orders *perStatus
	ask    *engine.Request
	// last is the index, once it has been read. written is what [state.Tx.Written] was when an audit's
	// listing began.
	last    *Index
	written uint64
	// later counts the actions that only wait for their time, by the reason.
	later map[policy.Code]int
	// rejectedNow are the plans that the round would hold if nobody had rejected them.
	rejectedNow map[string]bool
	// open are the resources of begun plans that continue later.
	open map[planner.Key]bool
	// asHeld is the error of an approved held plan that failed.
	asHeld error
}

// do runs the round: first the callbacks in the outbox, the begun plans and the approved held
// plans; then the lane's own listing.
func (r *round) do(ctx context.Context) (Reason, error) {
	first := []struct {
		what string
		run  func(context.Context) error
	}{{"callbacks that wait for Waldur", r.redeliver}, {"plans that were begun", r.resumeBegun},
		{"held plans that are approved", r.applyPending}}
	for _, step := range first {
		var busy *ledger.LockedError
		if err := r.loop.lostLead(); err != nil {
			return LockBusy, err
		}
		err := step.run(ctx)
		switch {
		case err == nil:
		case errors.As(err, &busy):
			return LockBusy, err
		case stoppedNow(r.loop.stop()):
			return Stopped, nil
		default:
			r.loop.log.Warn(step.what, "error", err.Error())
		}
	}
	if stoppedNow(r.loop.stop()) {
		return Stopped, nil
	}
	p, err := r.plan(ctx)
	if err != nil {
		return r.reasonOf(err)
	}
	r.planned = p
	if r.lane == LaneAudit {
		lacking, err := r.shrunk(p)
		if err != nil {
			return RoundFailed, err
		}
		if lacking != "" && !r.loop.Options.AcceptShrunk {
			return SourceShrank, errors.New(lacking)
		}
		if err := r.remember(p, lacking); err != nil {
			return RoundFailed, err
		}
	}
	return r.act(ctx, p)
}

// act asks the policy, writes held plans, and applies the rest. It tells people last, because that
// may take a while.
func (r *round) act(ctx context.Context, p *engine.Planned) (Reason, error) {
	if err := r.loop.lostLead(); err != nil {
		return LockBusy, err
	}
	decisions, err := r.decide(p)
	if err != nil {
		return RoundFailed, err
	}
	approvedGroup, held := policy.Split(p.Plan, decisions)
	r.later = map[policy.Code]int{}
	for _, d := range decisions {
		if !d.Approved {
			r.later[d.Code]++
		}
	}
	r.held = distinct(held)
	if r.loop.Options.DryRun {
		return r.show(p.Plan, decisions, approvedGroup, held)
	}
	r.watchOrders(p, decisions)
	r.feedBack(p)
	r.loop.history.keepNeeded(func(k planner.Key) bool { return r.needs(p, k) })
	if err := r.hold(p, held); err != nil {
		return RoundFailed, err
	}
	var out engine.Outcome
	if len(approvedGroup.Actions) > 0 {
		out, err = r.applyGroup(ctx, policy.Only(p.Plan, approvedGroup))
	}
	r.tellPeople(ctx)
	if err != nil {
		return r.reasonOf(err)
	}
	if out.Result == ledger.Partial || out.Result == ledger.Interrupted {
		return r.unlessStopped(PartialRound), nil
	}
	return r.outcome(p, held)
}

// needs reports whether something is still to be done or to be found out about a resource. The
// orders lane knows only about resources that it has listed.
func (r *round) needs(p *engine.Planned, k planner.Key) bool {
	has := func(refused []planner.Refusal) bool {
		return slices.ContainsFunc(refused, func(f planner.Refusal) bool { return f.Key == k })
	}
	return r.lane == LaneOrders && !p.Listed[k] || r.open[k] || has(p.Plan.Context.Blocked) ||
		has(p.Plan.Context.Waiting) ||
		slices.ContainsFunc(p.Plan.Core.Actions, func(a planner.Action) bool { return a.Key == k })
}

// distinct returns the number of different actions in groups, which may share parent directories.
func distinct(groups []policy.Group) int {
	seen := map[int]bool{}
	for _, g := range groups {
		for _, i := range g.Actions {
			seen[i] = true
		}
	}
	return len(seen)
}

// decide asks the policy about every action. Until a person has approved a plan that was applied on
// this state, everything is held. An action that keeps failing or does not last waits.
func (r *round) decide(p *engine.Planned) ([]policy.Decision, error) {
	decisions := r.loop.cfg.Engine.AskPolicy(p)
	if !r.loop.isTrusted {
		var err error
		if r.loop.isTrusted, err = IsTrusted(r.loop.cfg.Engine.Store); err != nil {
			return nil, err
		}
	}
	for i := range decisions {
		d, a := &decisions[i], &p.Plan.Core.Actions[i]
		f, waits := r.loop.history.waits(a, r.loop.now())
		switch {
		case r.open[a.Key]:
			d.Approved, d.Code, d.Rule = false, policy.Backoff,
				"a plan for it has begun, and continues when it is due"
		case !d.Approved:
		case !r.loop.isTrusted:
			d.Approved, d.Code, d.Rule = false, policy.NotAllowed,
				"no plan approved by a person has been applied on this state yet"
		case r.loop.history.unsettled(a):
			d.Approved, d.Code, d.Rule = false, policy.Backoff,
				"the same change was made several times, and it differs again each time: find "+
					"out what undoes it"
			r.unsettled++
			r.loop.log.Warn("resource", "address", a.Address, "error", "something undoes the change",
				"times", r.loop.history.did[a.Key].Count)
		case waits:
			d.Approved, d.Code = false, policy.Backoff
			d.Rule = fmt.Sprintf(
				"it failed %s in a row, and is retried at %s; the last time: %s",
				planner.Count(f.Count, "time"),
				f.Until.UTC().Format("15:04 UTC"), f.Error)
		}
	}
	return decisions, nil
}

// IsTrusted reports whether a plan approved by a person has been applied on this state.
func IsTrusted(store ledger.Store) (yes bool, err error) {
	err = store.View(func(tx ledger.Tx) error {
		plans, err := tx.Plans()
		for _, p := range plans {
			for _, a := range p.Approvals {
				ran := p.Result == ledger.Done || p.Result == ledger.Partial &&
					p.Counts[string(apply.Done)] > 0
				yes = yes || ran && a.Kind != string(approval.KindPolicy)
			}
		}
		return err
	})
	return yes, err
}

// show prints what a dry run would do.
func (r *round) show(p *planner.Plan, decisions []policy.Decision, approvedGroup policy.Group,
	held []policy.Group) (Reason, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s lane: %d would be applied, %d held\n", r.lane, len(approvedGroup.Actions),
		r.held)
	rules := make([]string, len(p.Core.Actions))
	for _, d := range decisions {
		rules[d.Index] = d.Rule
	}
	write := func(word string, i int, because bool) {
		a := &p.Core.Actions[i]
		fmt.Fprintf(&b, "  %-6s %-8s %s\n", word, a.Kind, render.Quote(a.Address))
		if because {
			b.WriteString("         because " + render.Escape(rules[i]) + "\n")
		}
	}
	for _, i := range approvedGroup.Actions {
		write("apply", i, false)
	}
	for _, g := range held {
		for at, i := range g.Actions {
			last := at == len(g.Actions)-1 || rules[g.Actions[at+1]] != rules[i]
			write("hold", i, last && !p.Core.Actions[i].Target.IsBranch())
		}
	}
	for _, d := range decisions {
		if d.Code.Later() {
			write("wait", d.Index, true)
		}
	}
	if err := r.loop.env.Print(b.String()); err != nil {
		return RoundFailed, err
	}
	if len(approvedGroup.Actions) > 0 {
		return WouldApply, nil
	}
	return r.idleReason(held), nil
}
