package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/state"
)

// Guards of the loop.
const (
	// indexChunk is how many items share one value of the index.
	indexChunk = 500
	// indexAge is how many audits old an index may be.
	indexAge = 3
	// shrunkShare and shrunkLeast are from when on a listing that lacks recorded resources is not believed.
	shrunkShare = 0.1
	shrunkLeast = 3
	// quarantine is after how many failures in a row a resource is only tried once an hour.
	quarantine = 3
)

// round is one round of the loop.
type round struct {
	*loop
	lane                  lane
	applied, held, failed int
	// unsettled counts resources that do not stay as they are made.
	unsettled int
	planned   *planned
	// ask is the orders lane's way of asking the proxy; nil in an audit.
	ask *request
	// later are held actions that only wait for their time, by why.
	later map[policy.Code]int
}

// do runs the round: approved held plans first, then what waits in the outbox, then the lane's own listing.
func (r *round) do(ctx context.Context) (reason, error) {
	var busy *state.LockedError
	if err := r.applyPending(ctx); errors.As(err, &busy) {
		return lockBusy, err
	} else if err != nil {
		r.log.Error("held plan", "error", err.Error())
	}
	if err := r.redeliver(ctx); errors.As(err, &busy) {
		return lockBusy, err
	} else if err != nil {
		r.log.Warn("outbox", "error", err.Error())
	}
	p, err := r.plan(ctx)
	if err != nil {
		return sourceReason(err), err
	}
	r.planned = p
	if r.lane == laneAudit {
		if why := r.shrunk(p); why != nil && !r.o.acceptShrunk {
			return sourceShrank, why
		}
		if err := r.remember(p); err != nil {
			return roundFailed, err
		}
	}
	return r.act(ctx, p)
}

// plan lists what the lane looks at, and plans.
func (r *round) plan(ctx context.Context) (*planned, error) {
	source, err := r.s.source(nil)
	if err != nil {
		return nil, err
	}
	if r.lane == laneAudit {
		begun := r.s.now()
		p, err := r.s.plan(ctx, request{source: source, keepRecords: true})
		if err == nil {
			r.audited = begun
		}
		return p, err
	}
	r.ask = &request{source: source, onlyListed: true, others: r.indexed,
		statuses: []planner.Status{planner.StatusPending, planner.StatusUpdating, planner.StatusRemoving, planner.StatusError}}
	return r.s.plan(ctx, *r.ask)
}

// sourceReason sorts the errors of a listing.
func sourceReason(err error) reason {
	var changed *waldur.ChangedError
	var moved *waldur.MovedError
	var status *waldur.StatusError
	switch {
	case errors.As(err, &changed), errors.As(err, &moved):
		return sourceIncomplete
	case errors.Is(err, providers.ErrUnreachable), errors.As(err, &status):
		return sourceUnreachable
	}
	return roundFailed
}

// indexed are the items of the last complete listing that this partial one leaves out, so that a conflict with them is
// still seen. An index that is too old is not used: then only what is recorded counts.
func (r *round) indexed(listed []planner.Item) ([]planner.Item, error) {
	if !slices.ContainsFunc(listed, func(it planner.Item) bool { return !it.Target.IsNode() }) {
		return nil, nil // nothing to plan for
	}
	var at time.Time
	var chunks []json.RawMessage
	err := r.s.store.View(func(tx *state.Tx) (err error) {
		at, chunks, err = tx.Index()
		return err
	})
	if err != nil || r.s.now().Sub(at) > indexAge*r.s.cfg.Run.AuditInterval {
		return nil, err
	}
	have := make(map[planner.Key]bool, len(listed))
	for i := range listed {
		have[listed[i].Key] = true
	}
	var others []planner.Item
	for _, c := range chunks {
		var items []planner.Item
		if err := json.Unmarshal(c, &items); err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
		for _, it := range items {
			if !have[it.Key] {
				others = append(others, it)
			}
		}
	}
	return others, nil
}

// shrunk tells a listing that suddenly lacks much of what is recorded.
func (r *round) shrunk(p *planned) error {
	lacking := 0
	for _, w := range p.plan.Context.Warnings {
		if w.Code == "unlisted" {
			lacking++
		}
	}
	recorded := len(p.recorded.Records)
	if lacking < shrunkLeast || float64(lacking) < shrunkShare*float64(recorded) {
		return nil
	}
	return fmt.Errorf("the listing lacks %d of %d recorded resources: nothing is done until somebody looks; if that is right, run `cscs-sync run --once --accept-shrunk`", lacking, recorded)
}

// remember writes down what an audit found as wanted, and the index that the orders lane plans against.
func (r *round) remember(p *planned) error {
	if r.o.dryRun {
		return nil
	}
	var chunks []json.RawMessage
	for items := range slices.Chunk(p.items, indexChunk) {
		b, err := json.Marshal(items)
		if err != nil {
			return fmt.Errorf("make the index: %w", err)
		}
		chunks = append(chunks, b)
	}
	return r.s.store.Update(func(tx *state.Tx) error {
		for _, rec := range p.graph.AsWanted() {
			if p.recorded.Records[rec.Key].Storage != "" {
				continue
			}
			rec.At = tx.Now()
			if err := tx.PutRecord(rec); err != nil {
				return err
			}
		}
		return tx.SetIndex(r.audited, chunks)
	})
}

