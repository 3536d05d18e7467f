package browser

import (
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/planner/report"
	"github.com/waldur/cscs-storage-sync/planner/scan"
	"github.com/waldur/cscs-storage-sync/planner/status"
)

// Samples returns pages of every kind, by name.
func Samples() map[string][]byte {
	return map[string][]byte{
		"plan":           render.HTML(plantest.Mixed(), render.Options{}),
		"plan-rare":      render.HTML(plantest.Typical()["rare"](), render.Options{}),
		"plan-long":      render.HTML(plantest.Thousand(), render.Options{}),
		"plan-shared":    render.HTML(plantest.Shared(40), render.Options{}),
		"plan-hostile":   render.HTML(plantest.Hostile(), render.Options{Commands: true}),
		"plan-empty":     render.HTML(plantest.Base(), render.Options{}),
		"plan-promises":  render.HTML(planWithPromises(), render.Options{}),
		"status":         statusPage(),
		"report":         reportPage(site(plantest.Mixed(), nil)),
		"report-hostile": reportPage(site(plantest.Hostile(), plantest.HostileTexts())),
	}
}

// reportPage returns the page of a report. Its template is ours, so an error is a mistake in this
// program.
func reportPage(in report.Input) []byte {
	html, err := report.New(in).HTML()
	if err != nil {
		panic(err)
	}
	return html
}

// planWithPromises returns a plan for a site that limits what its limits promise in total.
func planWithPromises() *planner.Plan {
	p := plantest.Mixed()
	p.Context.Promised = []planner.Promise{
		{System: "capstor", Before: 2100 * plantest.TiB, After: 2500 * plantest.TiB, Overcommit: "1.2",
			Capacity: 2000 * plantest.TiB, Used: 1220 * plantest.TiB, Most: 2400 * plantest.TiB},
		{System: "iopsstor", Before: 310 * plantest.TiB, After: 310 * plantest.TiB, Overcommit: "1"}}
	return p
}

// statusPage returns the status page of a busy loop.
func statusPage() []byte {
	now := plantest.Made()
	s := status.Snapshot{Now: now, Host: "mgmt01", Version: "0.1.0", Systems: []string{"capstor", "iopsstor"}, Hung: []string{"iopsstor"}, HasReport: true,
		Rounds: []status.Round{
			{At: now, Lane: "orders", Reason: "held: a plan waits for approval",
				Took: 2100 * time.Millisecond},
			{At: now.Add(-5 * time.Minute), Lane: "orders", Reason: "as wanted",
				Took: 1900 * time.Millisecond},
			{At: now.Add(-time.Hour), Lane: "audit", Reason: "as wanted", Took: 41 * time.Second},
		},
		Held: []status.Held{
			{ID: canonical.ID(plantest.Mixed().Core), Since: now.Add(-time.Hour), Summary: "Plan: 1 to create, 4 to update, 1 to archive.",
				Dangers: render.Dangers(plantest.Mixed()), Because: []string{"the policy approves no " +
					"dangerous change"}},
			{ID: canonical.ID(plantest.Thousand().Core), Since: now.Add(-26 * time.Hour), Summary: "Plan: 2 to create, 1001 to update.", Because: []string{"it changes more than 50 resources"}, Approvals: 1},
		},
		Failed: []status.Failed{{Address: "/capstor/store/cscs/psi/raid", Error: "set quota: input/output error", Count: 4,
			Until: now.Add(40 * time.Minute), Quarantined: true}},
		Begun: []ledger.Plan{{ID: "sha256:aaaabbbbccccdddd", Begun: now.Add(-2 * time.Minute), By: "root", Resources: 3, Steps: 2}},
		Outbox: []ledger.Delivery{{Address: "/capstor/store/cscs/eth/bio",
			Callback: planner.SetStateDone, Since: now.Add(-3 * time.Hour), Problem: "503 Service Unavailable", Parked: true}},
		Holds: []planner.Hold{{Glob: "/capstor/store/cscs/uzh/**", Reason: "moves to the new racks",
			By: "anna"}},
		History: []ledger.Entry{{Time: now.Add(-3 * time.Hour), Event: ledger.EventFinish, Who: "root",
			Plan: "sha256:9f2c41aa07be0011", Approvals: []ledger.Approval{{Name: "anna@example.com"}}}},
	}
	html, err := s.HTML()
	if err != nil {
		panic(err)
	}
	return html
}

