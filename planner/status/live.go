package status

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

const (
	mostRounds  = 30 // rounds that the status page lists
	mostHistory = 50 // entries of the history that it lists
)

// Live is the [Source] of a running loop. The loop calls Use, Ended and Seen. Requests read the
// state one at a time, so that many requests cannot hold up the loop.
type Live struct {
	Host, Version string
	Now           func() time.Time
	// Hung names the systems whose mounts do not answer.
	Hung func() []string
	// requests makes requests wait for one another.
	requests sync.Mutex

	// mu guards the following fields, which the loop changes.
	mu     sync.Mutex
	view   View
	rounds []Round
	report []byte
}

var _ Source = (*Live)(nil)

// View is what the pages of one configuration are made from.
type View struct {
	// Systems are the names of the configured systems.
	Systems []string
	Store   ledger.Store
	// Files has the file in which the loop remembers its failures.
	Files loop.Files
	// Held reads the plans that a person can approve, in any order.
	Held func() ([]Held, error)
	// Plan reads the held plan with a short id; ErrNotThere if there is none.
	Plan func(short string) (*planner.Plan, error)
	// Nodes reads the nodes that share the state.
	Nodes func() ([]Node, error)
	// Report makes the page of a report from what an audit saw.
	Report func(*engine.Planned) ([]byte, error)
}

// Use switches to the view of another configuration, after a reload.
func (l *Live) Use(v View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view = v
}

// Ended notes a round.
func (l *Live) Ended(lane loop.Lane, why loop.Reason, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	round := Round{At: l.Now(), Lane: string(lane), Reason: string(why), Took: took}
	l.rounds = slices.Insert(l.rounds, 0, round)
	l.rounds = l.rounds[:min(len(l.rounds), mostRounds)]
}

// Seen makes the report from what an audit saw. After an error the previous report stays.
func (l *Live) Seen(planned *engine.Planned) {
	page, err := l.current().Report(planned)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report = page
}

func (l *Live) current() View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

// Snapshot implements [Source].
func (l *Live) Snapshot() (*Snapshot, error) {
	l.requests.Lock()
	defer l.requests.Unlock()
	v := l.current()
	s := &Snapshot{Now: l.Now(), Host: l.Host, Version: l.Version, Hung: l.Hung(), Systems: v.Systems}
	if err := v.Store.View(s.read); err != nil {
		return nil, err
	}
	var err error
	if s.Held, err = v.Held(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.Held, func(a, b Held) int { return b.Since.Compare(a.Since) })
	if s.Failed, err = failed(v.Files); err != nil {
		return nil, err
	}
	if s.Nodes, err = v.Nodes(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Rounds, s.HasReport = slices.Clone(l.rounds), l.report != nil
	return s, nil
}

// read reads the state's part of the page.
func (s *Snapshot) read(tx ledger.Tx) error {
	plans, err := tx.Plans()
	if err != nil {
		return err
	}
	s.Begun = slices.DeleteFunc(plans, ledger.Plan.Over)
	if s.Outbox, err = tx.Outbox(); err != nil {
		return err
	}
	if s.Holds, err = tx.Holds(s.Now); err != nil {
		return err
	}
	last, _ := tx.Head()
	first := uint64(1)
	if last > mostHistory {
		first = last - mostHistory + 1
	}
	err = tx.History(first, func(e ledger.Entry) error {
		s.History = append(s.History, e)
		return nil
	})
	slices.Reverse(s.History)
	return err
}

// failed returns what the loop remembers of failures, by address.
func failed(files loop.Files) ([]Failed, error) {
	memory, err := loop.ReadHistory(files)
	if err != nil {
		return nil, err
	}
	var all []Failed
	for _, f := range memory.Failures {
		all = append(all, Failed{Address: f.Address, Error: f.Error, Count: f.Count, Until: f.Until,
			Quarantined: f.Quarantined()})
	}
	slices.SortFunc(all, func(a, b Failed) int { return strings.Compare(a.Address, b.Address) })
	return all, nil
}

// shortID matches the short id by which a URL names a held plan.
var shortID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// HeldPlan implements [Source].
func (l *Live) HeldPlan(short string) (*planner.Plan, error) {
	if !shortID.MatchString(short) {
		return nil, ErrNotThere
	}
	l.requests.Lock()
	defer l.requests.Unlock()
	return l.current().Plan(short)
}

// Report implements [Source].
func (l *Live) Report() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.report == nil {
		return nil, ErrNotThere
	}
	return l.report, nil
}
