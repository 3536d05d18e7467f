package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/state"
)

// lane is one of the loop's two ways of looking.
type lane string

const (
	laneOrders lane = "orders"
	laneAudit  lane = "audit"
)

// Guards of the lanes.
const (
	// indexChunk is how many items share one value of the index.
	indexChunk = 500
	// indexAge is how many audits old an index may be.
	indexAge = 3
	// shrunkShare, and shrunkLeast resources or half of all, are from when on a listing that lacks recorded resources is
	// not believed.
	shrunkShare = 0.1
	shrunkLeast = 3
	// listingAge is how long the held plans of one round share a listing.
	listingAge = 5 * time.Minute
)

// orderStatuses are what the orders lane lists, one listing each.
var orderStatuses = []planner.Status{planner.StatusPending, planner.StatusUpdating, planner.StatusRemoving, planner.StatusError}

// quietError tells that the proxy is left alone for a while.
type quietError struct {
	until time.Time
	why   string
}

func (e *quietError) Error() string {
	return fmt.Sprintf("the proxy is left alone until %s: %s", e.until.UTC().Format("15:04:05 UTC"), e.why)
}

// leaveAlone notes for how long the proxy wants no request, after an error of a listing. Who gives up waiting does not stop
// the proxy's work, and a second listing makes both slower: after a listing that took too long it gets as long again.
func (l *loop) leaveAlone(err error) {
	var status *waldur.StatusError
	var late *waldur.LateError
	switch {
	case errors.As(err, &status) && status.RetryAfter > 0:
		l.quiet = quietError{l.s.now().Add(min(status.RetryAfter, time.Hour)), "it asked for that with Retry-After"}
	case errors.As(err, &late):
		l.quiet = quietError{l.s.now().Add(late.Within), "it may still work on the listing that took too long"}
	}
}

// proxy is the source of a round: one that heeds what the proxy asked for.
func (r *round) proxy() (providers.Source, error) {
	source, err := r.s.source(nil)
	return heeding{source, r.loop}, err
}

// heeding asks nothing while the proxy is to be left alone.
type heeding struct {
	providers.Source
	loop *loop
}

func (h heeding) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	if h.loop.s.now().Before(h.loop.quiet.until) {
		quiet := h.loop.quiet
		return nil, &quiet
	}
	items, err := h.Source.List(ctx, statuses)
	h.loop.leaveAlone(err)
	return items, err
}

// patient is the orders lane's source. The proxy fails a whole listing for one bad resource: then each status is listed by
// itself, and those without it still are. The failing ones are not asked for again in the same round.
type patient struct {
	providers.Source
	failed map[planner.Status]error
}

func (p *patient) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	good := slices.DeleteFunc(slices.Clone(statuses), func(s planner.Status) bool { return p.failed[s] != nil })
	if len(good) == 0 && len(statuses) > 0 {
		return nil, p.problem() // and not the whole listing, which no status means
	}
	items, err := p.Source.List(ctx, good)
	var status *waldur.StatusError
	if err == nil || !errors.As(err, &status) || status.Status != http.StatusInternalServerError {
		return items, err
	}
	seen := map[planner.Key]int{}
	for _, s := range good {
		part, err := p.Source.List(ctx, []planner.Status{s})
		if errors.As(err, &status) && status.Status == http.StatusInternalServerError {
			p.failed[s] = err
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range part {
			seen[part[i].Key]++
		}
		items = append(items, part...)
	}
	if len(p.failed) == len(statuses) {
		return nil, err
	}
	// what changed its status in between is left to the next round
	return slices.DeleteFunc(items, func(it planner.Item) bool { return it.Key.Item != "" && seen[it.Key] > 1 }), nil
}

// problem says which statuses could not be listed; nil if all were.
func (p *patient) problem() error {
	var errs []error
	for _, s := range slices.Sorted(maps.Keys(p.failed)) {
		errs = append(errs, fmt.Errorf("what is %s could not be listed: %w", s, p.failed[s]))
	}
	return errors.Join(errs...)
}

// shared is one whole listing for all held plans of a round.
type shared struct {
	providers.Source
	now   func() time.Time
	at    time.Time
	items []planner.Item
}

func (s *shared) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	if len(statuses) > 0 {
		return s.Source.List(ctx, statuses)
	}
	if s.at.IsZero() || s.now().Sub(s.at) > listingAge {
		at := s.now()
		items, err := s.Source.List(ctx, nil)
		if err != nil {
			return nil, err
		}
		s.at, s.items = at, items
	}
	return slices.Clone(s.items), nil
}

// plan lists what the lane looks at, and plans.
func (r *round) plan(ctx context.Context) (*planned, error) {
	source, err := r.proxy()
	if err != nil {
		return nil, err
	}
	if r.lane == laneAudit {
		begun := r.s.now()
		p, err := r.s.plan(ctx, request{source: source, keepRecords: true})
		if err == nil {
			r.listed, r.archived = begun, map[planner.Key]bool{}
		}
		return p, err
	}
	r.orders = &patient{source, map[planner.Status]error{}}
	r.ask = &request{source: r.orders, onlyListed: true, complete: r.indexed, statuses: orderStatuses}
	return r.s.plan(ctx, *r.ask)
}

