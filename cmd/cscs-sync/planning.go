package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// request is what to plan.
type request struct {
	source    engine.Source
	selection planner.Selection
	// statuses limits the listing; empty is the whole.
	statuses []planner.Status
	// watch, mustAsk and keepRecords are those of [planner.World].
	watch   map[planner.Key]bool
	mustAsk bool
	// projects are those of [planner.World]: the ids that an approved plan gives away.
	projects    map[planner.Key]planner.ProjectID
	keepRecords bool
	parallelism int
	// adjust changes what is recorded before planning with it: for what an apply knows beyond the state.
	adjust func(*planner.Recorded)
	// complete adds to a partial listing the items that count in conflicts and claims, and are not planned for.
	complete func(listed []planner.Item, recorded *planner.Recorded) ([]planner.Item, error)
	// onlyListed plans for nothing but what was listed.
	onlyListed bool
	// more are questions to ask Waldur beside the usual ones.
	more []planner.Question
}

// planned is a plan with everything that went into it.
type planned struct {
	plan     *planner.Plan
	graph    *planner.Graph
	items    []planner.Item
	orders   map[string]planner.OrderAnswer
	recorded planner.Recorded
	mounts   map[string]planner.Mount
	seen     planner.Observed
	// listed are the keys that a partial listing had.
	listed map[planner.Key]bool
	// listing and observing are how long these took.
	listing, observing time.Duration
}

// plan is the pipeline: wake the mounts → list → ask → desire → observe → compare. It takes no lock and changes nothing.
func (s *session) plan(ctx context.Context, r request) (*planned, error) {
	ctx, end := s.looking(ctx)
	defer end()
	p := &planned{}
	if err := s.wake(ctx, r.parallelism); err != nil {
		return nil, err
	}
	if err := s.list(ctx, r, p); err != nil {
		return nil, err
	}
	tuneMemory()
	s.stage("planning", planningTime)
	var holds []planner.Hold
	var head uint64
	err := s.store.View(func(tx ledger.Tx) (err error) {
		head, _ = tx.Head()
		load := tx.Recorded
		if r.onlyListed && !anyOrder(p.items) {
			load = tx.Waiting // nothing is planned for: what is recorded would not be looked at
		}
		if p.recorded, err = load(); err == nil {
			holds, err = tx.Holds(s.now())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := r.merge(p); err != nil {
		return nil, err
	}
	if r.adjust != nil {
		r.adjust(&p.recorded)
	}
	p.orders = s.ask(ctx, append(s.questions(p.items, r), r.more...), r.mustAsk)
	p.graph = planner.Desire(&planner.World{Settings: &s.cfg.Settings, Items: p.items, Complete: len(r.statuses) == 0, Orders: p.orders,
		Overrides: s.cfg.Overrides, Recorded: p.recorded, Holds: holds, Selection: r.selection, Now: s.now(),
		Projects: r.projects, Watch: r.watch, MustAsk: r.mustAsk, KeepRecords: r.keepRecords})
	p.recorded = p.graph.Recorded()
	start := s.now()
	seen, err := s.observe(ctx, p.graph, r.parallelism)
	if err != nil {
		return nil, err
	}
	p.observing = s.now().Sub(start)
	s.stage("planning", planningTime)
	p.mounts, p.seen = seen.Mounts, seen
	header := s.header(r.source)
	header.Ledger = head
	p.plan = planner.Compare(p.graph, seen, header)
	return p, context.Cause(ctx)
}

// tuneMemory has garbage collected, from now on, when it is a seventh of what is in use, and not as much again. What a plan
// keeps is most of what it allocates, so this costs little time, and a third of the peak is saved. It begins when the
// listing is there: what that leaves is below the peak, and small plans are done by then. Who only reads and renders plan
// files keeps little, and would lose time. GOGC in the environment wins.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(15)
	}
}

// listingError is the error of a listing, whatever it is.
type listingError struct{ error }

func (e *listingError) Error() string {
	if errors.Is(e.error, apply.ErrUnreachable) {
		return e.error.Error() + "; cscs-sync doctor tells which side fails"
	}
	return e.error.Error()
}

func (e *listingError) Unwrap() error { return e.error }

// list asks the source.
func (s *session) list(ctx context.Context, r request, p *planned) (err error) {
	allowed := stageSlack
	if s.cfg.Proxy != nil {
		allowed += 2 * s.cfg.Proxy.Timeout // one for all, and one by one
	}
	s.stage("listing", allowed)
	start := s.now()
	defer s.waitsFor("the listing of " + r.source.Name())()
	if p.items, err = r.source.List(ctx, r.statuses); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("list resources: %w", context.Cause(ctx)) // it says nothing about the source
		}
		return &listingError{err}
	}
	p.listing = s.now().Sub(start)
	return nil
}

// anyOrder tells whether something may be done for any of them: without an order's URLs what is pending, updating, removing
// or in error only waits.
func anyOrder(items []planner.Item) bool {
	return slices.ContainsFunc(items, func(it planner.Item) bool {
		return it.URLs[planner.Approve] != "" || it.URLs[planner.SetStateDone] != ""
	})
}

