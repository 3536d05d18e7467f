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

// stepOrder is the journal's name for the step that notes an order's URL. A resumed apply asks for
// orders that are no longer listed.
const stepOrder = "order"

// StepDone is the journal's name for the step that says that a resource is done. Package apply
// writes it.
const StepDone = "done"

// Options say how to apply a plan.
type Options struct {
	// SkipStale leaves out what is stale and does the rest.
	SkipStale bool
	// KeepOpen keeps a plan open after a failed create, as if it had been interrupted, so that it
	// continues another time.
	KeepOpen bool
	// LockTimeout is how long to wait for the lock. Parallelism is how many resources are worked on at
	// a time; 0 means 8.
	LockTimeout time.Duration
	Parallelism int
	// Begun is called just before the first change, and Event for each event after that, one call at a
	// time. Each may be nil.
	Begun func()
	Event func(apply.Event)
}

// Outcome says how an apply went.
type Outcome struct {
	// Result is empty if nothing has begun.
	Result ledger.Result
	// Results has one entry for each action of a plan that has begun.
	Results []apply.Result
	// Told counts the callbacks that Waldur has taken.
	Told map[planner.Callback]int
	// Head is the hash of the history's last entry after the apply. Kept elsewhere, it shows every
	// later edit of the entries before it.
	Head string
}

// Counts returns the number of resources by their status.
func (o *Outcome) Counts() map[string]int {
	counts := map[string]int{}
	for _, r := range o.Results {
		counts[string(r.Status)]++
	}
	return counts
}

// Apply runs an approved plan under the lock. If it returns an error and the outcome has no result,
// nothing was done. If the outcome has a result, the error says why the apply did not finish. A
// plan without actions is done.
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

// systemsOf returns the systems that a plan changes, sorted.
func systemsOf(plan *planner.Plan) []string {
	var systems []string
	for i := range plan.Core.Actions {
		systems = append(systems, plan.Core.Actions[i].System)
	}
	slices.Sort(systems)
	return slices.Compact(systems)
}

// holder describes this process for the lock that a plan takes.
func (e *Engine) holder(plan string) ledger.Holder {
	return ledger.Holder{Who: e.Who, Host: e.Host, PID: e.PID, Plan: plan, Since: e.Now()}
}

// Begun reports whether the plan has begun before, and returns its journal. It refuses a plan that
// has ended or was superseded.
func (e *Engine) Begun(p *Proposal) (begun bool, steps []ledger.Step, err error) {
	err = e.Store.View(func(tx ledger.Tx) error {
		if begun, _, err = p.standing(tx); begun {
			steps, err = tx.Steps(p.ID)
		}
		return err
	})
	return begun, steps, err
}

// KeysOf returns the resources that a plan is about. Directories of tenants and customers that are
// to be made do not count: any plan that comes first makes them if they are missing.
func KeysOf(p *planner.Plan) []planner.Key {
	keys := make([]planner.Key, 0, len(p.Core.Actions))
	for i := range p.Core.Actions {
		if a := &p.Core.Actions[i]; !a.Target.IsBranch() || a.Kind != planner.Create {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// Prepare asks the proxy and Waldur about every order again, looks at everything that the plan
// changes, and refuses a plan that is no longer true.
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
		Part:      ask.Part,
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

// withoutOwn leaves out callbacks that an interrupted apply of this plan has queued. The resumed
// apply delivers them.
func withoutOwn(waiting []planner.Undelivered, own map[planner.Key]bool) []planner.Undelivered {
	return slices.DeleteFunc(slices.Clone(waiting),
		func(u planner.Undelivered) bool { return own[u.Key] })
}

// earlierOrders returns the questions about the orders that an interrupted apply of this plan
// worked on.
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

// begin records in the ledger, synced, that the plan has begun. From here on, apply resumes it. The
// job takes its time from the ledger, where it stays the same however often the plan resumes.
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

// follow moves records to the keys that the proxy uses now, if the slug of an offering was renamed.
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

// renamedText says which names the proxy has changed, and to what.
func renamedText(n int, renamed map[planner.Key]planner.Key) string {
	names := map[string]bool{}
	for old, now := range renamed {
		names[fmt.Sprintf("%s is %s now", render.Quote(old.System),
			render.Quote(now.System))] = true
	}
	return fmt.Sprintf("%s: %s", planner.Count(n, "resource"),
		strings.Join(slices.Sorted(maps.Keys(names)), ", "))
}

// execute runs the job and records how it ended.
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
	e.stage("applying", applyingTime)
	runner := e.runner(storage, o, lock)
	out.Result = ledger.Interrupted
	out.Results, err = runner.Run(ctx, e.Hooks.Stop, job)
	out.Told = runner.Told()
	if err != nil {
		return out, err
	}
	result := resultOf(out.Results)
	if result == ledger.Partial && ctx.Err() != nil {
		// What failed, failed because it was told to stop. The plan is not used up by that.
		result = ledger.Interrupted
	}
	if o.KeepOpen && result == ledger.Partial && leftUnfinished(out.Results) {
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

// runner returns the engine that runs a job. Each of its events is a sign of life.
func (e *Engine) runner(storage apply.Storage, o Options, lock ledger.Lock) *apply.Engine {
	workers := o.Parallelism
	if workers <= 0 {
		workers = defaultWorkers
	}
	notify := func(ev apply.Event) {
		e.stage("applying", applyingTime)
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

// finish records in the ledger how the plan ended.
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

// resultOf returns the result of a run: interrupted if anything was not begun or not recorded,
// partial if anything failed, was skipped or could not be reported.
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

// leftUnfinished reports whether the run may have left a directory unfinished. Only this plan knows
// that such a directory is ours.
func leftUnfinished(results []apply.Result) bool {
	return slices.ContainsFunc(results,
		func(r apply.Result) bool { return r.Status == apply.Failed && r.Action.Kind == planner.Create })
}
