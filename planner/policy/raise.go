package policy

import (
	"fmt"
	"math/bits"

	"github.com/waldur/cscs-storage-sync/planner"
)

// raise returns the rule that holds an action because of a limit that it raises: too little of the
// limit is used, or the limit grows too much. It is empty if no rule does. If the usage is not
// known, the action is held.
func (in *Input) raise(a *planner.Action, d *planner.Detail) string {
	if in.Policy.MinUsed == 0 && in.Policy.MaxRaise == 0 || a.Kind != planner.Update &&
		a.Kind != planner.Adopt {
		return ""
	}
	for i, c := range a.Changes {
		if !c.Attribute.IsQuota() || d.Notes[i].Drift || !raises(c) {
			continue
		}
		if rule := in.Policy.tooLittleUsed(a, d, c.Attribute); rule != "" {
			return rule
		}
		if rule := in.Policy.tooFar(c); rule != "" {
			return rule
		}
	}
	return ""
}

// raises reports whether a change gives more than there was. A limit that did not exist or was not
// known counts as less.
func raises(c planner.Change) bool {
	before, ok1 := c.Before.Number()
	after, ok2 := c.After.Number()
	if ok1 && ok2 {
		return after > before
	}
	return !c.Before.IsUnlimited() && (ok2 || c.After.IsUnlimited())
}

// tooLittleUsed compares the usage with the hard limit before the change.
func (p *Policy) tooLittleUsed(a *planner.Action, d *planner.Detail, of planner.Attribute) string {
	if p.MinUsed == 0 {
		return ""
	}
	for _, q := range planner.Quantities() {
		if q.Soft != of && q.Hard != of {
			continue
		}
		used, ok1 := uint64(0), false
		if d.Usage != nil {
			used, ok1 = d.Usage.Used(q.Hard).Number()
		}
		limit, ok2 := before(a, d, q.Hard).Number()
		if !ok1 || !ok2 || limit == 0 {
			return fmt.Sprintf("the usage of its %s is not known, and min_used is %d%%",
				q.Name, p.MinUsed)
		}
		if !reaches(used, limit, uint64(p.MinUsed)) {
			return fmt.Sprintf("less than %d%% of its %s is used, as min_used asks", p.MinUsed,
				q.Name)
		}
	}
	return ""
}

// before returns the present value of a limit, whether the action changes it or not.
func before(a *planner.Action, d *planner.Detail, of planner.Attribute) planner.Value {
	for _, c := range a.Changes {
		if c.Attribute == of {
			return c.Before
		}
	}
	for _, k := range d.Kept {
		if k.Attribute == of {
			return k.Value
		}
	}
	return planner.Value{}
}

// reaches reports whether part is at least percent of whole.
func reaches(part, whole, percent uint64) bool {
	hi1, lo1 := bits.Mul64(part, 100)
	hi2, lo2 := bits.Mul64(whole, percent)
	return hi1 > hi2 || hi1 == hi2 && lo1 >= lo2
}

// tooFar compares a limit with its value before.
func (p *Policy) tooFar(c planner.Change) string {
	if p.MaxRaise == 0 {
		return ""
	}
	was, ok1 := c.Before.Number()
	will, ok2 := c.After.Number()
	if hi, most := bits.Mul64(was, uint64(p.MaxRaise)); ok1 && ok2 && (hi > 0 || will <= most) {
		return ""
	}
	return fmt.Sprintf("%s becomes more than %d times what it was, and max_raise is %d",
		c.Attribute, p.MaxRaise, p.MaxRaise)
}