// site returns a site with two systems and eighty projects, and with more projects whose names are
// given.
func site(plan *planner.Plan, names []string) report.Input {
	in := report.Input{Plan: plan, Now: plantest.Made(), Systems: []planner.System{
		{Name: "capstor", Overcommit: 1200}, {Name: "iopsstor"}}, Mounts: map[string]planner.Mount{
		"capstor":  {Filesystem: "lustre", Capacity: 2000 * plantest.TiB, Free: 780 * plantest.TiB},
		"iopsstor": {Filesystem: "lustre2", Capacity: 700 * plantest.TiB, Free: 455 * plantest.TiB},
	}}
	n := 0
	add := func(system, customer, name string, hard, used uint64) {
		n++
		k := planner.Key{Item: plantest.HexID(n), System: system}
		in.Views = append(in.Views, planner.View{Key: k, Address: customer + "/" + name, Name: name,
			Target: planner.TargetProject, System: system,
			Parent: customer, Managed: true})
		s := &planner.QuotaState{Limits: planner.NoLimits(),
			Space:  planner.UsageOf(planner.Bytes(used)),
			Inodes: planner.UsageOf(planner.Inodes(used >> 24))}
		s.Limits[planner.SpaceHard] = planner.LimitOf(planner.Bytes(hard))
		s.Limits[planner.SpaceSoft] = planner.LimitOf(planner.Bytes(hard - hard/10))
		s.Limits[planner.InodesHard] = planner.LimitOf(planner.Inodes(hard >> 23))
		if used > hard-hard/10 && used < hard {
			s.SetEnds(planner.Grace{Space: in.Now.AddDate(0, 0, 3)})
		}
		in.Quotas = append(in.Quotas, planner.QuotaView{System: system,
			Subject: planner.Subject{By: planner.ByGroup, ID: uint32(30500 + n)},
			Keys:    []planner.Key{k}, State: s})
	}
	for t, tenant := range []string{"/capstor/store/cscs", "/iopsstor/store/cscs"} {
		in.Views = append(in.Views, planner.View{Address: tenant, Target: planner.TargetTenant,
			Managed: true})
		for c, customer := range []string{"eth", "psi", "uzh", "mch"} {
			customer = tenant + "/" + customer
			in.Views = append(in.Views, planner.View{Address: customer, Target: planner.TargetCustomer,
				Parent: tenant, Managed: true})
			for i := range 10 {
				hard := uint64(10+7*((i*i+c)%13)) * plantest.TiB
				add([]string{"capstor", "iopsstor"}[t], customer, fmt.Sprintf("project-%02d", i), hard,
					hard/100*uint64((i*37+c*11+t*5)%104))
			}
		}
	}
	for _, name := range names {
		add("capstor", name, name, plantest.TiB, plantest.TiB*2)
		in.Holds = append(in.Holds, planner.Hold{Glob: name, Reason: name, By: name})
		in.Archived = append(in.Archived, planner.Archived{Address: name, Archive: name})
	}
	in.Holds = append(in.Holds, planner.Hold{Glob: "/capstor/store/cscs/uzh/**", Reason: "moves to the new racks", By: "anna", Until: in.Now.AddDate(0, 0, 2)})
	in.Archived = append(in.Archived,
		planner.Archived{Address: "/capstor/store/cscs/uzh/old",
			Archive: "capstor/.trash/20260801T000000Z-12345678-old", Until: in.Now.AddDate(0, -1, 0)},
		planner.Archived{Address: "/capstor/store/cscs/psi/done", Archive: "capstor/.trash/20261101T000000Z-12345678-done", Until: in.Now.AddDate(0, 2, 0)})
	more(&in, names)
	changed, steps := []ledger.Changed{}, []ledger.Step{}
	for i, kind := range []planner.ActionKind{planner.Create, planner.Create, planner.Update,
		planner.Update, planner.Archive} {
		k := planner.Key{Item: fmt.Sprint(i)}
		changed, steps = append(changed, ledger.Changed{Key: k, Action: kind}), append(steps,
			ledger.Step{Key: k, Name: ledger.StepDone})
	}
	in.History = []ledger.Entry{
		{Time: in.Now.AddDate(0, 0, -3), Event: ledger.EventBegin, Plan: "sha256:9f2c41aa07be0011",
			Approvals: []ledger.Approval{{Name: "anna@example.com", Kind: "signed"}}, Changed: changed},
		{Time: in.Now.AddDate(0, 0, -3), Event: ledger.EventFinish, Plan: "sha256:9f2c41aa07be0011",
			Who: "root", Counts: map[string]int{"done": 12, "failed": 1}, Steps: steps},
	}
	return in
}

// more adds held plans, the sizes of archived directories, and directories and quotas that no
// resource wants.
func more(in *report.Input, names []string) {
	in.Held = []report.Held{{Plan: "sha256:587be404d007", Name: "brave-otter",
		Since:   in.Now.Add(-time.Hour),
		Summary: "1 to archive", Danger: []planner.Danger{planner.DangerArchive},
		Because: []string{"auto_approve does not allow archive"}}}
	in.ArchiveStates = map[planner.Subject]planner.QuotaState{}
	for i := range in.Archived {
		a := &in.Archived[i]
		a.System, a.QuotaBy, a.QuotaID = "capstor", planner.ByProject, uint32(900+i)
		id, _ := a.Limited()
		in.ArchiveStates[id.On("lustre")] = planner.QuotaState{
			Space:  planner.UsageOf(planner.Bytes(i+3) * plantest.TiB),
			Inodes: planner.UsageOf(planner.Inodes(81204))}
	}
	owner, group, mode, size := planner.UID(0), planner.GID(30999), "2770", planner.Bytes(12*plantest.TiB)
	made := in.Now.AddDate(-2, 0, 0)
	in.Scan = &scan.Report{Made: in.Now,
		Systems: []scan.System{{Name: "capstor", Directories: 412, Quotas: 1},
			{Name: "iopsstor", Problems: []string{"iopsstor/store/cscs/psi: permission denied"}}},
		Quotas: []scan.Quota{{System: "capstor", By: planner.ByGroup, ID: 30777,
			Limits: &planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(5 * plantest.TiB))}, Space: &size}}}
	for _, name := range append([]string{"capstor/store/cscs/eth/old-copy", "capstor/home"},
		names...) {
		in.Scan.Directories = append(in.Scan.Directories,
			scan.Stray{System: "capstor", Path: name, Owner: &owner,
				Group: &group, Mode: &mode, Made: &made, Modified: &made, Space: &size, Was: "/" + name})
	}
}
