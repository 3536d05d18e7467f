package plantest

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Typical returns plans as they occur in practice.
func Typical() map[string]func() *planner.Plan {
	with := func(add func(*planner.Plan)) func() *planner.Plan {
		return func() *planner.Plan {
			p := Base()
			add(p)
			return p
		}
	}
	return map[string]func() *planner.Plan{
		"create": with(
			func(p *planner.Plan) { AddCreate(p, "/capstor/store/cscs/eth/climate", 0) }),
		"quota-raise": with(
			func(p *planner.Plan) {
				AddRaise(p, "/capstor/scratch/cscs/mch/more", 12, 10*TiB, 20*TiB, 8*TiB)
			}),
		"below-usage": with(func(p *planner.Plan) {
			AddRaise(p, "/capstor/scratch/cscs/mch/msopr", 11, 20*TiB, 10*TiB, 12*TiB+TiB/3)
		}),
		"wider":   with(AddWider),
		"drift":   with(AddDrift),
		"archive": with(AddArchive),
		"blocked": with(AddBlocked),
		"waiting": with(AddWaiting),
		"empty":   Base,
		"dangers": Dangers,
		"mixed":   Mixed,
		"rare":    with(AddRare),
		"hostile": Hostile,

		"variables": with(AddVariables),
	}
}

// AddVariables adds changes whose override uses a variable; another variable has a hostile value.
func AddVariables(p *planner.Plan) {
	p.Context.Configuration = []planner.ConfigurationPart{{Name: "var.headroom",
		Digest: "0123456789ab", Value: "1.1"},
		{Name: "var.note", Digest: "123456789abc", Value: "\"\x1b[2Jno\""}}
	AddDrift(p)
	for i := range p.Context.Details {
		for j := range p.Context.Details[i].Notes {
			n := &p.Context.Details[i].Notes[j].Provenance
			*n = planner.Provenance{From: planner.FromOverride, Override: "headroom",
				At: "site.hcl:7", Using: "var.headroom = 1.1"}
		}
	}
}

