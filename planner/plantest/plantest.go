// Package plantest makes plans for tests: typical, hostile and large ones. Only tests import it.
package plantest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Made returns the time at which the plans were made.
func Made() time.Time { return time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC) }

// TiB is 2^40 bytes.
const TiB = 1 << 40

// Base returns a plan without changes.
func Base() *planner.Plan {
	return &planner.Plan{
		Core: planner.Core{Configuration: canonical.Digest([]byte("configuration"))[7:]},
		Context: planner.Context{
			Made: Made(), User: "root", Host: "mgmt01", Version: "0.1.0",
			Renderer: canonical.Renderer, Overrides: 2,
			Source: "waldur-storage-proxy.example.com", Systems: []string{"capstor", "iopsstor"},
			ValidFor: 7 * 24 * time.Hour,
			Counts:   planner.Counts{Unchanged: 405},
		},
	}
}

// HexID returns an id for a number.
func HexID(n int) string { return canonical.Digest(fmt.Append(nil, "item", n))[7:39] }

// NewAction returns an action on a project's directory, without changes.
func NewAction(kind planner.ActionKind, address string, n int) planner.Action {
	return planner.Action{
		Key:     planner.Key{Item: HexID(n), System: "cscs-capstor-offering", DataType: "store"},
		Address: address, Kind: kind, Target: planner.TargetProject, System: "capstor",
		Storage: address[1:],
	}
}

// Because returns a list with one reason.
func Because(code, text string) []planner.Reason {
	return []planner.Reason{{Code: reason.Code(code), Text: text}}
}

// Put adds an action with its details, and counts it.
func Put(p *planner.Plan, a planner.Action, d planner.Detail, notes ...planner.ChangeNote) {
	for len(notes) < len(a.Changes) {
		notes = append(notes,
			planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromProxy}})
	}
	d.Notes = notes
	at := 0
	for at < len(p.Core.Actions) && before(&p.Core.Actions[at], &a) {
		at++
	}
	p.Core.Actions = append(p.Core.Actions[:at],
		append([]planner.Action{a}, p.Core.Actions[at:]...)...)
	p.Context.Details = append(p.Context.Details[:at],
		append([]planner.Detail{d}, p.Context.Details[at:]...)...)
	Bump(&p.Context.Counts, a.Kind)
}

// before reports whether an action comes before another in a plan.
func before(a, b *planner.Action) bool {
	return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key)) < 0
}

// Bump counts one action, or one refusal.
func Bump(c *planner.Counts, kind planner.ActionKind) {
	for k, n := range map[planner.ActionKind]*int{planner.Create: &c.Create,
		planner.Adopt: &c.Adopt, planner.Update: &c.Update,
		planner.Archive: &c.Archive, planner.Restore: &c.Restore, planner.RejectOrder: &c.Reject,
		planner.FailOrder: &c.Fail,
		planner.Report:    &c.Report, planner.Blocked: &c.Blocked, planner.Waiting: &c.Waiting} {
		if k == kind {
			*n++
		}
	}
}

// Change returns a change of an attribute.
func Change(a planner.Attribute, before, after planner.Value) planner.Change {
	return planner.Change{Attribute: a, Before: before, After: after}
}

// Num returns a number as a value.
func Num(n uint64) planner.Value { return planner.Number(n) }

// Mode returns a mode as a value.
func Mode(m planner.Mode) planner.Value { return planner.ModeValue(m) }

// From returns the note of a change that comes from f.
func From(f planner.From) planner.ChangeNote {
	return planner.ChangeNote{Provenance: planner.Provenance{From: f}}
}

// ByOverride returns the note of a change that an override makes.
func ByOverride(name, at string) planner.ChangeNote {
	return planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromOverride,
		Override: name, At: at}}
}

