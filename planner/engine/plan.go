package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/canonical"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Request says what to plan.
type Request struct {
	Source    Source
	Selection planner.Selection
	// Statuses limits the listing; if it is empty, everything is listed.
	Statuses []planner.Status
	// KeepRecords is the field of [planner.Input] with this name.
	KeepRecords bool
	// Parallelism is how many directories are looked at at a time; 0 means the default.
	Parallelism int
	// Complete adds to a partial listing the items that count in conflicts and claims and are not
	// planned for.
	Complete func(listed []planner.Item, recorded *planner.Recorded) ([]planner.Item, error)
	// Part reads only the part of the site on which a plan for the listed and the watched resources
	// depends. It returns nil if everything has to be read, and then [Request.Complete] is called. It
	// is nil for a request that always reads everything.
	Part func(tx ledger.Tx, listed []planner.Item, watch map[planner.Key]bool) (*Part, error)
	// OnlyListed plans for nothing but the listed items.
	OnlyListed bool

	// watch and mustAsk are the fields of [planner.Input] with these names.
	watch   map[planner.Key]bool
	mustAsk bool
	// projects is the field of [planner.Input] with this name: the ids that an approved plan gives
	// away.
	projects map[planner.Key]planner.ProjectID
	// adjust changes the recorded state before the plan is made, because an apply knows more than the
	// state.
	adjust func(*planner.Recorded)
	// more are questions to ask Waldur in addition to the usual ones.
	more []planner.Question
}

// Part is the part of a site on which a plan depends.
type Part struct {
	Items    []planner.Item
	Recorded planner.Recorded
	// IDs are the numbers of groups, projects and quotas of which everything that has them is in the
	// part.
	IDs map[uint32]bool
}

// Planned is a plan with everything that it was made from.
type Planned struct {
	Plan     *planner.Plan
	Graph    *planner.Graph
	Items    []planner.Item
	Orders   map[string]planner.OrderAnswer
	Recorded planner.Recorded
	Mounts   map[string]planner.Mount
	Seen     planner.Observed
	// Known is how many resources are recorded, although Recorded may have a part of them.
	Known int
	// Listed are the keys in a partial listing.
	Listed map[planner.Key]bool
	// Listing and Observing are how long these stages took.
	Listing, Observing time.Duration
}

// Plan makes a plan: wake the mounts → list → ask → desire → observe → compare. It takes no lock
// and changes nothing.
func (e *Engine) Plan(ctx context.Context, r Request) (*Planned, error) {
	ctx, end := Looking(ctx, e.Hooks.Stop)
	defer end()
	p := &Planned{}
	if err := e.Storage.Wake(ctx, r.Parallelism); err != nil {
		return nil, err
	}
	if err := e.list(ctx, r, p); err != nil {
		return nil, err
	}
	if r.OnlyListed {
		r.watch = planner.KeysOf(p.Items)
		p.Listed = r.watch
	}
	listed := p.Items
	enough, err := e.planListed(ctx, r, p)
	if err == nil && !enough {
		p.Items, r.Part = listed, nil
		_, err = e.planListed(ctx, r, p)
	}
	if err != nil {
		return nil, err
	}
	return p, context.Cause(ctx)
}

// planListed makes a plan of what was listed. enough is false if the plan depends on more than the
// part that [Request.Part] found.
func (e *Engine) planListed(ctx context.Context, r Request, p *Planned) (enough bool, err error) {
	e.stage("planning", planningTime)
	known, err := e.recall(r, p)
	if err != nil {
		return false, err
	}
	if r.adjust != nil {
		r.adjust(&p.Recorded)
	}
	p.Orders = e.Ask(ctx, append(e.questions(p.Items, r), r.more...), r.mustAsk)
	p.Graph = planner.Desire(&planner.Input{Settings: e.Settings, Items: p.Items,
		Complete: len(r.Statuses) == 0, Orders: p.Orders,
		Overrides: e.Overrides, Recorded: p.Recorded, Holds: known.holds, Selection: r.Selection,
		Now:      e.Now(),
		Projects: r.projects, Watch: r.watch, MustAsk: r.mustAsk, KeepRecords: r.KeepRecords})
	p.Recorded = p.Graph.Recorded()
	start := e.Now()
	seen, err := e.observe(ctx, p.Graph, r.Parallelism)
	if err != nil {
		return false, err
	}
	p.Observing = e.Now().Sub(start)
	if known.part != nil && p.Graph.NeedsAll(&seen, known.part.IDs) {
		return false, nil
	}
	e.stage("planning", planningTime)
	p.Mounts, p.Seen = seen.Mounts, seen
	header := e.header(r.Source)
	header.Ledger = known.head
	p.Plan = planner.Compare(p.Graph, seen, header)
	return true, nil
}

