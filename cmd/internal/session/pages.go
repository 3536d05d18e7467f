package session

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/report"
	"github.com/waldur/cscs-storage-sync/planner/status"
	"github.com/waldur/cscs-storage-sync/state"
)

// statusView is what the loop's pages show under the configuration of this session. Other
// goroutines call its functions, so they keep the configuration and the state of now.
func (s *Session) statusView() status.View {
	cfg, store, now := s.Config, s.Store, s.Process.Now
	v := status.View{Store: store, Files: store.Files(),
		Held:  func() ([]status.Held, error) { return heldForStatus(store) },
		Plan:  func(short string) (*planner.Plan, error) { return heldPlan(store, short) },
		Nodes: func() ([]status.Node, error) { return nodesForStatus(store) },
		Report: func(p *engine.Planned) ([]byte, error) {
			in, err := reportInput(store, cfg.Settings.Systems, p, now())
			if err != nil {
				return nil, err
			}
			return report.New(in).HTML()
		}}
	for _, system := range cfg.Settings.Systems {
		v.Systems = append(v.Systems, system.Name)
	}
	return v
}

// ReportInput returns what a report shows about a plan and the state.
func (s *Session) ReportInput(p *engine.Planned) (report.Input, error) {
	return reportInput(s.Store, s.Config.Settings.Systems, p, s.Process.Now())
}

func reportInput(store *state.Store, systems []planner.System, p *engine.Planned,
	now time.Time) (report.Input, error) {
	in := report.Input{Plan: p.Plan, Systems: systems, Views: p.Graph.Views(),
		Quotas: p.Graph.QuotaViews(), Mounts: p.Mounts, Now: now.UTC()}
	if err := store.View(in.Read); err != nil {
		return in, err
	}
	held, err := waiting(store)
	for _, w := range held {
		in.Held = append(in.Held, report.Held{Plan: w.ID, Name: w.Name, Since: w.Since,
			Summary: w.Summary, Danger: w.Danger, Because: w.Because})
	}
	return in, err
}

// heldForStatus returns the plans that a person can approve. It omits plans that this version can't
// use; doctor names those.
func heldForStatus(store *state.Store) (plans []status.Held, err error) {
	held, err := waiting(store)
	for _, w := range held {
		plans = append(plans, status.Held{ID: w.ID, Since: w.Since, Summary: w.Summary,
			Dangers: w.Dangers, Because: w.Because, Approvals: w.Approvals})
	}
	return plans, err
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
		if err == nil && why == nil && canonical.ShortID(file.ID()) == short {
			return file.Plan, nil
		}
	}
	return nil, status.ErrNotThere
}

// nodesForStatus returns the nodes that share the state.
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
