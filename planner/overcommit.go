package planner

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Ratio is a factor in thousandths: 1500 is 1.5. The zero value means that there is none.
type Ratio uint32

// String returns the factor as the configuration writes it: "1.5".
func (r Ratio) String() string {
	fraction := strings.TrimRight(fmt.Sprintf("%03d", r%1000), "0")
	return strings.TrimRight(strconv.Itoa(int(r/1000))+"."+fraction, ".")
}

// Of returns r times b, rounded down, or the largest value if that overflows.
func (r Ratio) Of(b Bytes) Bytes {
	hi, lo := bits.Mul64(uint64(b), uint64(r))
	if hi >= 1000 {
		return math.MaxUint64
	}
	quo, _ := bits.Div64(hi, lo, 1000)
	return Bytes(quo)
}

// guard limits what hard limits promise on one filesystem. A plan may see only a part of the
// resources, so the sum is made of what is recorded of all and what was observed of some.
type guard struct {
	// system is the system with the lowest overcommit on the filesystem.
	system *System
	mount  Mount
	// before are the limits in force, by what they are set on. Unlimited ones are left out because
	// they have no number to add.
	before map[Subject]Bytes
	// endless are the subjects that are recorded without a limit: any limit lowers what they promise.
	// A quota that was never set also reads as unlimited, but promises nothing.
	endless map[Subject]bool
	// unknown counts the limits that are neither observed nor recorded.
	unknown int
}

// most returns what may be promised; 0 if the capacity is not known.
func (g *guard) most() Bytes { return g.system.Overcommit.Of(g.mount.Capacity) }

// guards returns the guards of all filesystems that have one, by filesystem; nil if there are none.
func (c *comparison) guards() map[string]*guard {
	var all map[string]*guard
	systems := c.g.input.Settings.Systems
	for i := range systems {
		s := &systems[i]
		m := c.seen.Mounts[s.Name]
		if s.Overcommit == 0 || m.Filesystem == "" {
			continue
		}
		if all == nil {
			all = map[string]*guard{}
		}
		if old := all[m.Filesystem]; old == nil || s.Overcommit < old.system.Overcommit {
			all[m.Filesystem] = &guard{system: s, mount: m, before: map[Subject]Bytes{},
				endless: map[Subject]bool{}}
		}
	}
	if all == nil {
		return nil
	}
	c.guardRecorded(all)
	c.guardObserved(all)
	return all
}

// guardRecorded adds what is recorded: the claims of all resources, including those that this plan
// does not look at.
func (c *comparison) guardRecorded(all map[string]*guard) {
	claims := map[Subject]Limit{}
	for r := range c.g.input.Recorded.Records.All() {
		id, ok := r.Limited()
		on := id.On(c.seen.Mounts[r.System].Filesystem)
		sys := c.g.input.Settings.SystemNamed(r.System)
		if !ok || all[on.Filesystem] == nil || sys == nil {
			continue
		}
		limit := r.Claim[SpaceHard]
		if old, several := claims[on]; several {
			limit = combineLimits(old, limit, sys.Quota.Shared)
		}
		claims[on] = limit
	}
	for on, limit := range claims {
		n, _ := limit.Number()
		g := all[on.Filesystem]
		g.before[on], g.endless[on] = Bytes(n), limit.IsUnlimited()
	}
}

// guardObserved replaces recorded values by observed ones. A quota that nobody claims any more,
// because its directory is archived, promises nothing.
func (c *comparison) guardObserved(all map[string]*guard) {
	for i := range c.claims.list {
		s := &c.claims.list[i]
		g := all[s.subject().Filesystem]
		if g == nil {
			continue
		}
		_, recorded := g.before[s.subject()]
		switch {
		case s.claims == 0 || s.elsewhere() != "":
			delete(g.before, s.subject())
			delete(g.endless, s.subject())
		case s.state != nil && s.state.LimitsWhy() == "":
			if n, set := s.state.Limits[SpaceHard].Number(); set || !recorded {
				g.before[s.subject()] = Bytes(n)
			}
		case !recorded:
			g.unknown++
		}
	}
}

// promisedAfter returns the hard space limit that an action leaves in force, and its subject; false
// if it promises nothing new.
func (g *Graph) promisedAfter(a *Action, filesystem string) (on Subject, limit Limit, ok bool) {
	if after, sets := a.After(SpaceHard); sets && a.Quota != nil {
		n, isNumber := after.Number()
		if !isNumber {
			return a.Quota.On(filesystem), Unlimited(), true
		}
		return a.Quota.On(filesystem), LimitOf(Bytes(n)), true
	}
	if a.Kind != Restore {
		return Subject{}, Limit{}, false
	}
	was := g.input.Recorded.Archived[a.Key] // its quota still exists, and is promised again
	id, has := was.Limited()
	return id.On(filesystem), was.Claim[SpaceHard], has
}

