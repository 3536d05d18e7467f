package planfile

import (
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

func made() time.Time { return time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC) }

const tib = 1 << 40

// basePlan is a plan without changes.
func basePlan() *planner.Plan {
	return &planner.Plan{
		Core: planner.Core{Configuration: digest([]byte("configuration"))[7:]},
		Context: planner.Context{
			Made: made(), User: "root", Host: "mgmt01", Version: "0.1.0", Renderer: Renderer, Overrides: 2,
			Source: "waldur-storage-proxy.example.com", Systems: []string{"capstor", "iopsstor"}, ValidFor: 7 * 24 * time.Hour,
			Counts: planner.Counts{Unchanged: 405},
		},
	}
}

func hexID(n int) string { return digest(fmt.Append(nil, "item", n))[7:39] }

func newAction(kind planner.ActionKind, address string, n int) planner.Action {
	return planner.Action{
		Key:     planner.Key{Item: hexID(n), System: "cscs-capstor-offering", DataType: "store"},
		Address: address, Kind: kind, Target: planner.TargetProject, System: "capstor", Storage: address[1:],
	}
}

func because(code, text string) []planner.Reason {
	return []planner.Reason{{Code: reason.Code(code), Text: text}}
}

// put adds an action with its details, and counts it.
func put(p *planner.Plan, a planner.Action, d planner.Detail, notes ...planner.ChangeNote) {
	for len(notes) < len(a.Changes) {
		notes = append(notes, planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromProxy}})
	}
	d.Notes = notes
	at := 0
	for at < len(p.Core.Actions) && compareActions(&p.Core.Actions[at], &a) < 0 {
		at++
	}
	p.Core.Actions = append(p.Core.Actions[:at], append([]planner.Action{a}, p.Core.Actions[at:]...)...)
	p.Context.Details = append(p.Context.Details[:at], append([]planner.Detail{d}, p.Context.Details[at:]...)...)
	bump(&p.Context.Counts, a.Kind)
}

func bump(c *planner.Counts, kind planner.ActionKind) {
	for k, n := range map[planner.ActionKind]*int{planner.Create: &c.Create, planner.Adopt: &c.Adopt, planner.Update: &c.Update,
		planner.Archive: &c.Archive, planner.Restore: &c.Restore, planner.RejectOrder: &c.Reject, planner.FailOrder: &c.Fail,
		planner.Report: &c.Report, planner.Blocked: &c.Blocked, planner.Waiting: &c.Waiting} {
		if k == kind {
			*n++
		}
	}
}

func change(a planner.Attribute, before, after planner.Value) planner.Change {
	return planner.Change{Attribute: a, Before: before, After: after}
}

func num(n uint64) planner.Value        { return planner.Number(n) }
func mode(m planner.Mode) planner.Value { return planner.ModeValue(m) }
func from(f planner.From) planner.ChangeNote {
	return planner.ChangeNote{Provenance: planner.Provenance{From: f}}
}

func byOverride(name, at string) planner.ChangeNote {
	return planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromOverride, Override: name, At: at}}
}

func addCreate(p *planner.Plan, address string, n int) {
	a := newAction(planner.Create, address, n)
	a.Order = hexID(n + 1000000)
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetBackendID, planner.SetStateDone}
	a.Quota = &planner.QuotaID{By: planner.ByGroup, ID: uint32(30500 + n)}
	a.Changes = []planner.Change{
		change(planner.Owner, planner.Value{}, num(0)), change(planner.Group, planner.Value{}, num(uint64(30500+n))),
		change(planner.ModeAttr, planner.Value{}, mode(0o2770)),
		change(planner.SpaceSoft, planner.Value{}, num(18*tib)), change(planner.SpaceHard, planner.Value{}, num(20*tib)),
		change(planner.InodesSoft, planner.Value{}, num(26600000)), change(planner.InodesHard, planner.Value{}, num(40000000)),
	}
	put(p, a, planner.Detail{Reasons: because("order", "order "+a.Order[:8]+" asks for it"), Usage: &planner.UsageNote{Space: num(0), Inodes: num(0)}},
		from(planner.FromDefault), from(planner.FromProxy), byOverride("climate", "overrides.hcl:12"), byOverride("climate", "overrides.hcl:12"))
}

