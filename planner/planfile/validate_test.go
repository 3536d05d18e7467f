package planfile

import (
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func TestValidate(t *testing.T) {
	for name, plan := range plantest.Typical() {
		if err := validate(plan()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, spoil := range map[string]func(p *planner.Plan, a *planner.Action, d *planner.Detail){
		"details of": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Details = p.Context.Details[1:]
		},
		"not in order": func(p *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Address = "/z"
		},
		"notes to": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Notes = nil
		},
		"is none": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Kind = planner.Waiting
		},
		"target": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Target = ""
		},
		"quota by": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Quota = &planner.QuotaID{By: "user"}
		},
		`path "a/b" is none`: func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Quota = &planner.QuotaID{By: planner.ByGroup, ID: 7, Path: "a/b"}
		},
		`quota by "directory"`: func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Quota = &planner.QuotaID{By: planner.ByDirectory, ID: 7, Path: "a/b"}
		},
		"to be removed": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Unlimit = true
		},
		`tool "rm"`: func(_ *planner.Plan, _ *planner.Action, d *planner.Detail) { d.Tool = "rm" },
		"dangers": func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Danger = []planner.Danger{"group", "archive"}
		},
		"retention of -1s": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Retention = -time.Second
		},
		"retention of 1s": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Retention = time.Second
		},
		"there twice": func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Callbacks = append(a.Callbacks, planner.Approve)
		},
		"can't be": func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Changes[0].Before = plantest.Mode(0o755)
		},
		"something unknown": func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Changes[0].After = planner.UnknownValue("x")
		},
		"can't stay 0755": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Kept[0].Value = plantest.Mode(0o755)
		},
		"space_hard can't stay": func(_ *planner.Plan, _ *planner.Action, d *planner.Detail) {
			d.Kept[0].Attribute = planner.SpaceHard
		},
		"owner can't stay": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Kept[0].Attribute = planner.Owner
		},
		"that stay": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Kept[0].Attribute = planner.InodesHard
		},
		"no quota is named": func(_ *planner.Plan, a *planner.Action,
			_ *planner.Detail) {
			a.Quota = nil
		},
		"comes from": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Notes[0].Provenance.From = ""
		},
		"attributes": func(_ *planner.Plan, a *planner.Action, _ *planner.Detail) {
			a.Changes[1].Attribute = planner.SpaceSoft
		},
		"is no number": func(_ *planner.Plan, _ *planner.Action,
			d *planner.Detail) {
			d.Usage.Space = plantest.Mode(0o755)
		},
		"selection is not": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Core.Selection.Targets = []string{"b", "a"}
		},
		"to fail are not": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Core.Selection.Fails = make([]planner.OrderVerdict, 2)
		},
		"time it was made": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Made = plantest.Made().Add(1)
		},
		"rendering rules": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Renderer = 0
		},
		"negative number": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.ValidFor = -1
		},
		"systems are not": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Systems = []string{"a", "a"}
		},
		"configuration are not sorted": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Configuration = make([]planner.ConfigurationPart, 2)
		},
		"promises are not": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Context.Promised = make([]planner.Promise, 2)
		},
		"drift of": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Context.Drift = []planner.Drift{{Attribute: 99}}
		},
		"undelivered": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Context.Undelivered = make([]planner.Undelivered, 1)
		},
		"without a reason": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Context.Blocked = make([]planner.Refusal, 1)
		},
		"nothing else is done": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			p.Context.Blocked = []planner.Refusal{{Reasons: plantest.Because("shared", "x"),
				QuotaOnly: true}}
		},
		"counts 0 to update": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Counts.Update = 0
		},
		"counts 0 blocked and has": func(p *planner.Plan, _ *planner.Action, _ *planner.Detail) {
			plantest.AddBlocked(p)
			p.Context.Counts.Blocked = 0
		},
		"counts 9 waiting and has": func(p *planner.Plan, _ *planner.Action,
			_ *planner.Detail) {
			p.Context.Counts.Waiting = 9
		},
	} {
		p := plantest.Base()
		plantest.AddRaise(p, "/a", 1, 10*plantest.TiB, 20*plantest.TiB, 8*plantest.TiB)
		plantest.AddCreate(p, "/b", 2)
		spoil(p, &p.Core.Actions[0], &p.Context.Details[0])
		if err := validate(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	p := plantest.Base()
	p.Context.Counts.Create = 1
	if _, err := Marshal(p, render.Options{}); err == nil || !strings.Contains(err.Error(),
		"mistake of cscs-sync") {
		t.Errorf("a plan that no reader takes is written: %v", err)
	}
}
