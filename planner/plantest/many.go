package plantest

import (
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Many returns a plan of n changes of one kind, each with ids, paths and numbers of its own.
func Many(n int, add func(p *planner.Plan, address string, i int)) *planner.Plan {
	p := Base()
	one := Base()
	for i := range n {
		*one = *Base()
		add(one, fmt.Sprintf("/capstor/store/cscs/tenant%02d/project-%06d", i*100/n, i), i)
		p.Core.Actions = append(p.Core.Actions, one.Core.Actions...)
		p.Context.Details = append(p.Context.Details, one.Context.Details...)
		p.Context.Blocked, p.Context.Waiting = append(p.Context.Blocked, one.Context.Blocked...),
			append(p.Context.Waiting, one.Context.Waiting...)
		p.Context.Drift = append(p.Context.Drift, one.Context.Drift...)
		for _, a := range one.Core.Actions {
			Bump(&p.Context.Counts, a.Kind)
		}
		p.Context.Counts.Blocked += one.Context.Counts.Blocked
		p.Context.Counts.Waiting += one.Context.Counts.Waiting
	}
	return p
}

// renamed returns a function that gives the actions of a sample an address and ids of their own.
func renamed(add func(*planner.Plan)) func(*planner.Plan, string, int) {
	return func(p *planner.Plan, address string, i int) {
		add(p)
		a := &p.Core.Actions[0]
		was := a.Address
		a.Address, a.Storage, a.Key.Item, a.Inode = address, address[1:], HexID(i),
			a.Inode+uint64(i)
		if a.Order != "" {
			a.Order = HexID(i + 1000000)
			p.Context.Details[0].Reasons = Because("order", "order "+a.Order[:8]+" asks for it")
		}
		p.Context.Drift = slices.DeleteFunc(p.Context.Drift,
			func(d planner.Drift) bool { return d.Address != was })
		for j := range p.Context.Drift {
			p.Context.Drift[j].Address = address
		}
	}
}

// KindsOfChange returns the kinds of change for [Many], by name.
func KindsOfChange() map[string]func(*planner.Plan, string, int) {
	return map[string]func(*planner.Plan, string, int){
		"create": AddCreate,
		"quota raise": func(p *planner.Plan, address string, i int) {
			AddRaise(p, address, i, 10*TiB, 20*TiB, uint64(i)*0x123456789)
		},
		"below usage": func(p *planner.Plan, address string, i int) {
			AddRaise(p, address, i, 20*TiB, 10*TiB, 11*TiB+uint64(i)*0x1234567)
		},
		"four limits below usage": func(p *planner.Plan, address string, i int) {
			AddRaise(p, address, i, 20*TiB, 10*TiB, 11*TiB+uint64(i)*0x1234567)
			p.Core.Actions[0].Changes = append(p.Core.Actions[0].Changes,
				Change(planner.InodesSoft, Num(26600000), Num(13300000)),
				Change(planner.InodesHard, Num(40000000), Num(20000000)))
			p.Context.Details[0].Notes, p.Context.Details[0].Kept = make([]planner.ChangeNote, 4),
				nil
			for j := range 4 {
				p.Context.Details[0].Notes[j] = From(planner.FromProxy)
			}
		},
		"wider": renamed(AddWider), "drift": renamed(AddDrift), "archive": renamed(AddArchive),
		"report": renamed(AddReport),
		"blocked": func(p *planner.Plan, address string, i int) {
			Refuse(p, planner.Blocked, address, "gid",
				fmt.Sprintf("the proxy gives group id %d, but the lowest allowed is 1000 "+
					"(storage.min_gid)", i%1000))
			p.Context.Blocked[0].Key.Item = HexID(i)
		},
		"waiting": func(p *planner.Plan, address string, i int) {
			Refuse(p, planner.Waiting, address, "customer", "its customer has not approved order "+
				HexID(i)[:8]+" yet")
			p.Context.Waiting[0].Key.Item = HexID(i)
		},
	}
}

// Unequal returns a plan with n creates, each with a limit of its own, so that none can be folded.
func Unequal(n int) *planner.Plan {
	p := Base()
	for i := range n {
		AddRaise(p, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 100+i, 10*TiB,
			20*TiB+uint64(i)*TiB, uint64(i)*TiB/100)
	}
	return p
}
