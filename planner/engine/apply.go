package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// defaultWorkers is how many resources an apply works on at a time.
const defaultWorkers = 8

// stepOrder is the journal's note of an order's URL: a resumed apply asks for orders that are
// listed no more.
const stepOrder = "order"

// StepDone is the journal's note that a resource is done, by package apply.
const StepDone = "done"

// Options are how a plan is applied.
type Options struct {
	// SkipStale leaves out what is stale, and does the rest.
	SkipStale bool
	// KeepOpen has a plan go on another time when a create failed: as one that was interrupted.
	KeepOpen bool
	// LockTimeout is how long the lock is waited for, and Parallelism how many resources are worked
	// on at a time (0: 8).
	LockTimeout time.Duration
	Parallelism int
	// Begun hears that the first change is next, and Event what happens then, one call at a time.
	// Each may be nil.
	Begun func()
	Event func(apply.Event)
}

// Outcome is how an apply went.
type Outcome struct {
	// Result is empty if nothing has begun.
	Result ledger.Result
	// Results has one entry for each action of a plan that has begun.
	Results []apply.Result
	// Told counts what Waldur has taken.
	Told map[planner.Callback]int
	// Head is the history's after the apply: kept elsewhere, it shows every later edit of what was
	// before it.
	Head string
}

// Counts are the numbers of resources by their status.
func (o *Outcome) Counts() map[string]int {
	counts := map[string]int{}
	for _, r := range o.Results {
		counts[string(r.Status)]++
	}
	return counts
}

// Apply runs an approved plan, under the lock. An error means that nothing was done, unless the
// outcome has a result: then it says what kept the apply from its end. A plan without actions is
// done.
func (e *Engine) Apply(ctx context.Context, p *Proposal, o Options) (out Outcome, err error) {
	lock, err := e.Locker.Lock(ctx, e.holder(p.ID), o.LockTimeout)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	begun, steps, err := e.Begun(p)
	if err != nil {
		return out, err
	}
	approvals, err := e.Judge(p, begun)
	if err != nil {
		return out, err
	}
	job, now, err := e.Prepare(ctx, p, o, begun, steps)
	if err != nil {
		return out, err
	}
	if len(p.Plan.Core.Actions) == 0 {
		out.Result = ledger.Done
		return out, e.recordSeen(now)
	}
	if err := e.Storage.Claim(ctx, systemsOf(p.Plan)); err != nil {
		return out, err
	}
	if err := e.begin(p, &job, now, approvals, begun); err != nil {
		return out, err
	}
	return e.execute(ctx, p, job, o, lock)
}

// systemsOf are the systems that a plan touches, sorted.
func systemsOf(plan *planner.Plan) []string {
	var systems []string
	for i := range plan.Core.Actions {
		systems = append(systems, plan.Core.Actions[i].System)
	}
	slices.Sort(systems)
	return slices.Compact(systems)
}

// holder is this process, for the lock of a plan.
func (e *Engine) holder(plan string) ledger.Holder {
	return ledger.Holder{Who: e.Who, Host: e.Host, PID: e.PID, Plan: plan, Since: e.Now()}
}

// Begun reports whether the plan has begun before, and returns its journal. A plan that has ended,
// or was superseded, is refused.
func (e *Engine) Begun(p *Proposal) (begun bool, steps []ledger.Step, err error) {
	err = e.Store.View(func(tx ledger.Tx) error {
		if begun, _, err = p.Standing(tx); begun {
			steps, err = tx.Steps(p.ID)
		}
		return err
	})
	return begun, steps, err
}

