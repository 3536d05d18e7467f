package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/state"
)

// round is one round of the loop.
type round struct {
	*loop
	lane                  lane
	applied, held, failed int
	// unsettled counts resources that do not stay as they are made.
	unsettled int
	planned   *planned
	// orders and ask are the orders lane's way of asking the proxy; nil in an audit.
	orders *patient
	ask    *request
	// read tells that the index has been read.
	read       bool
	indexAt    time.Time
	indexItems []planner.Item
	// later are actions that only wait for their time, by why.
	later map[policy.Code]int
	// open are the resources of plans that have begun and go on later.
	open map[planner.Key]bool
	// asHeld is what an approved held plan failed with.
	asHeld error
}

// do runs the round: first what waits in the outbox, what was begun, and what people approved; then the lane's own listing.
func (r *round) do(ctx context.Context) (reason, error) {
	first := []struct {
		what string
		run  func(context.Context) error
	}{{"callbacks that wait for Waldur", r.redeliver}, {"plans that were begun", r.resumeBegun},
		{"held plans that are approved", r.applyPending}}
	for _, step := range first {
		var busy *state.LockedError
		err := step.run(ctx)
		switch {
		case err == nil:
		case errors.As(err, &busy):
			return lockBusy, err
		case stoppedNow(r.s.stop):
			return stopped, nil
		default:
			r.log.Warn(step.what, "error", err.Error())
		}
	}
	if stoppedNow(r.s.stop) {
		return stopped, nil
	}
	p, err := r.plan(ctx)
	if err != nil {
		return r.reasonOf(err)
	}
	r.planned = p
	if r.lane == laneAudit {
		why := r.shrunk(p)
		if why != nil && !r.o.acceptShrunk {
			return sourceShrank, why
		}
		if err := r.remember(p, why); err != nil {
			return roundFailed, err
		}
	}
	return r.act(ctx, p)
}

// reasonOf is the reason of a round that ends with an error.
func (r *round) reasonOf(err error) (reason, error) {
	var busy *state.LockedError
	var used *state.UsedError
	var superseded *state.SupersededError
	if errors.As(err, &busy) || errors.As(err, &used) || errors.As(err, &superseded) {
		return lockBusy, err // somebody applies, or has just done the same
	}
	if stoppedNow(r.s.stop) {
		return stopped, nil
	}
	if why := sourceReason(err); why != "" {
		return why, err
	}
	if code := exitCode(err); code == exitPartial || code == exitInterrupted {
		return partialRound, nil
	}
	return roundFailed, err
}

// act asks the policy, writes held plans, and applies the rest. People are told last: that may take its time.
func (r *round) act(ctx context.Context, p *planned) (reason, error) {
	decisions, err := r.judge(p)
	if err != nil {
		return roundFailed, err
	}
	approvedGroup, held := policy.Split(p.plan, decisions)
	r.later = map[policy.Code]int{}
	for _, d := range decisions {
		if !d.Approved {
			r.later[d.Code]++
		}
	}
	r.held = distinct(held)
	if r.o.dryRun {
		return r.show(p.plan, decisions, approvedGroup, held)
	}
	r.memory.settle(func(k planner.Key) bool { return r.needs(p, k) })
	if err := r.hold(p, held); err != nil {
		return roundFailed, err
	}
	if len(approvedGroup.Actions) > 0 {
		err = r.applyGroup(ctx, policy.Only(p.plan, approvedGroup))
	}
	r.tellPeople(ctx)
	if err != nil {
		return r.reasonOf(err)
	}
	return r.outcome(p, held)
}

// needs tells whether something is still to be done, or to be found out, about a resource. The orders lane tells only of
// what it has listed.
func (r *round) needs(p *planned, k planner.Key) bool {
	has := func(refused []planner.Refusal) bool {
		return slices.ContainsFunc(refused, func(f planner.Refusal) bool { return f.Key == k })
	}
	return r.lane == laneOrders && !p.listed[k] || r.open[k] || has(p.plan.Context.Blocked) || has(p.plan.Context.Waiting) ||
		slices.ContainsFunc(p.plan.Core.Actions, func(a planner.Action) bool { return a.Key == k })
}

// distinct counts the actions of groups, which may share the directories above them.
func distinct(groups []policy.Group) int {
	seen := map[int]bool{}
	for _, g := range groups {
		for _, i := range g.Actions {
			seen[i] = true
		}
	}
	return len(seen)
}

