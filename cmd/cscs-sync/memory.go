package main

import (
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// How the loop bears with what goes wrong.
const (
	// quarantine is after how many failures in a row a resource is only tried once an hour.
	quarantine = 3
	// longestBackoff is the longest wait between two tries.
	longestBackoff = time.Hour
	// settledAfter is how often in a row the same change of a resource is believed to be the last.
	settledAfter = 3
)

// memory is what the loop remembers of resources from round to round. It is lost with the process: the next one tries
// everything again.
type memory struct {
	failures map[planner.Key]failure
	did      map[planner.Key]repeated
}

// failure is one resource's bad luck with one action.
type failure struct {
	what  string
	count int
	until time.Time
	err   string
	// address is the resource's, action what failed; told are the channels by which people heard of its quarantine.
	address string
	action  planner.ActionKind
	told    []string
}

// quarantined tells that a person should look.
func (f failure) quarantined() bool { return f.count >= quarantine }

// repeated is one action that was done, and how often in a row.
type repeated struct {
	what  string
	count int
	last  time.Time
}

func newMemory() memory {
	return memory{failures: map[planner.Key]failure{}, did: map[planner.Key]repeated{}}
}

// meaning is what an action does: with another one a resource gets another chance.
func meaning(a *planner.Action) string { return fmt.Sprint(a.Kind, a.Order, a.Changes, a.From) }

// failed notes a failure. The same again waits for twice as many intervals each time, and in quarantine for an hour.
func (m *memory) failed(a *planner.Action, why string, now time.Time, interval time.Duration) failure {
	f := failure{what: meaning(a), err: why, address: a.Address, action: a.Kind}
	if was := m.failures[a.Key]; was.what == f.what {
		f.count, f.told = was.count, was.told
	}
	f.count++
	wait := min(interval<<min(f.count, 6), longestBackoff)
	if f.quarantined() {
		wait = longestBackoff
	}
	f.until = now.Add(wait)
	m.failures[a.Key] = f
	return f
}

// waits is the failure for which an action has to wait; false if it may be tried.
func (m *memory) waits(a *planner.Action, now time.Time) (failure, bool) {
	f := m.failures[a.Key]
	return f, f.what == meaning(a) && now.Before(f.until)
}

// next is when the first of what failed is tried again; a zero time if nothing waits.
func (m *memory) next(now time.Time) (at time.Time) {
	for _, f := range m.failures {
		if f.until.After(now) && (at.IsZero() || f.until.Before(at)) {
			at = f.until
		}
	}
	return at
}

// done notes a success.
func (m *memory) done(a *planner.Action, now time.Time) {
	delete(m.failures, a.Key)
	r := repeated{what: meaning(a), count: 1, last: now}
	if was := m.did[a.Key]; was.what == r.what {
		r.count += was.count
	}
	m.did[a.Key] = r
}

// unsettled tells that just this change was made several times lately, and did not last.
func (m *memory) unsettled(a *planner.Action) bool {
	d := m.did[a.Key]
	return len(a.Changes) > 0 && d.count >= settledAfter && d.what == meaning(a)
}

// forget drops what was long ago: successes after the time lately, failures a day after their next try.
func (m *memory) forget(now time.Time, lately time.Duration) {
	for key, d := range m.did {
		if now.Sub(d.last) > lately {
			delete(m.did, key)
		}
	}
	for key, f := range m.failures {
		if now.Sub(f.until) > 24*time.Hour {
			delete(m.failures, key)
		}
	}
}

// inQuarantine counts the resources that fail again and again.
func (m *memory) inQuarantine() (n int) {
	for _, f := range m.failures {
		if f.quarantined() {
			n++
		}
	}
	return n
}