// index is the last complete listing and when it was made; a zero time if there is none.
func (s *session) index() (at time.Time, items []planner.Item, err error) {
	var chunks []json.RawMessage
	err = s.store.View(func(tx *state.Tx) (err error) {
		at, chunks, err = tx.Index()
		return err
	})
	for _, c := range chunks {
		var some []planner.Item
		if err := json.Unmarshal(c, &some); err != nil {
			return at, nil, fmt.Errorf("read the index: %w", err)
		}
		items = append(items, some...)
	}
	return at, items, err
}

// indexed completes a partial listing by the items of the last complete one, so that a conflict with them is still seen. An
// index that is too old is not used: then only what is recorded counts. What was archived since is not there any more.
//
// Where a tenant's or a customer's directory is, the proxy takes from the first resource that it lists, so a partial
// listing may have it elsewhere: the complete one is believed.
func (r *round) indexed(listed []planner.Item) ([]planner.Item, error) {
	if !anyOrder(listed) {
		return listed, nil // nothing to plan for
	}
	at, items, err := r.index()
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		return listed, nil
	}
	if age := r.s.now().Sub(at); age > indexAge*r.s.cfg.Run.AuditInterval {
		r.log.Warn("the last complete listing is too old to be planned against; what is recorded still counts", "listed", at)
		return listed, nil
	}
	known := keysOfItems(items)
	all := slices.DeleteFunc(slices.Clone(listed), func(it planner.Item) bool { return it.Target.IsNode() && known[it.Key] })
	have := keysOfItems(all)
	for i := range items {
		if !have[items[i].Key] && !r.archived[items[i].Key] {
			all = append(all, items[i])
		}
	}
	return all, nil
}

// index is that of the session, read once in a round: planning and applying both need it.
func (r *round) index() (time.Time, []planner.Item, error) {
	if r.read {
		return r.indexAt, r.indexItems, nil
	}
	var err error
	r.indexAt, r.indexItems, err = r.s.index()
	r.read = err == nil
	return r.indexAt, r.indexItems, err
}

func keysOfItems(items []planner.Item) map[planner.Key]bool {
	keys := make(map[planner.Key]bool, len(items))
	for i := range items {
		keys[items[i].Key] = true
	}
	return keys
}

// shrunk tells a listing that suddenly lacks much of what is recorded: of what the listing before still had, if there was
// one. Who accepts it makes it the one to be compared with.
func (r *round) shrunk(p *planned) error {
	at, before, err := r.s.index()
	if err != nil {
		return err
	}
	had, has := keysOfItems(before), keysOfItems(p.items)
	recorded, lacking := 0, 0
	for rec := range p.recorded.Records.All() {
		if rec.Target.IsNode() {
			continue
		}
		recorded++
		if !has[rec.Key] && (at.IsZero() || had[rec.Key]) {
			lacking++
		}
	}
	if float64(lacking) <= shrunkShare*float64(recorded) || lacking < shrunkLeast && 2*lacking < recorded {
		return nil
	}
	return fmt.Errorf("the listing lacks %d of %d recorded resources: nothing is done until somebody looks; %sif that is right, run "+
		"`cscs-sync run --once --accept-shrunk`", lacking, recorded, renamedHint(p.plan))
}

// renamedHint is what may have happened where resources turn up on a system that nobody has heard of.
func renamedHint(p *planner.Plan) string {
	for _, b := range p.Context.Blocked {
		if slices.ContainsFunc(b.Reasons, func(r planner.Reason) bool { return r.Code == "no_system" }) {
			return fmt.Sprintf("no system block answers to %s: if its offering was renamed, add the new slug to the slugs of its system and "+
				"reload; ", planfile.Quote(b.Key.System))
		}
	}
	return ""
}

// remember writes down what an audit found as wanted, and the index that the orders lane plans against.
func (r *round) remember(p *planned, accepted error) error {
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
		if err := r.s.follow(tx, p); err != nil {
			return err
		}
		for _, rec := range p.graph.AsWanted() {
			if _, ok := p.recorded.Records.Of(rec.Key); ok {
				continue
			}
			rec.At = tx.Now()
			if err := tx.PutRecord(rec); err != nil {
				return err
			}
		}
		if accepted != nil {
			if _, err := tx.AppendHistory(state.Entry{Who: r.s.user, Host: r.s.host, Event: eventShrunk, Text: accepted.Error()}); err != nil {
				return err
			}
		}
		return tx.SetIndex(r.listed, chunks)
	})
}

// sourceReason sorts the errors of a listing; empty for other errors.
func sourceReason(err error) reason {
	var changed *waldur.ChangedError
	var moved *waldur.MovedError
	var status *waldur.StatusError
	var quiet *quietError
	var listing *listingError
	switch {
	case errors.As(err, &changed), errors.As(err, &moved):
		return sourceIncomplete
	case errors.Is(err, providers.ErrUnreachable), errors.As(err, &status), errors.As(err, &quiet):
		return sourceUnreachable
	case errors.As(err, &listing):
		return sourceIncomplete // an answer that is no listing
	}
	return ""
}