// AddRare adds what is rare: a tenant, an adoption, a project quota, a restore, a reject, a fail, a
// freeze, and a directory that is gone.
func AddRare(p *planner.Plan) {
	tenant := NewAction(planner.Create, "/capstor/store/cscs", 50)
	tenant.Target = planner.TargetTenant
	tenant.Parents = []string{"capstor/store"}
	tenant.Changes = []planner.Change{Change(planner.Owner, planner.Value{}, Num(0)),
		Change(planner.ModeAttr, planner.Value{}, Mode(0o755))}
	Put(p, tenant, planner.Detail{Reasons: Because("parent", "resources below it need it")})

	adopt := NewAction(planner.Adopt, "/capstor/store/cscs/eth/"+fmt.Sprintf("%060d", 7), 51)
	adopt.Quota = &planner.QuotaID{By: planner.ByProject, ID: 30551}
	adopt.Inode = 99
	adopt.Danger = []planner.Danger{planner.DangerBelowUsage, planner.DangerWiderAccess,
		planner.DangerGroup}
	adopt.Changes = []planner.Change{Change(planner.Owner, Num(1001), Num(0)),
		Change(planner.Group, Num(100), Num(30551)),
		Change(planner.Project, Num(0), Num(30551)), Change(planner.SpaceHard, Num(1025<<30),
			Num(10_000_000_000_000)),
		Change(planner.InodesSoft, Num(5), planner.UnlimitedValue()),
		Change(planner.InodesHard, planner.UnknownValue("the MDT does not answer"), Num(1000))}
	Put(p, adopt, planner.Detail{Reasons: Because("adopt",
		"it exists, is not recorded yet, and differs from what is wanted"), Unchanged: 1,
		Usage: &planner.UsageNote{Space: Num(10_000_000_000_001),
			Inodes: planner.UnknownValue("no valid bit"), Claims: 3}})

	restore := NewAction(planner.Restore, "/capstor/store/cscs/eth/back", 52)
	restore.From, restore.Danger = "capstor/.trash/20261001T000000Z-12345678-back",
		[]planner.Danger{planner.DangerMissing}
	restore.Changes = []planner.Change{Change(planner.Owner, planner.Value{}, Num(0)),
		Change(planner.Group, planner.Value{}, Num(30552))}
	shared := Because("shared", "3 resources claim the quota of group 30552 on one filesystem")
	Put(p, restore, planner.Detail{Reasons: append(Because("archived",
		"it was archived 2026-10-01, and Waldur has it active"), shared...)})

	for i, kind := range []planner.ActionKind{planner.RejectOrder, planner.FailOrder} {
		a := NewAction(kind, "/capstor/store/cscs/eth/no"+string(kind), 53+i)
		a.Order, a.Verdict, a.Callbacks = HexID(80+i), "no room left until the new racks are here",
			[]planner.Callback{[]planner.Callback{planner.Reject, planner.SetStateErred}[i]}
		Put(p, a, planner.Detail{Reasons: Because("asked", "asked for on the command line: "+
			a.Verdict)})
		o := []planner.OrderVerdict{{Address: a.Address, Reason: a.Verdict}}
		if kind == planner.RejectOrder {
			p.Core.Selection.Rejects = o
		} else {
			p.Core.Selection.Fails = o
		}
	}
	p.Core.Selection.Targets = []string{"/capstor/**"}

	frozen := NewAction(planner.Archive, "/capstor/store/cscs/eth/frozen", 55)
	frozen.Order, frozen.Folder, frozen.Freeze, frozen.Quota = HexID(90), "capstor/.trash", true,
		&planner.QuotaID{By: planner.ByGroup, ID: 30555}
	frozen.Danger = []planner.Danger{planner.DangerArchive}
	Put(p, frozen, planner.Detail{Reasons: Because("order_terminate",
		"order "+HexID(90)[:8]+" terminates it")})

	gone := NewAction(planner.Report, "/capstor/store/cscs/eth/gone", 56)
	gone.Order, gone.Danger, gone.Callbacks = HexID(91), []planner.Danger{planner.DangerMissing},
		[]planner.Callback{planner.Approve, planner.SetStateDone}
	Put(p, gone, planner.Detail{Reasons: Because("missing",
		"its directory is gone, and it was not archived by cscs-sync")})

	p.Context.Blocked = append(p.Context.Blocked, planner.Refusal{Key: restore.Key,
		Address: restore.Address, System: "capstor", QuotaOnly: true, Reasons: shared})
	p.Context.Unobserved = 1
}

// Thousand returns a plan with 1,000 equal changes, two others, and one that is equal but
// dangerous.
func Thousand() *planner.Plan {
	p := Base()
	for i := range 1000 {
		AddRaise(p, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 100+i, 10*TiB, 20*TiB,
			uint64(i)*TiB/100)
	}
	AddRaise(p, "/capstor/store/cscs/psi/full", 5000, 10*TiB, 20*TiB, 21*TiB)
	AddCreate(p, "/capstor/store/cscs/psi/new1", 5001)
	AddCreate(p, "/capstor/store/cscs/psi/new2", 5002)
	return p
}

// Shared returns a plan whose quota is shared by many resources.
func Shared(claims int) *planner.Plan {
	p := Mixed()
	hard := func(tera uint64) planner.Limits {
		return planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(tera << 40))}
	}
	q := planner.SharedQuota{System: "capstor", By: planner.ByGroup, ID: 30777,
		Policy: planner.SharedSum}
	for i := range claims {
		c := planner.Contribution{Address: fmt.Sprintf("/capstor/store/x/%02d", i),
			Counts: planner.CountsWanted, Before: hard(1), After: hard(1)}
		switch i {
		case claims - 1:
			c.After = hard(5)
		case 0:
			c.Counts = planner.CountsArchived
		case 1:
			c.Counts = planner.CountsRecorded
		case 2:
			c.Before = planner.Limits{}
		}
		q.Contributions = append(q.Contributions, c)
	}
	p.Context.Shared = []planner.SharedQuota{q}
	return p
}
