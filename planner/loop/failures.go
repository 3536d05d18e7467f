package loop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
)

// How the loop bears with what goes wrong.
const (
	// Quarantine is after how many failures in a row a resource is only tried once an hour.
	Quarantine = 3
	// LongestBackoff is the longest wait between two tries.
	LongestBackoff = time.Hour
	// SettledAfter is how often in a row the same change of a resource is believed to be the last.
	SettledAfter = 3
)

// FailureHistory is what the loop remembers of resources from round to round. It is kept in the
// state, for the next loop on any node, since `run --once` is a process for each round, and for
// explain and doctor.
type FailureHistory struct {
	Failures map[planner.Key]Failure
	did      map[planner.Key]repeated
	// orders are those that are open and not carried out.
	Orders map[planner.Key]WaitingOrder
}

// Failure is one resource's bad luck with one action.
type Failure struct {
	Key planner.Key `json:"key"`
	// Address is the resource's, Action what failed, What its meaning.
	Address string             `json:"address"`
	Action  planner.ActionKind `json:"action"`
	What    string             `json:"what"`
	// Count is how often in a row, Until when it is tried again, Error why it failed last.
	Count int       `json:"count"`
	Until time.Time `json:"until"`
	Error string    `json:"error"`
	// Told are the channels by which people heard of its quarantine.
	Told []string `json:"told,omitempty"`
}

// IsWaiting reports whether the next try is not due yet.
func (f Failure) IsWaiting(now time.Time) bool { return waitsUntil(now, f.Until, LongestBackoff) }

// Quarantined reports whether a person should look.
func (f Failure) Quarantined() bool { return f.Count >= Quarantine }

// repeated is one update that was done, and how often in a row.
type repeated struct {
	Key   planner.Key `json:"key"`
	What  string      `json:"what"`
	Count int         `json:"count"`
	Last  time.Time   `json:"last"`
}

func newHistory() FailureHistory {
	return FailureHistory{Failures: map[planner.Key]Failure{}, did: map[planner.Key]repeated{},
		Orders: map[planner.Key]WaitingOrder{}}
}