// act asks the policy, writes held plans, and applies the rest.
func (r *round) act(ctx context.Context, p *planned) (reason, error) {
	decisions, err := r.judge(p)
	if err != nil {
		return roundFailed, err
	}
	approvedGroup, held := policy.Split(p.plan, decisions)
	for _, g := range held {
		r.held += len(g.Actions)
	}
	r.later = map[policy.Code]int{}
	for _, d := range decisions {
		if !d.Approved {
			r.later[d.Code]++
		}
	}
	if r.o.dryRun {
		return r.show(p.plan, approvedGroup, held)
	}
	if err := r.hold(p.plan, held); err != nil {
		return roundFailed, err
	}
	r.tellOfHeld(ctx)
	if len(approvedGroup.Actions) > 0 {
		if err := r.applyGroup(ctx, policy.Only(p.plan, approvedGroup)); err != nil {
			return r.failedReason(err)
		}
	}
	switch {
	case p.plan.Context.Unobserved > 0:
		return observeFailed, fmt.Errorf("%d resources could not be observed", p.plan.Context.Unobserved)
	case r.unsettled > 0:
		return notConverged, fmt.Errorf("%d resources were changed as planned and differ again each time: see the log", r.unsettled)
	case r.applied > 0:
		return applied, nil
	}
	return r.idleReason(held), nil
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

func (r *round) failedReason(err error) (reason, error) {
	var busy *state.LockedError
	var o *outcome
	switch {
	case errors.As(err, &busy):
		return lockBusy, err
	case errors.As(err, &o) && o.code == exitPartial:
		return partialRound, nil
	}
	return roundFailed, err
}

// judge asks the policy about every action. Until a person has approved a plan that was applied on this state, everything
// is held; what keeps failing waits its time.
func (r *round) judge(p *planned) ([]policy.Decision, error) {
	decisions := r.s.askPolicy(p)
	trusted, err := r.s.trusted()
	if err != nil {
		return nil, err
	}
	for i := range decisions {
		a := &p.plan.Core.Actions[i]
		f := r.failures[a.Key]
		switch {
		case !decisions[i].Approved:
		case !trusted:
			decisions[i].Approved, decisions[i].Code, decisions[i].Rule = false, policy.NotAllowed, "no plan approved by a person has been applied on this state yet"
		case r.again(a):
			decisions[i].Approved, decisions[i].Code, decisions[i].Rule = false, policy.Backoff, "it was changed just so several times, and differs again each time: find out what works against it"
		case r.s.now().Before(f.until):
			decisions[i].Approved, decisions[i].Code, decisions[i].Rule = false, policy.Backoff, fmt.Sprintf("it failed %d times in a row and is tried again at %s", f.count, f.until.UTC().Format("15:04 UTC"))
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
				if a.Kind != string(approval.KindPolicy) && (p.Result == state.Done || p.Result == state.Partial) {
					yes = true
				}
			}
		}
		return err
	})
	return yes, err
}

// applyGroup applies a plan in the policy's name, through the same door as everybody's.
func (r *round) applyGroup(ctx context.Context, p *planner.Plan) error {
	id := planfile.ID(p.Core)
	made, err := r.s.policyApproval(approval.Message{Plan: id, Context: planfile.ContextDigest(p), Name: "policy", Time: r.s.now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	block, err := made.Block()
	if err != nil {
		return err
	}
	return r.applyAs(ctx, &approved{plan: p, id: id, blocks: [][]byte{block}, policy: r.s.cfg.AutoApprove.Digest(), ask: r.ask})
}

// applyAs applies an approved plan, and remembers what failed.
func (r *round) applyAs(ctx context.Context, p *approved) error {
	o := applyOptions{skipStale: true, quiet: true}
	err := o.apply(ctx, r.s, p)
	for _, res := range o.results {
		r.account(res)
	}
	return err
}

// show prints what a dry run would do.
func (r *round) show(p *planner.Plan, approvedGroup policy.Group, held []policy.Group) (reason, error) {
	r.applied = 0
	out := fmt.Sprintf("%s lane: %d would be applied, %d held\n", r.lane, len(approvedGroup.Actions), r.held)
	for _, i := range approvedGroup.Actions {
		out += fmt.Sprintf("  apply  %-8s %s\n", p.Core.Actions[i].Kind, planfile.Quote(p.Core.Actions[i].Address))
	}
	for _, g := range held {
		for _, i := range g.Actions {
			out += fmt.Sprintf("  hold   %-8s %s\n", p.Core.Actions[i].Kind, planfile.Quote(p.Core.Actions[i].Address))
		}
		for _, rule := range g.Rules {
			out += "         because " + planfile.Escape(rule) + "\n"
		}
	}
	if err := r.s.print(out); err != nil {
		return roundFailed, err
	}
	if len(approvedGroup.Actions) > 0 {
		return applied, nil
	}
	return r.idleReason(held), nil
}
