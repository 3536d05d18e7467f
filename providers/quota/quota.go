// Package quota holds what all quota backends share: the rules for limits before they are sent, and
// the types of what is read. Each backend is a package below it.
package quota

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// MaxID is the largest group or project id that is used. Old programs cut larger numbers down to
// signed 32 bits.
const MaxID = 1<<31 - 1

// ErrRefused means that limits cannot be set as requested, and that nothing was sent.
var ErrRefused = errors.New("refused")

// Limits are limits in the form of a filesystem: space in units of [planner.Traits.Unit], and 0 for
// no limit.
type Limits [planner.NumLimits]uint64

// Check converts the limits of one id to the numbers that are sent. It returns an error that wraps
// [ErrRefused] and names everything that is wrong: a limit that is unknown; a zero that does not
// mean unlimited; space that is not a whole number of units; more than the traits allow; a soft
// limit above its hard limit; the id 0, whose limits are the default of all others; an id above
// [MaxID].
func Check(t planner.Traits, by planner.QuotaBy, id uint32, q planner.Limits) (Limits, error) {
	l, err := limitsOf(t, q)
	if err := errors.Join(CheckID(by, id), err); err != nil {
		return Limits{}, fmt.Errorf("set quota of %s %d: %w: nothing was sent: %w", by, id, ErrRefused,
			err)
	}
	return l, nil
}

// CheckLimits is like [Check] without an id, for limits that are set on a directory.
func CheckLimits(t planner.Traits, path string, q planner.Limits) (Limits, error) {
	l, err := limitsOf(t, q)
	if err != nil {
		return Limits{}, fmt.Errorf("set quota of %s: %w: nothing was sent: %w", path, ErrRefused, err)
	}
	return l, nil
}

// limitsOf converts limits to the numbers that are sent. The error names everything that is wrong
// with them.
func limitsOf(t planner.Traits, q planner.Limits) (Limits, error) {
	var errs []error
	var l Limits
	for a := range planner.NumLimits {
		unit, most := uint64(1), uint64(t.MaxInodes)
		if a.IsSpace() {
			unit, most = uint64(t.Unit), uint64(t.MaxSpace)
		}
		n, err := toUnits(a, q[a], unit, most)
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

// CheckID returns an error for ids whose limits are never read or set.
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

// toUnits converts a limit to a number of units.
func toUnits(a planner.Attribute, l planner.Limit, unit, greatest uint64) (uint64, error) {
	n, ok := l.Number()
	switch {
	case l.IsUnlimited():
		return 0, nil
	case !ok:
		return 0, errors.New("the limit is unknown, and would become unlimited")
	case n == 0:
		return 0, errors.New("a limit of 0 would be unlimited: write unlimited if you mean that")
	case n > greatest:
		return 0, fmt.Errorf("%s is above the largest allowed limit, %s", planner.Show(a, l.Value()),
			planner.Show(a, planner.Number(greatest)))
	case n%unit != 0:
		return 0, fmt.Errorf("%d bytes is not a multiple of %d bytes", n, unit)
	}
	return n / unit, nil
}

// Unknown returns a state in which everything is unknown, for the given reason.
func Unknown(from *planner.QuotaSource, why string) planner.QuotaState {
	s := planner.UnknownQuota(why)
	s.Source = from
	return s
}

// Limit converts a limit that was read, n times unit, or 0 for no limit. The result is unknown if
// the number is too large.
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