// meaning is what an action does: with another one a resource gets another chance.
func meaning(a *planner.Action) string {
	b, err := json.Marshal([]any{a.Kind, a.Order, a.Changes, a.From})
	if err != nil {
		return err.Error() // values of a plan can be written
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// failed notes a failure. The same again waits for twice as many intervals each time, and in
// quarantine for an hour.
func (m *FailureHistory) failed(a *planner.Action, why string, now time.Time,
	interval time.Duration) Failure {
	f := Failure{Key: a.Key, Address: a.Address, Action: a.Kind, What: meaning(a), Error: why}
	if was := m.Failures[a.Key]; was.What == f.What {
		f.Count, f.Told = was.Count, was.Told
	}
	f.Count++
	wait := backoff.Wait(2*interval, LongestBackoff, f.Count)
	if f.Quarantined() {
		wait = LongestBackoff
	}
	f.Until = now.Add(wait)
	m.Failures[a.Key] = f
	return f
}

// waits is the failure for which an action has to wait; false if it may be tried.
func (m *FailureHistory) waits(a *planner.Action, now time.Time) (Failure, bool) {
	f := m.Failures[a.Key]
	return f, f.IsWaiting(now) && f.What == meaning(a)
}

// next is when the first of what failed is tried again; a zero time if nothing waits.
func (m *FailureHistory) next(now time.Time) (at time.Time) {
	for _, f := range m.Failures {
		if f.IsWaiting(now) && (at.IsZero() || f.Until.Before(at)) {
			at = f.Until
		}
	}
	return at
}

// done notes a success. Only an update can be undone and come again.
func (m *FailureHistory) done(a *planner.Action, now time.Time) {
	delete(m.Failures, a.Key)
	if a.Kind != planner.Update {
		delete(m.did, a.Key)
		return
	}
	r := repeated{Key: a.Key, What: meaning(a), Count: 1, Last: now}
	if was := m.did[a.Key]; was.What == r.What {
		r.Count += was.Count
	}
	m.did[a.Key] = r
}

// unsettled reports whether just this change was made several times lately, and did not last.
func (m *FailureHistory) unsettled(a *planner.Action) bool {
	d := m.did[a.Key]
	return d.Count >= SettledAfter && len(a.Changes) > 0 && d.What == meaning(a)
}

// forget drops what was long ago: successes after the time lately, or of a time that has not come;
// failures a day after their next try.
func (m *FailureHistory) forget(now time.Time, lately time.Duration) {
	maps.DeleteFunc(m.did,
		func(_ planner.Key, d repeated) bool { return now.Sub(d.Last) > lately || isAhead(now, d.Last) })
	maps.DeleteFunc(m.Failures,
		func(_ planner.Key, f Failure) bool { return now.Sub(f.Until) > 24*time.Hour })
}

// settle drops the failures of what needs nothing any more: somebody else has seen to it, or it is
// not wanted.
func (m *FailureHistory) settle(needs func(planner.Key) bool) {
	maps.DeleteFunc(m.Failures, func(k planner.Key, _ Failure) bool { return !needs(k) })
}

// retry has everything that failed tried at once, once: what fails again waits as before.
func (m *FailureHistory) retry(now time.Time) {
	for k, f := range m.Failures {
		if f.Until.After(now) {
			f.Until = now
		}
		m.Failures[k] = f
	}
}

// InQuarantine counts the resources that fail again and again.
func (m *FailureHistory) InQuarantine() (n int) {
	for _, f := range m.Failures {
		if f.Quarantined() {
			n++
		}
	}
	return n
}

// historyFormat is the version of the file.
const historyFormat = 1

// keptHistory is the file loop/failures.json of the state.
type keptHistory struct {
	Format   int            `json:"format"`
	Failures []Failure      `json:"failures"`
	Repeated []repeated     `json:"repeated"`
	Orders   []WaitingOrder `json:"orders,omitempty"`
}

// historyFile is where the loop's memory is kept, in the state. Without it everything is tried at
// once.
func historyFile(files Files) string {
	return filepath.Join(files.Dir(), "loop", "failures.json")
}

// ReadHistory reads what the last loop on this state has left.
func ReadHistory(files Files) (FailureHistory, error) {
	m := newHistory()
	data, err := files.Read(historyFile(files), 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	var kept keptHistory
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err == nil && kept.Format != historyFormat {
		err = fmt.Errorf("it has format %d, but this version reads %d", kept.Format, historyFormat)
	}
	if err != nil {
		return m, fmt.Errorf(
			"read what failed before: %s: %w; without it everything is tried at once",
			historyFile(files), err)
	}
	for _, f := range kept.Failures {
		m.Failures[f.Key] = f
	}
	for _, d := range kept.Repeated {
		m.did[d.Key] = d
	}
	for _, w := range kept.Orders {
		m.Orders[w.Key] = w
	}
	return m, nil
}

// write writes down what is remembered, unless that is in the file.
func (m *FailureHistory) write(files Files) error {
	kept := keptHistory{Format: historyFormat, Failures: slices.AppendSeq([]Failure{},
		maps.Values(m.Failures)),
		Repeated: slices.AppendSeq([]repeated{}, maps.Values(m.did)),
		Orders:   slices.Collect(maps.Values(m.Orders))}
	slices.SortFunc(kept.Failures, func(a, b Failure) int { return a.Key.Compare(b.Key) })
	slices.SortFunc(kept.Repeated, func(a, b repeated) int { return a.Key.Compare(b.Key) })
	slices.SortFunc(kept.Orders, func(a, b WaitingOrder) int { return a.Key.Compare(b.Key) })
	data, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return fmt.Errorf("keep what failed: %w", err)
	}
	data = append(data, '\n')
	was, err := files.Read(historyFile(files), 64<<20)
	isNew := errors.Is(err, fs.ErrNotExist)
	if bytes.Equal(was, data) || isNew && len(kept.Failures)+len(kept.Repeated)+
		len(kept.Orders) == 0 {
		return nil
	}
	if err := files.Write(historyFile(files), data, nil); err != nil {
		return fmt.Errorf("keep what failed: %w", err)
	}
	return nil
}
