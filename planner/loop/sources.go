package loop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner"
)

// listingAge is how long the held and begun plans of one round share a listing.
const listingAge = 5 * time.Minute

// quietError means that the loop asks the proxy nothing for a while.
type quietError struct {
	until time.Time
	why   string
	// within is how long that time was when it began.
	within time.Duration
}

func (e *quietError) Error() string {
	return fmt.Sprintf("the proxy is left alone until %s: %s", e.until.UTC().Format("15:04:05 UTC"),
		e.why)
}

// leaveAlone notes, after an error of a listing, for how long to ask the proxy nothing. When we
// stop waiting, the proxy does not stop working, and a second listing would make both slower. So
// after a listing that took too long, the proxy gets the same time again.
func (l *Loop) leaveAlone(err error) {
	var failed *engine.SourceError
	switch {
	case !errors.As(err, &failed):
	case failed.RetryAfter > 0:
		l.beQuiet(min(failed.RetryAfter, time.Hour), "the proxy asked for that with Retry-After")
	case failed.Late > 0:
		l.beQuiet(failed.Late, "the proxy may still work on the listing that took too long")
	}
}

func (l *Loop) beQuiet(d time.Duration, why string) {
	l.quiet = quietError{until: l.now().Add(d), why: why, within: d}
}

// proxy returns the source of a round, which respects the time for which the proxy is to be left
// alone.
func (r *round) proxy() (engine.Source, error) {
	source, err := r.loop.cfg.Engine.Proxy()
	return rateLimited{source, r.loop}, err
}

// rateLimited is a source that asks nothing while the proxy is to be left alone.
type rateLimited struct {
	engine.Source
	loop *Loop
}

func (h rateLimited) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	if quiet := h.loop.quiet; waitsUntil(h.loop.now(), quiet.until, quiet.within) {
		return nil, &quiet
	}
	items, err := h.Source.List(ctx, statuses)
	h.loop.leaveAlone(err)
	return items, err
}

// branchless is the orders lane's source without the tenants and customers that have nothing to do
// with a listed resource, as long as there is no order to carry out: the proxy always lists all of
// them as pending. A site whose directories of tenants and customers are enforced needs all.
type branchless struct {
	engine.Source
	loop *Loop
}

func (b branchless) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	items, err := b.Source.List(ctx, statuses)
	s := b.loop.cfg.Engine.Settings
	if err != nil || engine.AnyOrder(items) || s.Parents == planner.ParentsEnforce {
		return items, err
	}
	return planner.Related(s, items, b.loop.history.knows), nil
}

// perStatus is the orders lane's source. The proxy fails a whole listing because of one bad
// resource. If that happens, perStatus lists each status by itself, so that only the status of the
// bad resource fails. It does not ask for a failed status again in the same round.
type perStatus struct {
	engine.Source
	failed map[planner.Status]error
}

func (p *perStatus) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	good := slices.DeleteFunc(slices.Clone(statuses),
		func(s planner.Status) bool { return p.failed[s] != nil })
	if len(good) == 0 && len(statuses) > 0 {
		return nil, p.problem() // asking for no status would list everything
	}
	items, err := p.Source.List(ctx, good)
	if err == nil || !failsWhole(err) {
		return items, err
	}
	seen := map[planner.Key]int{}
	for _, s := range good {
		part, err := p.Source.List(ctx, []planner.Status{s})
		if err != nil && failsWhole(err) {
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
	// An item that changed its status in between is left to the next round.
	return slices.DeleteFunc(items,
		func(it planner.Item) bool { return it.Key.Item != "" && seen[it.Key] > 1 }), nil
}

// failsWhole reports whether the source fails a whole listing, perhaps because of one bad resource.
func failsWhole(err error) bool {
	var failed *engine.SourceError
	return errors.As(err, &failed) && failed.Problem == engine.SourceFails
}

// problem returns which statuses could not be listed; nil if all were.
func (p *perStatus) problem() error {
	var errs []error
	for _, s := range slices.Sorted(maps.Keys(p.failed)) {
		errs = append(errs, fmt.Errorf("what is %s could not be listed: %w", s, p.failed[s]))
	}
	return errors.Join(errs...)
}

// cachedListing is one complete listing for all held plans of a round.
type cachedListing struct {
	engine.Source
	now   func() time.Time
	at    time.Time
	items []planner.Item
}

func (s *cachedListing) List(ctx context.Context, statuses []planner.Status) ([]planner.Item,
	error) {
	if len(statuses) > 0 {
		return s.Source.List(ctx, statuses)
	}
	if age := s.now().Sub(s.at); s.at.IsZero() || age > listingAge || age < 0 {
		at := s.now()
		items, err := s.Source.List(ctx, nil)
		if err != nil {
			return nil, err
		}
		s.at, s.items = at, items
	}
	return slices.Clone(s.items), nil
}