// outcome is the reason of a round that met no error, the most urgent first.
func (r *round) outcome(p *planned, held []policy.Group) (reason, error) {
	if r.orders != nil {
		if err := r.orders.problem(); err != nil {
			return sourceIncomplete, err
		}
	}
	switch {
	case r.failed > 0:
		return partialRound, r.asHeld
	case p.plan.Context.Unobserved > 0:
		return observeFailed, fmt.Errorf("%s could not be observed", count(p.plan.Context.Unobserved, "resource"))
	case r.unsettled > 0:
		return notConverged, fmt.Errorf("%s changed as planned, and again each time: the log names them", count(r.unsettled, "resource"))
	case r.applied > 0:
		return applied, nil
	}
	why := r.idleReason(held)
	if next := r.memory.next(r.s.now()); why == inBackoff && !next.IsZero() {
		return why, fmt.Errorf("%s failed before; the next try is at %s", count(r.later[policy.Backoff], "action"),
			next.UTC().Format(time.RFC3339))
	}
	return why, nil
}

// idleReason is why a round that went well changed nothing.
func (r *round) idleReason(held []policy.Group) reason {
	switch {
	case r.later[policy.OverLimit] > 0:
		return overLimit
	case r.later[policy.OutsideWindow] > 0:
		return outsideWindow
	case r.later[policy.Backoff] > 0:
		return inBackoff
	case len(held) > 0:
		return allHeld
	}
	return noChanges
}

// judge asks the policy about every action. Until a person has approved a plan that was applied on this state, everything
// is held; what keeps failing, or does not stay, waits its time.
func (r *round) judge(p *planned) ([]policy.Decision, error) {
	decisions := r.s.askPolicy(p)
	if !r.isTrusted {
		var err error
		if r.isTrusted, err = r.s.trusted(); err != nil {
			return nil, err
		}
	}
	for i := range decisions {
		d, a := &decisions[i], &p.plan.Core.Actions[i]
		f, waits := r.memory.waits(a, r.s.now())
		switch {
		case r.open[a.Key]:
			d.Approved, d.Code, d.Rule = false, policy.Backoff, "a plan for it has begun, and goes on when it is due"
		case !d.Approved:
		case !r.isTrusted:
			d.Approved, d.Code, d.Rule = false, policy.NotAllowed, "no plan approved by a person has been applied on this state yet"
		case r.memory.unsettled(a):
			d.Approved, d.Code, d.Rule = false, policy.Backoff, "it was changed just so several times, and differs again "+
				"each time: find out what works against it"
			r.unsettled++
			r.log.Warn("resource", "address", a.Address, "error", "it does not stay as it is made", "times", r.memory.did[a.Key].Count)
		case waits:
			d.Approved, d.Code = false, policy.Backoff
			d.Rule = fmt.Sprintf("it failed %s in a row, and is tried again at %s; the last time: %s", count(f.Count, "time"),
				f.Until.UTC().Format("15:04 UTC"), f.Error)
		}
	}
	return decisions, nil
}

// trusted tells whether a person's plan has been applied on this state.
func (s *session) trusted() (yes bool, err error) {
	err = s.store.View(func(tx *state.Tx) error {
		plans, err := tx.Plans()
		for _, p := range plans {
			for _, a := range p.Approvals {
				ran := p.Result == state.Done || p.Result == state.Partial && p.Counts[string(apply.Done)] > 0
				yes = yes || ran && a.Kind != string(approval.KindPolicy)
			}
		}
		return err
	})
	return yes, err
}

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
		if res.Action.Kind == planner.Archive {
			r.archived[res.Action.Key] = true
		}
	case apply.NotBegun:
	case apply.Undelivered: // the outbox tries again by itself
		r.failed++
		r.memory.done(res.Action, r.s.now())
		r.log.Warn("resource", "address", res.Action.Address, "action", res.Action.Kind, "status", res.Status, "error", errorText(res.Err),
			"next", "cscs-sync callbacks list")
	default:
		r.failed++
		if errors.Is(res.Err, context.Canceled) { // it was told to stop, which says nothing about the resource
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

// show prints what a dry run would do.
func (r *round) show(p *planner.Plan, decisions []policy.Decision, approvedGroup policy.Group, held []policy.Group) (reason, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s lane: %d would be applied, %d held\n", r.lane, len(approvedGroup.Actions), r.held)
	rules := make([]string, len(p.Core.Actions))
	for _, d := range decisions {
		rules[d.Index] = d.Rule
	}
	write := func(word string, i int, because bool) {
		a := &p.Core.Actions[i]
		fmt.Fprintf(&b, "  %-6s %-8s %s\n", word, a.Kind, planfile.Quote(a.Address))
		if because {
			b.WriteString("         because " + planfile.Escape(rules[i]) + "\n")
		}
	}
	for _, i := range approvedGroup.Actions {
		write("apply", i, false)
	}
	for _, g := range held {
		for at, i := range g.Actions {
			last := at == len(g.Actions)-1 || rules[g.Actions[at+1]] != rules[i]
			write("hold", i, last && !p.Core.Actions[i].Target.IsNode())
		}
	}
	for _, d := range decisions {
		if d.Code.Later() {
			write("wait", d.Index, true)
		}
	}
	if err := r.s.print(b.String()); err != nil {
		return roundFailed, err
	}
	if len(approvedGroup.Actions) > 0 {
		return applied, nil
	}
	return r.idleReason(held), nil
}