// AddCreate adds the creation of a directory with a quota.
func AddCreate(p *planner.Plan, address string, n int) {
	a := NewAction(planner.Create, address, n)
	a.Order = HexID(n + 1000000)
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetBackendID, planner.SetStateDone}
	a.Quota = &planner.QuotaID{By: planner.ByGroup, ID: uint32(30500 + n)}
	a.Changes = []planner.Change{
		Change(planner.Owner, planner.Value{}, Num(0)), Change(planner.Group, planner.Value{},
			Num(uint64(30500+n))),
		Change(planner.ModeAttr, planner.Value{}, Mode(0o2770)),
		Change(planner.SpaceSoft, planner.Value{}, Num(18*TiB)),
		Change(planner.SpaceHard, planner.Value{}, Num(20*TiB)),
		Change(planner.InodesSoft, planner.Value{}, Num(26600000)),
		Change(planner.InodesHard, planner.Value{}, Num(40000000)),
	}
	Put(p, a, planner.Detail{Reasons: Because("order", "order "+a.Order[:8]+" asks for it"),
		Usage: &planner.UsageNote{Space: Num(0), Inodes: Num(0)}},
		From(planner.FromDefault), From(planner.FromProxy),
		ByOverride("climate", "overrides.hcl:12"), ByOverride("climate", "overrides.hcl:12"))
}

// AddRaise adds a change of a limit. It is dangerous if the usage is above the new limit.
func AddRaise(p *planner.Plan, address string, n int, before, after, used uint64) {
	a := NewAction(planner.Update, address, n)
	a.Order = HexID(n + 1000000)
	a.Inode = 144115205272502273 + uint64(n)
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetStateDone}
	a.Quota = &planner.QuotaID{By: planner.ByGroup, ID: uint32(30500 + n)}
	a.Changes = []planner.Change{Change(planner.SpaceSoft, Num(before), Num(after)),
		Change(planner.SpaceHard, Num(before), Num(after))}
	if used > after {
		a.Danger = []planner.Danger{planner.DangerBelowUsage}
	}
	Put(p, a, planner.Detail{Reasons: Because("order", "order "+a.Order[:8]+" changes it"),
		Unchanged: 5,
		Kept: []planner.KeptLimit{{Attribute: planner.InodesSoft, Value: Num(1000000)},
			{Attribute: planner.InodesHard, Value: Num(2000000)}},
		Usage: &planner.UsageNote{Space: Num(used), Inodes: Num(81204)}})
}

// AddArchive adds an order that terminates a resource.
func AddArchive(p *planner.Plan) {
	a := NewAction(planner.Archive, "/capstor/store/cscs/uzh/old", 7)
	a.Order, a.Inode, a.Folder = HexID(77), 144115205272502280, "capstor/.trash"
	a.Retention = 90 * 24 * time.Hour
	a.Callbacks = []planner.Callback{planner.Approve, planner.SetStateDone}
	a.Danger = []planner.Danger{planner.DangerArchive}
	a.Changes = []planner.Change{Change(planner.Owner, Num(0), planner.Value{}),
		Change(planner.Group, Num(30505), planner.Value{}),
		Change(planner.ModeAttr, Mode(0o2770), planner.Value{})}
	Put(p, a, planner.Detail{Reasons: Because("order", "order "+a.Order[:8]+" terminates it"),
		Usage: &planner.UsageNote{Space: Num(6*TiB + TiB/10), Inodes: Num(81204)}})
}

// AddDrift adds drift that is undone and drift that is not.
func AddDrift(p *planner.Plan) {
	a := NewAction(planner.Update, "/capstor/store/cscs/eth/bio", 8)
	a.Inode = 144115205272502281
	a.Changes = []planner.Change{Change(planner.ModeAttr, Mode(0o770), Mode(0o2770))}
	Put(p, a, planner.Detail{Reasons: Because("drift",
		"of drift: somebody took the setgid bit away"), Unchanged: 6},
		planner.ChangeNote{Provenance: planner.Provenance{From: planner.FromProxy}, Drift: true})
	p.Context.Drift = append(p.Context.Drift,
		planner.Drift{Address: a.Address, Attribute: planner.ModeAttr, Recorded: Mode(0o2770),
			Observed: Mode(0o770)},
		planner.Drift{Address: "/capstor/store/cscs/eth/chem", Attribute: planner.SpaceHard,
			Recorded: Num(10 * TiB), Observed: Num(12 * TiB)})
}

