package planfile

import (
	"math/bits"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
)

// FormatBytes shows an amount of space in binary units: "20 TiB", "10.5 TiB", "1,025 GiB". What has no such form with at
// most one decimal is rounded, with the exact number beside it: "9.1 TiB (10,000,000,000,000 bytes)".
func FormatBytes(b planner.Bytes) string {
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
			return decimal(whole, rest*10/unit) + " " + unitName(shift)
		}
	}
	if n < 1024 {
		return commas(n) + " bytes"
	}
	return roundBytes(b) + " (" + commas(n) + " bytes)"
}

// roundBytes shows an amount of space with one decimal at most, rounded: what is used changes all the time.
func roundBytes(b planner.Bytes) string {
	n := uint64(b)
	if n < 1024 {
		return commas(n) + " bytes"
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
	return decimal(whole, tenths) + " " + unitName(shift)
}

// FormatInodes shows a number of inodes with commas between thousands: "40,000,000".
func FormatInodes(n planner.Inodes) string { return commas(uint64(n)) }

func unitName(shift int) string {
	return [...]string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}[shift/10]
}

func decimal(whole, tenths uint64) string {
	if tenths == 0 {
		return commas(whole)
	}
	return commas(whole) + "." + strconv.FormatUint(tenths, 10)
}

// Commas shows a number as plans do: 10,000.
func Commas(n uint64) string { return commas(n) }

func commas(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent is used of limit in whole per cent: rounded down up to the limit and up beyond it, so that 100% is never said
// of what is over.
func percent(used, limit uint64) string {
	if limit == 0 {
		return "over"
	}
	hi, lo := bits.Mul64(used, 100)
	if hi >= limit || used/limit >= 100 {
		return "over 9,999%"
	}
	quo, rem := bits.Div64(hi, lo, limit)
	if quo == 0 && rem > 0 {
		return "under 1%"
	}
	if used > limit && rem > 0 {
		quo++
	}
	return commas(quo) + "%"
}

// difference shows how far a limit moves: "+10 TiB"; empty where it stays.
func difference(attribute planner.Attribute, before, after uint64) string {
	sign, n := "+", after-before
	if after < before {
		sign, n = "-", before-after
	}
	if n == 0 {
		return ""
	}
	if attribute.IsSpace() {
		return sign + roundBytes(planner.Bytes(n))
	}
	return sign + commas(n)
}
