// Package quota is what all quota backends share: the rules for limits before they are sent, and
// the forms of what was read. Each backend is one package below it.
package quota

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// MaxID is the greatest group or project id that is used: old programs cut larger numbers down to
// 32 bits with a sign.
const MaxID = 1<<31 - 1

// ErrRefused means that limits cannot be set as asked, and that nothing was sent.
var ErrRefused = errors.New("refused")

// Limits are limits as a filesystem has them: space in units of [planner.Traits.Unit], and 0 for no
// limit.
type Limits [planner.NumLimits]uint64

// Check turns the limits of one id into the numbers that are sent. It refuses, with an error that
// wraps [ErrRefused] and names all that is wrong: a limit that is unknown; a zero that is not said
// as unlimited; space that is no whole unit; more than the traits allow; a soft limit above its
// hard one; the id 0, whose limits are the default of all others; an id above [MaxID].
func Check(t planner.Traits, by planner.QuotaBy, id uint32, q planner.Limits) (Limits, error) {
	l, err := limitsOf(t, q)
	if err := errors.Join(CheckID(by, id), err); err != nil {
		return Limits{}, fmt.Errorf("set quota of %s %d: %w: nothing was sent: %w", by, id,
			ErrRefused, err)
	}
	return l, nil
}

// CheckLimits is [Check] without an id, where limits are set on a directory.
func CheckLimits(t planner.Traits, path string, q planner.Limits) (Limits, error) {
	l, err := limitsOf(t, q)
	if err != nil {
		return Limits{}, fmt.Errorf("set quota of %s: %w: nothing was sent: %w", path, ErrRefused,
			err)
	}
	return l, nil
}

// limitsOf turns limits into the numbers that are sent, or says all that is wrong with them.
func limitsOf(t planner.Traits, q planner.Limits) (Limits, error) {
	var errs []error
	var l Limits
	for a := range planner.NumLimits {
		unit, most := uint64(1), uint64(t.MaxInodes)
		if a.IsSpace() {
			unit, most = uint64(t.Unit), uint64(t.MaxSpace)
		}
		n, err := wire(a, q[a], unit, most)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a, err))
		}
		l[a] = n
	}
	for _, of := range planner.Quantities() {
		if l[of.Hard] != 0 && l[of.Soft] > l[of.Hard] {
			errs = append(errs, fmt.Errorf("%s: soft %s is above hard %s", of.Name, q.Show(of.Soft),
				q.Show(of.Hard)))
		}
	}
	return l, errors.Join(errs...)
}

// CheckID refuses ids whose limits are never read or set.
func CheckID(by planner.QuotaBy, id uint32) error {
	switch {
	case by != planner.ByGroup && by != planner.ByProject:
		return fmt.Errorf("quotas by %q do not exist: want group or project", by)
	case id == 0:
		return errors.New("id 0 is the default quota of all others")
	case id > MaxID:
		return fmt.Errorf("id %d is above %d", id, MaxID)
	}
	return nil
}

// wire turns a limit into a number of units.
func wire(a planner.Attribute, l planner.Limit, unit, greatest uint64) (uint64, error) {
	n, ok := l.Number()
	switch {
	case l.IsUnlimited():
		return 0, nil
	case !ok:
		return 0, errors.New("the limit is not known, and would become unlimited")
	case n == 0:
		return 0, errors.New("a limit of 0 would be unlimited: say unlimited if that is meant")
	case n > greatest:
		return 0, fmt.Errorf("%s is above %s, the most that is set", planner.Show(a, l.Value()),
			planner.Show(a, planner.Number(greatest)))
	case n%unit != 0:
		return 0, fmt.Errorf("%d bytes are no whole multiple of %d", n, unit)
	}
	return n / unit, nil
}

// Unknown returns a state of which nothing is known.
func Unknown(via, why string) planner.QuotaState {
	return planner.QuotaState{
		LimitsWhy: why, Via: via,
		Space:  planner.Usage[planner.Bytes]{Why: why},
		Inodes: planner.Usage[planner.Inodes]{Why: why},
	}
}

// Limit returns a limit that was read: n in the given unit, 0 for no limit. A number too large to
// be counted is unknown.
func Limit[U planner.Bytes | planner.Inodes](n uint64, unit U) planner.Limit {
	if n == 0 {
		return planner.Unlimited()
	}
	u := U(n) * unit
	if u/unit != U(n) {
		return planner.Limit{}
	}
	return planner.LimitOf(u)
}
