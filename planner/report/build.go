package report

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	nearPercent = 90 // from this share on, a resource is near its limit
	idlePercent = 10 // below this share, most of a limit is promised for nothing
)

// New computes a report.
func New(in Input) *Report {
	c := &in.Plan.Context
	r := &Report{FormatVersion: formatVersion, Made: c.Made, Source: c.Source, Pending: c.Counts,
		Drift: present(c.Drift), Blocked: present(c.Blocked), Waiting: present(c.Waiting),
		Warnings: present(c.Warnings),
		Holds:    present(in.Holds), Resources: resources(&in),
		Changes: changes(in.History, in.Now), Held: present(in.Held), Unmanaged: in.Scan}
	r.Systems = systems(&in, r.Resources)
	r.Archived, r.Done = archived(&in), byApprover(r.Changes)
	return r
}

func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// systems sums up quotas by system. A quota counts once, however many resources share it.
func systems(in *Input, resources []Resource) []System {
	list := make([]System, len(in.Plan.Context.Systems))
	at := map[string]*System{}
	for i, name := range in.Plan.Context.Systems {
		list[i].Name = name
		at[name] = &list[i]
		list[i].measure(in.Mounts[name])
		list[i].allow(in.Systems)
	}
	for i := range in.Quotas {
		q := &in.Quotas[i]
		s := at[q.System]
		if s == nil || len(q.Keys) == 0 {
			continue
		}
		s.Quotas++
		if q.State == nil || q.State.LimitsWhy() != "" {
			s.Unknown++
			continue
		}
		limit := q.State.Limits[planner.SpaceHard]
		n, ok := limit.Number()
		switch {
		case ok:
			s.Promised = plus(s.Promised, planner.Bytes(n))
		case limit.IsUnlimited() || q.State.Absent:
			s.Unlimited++
		default:
			s.Unknown++
		}
	}
	for i := range resources {
		if s := at[resources[i].System]; s != nil {
			s.Resources++
		}
	}
	return list
}

// measure fills in what the filesystem says about its size.
func (s *System) measure(m planner.Mount) {
	if m.Problem+m.Unknown != "" {
		s.Problem = m.Problem + m.Unknown
		return
	}
	if m.Capacity == 0 || m.Free > m.Capacity {
		s.Problem = "its filesystem does not say how much it holds"
		return
	}
	used := m.Capacity - m.Free
	s.Capacity, s.Free, s.Used = &m.Capacity, &m.Free, &used
}

// allow fills in what the system's overcommit allows.
func (s *System) allow(systems []planner.System) {
	for i := range systems {
		if ratio := systems[i].Overcommit; systems[i].Name == s.Name && ratio > 0 {
			s.Overcommit = ratio.String()
			if s.Capacity != nil {
				most := ratio.Of(*s.Capacity)
				s.Allowed = &most
			}
		}
	}
}

// plus returns a + b, or the largest value if that overflows.
func plus(a, b planner.Bytes) planner.Bytes {
	sum, carry := bits.Add64(uint64(a), uint64(b), 0)
	if carry > 0 {
		return planner.Bytes(^uint64(0))
	}
	return planner.Bytes(sum)
}

func resources(in *Input) []Resource {
	quotas := map[planner.Key]*planner.QuotaView{}
	for i := range in.Quotas {
		for _, k := range in.Quotas[i].Keys {
			quotas[k] = &in.Quotas[i]
		}
	}
	parents := map[string]string{}
	for i := range in.Views {
		if in.Views[i].Target.IsBranch() {
			parents[in.Views[i].Address] = in.Views[i].Parent
		}
	}
	list := []Resource{}
	for i := range in.Views {
		v := &in.Views[i]
		if v.Target.IsBranch() || !v.Managed || v.System == "" {
			continue
		}
		r := Resource{Address: v.Address, Name: v.Name, System: v.System, Target: v.Target,
			Customer: v.Parent, Tenant: parents[v.Parent], Usage: []Usage{}}
		if q := quotas[v.Key]; q != nil {
			r.fill(q, in.Now)
		} else {
			r.State = Unknown
		}
		list = append(list, r)
	}
	slices.SortStableFunc(list,
		func(a, b Resource) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

func (r *Resource) fill(q *planner.QuotaView, now time.Time) {
	r.Quota, r.Sharing = string(q.Subject.By), len(q.Keys)
	if q.Subject.ID != 0 {
		r.Quota += " " + strconv.FormatUint(uint64(q.Subject.ID), 10)
	}
	if q.State == nil {
		r.State = Unknown
		return
	}
	for _, of := range planner.Quantities() {
		u := Usage{Of: of.Name, Soft: q.State.Limits[of.Soft].Value(),
			Hard: q.State.Limits[of.Hard].Value(), hard: of.Hard}
		if n, known, why := q.State.Used(of.Hard); known {
			u.Used = planner.Number(n)
		} else {
			u.Used = planner.UnknownValue(why)
		}
		r.Usage = append(r.Usage, u)
	}
	ends := q.State.Ends()
	for _, t := range []time.Time{ends.Space, ends.Inodes} {
		if !t.IsZero() && (r.GraceEnds == nil || t.Before(*r.GraceEnds)) {
			r.GraceEnds = &t
		}
	}
	r.State = stateOf(r, now)
}

// stateOf returns the worst state of a resource, for space or for files.
func stateOf(r *Resource, now time.Time) State {
	most, known, aboveSoft := uint64(0), false, false
	for _, u := range r.Usage {
		percent, ok := share(u.Used, u.Hard)
		most, known = max(most, percent), known || ok
		aboveSoft = aboveSoft || above(u.Used, u.Soft)
	}
	space := r.space()
	percent, spaceKnown := share(space.Used, space.Hard)
	switch {
	case most >= 100, r.GraceEnds != nil && !r.GraceEnds.After(now):
		return Over
	case r.GraceEnds != nil, aboveSoft:
		return Grace
	case most >= nearPercent:
		return Near
	case !known:
		return Unknown
	case spaceKnown && percent < idlePercent:
		return Idle
	}
	return Usual
}

// share returns the usage in per cent of a limit, rounded down and at most 1000; false if either is
// no number.
func share(used, limit planner.Value) (percent uint64, known bool) {
	n, ok1 := used.Number()
	of, ok2 := limit.Number()
	if !ok1 || !ok2 {
		return 0, false
	}
	if of == 0 || n/of >= 10 {
		return 1000, n > 0 || of > 0
	}
	hi, lo := bits.Mul64(n, 100)
	quo, _ := bits.Div64(hi, lo, of)
	return quo, true
}

func above(used, limit planner.Value) bool {
	n, ok1 := used.Number()
	of, ok2 := limit.Number()
	return ok1 && ok2 && n > of
}

// in returns the resources in one of the states, those that use most of their limit first.
func (r *Report) in(states ...State) []Resource {
	list := slices.DeleteFunc(slices.Clone(r.Resources),
		func(x Resource) bool { return !slices.Contains(states, x.State) })
	slices.SortStableFunc(list,
		func(a, b Resource) int { return cmp.Compare(b.share(), a.share()) })
	return list
}

// share returns the usage in per cent of the fuller of the hard limits.
func (r *Resource) share() (most uint64) {
	for _, u := range r.Usage {
		percent, _ := share(u.Used, u.Hard)
		most = max(most, percent)
	}
	return most
}
