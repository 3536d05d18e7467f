package planner

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Decimal is an exact decimal number as JSON states it, ±coefficient × 10^exponent. Its zero value
// is "not given". Binary floating point would turn 0.1 tera into a limit that is wrong by some
// bytes and never equal again.
type Decimal struct {
	coef     uint64
	exp      int16
	set, neg bool
}

// ParseDecimal reads a JSON number of at most 18 significant digits and an exponent within ±99.
func ParseDecimal(s string) (Decimal, error) {
	bad := func() (Decimal, error) {
		return Decimal{}, fmt.Errorf(
			"number %.40q: want at most 18 digits and an exponent of at most 99", s)
	}
	d := Decimal{set: true}
	rest := s
	if r, ok := strings.CutPrefix(rest, "-"); ok {
		d.neg, rest = true, r
	}
	mantissa, exponent := rest, ""
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, exponent = rest[:i], rest[i+1:]
		e, err := strconv.ParseInt(exponent, 10, 8)
		if err != nil || e > 99 || e < -99 {
			return bad()
		}
		d.exp = int16(e)
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if whole == "" || (dotted && fraction == "") {
		return bad()
	}
	fraction = strings.TrimRight(fraction, "0")
	digits := strings.TrimLeft(whole+fraction, "0")
	if len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
		return bad()
	}
	if digits == "" {
		return Decimal{set: true}, nil
	}
	d.coef, _ = strconv.ParseUint(digits, 10, 64)
	d.exp -= int16(len(fraction))
	return d, nil
}

// Given reports whether there is a number.
func (d Decimal) Given() bool { return d.set }

// negative reports whether the number is below zero.
func (d Decimal) negative() bool { return d.neg && d.coef != 0 }

// IsZero reports whether the number is given and zero.
func (d Decimal) IsZero() bool { return d.set && d.coef == 0 }

// Times returns d × unit, rounded down to a whole number; false if d is negative or not given, or
// if the product exceeds 2^63.
func (d Decimal) Times(unit uint64) (uint64, bool) {
	if !d.set || d.neg && d.coef != 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(d.coef, unit)
	exp := d.exp
	for ; exp > 0; exp-- {
		if hi != 0 || lo > 1<<60 {
			return 0, false
		}
		lo *= 10
	}
	for ; exp < 0 && (hi != 0 || lo != 0); exp++ {
		var rem uint64
		hi, rem = hi/10, hi%10
		lo, _ = bits.Div64(rem, lo, 10)
	}
	return lo, hi == 0 && lo <= 1<<63
}

// String formats the number in plain digits, for messages.
func (d Decimal) String() string {
	if !d.set {
		return "none"
	}
	s := strconv.FormatUint(d.coef, 10)
	switch {
	case d.exp > 0:
		s += strings.Repeat("0", int(d.exp))
	case d.exp < 0:
		if pad := int(-d.exp) - len(s) + 1; pad > 0 {
			s = strings.Repeat("0", pad) + s
		}
		s = s[:len(s)+int(d.exp)] + "." + s[len(s)+int(d.exp):]
	}
	if d.neg && d.coef != 0 {
		s = "-" + s
	}
	return s
}

// MarshalJSON writes the exact number, or null.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if !d.set {
		return []byte("null"), nil
	}
	sign := ""
	if d.neg {
		sign = "-"
	}
	return fmt.Appendf(nil, "%s%de%d", sign, d.coef, d.exp), nil
}

// UnmarshalJSON reads what [Decimal.MarshalJSON] writes.
func (d *Decimal) UnmarshalJSON(b []byte) (err error) {
	if string(b) == "null" {
		*d = Decimal{}
		return nil
	}
	*d, err = ParseDecimal(string(b))
	return err
}
