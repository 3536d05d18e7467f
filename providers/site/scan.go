package site

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// Scan looks for what no resource wants, given a plan for all resources. It lists at most most
// directories and quotas of each system. It changes nothing.
func (s *Site) Scan(ctx context.Context, p *engine.Planned, most int) (*scan.Report, error) {
	o, done, err := s.Observer(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	sc := scan.New(scan.Input{Systems: s.cfg.Settings.Systems, MinGID: s.cfg.Settings.MinGID,
		Views: p.Graph.Views(), Quotas: p.Graph.QuotaViews(), Recorded: p.Recorded,
		Mounts: p.Mounts, Made: s.o.Now().UTC(), Source: p.Plan.Context.Source, Most: most})
	strays := o.Aged(ctx, sc.Strays(o.Folders(ctx, sc.Folders())))
	targets := sc.QuotaTargets(strays, o.Survey(ctx, sc.Ranges()))
	r := sc.Report(targets, o.Quotas(ctx, planner.TargetsOf(targets...)))
	return r, context.Cause(ctx)
}

// ReadQuotas reads quotas and returns their states.
func (s *Site) ReadQuotas(ctx context.Context, of []planner.QuotaTarget) (
	map[planner.Subject]planner.QuotaState, error) {
	states := map[planner.Subject]planner.QuotaState{}
	if len(of) == 0 {
		return states, nil
	}
	o, done, err := s.Observer(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	for i, state := range o.Quotas(ctx, planner.TargetsOf(of...)) {
		states[of[i].Subject] = state
	}
	return states, context.Cause(ctx)
}