func addRaise(p *planner.Plan, address string, n int, before, after, used uint64) {
	a := newAction(planner.Update, address, n)
	a.Order = hexID(n + 1000000)
	a.Inode = 144115205272502273 + uint64(n)
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetStateDone}
	a.Quota = &planner.QuotaID{By: planner.ByGroup, ID: uint32(30500 + n)}
	a.Changes = []planner.Change{change(planner.SpaceSoft, num(before), num(after)), change(planner.SpaceHard, num(before), num(after))}
	if used > after {
		a.Danger = []planner.Danger{planner.DangerBelowUsage}
	}
	put(p, a, planner.Detail{Reasons: because("order", "order "+a.Order[:8]+" changes it"), Unchanged: 5,
		Kept:  []planner.KeptLimit{{Attribute: planner.InodesSoft, Value: num(1000000)}, {Attribute: planner.InodesHard, Value: num(2000000)}},
		Usage: &planner.UsageNote{Space: num(used), Inodes: num(81204)}})
}

func addArchive(p *planner.Plan) {
	a := newAction(planner.Archive, "/capstor/store/cscs/uzh/old", 7)
	a.Order, a.Inode, a.Folder = hexID(77), 144115205272502280, "capstor/.trash"
	a.Retention = 90 * 24 * time.Hour
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetStateDone}
	a.Danger = []planner.Danger{planner.DangerArchive}
	a.Changes = []planner.Change{change(planner.Owner, num(0), planner.Value{}), change(planner.Group, num(30505), planner.Value{}),
		change(planner.ModeAttr, mode(0o2770), planner.Value{})}
	put(p, a, planner.Detail{Reasons: because("order", "order "+a.Order[:8]+" terminates it"),
		Usage: &planner.UsageNote{Space: num(6*tib + tib/10), Inodes: num(81204)}})
}

func addDrift(p *planner.Plan) {
	a := newAction(planner.Update, "/capstor/store/cscs/eth/bio", 8)
	a.Inode = 144115205272502281
	a.Changes = []planner.Change{change(planner.ModeAttr, mode(0o770), mode(0o2770))}
	put(p, a, planner.Detail{Reasons: because("drift", "of drift: somebody took the setgid bit away"), Unchanged: 6},
		planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromProxy}, Drift: true})
	p.Context.Drift = append(p.Context.Drift,
		planner.Drift{Address: a.Address, Attribute: planner.ModeAttr, Recorded: mode(0o2770), Observed: mode(0o770)},
		planner.Drift{Address: "/capstor/store/cscs/eth/chem", Attribute: planner.SpaceHard, Recorded: num(10 * tib), Observed: num(12 * tib)})
}

func addWider(p *planner.Plan) {
	a := newAction(planner.Update, "/capstor/store/cscs/psi/open", 9)
	a.Inode = 144115205272502290
	a.Changes = []planner.Change{change(planner.Group, num(30100), num(30101)), change(planner.ModeAttr, mode(0o2770), mode(0o2775))}
	a.Danger = []planner.Danger{planner.DangerWiderAccess, planner.DangerGroup}
	put(p, a, planner.Detail{Reasons: because("override", `override "public data" sets its mode and its group`), Unchanged: 5},
		from(planner.FromProxy), byOverride("public data", "overrides.hcl:40"))
}

func addReport(p *planner.Plan) {
	a := newAction(planner.Report, "/iopsstor/store/cscs/eth/chem", 10)
	a.System, a.Order, a.Callbacks = "iopsstor", hexID(78), []planner.Callback{planner.SetStateDone}
	put(p, a, planner.Detail{Reasons: because("order", "order "+a.Order[:8]+" is executing and all is as it asks")})
}

func refuse(p *planner.Plan, kind planner.ActionKind, address, code, text string) {
	r := planner.Refusal{Key: planner.Key{Item: hexID(len(address) + 400), System: "cscs-capstor-offering", DataType: "store"}, Address: address,
		System: "capstor", Reasons: because(code, text)}
	if kind == planner.Blocked {
		p.Context.Blocked = append(p.Context.Blocked, r)
	} else {
		p.Context.Waiting = append(p.Context.Waiting, r)
	}
	bump(&p.Context.Counts, kind)
}

func addBlocked(p *planner.Plan) {
	refuse(p, planner.Blocked, "/capstor/store/cscs/psi/x", "gid", "the proxy gives group id 0, the least allowed is 1000 (storage.min_gid)")
	refuse(p, planner.Blocked, "/capstor/store/cscs/psi/zero", "zero_limit", "the option hard_quota_space is pinned at 0 in Waldur, and a limit of 0 is never set; "+
		"to mend it here:\noverride \"psi zero\" {\n  match { path = \"/capstor/store/cscs/psi/zero\" }\n  quota { space_hard = tib(10) }\n}")
}

func addWaiting(p *planner.Plan) {
	refuse(p, planner.Waiting, "/capstor/store/cscs/psi/y", "customer", "its customer has not approved order 77aa01bc yet")
}