// raise returns how much more a limit promises than before. endless reports whether it has no end.
func (g *guard) raise(on Subject, limit Limit) (by Bytes, endless bool) {
	n, ok := limit.Number()
	before := g.before[on]
	switch {
	case g.endless[on]:
		return 0, false
	case !ok:
		return 0, limit.IsUnlimited()
	case Bytes(n) > before:
		return Bytes(n) - before, false
	}
	return 0, false
}

// sum returns what is promised before the plan.
func (g *guard) sum() (total Bytes) {
	for _, b := range g.before {
		total = plus(total, b)
	}
	return total
}

// overcommits returns the actions that promise more, with the reason, if together they promise more
// than a guard allows. It does not subtract what other actions lower, because these may fail or be
// held while the rest is done.
func (g *Graph) overcommits(guards map[string]*guard, mounts map[string]Mount,
	actions []Action) map[int]Reason {
	if guards == nil {
		return nil
	}
	raised := map[Subject]Bytes{}
	raising := map[string][]int{}
	endless := map[int]bool{}
	for i := range actions {
		a := &actions[i]
		filesystem := mounts[a.System].Filesystem
		on, limit, ok := g.promisedAfter(a, filesystem)
		if guards[filesystem] == nil || !ok {
			continue
		}
		by, end := guards[filesystem].raise(on, limit)
		if by > 0 || end {
			raising[filesystem] = append(raising[filesystem], i)
			raised[on], endless[i] = max(raised[on], by), end
		}
	}
	found := map[int]Reason{}
	for filesystem, list := range raising {
		after := guards[filesystem].sum()
		for on, by := range raised {
			if on.Filesystem == filesystem {
				after = plus(after, by)
			}
		}
		for _, i := range list {
			if text := guards[filesystem].against(after, endless[i]); text != "" {
				found[i] = Reason{reason.Overcommit, text}
			}
		}
	}
	return found
}

// against says why a promise is too much; empty if it is not.
func (g *guard) against(after Bytes, endless bool) string {
	name, ratio := g.system.Name, g.system.Overcommit
	switch {
	case endless:
		return fmt.Sprintf("it promises space without end, and system %s has overcommit = %s",
			name, ratio)
	case g.mount.Capacity == 0:
		return fmt.Sprintf("system %s has overcommit = %s, and its filesystem does not say how "+
			"much it holds: nobody knows whether this is too much", name, ratio)
	case g.unknown > 0:
		return fmt.Sprintf("system %s has overcommit = %s, and the limits of %s on its filesystem "+
			"are neither recorded nor could they be read: nobody knows whether this is too much",
			name, ratio, Count(g.unknown, "quota"))
	case after > g.most():
		return fmt.Sprintf("with all that this plan raises, hard limits on the filesystem of "+
			"system %s promise %s; overcommit = %s allows %s, for it holds %s", name,
			after.Rounded(), ratio, g.most().Rounded(), g.mount.Capacity.Rounded())
	}
	return ""
}

// overcommit marks the actions that promise too much.
func (c *comparison) overcommit() {
	c.g.guards, c.g.mounts = c.guards(), c.seen.Mounts
	for i, why := range c.g.overcommits(c.g.guards, c.seen.Mounts, c.plan.Core.Actions) {
		a, d := &c.plan.Core.Actions[i], &c.plan.Context.Details[i]
		a.Danger = append(a.Danger, DangerOvercommit)
		a.sortDangers()
		d.Reasons = append(d.Reasons, why)
	}
}

// recheckOvercommit returns the approved actions that promise too much now and did not when they
// were approved.
func recheckOvercommit(approved *Plan, g *Graph) (stale []Stale) {
	found := g.overcommits(g.guards, g.mounts, approved.Core.Actions)
	for i := range approved.Core.Actions {
		a := &approved.Core.Actions[i]
		if why, over := found[i]; over && !a.has(DangerOvercommit) {
			stale = append(stale, Stale{a.Key, a.Address, "promised space", "within overcommit",
				"too much: " + why.Text})
		}
	}
	return stale
}

func (a *Action) has(d Danger) bool {
	for _, is := range a.Danger {
		if is == d {
			return true
		}
	}
	return false
}

// promise returns what is promised on a guarded system's whole filesystem, before and after the
// plan. then has the limits that the plan leaves on what it looks at.
func (g *guard) promise(system string, then map[Subject]Bytes) Promise {
	p := Promise{System: system, Before: g.sum(), Overcommit: g.system.Overcommit.String(),
		Capacity: g.mount.Capacity, Most: g.most()}
	if g.mount.Free <= g.mount.Capacity {
		p.Used = g.mount.Capacity - g.mount.Free
	}
	for on, b := range g.before {
		if _, planned := then[on]; !planned {
			p.After = plus(p.After, b)
		}
	}
	for on, b := range then {
		if on.Filesystem == g.mount.Filesystem {
			p.After = plus(p.After, b)
		}
	}
	return p
}
