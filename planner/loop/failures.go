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

// How the loop handles failures.
const (
	// Quarantine is after how many failures in a row a resource is tried only once an hour.
	Quarantine = 3
	// LongestBackoff is the longest wait between two tries.
	LongestBackoff = time.Hour
	// SettledAfter is how often in a row the loop makes the same change of a resource before it holds
	// the change back.
	SettledAfter = 3
)

// FailureHistory is what the loop remembers about resources from round to round. It is kept in the
// state for the next loop on any node, because each `run --once` is a process of its own, and for
// explain and doctor.
type FailureHistory struct {
	Failures map[planner.Key]Failure
	did      map[planner.Key]repeated
	// Orders are the open orders that are not carried out yet.
	Orders map[planner.Key]WaitingOrder
}

// Failure says how one action on one resource has failed.
type Failure struct {
	Key planner.Key `json:"key"`
	// Address is the resource's address, Action is what failed, and What is its meaning.
	Address string             `json:"address"`
	Action  planner.ActionKind `json:"action"`
	What    string             `json:"what"`
	// Count is how often it failed in a row, Until is when it is tried again, and Error is why it
	// failed last.
	Count int       `json:"count"`
	Until time.Time `json:"until"`
	Error string    `json:"error"`
	// Told are the channels that have reported its quarantine.
	Told []string `json:"told,omitempty"`
}

// IsWaiting reports whether the next try is not due yet.
func (f Failure) IsWaiting(now time.Time) bool { return waitsUntil(now, f.Until, LongestBackoff) }

// Quarantined reports whether a person should look.
func (f Failure) Quarantined() bool { return f.Count >= Quarantine }

// repeated is an update that was done, and how often in a row.
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

// meaning identifies what an action does. A resource whose action has another meaning gets another
// chance.
func meaning(a *planner.Action) string {
	b, err := json.Marshal([]any{a.Kind, a.Order, a.Changes, a.From})
	if err != nil {
		return err.Error() // values of a plan can be written
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// knows reports whether something is remembered about a resource beside its order.
func (m *FailureHistory) knows(k planner.Key) bool {
	_, failed := m.Failures[k]
	_, did := m.did[k]
	return failed || did
}

// failed notes a failure. If the same fails again, the wait doubles, and in quarantine it is an
// hour.
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

// waits returns the failure for which an action has to wait; false if the action may be tried.
func (m *FailureHistory) waits(a *planner.Action, now time.Time) (Failure, bool) {
	f := m.Failures[a.Key]
	return f, f.IsWaiting(now) && f.What == meaning(a)
}

// next returns when the first failed action is tried again; the zero time if nothing waits.
func (m *FailureHistory) next(now time.Time) (at time.Time) {
	for _, f := range m.Failures {
		if f.IsWaiting(now) && (at.IsZero() || f.Until.Before(at)) {
			at = f.Until
		}
	}
	return at
}

// done notes a success. It counts updates only, because only an update can be undone and be needed
// again.
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

// unsettled reports whether exactly this change was made several times recently and did not last.
func (m *FailureHistory) unsettled(a *planner.Action) bool {
	d := m.did[a.Key]
	return d.Count >= SettledAfter && len(a.Changes) > 0 && d.What == meaning(a)
}

// forget drops old entries: successes before the time lately or with a time in the future, and
// failures a day after their next try was due.
func (m *FailureHistory) forget(now time.Time, lately time.Duration) {
	maps.DeleteFunc(m.did,
		func(_ planner.Key, d repeated) bool { return now.Sub(d.Last) > lately || isAhead(now, d.Last) })
	maps.DeleteFunc(m.Failures,
		func(_ planner.Key, f Failure) bool { return now.Sub(f.Until) > 24*time.Hour })
}

// keepNeeded drops the failures of resources that need nothing any more, because somebody else has
// fixed them or they are not wanted.
func (m *FailureHistory) keepNeeded(needs func(planner.Key) bool) {
	maps.DeleteFunc(m.Failures, func(k planner.Key, _ Failure) bool { return !needs(k) })
}

// retry makes everything that failed due at once, one time. What fails again waits as before.
func (m *FailureHistory) retry(now time.Time) {
	for k, f := range m.Failures {
		if f.Until.After(now) {
			f.Until = now
		}
		m.Failures[k] = f
	}
}

// InQuarantine returns the number of resources in quarantine.
func (m *FailureHistory) InQuarantine() (n int) {
	for _, f := range m.Failures {
		if f.Quarantined() {
			n++
		}
	}
	return n
}

// historyFormat is the version of the file format.
const historyFormat = 1

// keptHistory is the content of loop/failures.json in the state.
type keptHistory struct {
	Format   int            `json:"format"`
	Failures []Failure      `json:"failures"`
	Repeated []repeated     `json:"repeated"`
	Orders   []WaitingOrder `json:"orders,omitempty"`
}

// historyFile returns where the state keeps the loop's memory. Without that file the loop tries
// everything at once.
func historyFile(files Files) string {
	return filepath.Join(files.Dir(), "loop", "failures.json")
}

// ReadHistory reads what the last loop on this state remembered.
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

// write writes what the loop remembers, unless the file already says that.
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