// AddWider adds a mode that opens a directory to all.
func AddWider(p *planner.Plan) {
	a := NewAction(planner.Update, "/capstor/store/cscs/psi/open", 9)
	a.Inode = 144115205272502290
	a.Changes = []planner.Change{Change(planner.Group, Num(30100), Num(30101)),
		Change(planner.ModeAttr, Mode(0o2770), Mode(0o2775))}
	a.Danger = []planner.Danger{planner.DangerWiderAccess, planner.DangerGroup}
	Put(p, a, planner.Detail{Reasons: Because("override",
		`override "public data" sets its mode and its group`), Unchanged: 5},
		From(planner.FromProxy), ByOverride("public data", "overrides.hcl:40"))
}

// AddReport adds callbacks without any change.
func AddReport(p *planner.Plan) {
	a := NewAction(planner.Report, "/iopsstor/store/cscs/eth/chem", 10)
	a.System, a.Order, a.Callbacks = "iopsstor", HexID(78), []planner.Callback{planner.SetStateDone}
	Put(p, a, planner.Detail{Reasons: Because("order",
		"order "+a.Order[:8]+" is executing and all is as it asks")})
}

// Refuse adds a resource that is blocked or waiting.
func Refuse(p *planner.Plan, kind planner.ActionKind, address, code, text string) {
	r := planner.Refusal{Key: planner.Key{Item: HexID(len(address) + 400),
		System: "cscs-capstor-offering", DataType: "store"}, Address: address,
		System: "capstor", Reasons: Because(code, text)}
	if kind == planner.Blocked {
		p.Context.Blocked = append(p.Context.Blocked, r)
	} else {
		p.Context.Waiting = append(p.Context.Waiting, r)
	}
	Bump(&p.Context.Counts, kind)
}

// AddBlocked adds two blocked resources.
func AddBlocked(p *planner.Plan) {
	Refuse(p, planner.Blocked, "/capstor/store/cscs/psi/x", "gid",
		"the proxy gives group id 0, but the lowest allowed is 1000 (storage.min_gid)")
	Refuse(p, planner.Blocked, "/capstor/store/cscs/psi/zero", "zero_limit",
		"the option hard_quota_space is pinned at 0 in Waldur, and a limit of 0 is never set; "+
			"to correct it here:\noverride \"psi zero\" {\n  match { path = "+
			"\"/capstor/store/cscs/psi/zero\" }\n  quota { space_hard = tib(10) }\n}")
}

// AddWaiting adds a waiting resource.
func AddWaiting(p *planner.Plan) {
	Refuse(p, planner.Waiting, "/capstor/store/cscs/psi/y", "customer",
		"its customer has not approved order 77aa01bc yet")
}

// Mixed returns a plan that has something of everything.
func Mixed() *planner.Plan {
	p := Base()
	AddCreate(p, "/capstor/store/cscs/eth/climate", 0)
	AddRaise(p, "/capstor/scratch/cscs/mch/msopr", 11, 20*TiB, 10*TiB, 12*TiB+TiB/3)
	AddRaise(p, "/capstor/scratch/cscs/mch/more", 12, 10*TiB, 20*TiB, 8*TiB)
	AddArchive(p)
	AddDrift(p)
	AddWider(p)
	AddReport(p)
	AddBlocked(p)
	AddWaiting(p)
	p.Context.Promised = []planner.Promise{{System: "capstor", Before: 1204 * TiB,
		After: 1224 * TiB}, {System: "iopsstor", Before: 310 * TiB, After: 310 * TiB}}
	p.Context.Warnings = []planner.Warning{
		{Code: "expired", Text: "override \"old bump\" expired on 2026-10-31 and is " +
			"ignored\n\non overrides.hcl line 31, in override \"old bump\":\n31:   expires = " +
			"\"2026-10-31\""},
		{Code: "order_active", Address: "/capstor/store/cscs/eth/bio",
			Text: "it is active although an order is named; no callback is sent"},
	}
	p.Context.Undelivered = []planner.Undelivered{{Key: planner.Key{Item: HexID(3)},
		Address: "/capstor/store/cscs/eth/bio", Order: HexID(4),
		Callback: planner.SetStateDone, Since: Made().Add(-3 * time.Hour),
		Problem: "503 Service Unavailable"}}
	return p
}