// mixedPlan has something of everything.
func mixedPlan() *planner.Plan {
	p := basePlan()
	addCreate(p, "/capstor/store/cscs/eth/climate", 0)
	addRaise(p, "/capstor/scratch/cscs/mch/msopr", 11, 20*tib, 10*tib, 12*tib+tib/3)
	addRaise(p, "/capstor/scratch/cscs/mch/more", 12, 10*tib, 20*tib, 8*tib)
	addArchive(p)
	addDrift(p)
	addWider(p)
	addReport(p)
	addBlocked(p)
	addWaiting(p)
	p.Context.Promised = []planner.Promise{{System: "capstor", Before: 1204 * tib, After: 1224 * tib}, {System: "iopsstor", Before: 310 * tib, After: 310 * tib}}
	p.Context.Warnings = []planner.Warning{
		{Code: "expired", Text: "override \"old bump\" expired on 2026-10-31 and is ignored\n\non overrides.hcl line 31, in override \"old bump\":\n31:   expires = \"2026-10-31\""},
		{Code: "order_active", Address: "/capstor/store/cscs/eth/bio", Text: "it is active although an order is named; no callback is sent"},
	}
	p.Context.Undelivered = []planner.Undelivered{{Key: planner.Key{Item: hexID(3)}, Address: "/capstor/store/cscs/eth/bio", Order: hexID(4),
		Callback: planner.SetStateDone, Since: made().Add(-3 * time.Hour), Problem: "503 Service Unavailable"}}
	return p
}

// dangersPlan has the dangers that no change alone shows: another directory than the recorded one, as wanted and with changes; a
// create that is open to all and without a limit; an ACL that appeared.
func dangersPlan() *planner.Plan {
	p := basePlan()
	swapped := newAction(planner.Adopt, "/capstor/store/cscs/eth/bio", 70)
	swapped.Inode, swapped.Danger = 144115205272502285, []planner.Danger{planner.DangerReplaced}
	put(p, swapped, planner.Detail{Unchanged: 7, Reasons: because("replaced", "another directory than the recorded one stands here: recorded "+
		"2026-11-20 is inode 144115205272502284, here is inode 144115205272502285; the recorded one is at capstor/store/cscs/eth/chem now, "+
		"and the one here is recorded as that of /capstor/store/cscs/eth/chem")})

	other := newAction(planner.Adopt, "/capstor/store/cscs/eth/chem", 71)
	other.Inode, other.Danger = 144115205272502284, []planner.Danger{planner.DangerReplaced, planner.DangerWiderAccess, planner.DangerGroup}
	other.Changes = []planner.Change{change(planner.Group, num(30570), num(30571)), change(planner.ModeAttr, mode(0o2750), mode(0o2770))}
	put(p, other, planner.Detail{Unchanged: 5, Reasons: append(because("replaced", "another directory than the recorded one stands here: recorded "+
		"2026-11-20 is inode 144115205272502285, here is inode 144115205272502284; the recorded one is not in capstor/store/cscs/eth"),
		planner.Reason{Code: "acl", Text: "it has an ACL, so its mode does not say who gets in: user 12345 has r-x, its group has r-x"},
		planner.Reason{Code: "acl_mask", Text: "chmod changes the mask of its ACL from r-x to rwx, not the rights of its group: then user 12345 has " +
			"rwx, its group has r-x"})}, from(planner.FromProxy), from(planner.FromProxy))

	open := newAction(planner.Create, "/capstor/store/cscs/eth/open", 72)
	open.Danger = []planner.Danger{planner.DangerWiderAccess, planner.DangerUnlimited}
	open.Changes = []planner.Change{change(planner.Owner, planner.Value{}, num(0)), change(planner.Group, planner.Value{}, num(30572)),
		change(planner.ModeAttr, planner.Value{}, mode(0o777))}
	put(p, open, planner.Detail{Reasons: []planner.Reason{
		{Code: "order_create", Text: "order 134c8ada asks for it"},
		{Code: "max_mode", Text: `its mode "0777" (rwxrwxrwx) grants more than storage.max_mode allows, "2775" (rwxrwsr-x)`},
		{Code: reason.UnlimitedSpace, Text: "no hard limit for space is in force for it then"}}},
		from(planner.FromDefault), from(planner.FromProxy), byOverride("open", "overrides.hcl:3"))
	p.Context.Drift = []planner.Drift{{Address: "/capstor/store/cscs/eth/math", Attribute: planner.ACLAttr, Recorded: planner.Value{},
		Observed: planner.TextValue(`nfs4:"eve@example.com"`)}}
	p.Context.Warnings = []planner.Warning{{Code: "acl", Address: "/capstor/store/cscs/eth/math",
		Text: `it has an NFSv4 ACL, so its mode does not say who gets in: it names "eve@example.com"; nothing is done about it`}}
	return p
}
