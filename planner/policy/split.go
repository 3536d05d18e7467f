package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Group is a set of actions of a plan that are decided on together.
type Group struct {
	// Actions are indexes into the plan's core, ascending.
	Actions []int
	// Rules say why a held group is held, without duplicates.
	Rules []string
	// because is the rule of each action for which a rule decided.
	because map[int]string
}

// Split sorts a plan's actions into one group that the policy approves and the groups that it holds
// for people. Actions that only wait for their time are in neither. Held actions that depend on
// each other, because they share a quota identity, stay together, but dangerous ones are kept apart
// from routine ones. Tenant and customer directories are added to every group that needs them,
// because sharing a parent is no dependency.
func Split(p *planner.Plan, decisions []Decision) (approved Group, held []Group) {
	parents := map[string]int{}
	byIdentity := map[identity]int{}
	for i := range p.Core.Actions {
		if a := &p.Core.Actions[i]; a.Target.IsBranch() && a.Kind == planner.Create {
			parents[a.Storage] = i
		}
	}
	for _, d := range decisions {
		a := &p.Core.Actions[d.Index]
		if _, parent := parents[a.Storage]; parent && a.Target.IsBranch() {
			continue
		}
		if d.Approved {
			approved.Actions = append(approved.Actions, d.Index)
			continue
		}
		if d.Code.Later() {
			continue
		}
		at := len(held)
		if a.Quota != nil {
			id := identity{a.System, *a.Quota, len(a.Danger) > 0}
			if first, ok := byIdentity[id]; ok {
				at = first
			} else {
				byIdentity[id] = at
			}
		}
		if at == len(held) {
			held = append(held, Group{because: map[int]string{}})
		}
		held[at].add(d)
	}
	if len(held) > manyGroups {
		held = merge(p, held)
	}
	approved.addParents(p, parents)
	for i := range held {
		held[i].addParents(p, parents)
	}
	return approved, held
}

// add puts a held action into the group.
func (g *Group) add(d Decision) {
	g.Actions = append(g.Actions, d.Index)
	g.because[d.Index] = d.Rule
	if !slices.Contains(g.Rules, d.Rule) {
		g.Rules = append(g.Rules, d.Rule)
	}
}

// manyGroups is how many groups people can be asked about one by one. The first run on a site that
// has grown for years holds thousands.
const manyGroups = 100

// merge joins routine groups that are held by the same rules. Dangerous groups stay apart.
func merge(p *planner.Plan, held []Group) []Group {
	byRules := map[string]int{}
	var merged []Group
	for _, g := range held {
		if slices.ContainsFunc(g.Actions,
			func(i int) bool { return len(p.Core.Actions[i].Danger) > 0 }) {
			merged = append(merged, g)
			continue
		}
		key := strings.Join(g.Rules, "\n")
		at, ok := byRules[key]
		if !ok {
			byRules[key] = len(merged)
			merged = append(merged, g)
			continue
		}
		merged[at].Actions = append(merged[at].Actions, g.Actions...)
		maps.Copy(merged[at].because, g.because)
	}
	return merged
}

type identity struct {
	system    string
	quota     planner.QuotaID
	dangerous bool
}

// addParents adds the tenants and customers that have to be made for the group's own actions.
func (g *Group) addParents(p *planner.Plan, parents map[string]int) {
	needed := map[int]bool{}
	for _, i := range g.Actions {
		a := &p.Core.Actions[i]
		if a.Kind != planner.Create && a.Kind != planner.Restore {
			continue
		}
		for path, parent := range parents {
			if len(path) < len(a.Storage) && a.Storage[:len(path)] == path &&
				a.Storage[len(path)] == '/' {
				needed[parent] = true
			}
		}
	}
	for i := range needed {
		g.Actions = append(g.Actions, i)
	}
	slices.Sort(g.Actions)
}

// warnings say why the group is held: in one line if one rule holds all of it, otherwise for each
// action.
func (g *Group) warnings(p *planner.Plan) (held []planner.Warning) {
	for _, i := range g.Actions {
		switch rule := g.because[i]; {
		case rule == "":
		case len(g.Rules) == 1:
			return []planner.Warning{{Code: reason.Held, Text: "held by policy: " + rule}}
		default:
			held = append(held, planner.Warning{Code: reason.Held,
				Address: p.Core.Actions[i].Address, Text: "held by policy: " + rule})
		}
	}
	return held
}

// Only returns a plan with only the actions of a group, and with an id of its own.
func Only(p *planner.Plan, g Group) *planner.Plan {
	part := *p
	part.Core.Actions = make([]planner.Action, 0, len(g.Actions))
	part.Context.Details = make([]planner.Detail, 0, len(g.Actions))
	part.Context.Drift, part.Context.Promised = nil, nil
	part.Context.Counts = planner.Counts{Unchanged: p.Context.Counts.Unchanged}
	mine, keys := map[string]bool{}, map[planner.Key]bool{}
	for _, i := range g.Actions {
		a := p.Core.Actions[i]
		keys[a.Key] = true
		part.Core.Actions = append(part.Core.Actions, a)
		part.Context.Details = append(part.Context.Details, p.Context.Details[i])
		*part.Context.Counts.Of(a.Kind)++
		mine[a.Address] = true
	}
	quotas := map[planner.QuotaID]bool{}
	for i := range part.Core.Actions {
		if q := part.Core.Actions[i].Quota; q != nil {
			quotas[*q] = true
		}
	}
	part.Context.Shared = slices.DeleteFunc(slices.Clone(p.Context.Shared),
		func(q planner.SharedQuota) bool { return !quotas[planner.QuotaID{By: q.By, ID: q.ID}] })
	others := func(r planner.Refusal) bool { return !r.QuotaOnly || !keys[r.Key] }
	part.Context.Blocked = slices.DeleteFunc(slices.Clone(p.Context.Blocked), others)
	part.Context.Waiting = slices.DeleteFunc(slices.Clone(p.Context.Waiting), others)
	part.Context.Warnings = slices.DeleteFunc(slices.Clone(p.Context.Warnings),
		func(w planner.Warning) bool { return w.Address != "" && !mine[w.Address] })
	part.Context.Warnings = append(part.Context.Warnings, g.warnings(p)...)
	part.Context.Undelivered = slices.DeleteFunc(slices.Clone(p.Context.Undelivered),
		func(u planner.Undelivered) bool { return !mine[u.Address] })
	return &part
}