// recalled is what the state says beside the records.
type recalled struct {
	holds []planner.Hold
	// head is the number of the last entry of the history.
	head uint64
	// part is nil if everything was read.
	part *Part
}

// recall reads the state: all of it, or the part on which the plan depends. It adds the items that
// a partial listing leaves out.
func (e *Engine) recall(r Request, p *Planned) (known recalled, err error) {
	err = e.Store.View(func(tx ledger.Tx) (err error) {
		known.head, _ = tx.Head()
		p.Known = int(tx.RecordCount())
		if known.holds, err = tx.Holds(e.Now()); err != nil {
			return err
		}
		if r.OnlyListed && !AnyOrder(p.Items) {
			p.Recorded, err = tx.Waiting() // nothing is planned for, so nobody would look at the records
			return err
		}
		if r.Part != nil && r.Selection.IsEmpty() {
			if known.part, err = r.Part(tx, p.Items, r.watch); err != nil {
				return err
			}
		}
		if known.part == nil {
			p.Recorded, err = tx.Recorded()
		}
		return err
	})
	switch {
	case err != nil:
	case known.part != nil:
		p.Items, p.Recorded = known.part.Items, known.part.Recorded
	case r.Complete != nil:
		p.Items, err = r.Complete(p.Items, &p.Recorded)
	}
	p.Known -= p.Recorded.Records.CountUnfinished() // a part has all of these
	return known, err
}

// ListingError is any error of a listing.
type ListingError struct{ Err error }

func (e *ListingError) Error() string {
	if errors.Is(e.Err, apply.ErrUnreachable) {
		return e.Err.Error() + "; run `cscs-sync doctor` to see which side fails"
	}
	return e.Err.Error()
}

func (e *ListingError) Unwrap() error { return e.Err }

// list lists what should exist.
func (e *Engine) list(ctx context.Context, r Request, p *Planned) (err error) {
	e.stage("listing", StageSlack+2*e.ListingTimeout) // one listing of all, and then one by one
	start := e.Now()
	defer e.waits("the listing of " + r.Source.Name())()
	if p.Items, err = r.Source.List(ctx, r.Statuses); err != nil {
		if ctx.Err() != nil {
			// A stop says nothing about the source.
			return fmt.Errorf("list resources: %w", context.Cause(ctx))
		}
		return &ListingError{err}
	}
	p.Listing = e.Now().Sub(start)
	return nil
}

// AnyOrder reports whether Waldur offers an order for any of the items. Without an order's URLs, an
// item that is pending, updating, removing or in error only waits.
func AnyOrder(items []planner.Item) bool {
	return slices.ContainsFunc(items, func(it planner.Item) bool {
		return it.URLs[planner.Approve] != "" || it.URLs[planner.SetStateDone] != ""
	})
}

func (e *Engine) questions(items []planner.Item, r Request) []planner.Question {
	if r.mustAsk {
		return planner.AllQuestions(e.Settings, items, r.watch)
	}
	return planner.Questions(e.Settings, &r.Selection, items)
}

// header returns the context of a plan: who planned, when and where.
func (e *Engine) header(source Source) planner.Context {
	return planner.Context{Made: e.Now().UTC().Truncate(time.Second), User: e.Who, Host: e.Host,
		Version: e.Version, Renderer: canonical.Renderer,
		Source: source.Name(), ValidFor: e.ValidFor}
}

// Ask asks Waldur about orders. A plan stops asking after the first failed connection: the other
// questions stay unanswered, and the planner says so where it matters. An apply asks all questions.
func (e *Engine) Ask(ctx context.Context, questions []planner.Question,
	each bool) map[string]planner.OrderAnswer {
	answers := make(map[string]planner.OrderAnswer, len(questions))
	if e.Orders == nil {
		return answers
	}
	defer e.waits("Waldur's answers about orders")()
	unreachable := ""
	for i, q := range questions {
		e.progress("Asking Waldur about orders", i, len(questions))
		if unreachable != "" && !each {
			answers[q.ID] = planner.OrderAnswer{Why: unreachable}
			continue
		}
		e.stage("asking Waldur", e.CallbackTimeout+StageSlack)
		order, err := e.Orders.Get(ctx, q.URL)
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
func (e *Engine) observe(ctx context.Context, g *planner.Graph, parallelism int) (planner.Observed,
	error) {
	defer e.waits("the storage")()
	o, done, err := e.Storage.Observer(ctx, parallelism)
	if err != nil {
		return planner.Observed{}, err
	}
	defer done()
	e.stage("observing", observingTime)
	var seen planner.Observed
	seen.Mounts = o.Mounts(ctx, e.Settings.Systems)
	seen.Directories = o.Directories(ctx, g.Targets())
	seen.Quotas = o.Quotas(ctx, g.QuotaTargets(seen))
	seen.Found = o.Find(ctx, g.Lost(seen.Directories))
	return seen, nil
}
