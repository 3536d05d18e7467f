package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
)

// defaultWorkers is how many resources an apply works on at a time.
const defaultWorkers = 8

// stepOrder is the journal's note of an order's URL: a resumed apply asks for orders that are listed no more.
const stepOrder = "order"

// stepDone is the journal's note that a resource is done, by package apply.
const stepDone = "done"

// apply runs an approved plan, under the lock.
func (o *applyOptions) apply(ctx context.Context, s *session, p *approved) (err error) {
	lock, err := s.store.Lock(ctx, s.holder(p.id), o.lockTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	o.guard = lock.Check
	if !o.json && !o.quiet {
		defer s.showProgress()()
	}
	before, steps, err := s.ledger(p)
	if err != nil {
		return err
	}
	approvals, err := s.judge(p, before)
	if err != nil {
		return err
	}
	job, now, err := o.prepare(ctx, s, p, before, steps)
	if err != nil {
		return err
	}
	if len(p.plan.Core.Actions) == 0 {
		if err := s.recordSeen(now); err != nil {
			return err
		}
		s.tell("Plan %s has nothing to do.", planfile.ShellWord(p.name()))
		if o.json {
			newReport(s.app, p, true, o.quiet).end(nil, ledger.Done)
		}
		return nil
	}
	if err := s.claim(ctx, p.plan); err != nil {
		return err
	}
	if err := s.begin(p, &job, now, approvals, before); err != nil {
		return err
	}
	return o.execute(ctx, s, p, job)
}

// holder is this process, for the lock of a plan.
func (s *session) holder(plan string) ledger.Holder {
	return ledger.Holder{Who: s.user, Host: s.host, PID: os.Getpid(), Plan: plan, Since: s.now()}
}

// ledger tells whether the plan has begun before, and gives its journal. A plan that has ended, or was superseded, is
// refused.
func (s *session) ledger(p *approved) (begun bool, steps []ledger.Step, err error) {
	err = s.store.View(func(tx ledger.Tx) error {
		if begun, _, err = p.standing(tx); begun {
			steps, err = tx.Steps(p.id)
		}
		return err
	})
	return begun, steps, err
}

// keysOf are the resources that a plan is about. Tenants and customers to be made are none: they are made if they are
// missing, whoever comes first.
func keysOf(p *planner.Plan) []planner.Key {
	keys := make([]planner.Key, 0, len(p.Core.Actions))
	for i := range p.Core.Actions {
		if a := &p.Core.Actions[i]; !a.Target.IsNode() || a.Kind != planner.Create {
			keys = append(keys, a.Key)
		}
	}
	return keys
}

// prepare asks the proxy and every order again, looks at everything that the plan touches, and refuses a plan that is no
// longer true.
func (o *applyOptions) prepare(ctx context.Context, s *session, p *approved, begun bool, steps []ledger.Step) (apply.Job, *planned, error) {
	ask, audited := p.ask, p.ask != nil // the loop's audits record what is as wanted
	if ask == nil {
		source, err := s.source(nil)
		if err != nil {
			return apply.Job{}, nil, err
		}
		ask = &request{source: source}
	}
	watch, projects := map[planner.Key]bool{}, map[planner.Key]planner.ProjectID{}
	for i := range p.plan.Core.Actions {
		a := &p.plan.Core.Actions[i]
		watch[a.Key] = true
		if v, _ := a.After(planner.Project); !v.IsAbsent() {
			id, _ := v.Number()
			projects[a.Key] = planner.ProjectID(id)
		}
	}
	again := request{source: ask.source, statuses: ask.statuses, complete: ask.complete, selection: p.plan.Core.Selection,
		watch: watch, projects: projects, mustAsk: true, keepRecords: !audited, parallelism: o.parallelism, more: earlierOrders(p, steps)}
	if begun {
		again.adjust = func(r *planner.Recorded) { r.Undelivered = withoutOwn(r.Undelivered, watch) }
	}
	now, err := s.plan(ctx, again)
	if err != nil {
		return apply.Job{}, nil, err
	}
	job, stale := apply.Prepare(p.plan, p.id, apply.Now{Settings: &s.cfg.Settings, Items: now.items, Graph: now.graph, Recorded: now.recorded,
		Orders: now.orders, Resumed: begun, Steps: steps})
	if len(stale) > 0 && !o.skipStale && !begun {
		return job, now, p.moved(stale)
	}
	job.SkipStale(stale)
	return job, now, nil
}

// withoutOwn leaves out callbacks that an interrupted apply of this plan has queued: going on with it delivers them.
func withoutOwn(waiting []planner.Undelivered, own map[planner.Key]bool) []planner.Undelivered {
	return slices.DeleteFunc(slices.Clone(waiting), func(u planner.Undelivered) bool { return own[u.Key] })
}

// earlierOrders are the orders that an interrupted apply of this plan worked on.
func earlierOrders(p *approved, steps []ledger.Step) []planner.Question {
	orders := map[planner.Key]string{}
	for i := range p.plan.Core.Actions {
		orders[p.plan.Core.Actions[i].Key] = p.plan.Core.Actions[i].Order
	}
	var qs []planner.Question
	for _, st := range steps {
		if st.Name == stepOrder && orders[st.Key] != "" {
			qs = append(qs, planner.Question{ID: orders[st.Key], URL: st.Note})
		}
	}
	return qs
}

// begin notes in the ledger, synced, that the plan has begun: from here on apply resumes it. The job takes the time of that
// from the ledger, where it stays the same however often the plan resumes.
func (s *session) begin(p *approved, job *apply.Job, now *planned, approvals []ledger.Approval, begun bool) error {
	return s.store.Update(func(tx ledger.Tx) error {
		start := p.start()
		start.Approvals, start.Who, start.Host = approvals, s.user, s.host
		_, err := tx.Begin(start)
		if err != nil {
			return err
		}
		known, _, err := tx.Plan(p.id)
		if err != nil {
			return err
		}
		job.Begun = known.Begun
		if err := s.follow(tx, now); err != nil {
			return err
		}
		if err := errors.Join(recordRoots(tx, *job, now), s.recordWanted(tx, now)); err != nil || begun {
			return err
		}
		var steps []ledger.Step
		for _, w := range job.Work {
			if w.Order != "" && w.Action.Order != "" {
				steps = append(steps, ledger.Step{Key: w.Action.Key, Name: stepOrder, Note: w.Order})
			}
		}
		return tx.AppendSteps(p.id, steps)
	})
}

// follow puts what is recorded under the keys that the proxy has now, where an offering's slug was renamed.
func (s *session) follow(tx ledger.Tx, p *planned) error {
	renamed := p.graph.Renamed()
	if len(renamed) == 0 {
		return nil
	}
	n, err := tx.Rename(renamed)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.AppendHistory(ledger.Entry{Who: s.user, Host: s.host, Event: eventRenamed, Text: renamedText(n, renamed)})
	return err
}

// renamedText says which of the proxy's names have become which.
func renamedText(n int, renamed map[planner.Key]planner.Key) string {
	names := map[string]bool{}
	for old, now := range renamed {
		names[fmt.Sprintf("%s is %s now", planfile.Quote(old.System), planfile.Quote(now.System))] = true
	}
	return fmt.Sprintf("%s: %s", count(n, "resource"), strings.Join(slices.Sorted(maps.Keys(names)), ", "))
}

// execute runs the job, notes how it ended, and gives the account.
func (o *applyOptions) execute(ctx context.Context, s *session, p *approved, job apply.Job) error {
	storage, closeStorage, err := s.storage(ctx)
	if err != nil {
		return err
	}
	defer closeStorage()
	defer s.waitsFor("a call to the storage, to Waldur or to the state")()
	s.graceful.Store(true)
	report := newReport(s.app, p, o.json, o.quiet)
	report.begin()
	s.stage("applying", applyingTime)
	engine := o.engine(s, storage, report)
	results, err := engine.Run(ctx, s.stop, job)
	o.results, report.told = results, engine.Told()
	if err != nil {
		report.end(results, ledger.Interrupted)
		return err
	}
	result := resultOf(results)
	if result == ledger.Partial && ctx.Err() != nil {
		result = ledger.Interrupted // what failed, failed because it was told to stop: the plan is not used up by that
	}
	if o.keepOpen && result == ledger.Partial && leftHalfMade(results) {
		result = ledger.Interrupted
	}
	return o.finish(s, p, report, result)
}

// engine is what runs a job; each event is a sign of life.
func (o *applyOptions) engine(s *session, storage apply.Storage, report *report) *apply.Engine {
	workers := o.parallelism
	if workers <= 0 {
		workers = defaultWorkers
	}
	notify := func(e apply.Event) {
		s.stage("applying", applyingTime)
		report.event(e)
	}
	return &apply.Engine{Storage: storage, Orders: s.orders(), Journal: s.store, Now: s.now, Sleep: waldur.Sleep, Notify: notify,
		Guard: o.guard, Holds: s.holds, Reached: s.reached, Parallelism: workers, Host: s.host, Who: s.user,
		RootUID: s.cfg.Settings.Root.UID, RootGID: s.cfg.Settings.Root.GID}
}

// finish notes in the ledger how the plan ended, and gives the account.
func (o *applyOptions) finish(s *session, p *approved, report *report, result ledger.Result) error {
	err := s.store.Update(func(tx ledger.Tx) error {
		err := tx.Finish(p.id, result, s.user, countStatuses(o.results))
		_, o.head = tx.Head()
		return err
	})
	if err != nil {
		report.end(o.results, ledger.Interrupted)
		return fmt.Errorf("record how plan %s ended: %w", p.name(), err)
	}
	report.end(o.results, result)
	if !o.quiet {
		s.tell("The history's head is now %s.", o.head)
	}
	switch result {
	case ledger.Interrupted:
		return ended(exitInterrupted)
	case ledger.Partial:
		return ended(exitPartial)
	}
	return nil
}

// resultOf is how a run ended: interrupted if anything was not begun or not recorded, partial if anything failed, was skipped or could not
// be reported.
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

// leftHalfMade tells that a directory may stand there half made: only this plan knows that it is ours.
func leftHalfMade(results []apply.Result) bool {
	return slices.ContainsFunc(results, func(r apply.Result) bool { return r.Status == apply.Failed && r.Action.Kind == planner.Create })
}

func countStatuses(results []apply.Result) map[string]int {
	counts := map[string]int{}
	for _, r := range results {
		counts[string(r.Status)]++
	}
	return counts
}
