package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/render"
	siteReport "github.com/waldur/cscs-storage-sync/planner/report"
	"github.com/waldur/cscs-storage-sync/planner/status"
	"github.com/waldur/cscs-storage-sync/state"
)

const (
	mostRounds  = 30 // rounds that the status page lists
	mostHistory = 50 // and entries of the history
)

// pages is what the loop's status page is made from. The loop tells it of rounds and audits; requests read the state and the
// folder of held plans, one at a time, so that many of them can't hold up the loop.
type pages struct {
	host string
	now  func() time.Time
	hung func() []string
	// requests has requests wait for one another.
	requests sync.Mutex

	// mu guards what follows, which the loop changes.
	mu     sync.Mutex
	cfg    *config.Config
	store  *state.Store
	rounds []status.Round
	report []byte
}

// use takes over a configuration and a state, as a reload does.
func (p *pages) use(cfg *config.Config, store *state.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg, p.store = cfg, store
}

// ended notes a round.
func (p *pages) ended(lane loop.Lane, why loop.Reason, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rounds = slices.Insert(p.rounds, 0, status.Round{At: p.now(), Lane: string(lane), Reason: string(why), Took: took})
	p.rounds = p.rounds[:min(len(p.rounds), mostRounds)]
}

// seen makes the report of what an audit saw. A report that can't be made leaves the one before.
func (p *pages) seen(planned *engine.Planned) {
	cfg, store := p.current()
	in := reportInput(planned, cfg, p.now())
	err := store.View(func(tx ledger.Tx) error { return readForReport(tx, &in) })
	if err == nil {
		in.Held, err = heldForReport(store)
	}
	if err != nil {
		return
	}
	page, err := siteReport.New(in).HTML()
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report = page
}

func (p *pages) current() (*config.Config, *state.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg, p.store
}

// Snapshot reads what the page shows.
func (p *pages) Snapshot() (*status.Snapshot, error) {
	p.requests.Lock()
	defer p.requests.Unlock()
	cfg, store := p.current()
	s := &status.Snapshot{Now: p.now(), Host: p.host, Version: version(), Hung: p.hung()}
	for _, system := range cfg.Settings.Systems {
		s.Systems = append(s.Systems, system.Name)
	}
	if err := store.View(func(tx ledger.Tx) error { return readForStatus(tx, s) }); err != nil {
		return nil, err
	}
	var err error
	if s.Held, err = heldForStatus(store); err != nil {
		return nil, err
	}
	if s.Failed, err = failedForStatus(store); err != nil {
		return nil, err
	}
	if s.Nodes, err = nodesForStatus(store); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Rounds, s.HasReport = slices.Clone(p.rounds), p.report != nil
	return s, nil
}

// readForStatus reads the state's part of the page.
func readForStatus(tx ledger.Tx, s *status.Snapshot) error {
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

// heldForStatus are the plans that a person can approve, the latest first.
func heldForStatus(store *state.Store) (held []status.Held, err error) {
	err = eachHeld(store, func(w waitingPlan, p *planner.Plan) {
		held = append(held, status.Held{ID: w.Plan, Since: w.Since, Summary: w.summary, Dangers: render.Dangers(p), Because: w.Because, Approvals: w.Approvals})
	})
	slices.SortStableFunc(held, func(a, b status.Held) int { return b.Since.Compare(a.Since) })
	return held, err
}

// eachHeld calls f with each plan that a person can approve. One that this version can't use is left out; doctor names it.
func eachHeld(store *state.Store, f func(waitingPlan, *planner.Plan)) error {
	folder := loop.PendingFolder(store.Files().Dir())
	names, err := store.Files().Plans(folder)
	if err != nil {
		return fmt.Errorf("held plans: %w", err)
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		file, why, err := loop.ReadUsable(store.Files(), path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // approved, or removed, in between
		case err != nil:
			return fmt.Errorf("held plans: %w", err)
		case why == nil:
			f(summarize(file.Plan, path, len(file.Approvals)), file.Plan)
		}
	}
	return nil
}

// nodesForStatus are the nodes that share the state.
func nodesForStatus(store *state.Store) (nodes []status.Node, err error) {
	members, err := store.Members(context.Background())
	for _, m := range shownLoops(members) {
		n := status.Node{Name: m.Node, Leads: m.Leads, Differs: m.Differs, Since: m.Since}
		if m.Expired {
			n.Gone = m.Until
		}
		nodes = append(nodes, n)
	}
	return nodes, err
}

// failedForStatus is what the loop remembers of failures, by address.
func failedForStatus(store *state.Store) ([]status.Failed, error) {
	memory, err := loop.ReadHistory(store.Files())
	if err != nil {
		return nil, err
	}
	var failed []status.Failed
	for _, f := range memory.Failures {
		failed = append(failed, status.Failed{Address: f.Address, Error: f.Error, Count: f.Count, Until: f.Until, Quarantined: f.Quarantined()})
	}
	slices.SortFunc(failed, func(a, b status.Failed) int { return strings.Compare(a.Address, b.Address) })
	return failed, nil
}

// shortID is how a held plan is named in an address.
var shortID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// HeldPlan reads a held plan. Its name is no path: it is looked for among the plans that are there.
func (p *pages) HeldPlan(short string) (*planner.Plan, error) {
	if !shortID.MatchString(short) {
		return nil, status.ErrNotThere
	}
	p.requests.Lock()
	defer p.requests.Unlock()
	_, store := p.current()
	folder := loop.PendingFolder(store.Files().Dir())
	names, err := store.Files().Plans(folder)
	if err != nil {
		return nil, fmt.Errorf("held plans: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, short) {
			continue
		}
		file, why, err := loop.ReadUsable(store.Files(), filepath.Join(folder, name))
		if err == nil && why == nil && canonical.ShortID(canonical.ID(file.Plan.Core)) == short {
			return file.Plan, nil
		}
	}
	return nil, status.ErrNotThere
}

// Report is the page of what the last audit saw.
func (p *pages) Report() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.report == nil {
		return nil, status.ErrNotThere
	}
	return p.report, nil
}
