package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limit is one limit of a quota, in bytes or inodes; its [Attribute] says which. Its zero value is
// unknown: a limit that nobody has given, which is never taken as zero and never as unlimited. Only
// [Unlimited] means that there is no limit.
type Limit struct {
	// code is 0 if the limit is unknown, and else unlimited, largest, or a number plus one. Each
	// resource has eight limits, so that a limit takes one word.
	code uint64
}

const (
	unlimited = largest - 1
	largest   = math.MaxUint64
)

// LimitOf returns the limit n. If n is zero, the limit is zero and not unlimited. To convert a file
// system's 0, call [Unlimited]. The numbers 2⁶⁴-3 and 2⁶⁴-2 become 2⁶⁴-1: nobody can use that much,
// and no check lets such a limit be set.
func LimitOf[U Bytes | Inodes](n U) Limit { return limitOf(uint64(n)) }

func limitOf(n uint64) Limit {
	if n >= unlimited-1 {
		return Limit{largest}
	}
	return Limit{n + 1}
}

// Unlimited returns the explicit absence of a limit.
func Unlimited() Limit { return Limit{unlimited} }

// Known reports whether the limit is known: a number, or explicitly none.
func (l Limit) Known() bool { return l != Limit{} }

// IsUnlimited reports whether there is explicitly no limit.
func (l Limit) IsUnlimited() bool { return l.code == unlimited }

// Number returns the limit as a number; false if it is unknown or unlimited.
func (l Limit) Number() (uint64, bool) {
	switch l.code {
	case 0, unlimited:
		return 0, false
	case largest:
		return math.MaxUint64, true
	}
	return l.code - 1, true
}

// Value converts the limit to an attribute's value. An unknown limit becomes null: not managed.
func (l Limit) Value() Value {
	if n, ok := l.Number(); ok {
		return Number(n)
	}
	if l.IsUnlimited() {
		return UnlimitedValue()
	}
	return Value{}
}

// LimitFrom returns the limit of a value. Anything but a number and "unlimited" is unknown.
func LimitFrom(v Value) Limit {
	if n, ok := v.Number(); ok {
		return limitOf(n)
	}
	if v.IsUnlimited() {
		return Unlimited()
	}
	return Limit{}
}

// appendJSON appends the limit as JSON has its value.
func (l Limit) appendJSON(b []byte) []byte {
	if n, ok := l.Number(); ok {
		return strconv.AppendUint(b, n, 10)
	}
	if l.IsUnlimited() {
		return append(b, `"unlimited"`...)
	}
	return append(b, "null"...)
}

// MarshalJSON writes the limit as JSON has its value.
func (l Limit) MarshalJSON() ([]byte, error) { return l.appendJSON(nil), nil }

// UnmarshalJSON reads a number, "unlimited" or null.
func (l *Limit) UnmarshalJSON(b []byte) error {
	var v Value
	if err := v.UnmarshalJSON(b); err != nil {
		return err
	}
	if *l = LimitFrom(v); l.Value() != v {
		return fmt.Errorf("value %s is not a limit", b)
	}
	return nil
}

// Limits are the limits of one quota identity: of a claim, of an observation, or of a record.
type Limits [NumLimits]Limit

// NoLimits returns limits that are all explicitly unlimited.
func NoLimits() (l Limits) {
	for a := range l {
		l[a] = Unlimited()
	}
	return l
}

// Known reports whether at least one limit is known.
func (l Limits) Known() bool { return l != Limits{} }

// Show formats one of the limits for people, with its unit.
func (l Limits) Show(a Attribute) string { return Show(a, l[a].Value()) }

// Of formats the limits of one quantity for people: "space 1 TiB soft, 2 TiB hard".
func (l Limits) Of(q Quantity) string {
	return q.Name + " " + l.Show(q.Soft) + " soft, " + l.Show(q.Hard) + " hard"
}

// Words formats all limits for people: "space 1 TiB soft, 2 TiB hard; inodes …".
func (l Limits) Words() string {
	var parts []string
	for _, q := range quantities {
		parts = append(parts, l.Of(q))
	}
	return strings.Join(parts, "; ")
}

// orElse returns the limits once they are as wanted: limits that nobody gives stay as observed.
func (l Limits) orElse(now Limits) Limits {
	for a, limit := range l {
		if !limit.Known() {
			l[a] = now[a]
		}
	}
	return l
}

// crossed reports whether the soft limit is above the hard one.
func (l Limits) crossed(r *Quantity) bool {
	soft, ok := l[r.Soft].Number()
	hard, ok2 := l[r.Hard].Number()
	return ok && ok2 && soft > hard
}

// isSet reports whether any of the limits is a number.
func (l Limits) isSet() bool {
	for _, limit := range l {
		if _, ok := limit.Number(); ok {
			return true
		}
	}
	return false
}

// each combines two sets of limits, one limit at a time.
func (l Limits) each(o Limits, f func(a, b Limit) Limit) Limits {
	for a := range l {
		l[a] = f(l[a], o[a])
	}
	return l
}

// sameKnown reports whether both give the same limits, whatever their values.
func (l Limits) sameKnown(o Limits) bool {
	for a := range l {
		if l[a].Known() != o[a].Known() {
			return false
		}
	}
	return true
}

// MarshalJSON writes an object with a member for each limit.
func (l Limits) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 128)
	for a, limit := range l {
		b = append(b, `,"`...)
		b = append(b, Attribute(a).String()...)
		b = append(b, `":`...)
		b = limit.appendJSON(b)
	}
	b[0] = '{'
	return append(b, '}'), nil
}

// UnmarshalJSON reads an object of limits. Limits that it does not name are unknown. It refuses any
// other name.
func (l *Limits) UnmarshalJSON(b []byte) error {
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return nil // as of every type
	}
	var members map[Attribute]Limit
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	var read Limits
	for a, limit := range members {
		if !a.IsQuota() {
			return fmt.Errorf("%s is not a limit of a quota", a)
		}
		read[a] = limit
	}
	*l = read
	return nil
}
