package planner

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"
)

// Show formats an attribute's value for people: with its unit, a mode in octal and letters. The
// reason of an unknown value comes from outside, and the caller has to escape it.
func Show(a Attribute, v Value) string {
	if mode, ok := v.Mode(); ok {
		return `"` + mode.String() + `" (` + mode.Letters() + ")"
	}
	n, ok := v.Number()
	switch {
	case ok && a.IsSpace():
		return Bytes(n).String()
	case ok && a.IsQuota():
		return Inodes(n).String()
	}
	return v.String()
}

// String formats an amount of space in binary units: "20 TiB", "10.5 TiB", "1,025 GiB". An amount
// that needs more than one decimal is rounded and followed by the exact number: "9.1 TiB
// (10,000,000,000,000 bytes)".
func (b Bytes) String() string {
	n := uint64(b)
	for shift := 60; shift >= 10; shift -= 10 {
		unit := uint64(1) << shift
		whole, rest := n/unit, n%unit
		if whole == 0 {
			continue
		}
		if whole >= 10000 {
			break
		}
		if rest*10%unit == 0 {
			return oneDecimal(whole, rest*10/unit) + " " + unitName(shift)
		}
	}
	if n < 1024 {
		return b.Rounded()
	}
	return b.Rounded() + " (" + Commas(n) + " bytes)"
}

// Rounded formats an amount of space with at most one decimal, rounded, because usage changes all
// the time.
func (b Bytes) Rounded() string {
	n := uint64(b)
	if n < 1024 {
		return Commas(n) + " bytes"
	}
	shift := (bits.Len64(n) - 1) / 10 * 10
	unit := uint64(1) << shift
	whole, tenths := n/unit, (n%unit*10+unit/2)/unit
	if tenths == 10 {
		whole, tenths = whole+1, 0
	}
	if whole == 1024 && shift < 60 {
		whole, shift = 1, shift+10
	}
	return oneDecimal(whole, tenths) + " " + unitName(shift)
}

// String formats a number of inodes with commas between thousands: "40,000,000".
func (n Inodes) String() string { return Commas(uint64(n)) }

func unitName(shift int) string {
	return [...]string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}[shift/10]
}

func oneDecimal(whole, tenths uint64) string {
	if tenths == 0 {
		return Commas(whole)
	}
	return Commas(whole) + "." + strconv.FormatUint(tenths, 10)
}

// Commas formats a number with commas between thousands: "10,000".
func Commas(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count formats a number of things: "1 resource", "2 resources".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Minute formats a time as tables do.
func Minute(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