// Dangers returns a plan with the dangers that no change alone shows: another directory than the
// recorded one, both as wanted and with changes; a directory that is open to all and without a
// limit; an ACL that appeared.
func Dangers() *planner.Plan {
	p := Base()
	swapped := NewAction(planner.Adopt, "/capstor/store/cscs/eth/bio", 70)
	swapped.Inode, swapped.Danger = 144115205272502285, []planner.Danger{planner.DangerReplaced}
	Put(p, swapped, planner.Detail{Unchanged: 7,
		Reasons: Because("replaced",
			"this is not the recorded directory: recorded "+
				"2026-11-20 is inode 144115205272502284, here is inode 144115205272502285; the "+
				"recorded "+
				"one is at capstor/store/cscs/eth/chem now, "+
				"and the one here is recorded as that of /capstor/store/cscs/eth/chem")})

	other := NewAction(planner.Adopt, "/capstor/store/cscs/eth/chem", 71)
	other.Inode, other.Danger = 144115205272502284, []planner.Danger{planner.DangerReplaced,
		planner.DangerWiderAccess, planner.DangerGroup}
	other.Changes = []planner.Change{Change(planner.Group, Num(30570), Num(30571)),
		Change(planner.ModeAttr, Mode(0o2750), Mode(0o2770))}
	Put(p, other, planner.Detail{Unchanged: 5,
		Reasons: append(Because("replaced",
			"this is not the recorded directory: recorded "+
				"2026-11-20 is inode 144115205272502285, here is inode 144115205272502284; the "+
				"recorded directory is not in capstor/store/cscs/eth"),
			planner.Reason{Code: "acl",
				Text: "it has an ACL, so its mode does not show who has access: user 12345 has " +
					"r-x, its " +
					"group has r-x"},
			planner.Reason{Code: "acl_mask",
				Text: "chmod changes the mask of its ACL from r-x to rwx, not the rights of its " +
					"group: after that, user 12345 has " +
					"rwx, its group has r-x"})}, From(planner.FromProxy), From(planner.FromProxy))

	open := NewAction(planner.Create, "/capstor/store/cscs/eth/open", 72)
	open.Danger = []planner.Danger{planner.DangerWiderAccess, planner.DangerUnlimited}
	open.Changes = []planner.Change{Change(planner.Owner, planner.Value{}, Num(0)),
		Change(planner.Group, planner.Value{}, Num(30572)),
		Change(planner.ModeAttr, planner.Value{}, Mode(0o777))}
	Put(p, open, planner.Detail{Reasons: []planner.Reason{
		{Code: "order_create", Text: "order 134c8ada asks for it"},
		{Code: "max_mode", Text: `its mode "0777" (rwxrwxrwx) grants more than ` +
			`storage.max_mode allows, "2775" (rwxrwsr-x)`},
		{Code: reason.UnlimitedSpace, Text: "it would then have no hard limit for space"}}},
		From(planner.FromDefault), From(planner.FromProxy), ByOverride("open", "overrides.hcl:3"))
	p.Context.Drift = []planner.Drift{{Address: "/capstor/store/cscs/eth/math",
		Attribute: planner.ACLAttr, Recorded: planner.Value{},
		Observed: planner.TextValue(`nfs4:"eve@example.com"`)}}
	p.Context.Warnings = []planner.Warning{{Code: "acl", Address: "/capstor/store/cscs/eth/math",
		Text: `it has an NFSv4 ACL, so its mode does not show who has access: ` +
			`it names "eve@example.com"; cscs-sync leaves it alone (` + "`setfacl -b` removes it)"}}
	return p
}
