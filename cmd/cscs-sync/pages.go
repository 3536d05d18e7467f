package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/render"
	siteReport "github.com/waldur/cscs-storage-sync/planner/report"
	"github.com/waldur/cscs-storage-sync/planner/status"
	"github.com/waldur/cscs-storage-sync/state"
)

// statusView is what the loop's pages show under the configuration of this session. Other
// goroutines call its functions, so they keep the configuration and the state of now.
func (s *session) statusView() status.View {
	cfg, store, now := s.cfg, s.store, s.app.now
	v := status.View{Store: store, Files: store.Files(),
		Held:  func() ([]status.Held, error) { return heldForStatus(store) },
		Plan:  func(short string) (*planner.Plan, error) { return heldPlan(store, short) },
		Nodes: func() ([]status.Node, error) { return nodesForStatus(store) },
		Report: func(p *engine.Planned) ([]byte, error) {
			return reportPage(store, cfg.Settings.Systems,
				p, now())
		}}
	for _, system := range cfg.Settings.Systems {
		v.Systems = append(v.Systems, system.Name)
	}
	return v
}

// reportPage is the page of a report on what an audit saw.
func reportPage(store *state.Store, systems []planner.System, p *engine.Planned,
	now time.Time) ([]byte, error) {
	in := reportInput(p, systems, now)
	if err := store.View(in.Read); err != nil {
		return nil, err
	}
	var err error
	if in.Held, err = heldForReport(store); err != nil {
		return nil, err
	}
	return siteReport.New(in).HTML()
}

// heldForStatus are the plans that a person can approve.
func heldForStatus(store *state.Store) (held []status.Held, err error) {
	err = eachHeld(store, func(w waitingPlan, p *planner.Plan) {
		held = append(held, status.Held{ID: w.Plan, Since: w.Since, Summary: w.summary,
			Dangers: render.Dangers(p), Because: w.Because, Approvals: w.Approvals})
	})
	return held, err
}

// eachHeld calls f with each plan that a person can approve. It leaves out a plan that this version
// cannot use; doctor names it.
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

// heldPlan reads a held plan. Its name is no path: heldPlan looks for it among the plans that
// exist.
func heldPlan(store *state.Store, short string) (*planner.Plan, error) {
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

// nodesForStatus are the nodes that share the state.
func nodesForStatus(store *state.Store) (nodes []status.Node, err error) {
	loops, err := store.Loops(context.Background())
	for _, m := range loops {
		n := status.Node{Name: m.Node, Leads: m.Leads, Differs: m.Differs, Since: m.Since}
		if m.Expired {
			n.Gone = m.Until
		}
		nodes = append(nodes, n)
	}
	return nodes, err
}
