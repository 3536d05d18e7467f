// Package feedback decides what to report to Waldur in addition to the callbacks of orders: how
// much of each resource is used, and what an order waits for. Both are off unless the configuration
// asks for them, and nothing that is done on the storage depends on them.
//
// Only changes are reported. [Reported] has what was reported before. Reporting the same twice does
// no harm, so losing the memory costs only requests. The package is pure.
package feedback

import (
	"encoding/json"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
)

// Kind says what a note is about.
type Kind string

// The kinds of notes.
const (
	// Usage is the usage of a resource.
	Usage Kind = "usage"
	// Message says what an order waits for. Waldur shows it to the customer.
	Message Kind = "message"
)

// component is the name of Waldur's component that counts space, in tera, as limits do.
const component = "storage"

// Note is one thing to report to Waldur.
type Note struct {
	Kind Kind
	// ID is the id of the resource or order, as [planner.UUID] returns it. Address is for people.
	ID, Address string
	// Says is the amount or the message. An empty message removes the last one.
	Says string
	// Period is the month that the usage is for. Waldur keeps one amount per month.
	Period string
}

func (n Note) name() string { return string(n.Kind) + " " + n.ID }

// Body returns the request's body, as JSON.
func (n Note) Body() []byte {
	var body any = map[string]string{"provider_message": n.Says}
	if n.Kind == Usage {
		body = map[string]any{"resource": n.ID,
			"usages": []map[string]string{{"type": component, "amount": n.Says}}}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil // not possible for plain texts
	}
	return b
}

// Usages returns the notes about usage after everything was looked at, sorted by resource. A quota
// that several resources share, or that could not be read, says nothing about one resource.
func Usages(views []planner.View, quotas []planner.QuotaView, tera planner.Bytes,
	now time.Time) []Note {
	used := map[planner.Key]planner.Bytes{}
	for i := range quotas {
		q := &quotas[i]
		if len(q.Keys) == 1 && q.State != nil && q.State.LimitsWhy() == "" && q.State.Space.Known() {
			used[q.Keys[0]] = q.State.Space.N()
		}
	}
	notes := []Note{}
	for i := range views {
		v := &views[i]
		n, known := used[v.Key]
		id, isID := planner.UUID(v.Key.Item)
		if !known || !isID || v.Target.IsBranch() || !v.Managed || !takesUsage(v.Status) {
			continue
		}
		notes = append(notes, Note{Usage, id, v.Address, amount(n, tera),
			now.UTC().Format("2006-01")})
	}
	slices.SortFunc(notes, func(a, b Note) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(notes, func(a, b Note) bool { return a.ID == b.ID })
}

// takesUsage reports whether Waldur takes the usage of a resource with this status.
func takesUsage(s planner.Status) bool {
	return s == planner.StatusActive || s == planner.StatusUpdating || s == planner.StatusRemoving
}

// amount returns n in tera, rounded to the two decimals that Waldur takes.
func amount(n, tera planner.Bytes) string {
	hi, lo := bits.Mul64(uint64(n), 100)
	lo, carry := bits.Add64(lo, uint64(tera)/2, 0)
	hundredths, _ := bits.Div64(hi+carry, lo, uint64(tera))
	fraction := strconv.FormatUint(hundredths%100, 10)
	if len(fraction) == 1 {
		fraction = "0" + fraction
	}
	return strconv.FormatUint(hundredths/100, 10) + "." + fraction
}

// NotTaken means that Waldur answered and did not take a note.
type NotTaken struct {
	// All means that Waldur takes no note, because it refuses the token.
	All bool
	// RetryAfter is for how long Waldur asked to be left alone; 0 if it did not.
	RetryAfter time.Duration
	Err        error
}

// Error returns Waldur's answer.
func (e *NotTaken) Error() string { return e.Err.Error() }

// Unwrap returns Waldur's answer.
func (e *NotTaken) Unwrap() error { return e.Err }

// Told is what was last reported to Waldur about one thing, or how that failed.
type Told struct {
	Says   string `json:"says"`
	Period string `json:"period,omitempty"`
	// Tries counts the failures in a row, Next is when to try again, and Problem is why the last try
	// failed.
	Tries   int       `json:"tries,omitempty"`
	Next    time.Time `json:"next,omitzero"`
	Problem string    `json:"problem,omitempty"`
	// Unsure means that the last try may have taken effect, so that Says may be out of date.
	Unsure bool `json:"unsure,omitempty"`
}

// Reported is what was reported to Waldur, by kind and id.
type Reported map[string]Told

// longest is the longest wait between two tries.
const longest = 24 * time.Hour

// Due returns the notes to send now: those that differ from what was last reported. A note that
// failed waits for its next try. An empty message is not sent if none was sent before.
func (m Reported) Due(want []Note, now time.Time) []Note {
	var due []Note
	for _, n := range want {
		told, known := m[n.name()]
		same := known && !told.Unsure && told.Says == n.Says && told.Period == n.Period
		waits := now.Before(told.Next) && told.Next.Sub(now) <= longest
		if same || waits || !known && n.Kind == Message && n.Says == "" {
			continue
		}
		due = append(due, n)
	}
	return due
}

// Forget removes all notes of a kind that are no longer wanted, because their resources and orders
// are gone.
func (m Reported) Forget(kind Kind, want []Note) {
	wanted := map[string]bool{}
	for _, n := range want {
		wanted[n.name()] = true
	}
	maps.DeleteFunc(m, func(name string, _ Told) bool {
		return strings.HasPrefix(name, string(kind)+" ") && !wanted[name]
	})
}

// Took notes that Waldur took a note.
func (m Reported) Took(n Note) {
	if n.Kind == Message && n.Says == "" {
		delete(m, n.name())
		return
	}
	m[n.name()] = Told{Says: n.Says, Period: n.Period}
}

// Failed notes that Waldur did not take a note. refused means that Waldur refused it, so it is sent
// again only tomorrow. Otherwise Waldur may have taken it, or may take it soon.
func (m Reported) Failed(n Note, why string, refused bool, after time.Duration, now time.Time) {
	told := m[n.name()]
	told.Tries++
	told.Problem, told.Unsure = why, told.Unsure || !refused
	wait := backoff.Wait(2*time.Minute, time.Hour, told.Tries)
	if refused {
		wait = longest
	}
	told.Next = now.Add(min(max(wait, after), longest))
	m[n.name()] = told
}