// KeysOf are the resources that a plan is about. Tenants and customers to be made are none: they
// are made if they are missing, whoever comes first.
func KeysOf(p *planner.Plan) []planner.Key {
	keys := make([]planner.Key, 0, len(p.Core.Actions))
	for i := range p.Core.Actions {
		if a := &p.Core.Actions[i]; !a.Target.IsBranch() || a.Kind != planner.Create {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// Prepare asks the proxy and every order again, looks at everything that the plan touches, and
// refuses a plan that is no longer true.
func (e *Engine) Prepare(ctx context.Context, p *Proposal, o Options, begun bool,
	steps []ledger.Step) (apply.Job, *Planned, error) {
	ask, audited := p.Ask, p.Ask != nil // the loop's audits record what is as wanted
	if ask == nil {
		source, err := e.Proxy()
		if err != nil {
			return apply.Job{}, nil, err
		}
		ask = &Request{Source: source}
	}
	watch, projects := map[planner.Key]bool{}, map[planner.Key]planner.ProjectID{}
	for i := range p.Plan.Core.Actions {
		a := &p.Plan.Core.Actions[i]
		watch[a.Key] = true
		if v, _ := a.After(planner.Project); !v.IsAbsent() {
			id, _ := v.Number()
			projects[a.Key] = planner.ProjectID(id)
		}
	}
	again := Request{Source: ask.Source, Statuses: ask.Statuses, Complete: ask.Complete,
		Selection: p.Plan.Core.Selection,
		watch:     watch, projects: projects, mustAsk: true, KeepRecords: !audited,
		Parallelism: o.Parallelism, more: earlierOrders(p, steps)}
	if begun {
		again.adjust = func(
			r *planner.Recorded) {
			r.Undelivered = withoutOwn(r.Undelivered, watch)
		}
	}
	now, err := e.Plan(ctx, again)
	if err != nil {
		return apply.Job{}, nil, err
	}
	job, stale := apply.Prepare(p.Plan, p.ID, apply.Now{Settings: e.Settings, Items: now.Items,
		Graph: now.Graph, Recorded: now.Recorded,
		Orders: now.Orders, Resumed: begun, Steps: steps})
	if len(stale) > 0 && !o.SkipStale && !begun {
		return job, now, p.moved(stale)
	}
	job.SkipStale(stale)
	return job, now, nil
}

// withoutOwn leaves out callbacks that an interrupted apply of this plan has queued: going on with
// it delivers them.
func withoutOwn(waiting []planner.Undelivered, own map[planner.Key]bool) []planner.Undelivered {
	return slices.DeleteFunc(slices.Clone(waiting),
		func(u planner.Undelivered) bool { return own[u.Key] })
}

// earlierOrders are the orders that an interrupted apply of this plan worked on.
func earlierOrders(p *Proposal, steps []ledger.Step) []planner.Question {
	orders := map[planner.Key]string{}
	for i := range p.Plan.Core.Actions {
		orders[p.Plan.Core.Actions[i].Key] = p.Plan.Core.Actions[i].Order
	}
	var qs []planner.Question
	for _, st := range steps {
		if st.Name == stepOrder && orders[st.Key] != "" {
			qs = append(qs, planner.Question{ID: orders[st.Key], URL: st.Note})
		}
	}
	return qs
}

// begin notes in the ledger, synced, that the plan has begun: from here on apply resumes it. The
// job takes the time of that from the ledger, where it stays the same however often the plan
// resumes.
func (e *Engine) begin(p *Proposal, job *apply.Job, now *Planned, approvals []ledger.Approval,
	begun bool) error {
	return e.Store.Update(func(tx ledger.Tx) error {
		start := p.start()
		start.Approvals, start.Who, start.Host = approvals, e.Who, e.Host
		_, err := tx.Begin(start)
		if err != nil {
			return err
		}
		known, _, err := tx.Plan(p.ID)
		if err != nil {
			return err
		}
		job.Begun = known.Begun
		if err := e.follow(tx, now); err != nil {
			return err
		}
		if err := errors.Join(recordRoots(tx, *job, now), e.recordWanted(tx, now)); err != nil ||
			begun {
			return err
		}
		var steps []ledger.Step
		for _, w := range job.Work {
			if w.Order != "" && w.Action.Order != "" {
				steps = append(steps, ledger.Step{Key: w.Action.Key, Name: stepOrder,
					Note: w.Order})
			}
		}
		return tx.AppendSteps(p.ID, steps)
	})
}

// follow puts what is recorded under the keys that the proxy has now, where an offering's slug was
// renamed.
func (e *Engine) follow(tx ledger.Tx, p *Planned) error {
	renamed := p.Graph.Renamed()
	if len(renamed) == 0 {
		return nil
	}
	n, err := tx.Rename(renamed)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.AppendHistory(ledger.Entry{Who: e.Who, Host: e.Host, Event: ledger.EventRenamed,
		Text: renamedText(n, renamed)})
	return err
}

// renamedText says which of the proxy's names have become which.
func renamedText(n int, renamed map[planner.Key]planner.Key) string {
	names := map[string]bool{}
	for old, now := range renamed {
		names[fmt.Sprintf("%s is %s now", render.Quote(old.System),
			render.Quote(now.System))] = true
	}
	return fmt.Sprintf("%s: %s", planner.Count(n, "resource"),
		strings.Join(slices.Sorted(maps.Keys(names)), ", "))
}

// execute runs the job, and notes how it ended.
func (e *Engine) execute(ctx context.Context, p *Proposal, job apply.Job, o Options,
	lock ledger.Lock) (out Outcome, err error) {
	storage, closeStorage, err := e.change(ctx)
	if err != nil {
		return out, err
	}
	defer closeStorage()
	defer e.waits("a call to the storage, to Waldur or to the state")()
	if e.Hooks.Changing != nil {
		e.Hooks.Changing()
	}
	if o.Begun != nil {
		o.Begun()
	}
	e.stage("applying", ApplyingTime)
	runner := e.runner(storage, o, lock)
	out.Result = ledger.Interrupted
	out.Results, err = runner.Run(ctx, e.Hooks.Stop, job)
	out.Told = runner.Told()
	if err != nil {
		return out, err
	}
	result := resultOf(out.Results)
	if result == ledger.Partial && ctx.Err() != nil {
		// what failed, failed because it was told to stop: the plan is not used up by that
		result = ledger.Interrupted
	}
	if o.KeepOpen && result == ledger.Partial && leftHalfMade(out.Results) {
		result = ledger.Interrupted
	}
	return out, e.finish(p, &out, result)
}

// change opens the storage for changes.
func (e *Engine) change(ctx context.Context) (apply.Storage, func(), error) {
	var roots map[string]planner.RootIdentity
	err := e.Store.View(func(tx ledger.Tx) (err error) {
		roots, err = tx.Roots()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return e.Storage.Change(ctx, roots)
}

// runner is what runs a job; each event is a sign of life.
func (e *Engine) runner(storage apply.Storage, o Options, lock ledger.Lock) *apply.Engine {
	workers := o.Parallelism
	if workers <= 0 {
		workers = defaultWorkers
	}
	notify := func(ev apply.Event) {
		e.stage("applying", ApplyingTime)
		if o.Event != nil {
			o.Event(ev)
		}
	}
	return &apply.Engine{Storage: storage, Orders: e.Orders, Journal: e.Store, Now: e.Now,
		Sleep: e.Sleep, Notify: notify,
		Guard: lock.Check, Holds: e.holdsInForce, Reached: e.Hooks.Reached, Parallelism: workers,
		Host: e.Host, Who: e.Who,
		RootUID: e.Settings.Root.UID, RootGID: e.Settings.Root.GID}
}

// finish notes in the ledger how the plan ended.
func (e *Engine) finish(p *Proposal, out *Outcome, result ledger.Result) error {
	err := e.Store.Update(func(tx ledger.Tx) error {
		err := tx.Finish(p.ID, result, e.Who, out.Counts())
		_, out.Head = tx.Head()
		return err
	})
	if err != nil {
		return fmt.Errorf("record how plan %s ended: %w", p.Name(), err)
	}
	out.Result = result
	return nil
}

// resultOf is how a run ended: interrupted if anything was not begun or not recorded, partial if
// anything failed, was skipped or could not be reported.
func resultOf(results []apply.Result) ledger.Result {
	result := ledger.Done
	for _, r := range results {
		switch r.Status {
		case apply.NotBegun, apply.Unrecorded:
			return ledger.Interrupted
		case apply.Done:
		default:
			result = ledger.Partial
		}
	}
	return result
}

// leftHalfMade reports whether a directory may stand there unfinished: only this plan knows that it
// is ours.
func leftHalfMade(results []apply.Result) bool {
	return slices.ContainsFunc(results,
		func(r apply.Result) bool { return r.Status == apply.Failed && r.Action.Kind == planner.Create })
}