// merge adds what a partial listing leaves out.
func (r *request) merge(p *planned) error {
	if r.onlyListed {
		r.watch = make(map[planner.Key]bool, len(p.items))
		for i := range p.items {
			r.watch[p.items[i].Key] = true
		}
		p.listed = r.watch
	}
	if r.complete == nil {
		return nil
	}
	var err error
	p.items, err = r.complete(p.items, &p.recorded)
	return err
}

func (s *session) questions(items []planner.Item, r request) []planner.Question {
	if r.mustAsk {
		return planner.AllQuestions(&s.cfg.Settings, items, r.watch)
	}
	return planner.Questions(&s.cfg.Settings, &r.selection, items)
}

// header is who planned, when and where.
func (s *session) header(source engine.Source) planner.Context {
	return planner.Context{Made: s.now().UTC().Truncate(time.Second), User: s.user, Host: s.host,
		Version: version(), Renderer: planfile.Renderer,
		Source: source.Name(), ValidFor: s.cfg.Approval.ValidFor}
}

// ask asks Waldur about orders. When planning, it asks no more after the first failed connection: the rest goes unanswered,
// and the planner says so where it matters. An apply asks for each.
func (s *session) ask(ctx context.Context, questions []planner.Question, each bool) map[string]planner.OrderAnswer {
	answers := make(map[string]planner.OrderAnswer, len(questions))
	if s.cfg.Waldur == nil {
		return answers
	}
	defer s.waitsFor("Waldur's answers about orders")()
	orders := s.orders()
	unreachable := ""
	for i, q := range questions {
		s.tellProgress("Asking Waldur about orders", i, len(questions))
		if unreachable != "" && !each {
			answers[q.ID] = planner.OrderAnswer{Why: unreachable}
			continue
		}
		s.stage("asking Waldur", callbackTimeout+stageSlack)
		order, err := orders.Get(ctx, q.URL)
		if err != nil {
			answers[q.ID] = planner.OrderAnswer{Why: err.Error()}
			if errors.Is(err, apply.ErrUnreachable) {
				unreachable = err.Error()
			}
			continue
		}
		answers[q.ID] = planner.OrderAnswer{Order: order}
	}
	return answers
}

// observe looks at everything that the graph needs.
func (s *session) observe(ctx context.Context, g *planner.Graph, parallelism int) (planner.Observed, error) {
	defer s.waitsFor("the storage")()
	o, done, err := s.observer(ctx, parallelism)
	if err != nil {
		return planner.Observed{}, err
	}
	defer done()
	s.stage("observing", 2*quotaTimeout+stageSlack)
	var seen planner.Observed
	seen.Mounts = o.Mounts(ctx, s.cfg.Settings.Systems)
	seen.Directories = o.Directories(ctx, g.Targets())
	seen.Quotas = o.Quotas(ctx, g.QuotaTargets(seen))
	seen.Found = o.Find(ctx, g.Lost(seen.Directories))
	return seen, nil
}

// checkSelection refuses selections that cannot mean what was meant.
func checkSelection(sel *planner.Selection) error {
	for _, globs := range [][]string{sel.Targets, sel.Excludes} {
		for _, g := range globs {
			if err := planner.CheckGlob(g); err != nil {
				return err
			}
		}
	}
	slices.Sort(sel.Targets)
	slices.Sort(sel.Excludes)
	sel.Targets, sel.Excludes = slices.Compact(sel.Targets), slices.Compact(sel.Excludes)
	for _, verdicts := range []struct {
		list []planner.OrderVerdict
		what string
	}{{sel.Rejects, "rejected"}, {sel.Fails, "failed"}} {
		slices.SortFunc(verdicts.list, func(a, b planner.OrderVerdict) int { return strings.Compare(a.Address, b.Address) })
		for i := 1; i < len(verdicts.list); i++ {
			if address := verdicts.list[i].Address; address == verdicts.list[i-1].Address {
				return fmt.Errorf("%s is given two reasons to be %s: want one", address, verdicts.what)
			}
		}
	}
	for _, r := range sel.Rejects {
		if slices.ContainsFunc(sel.Fails, func(f planner.OrderVerdict) bool { return f.Address == r.Address }) {
			return fmt.Errorf("%s is both to be rejected and to be failed", r.Address)
		}
	}
	return nil
}

// checkAddresses refuses verdicts on addresses that nobody has.
func checkAddresses(sel *planner.Selection, items []planner.Item) error {
	known := make(map[string]bool, len(items))
	for i := range items {
		known[items[i].MountPath] = true
	}
	var errs []error
	for _, v := range slices.Concat(sel.Rejects, sel.Fails) {
		if !known[v.Address] {
			errs = append(errs, fmt.Errorf("no resource has the address %s", v.Address))
		}
	}
	return errors.Join(errs...)
}
