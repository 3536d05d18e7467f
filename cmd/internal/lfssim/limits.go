package lfssim

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// parseLimit parses a limit like lfs. Without a suffix the number counts in unit bytes: 1024 for
// blocks, 1 for inodes. The suffixes B K M G T P E are powers of 1024, in upper or lower case, and
// the number may have a fraction. A modern release also accepts i, iB and B after them. An empty
// text is 0. What lfs does not notice is not noticed here either: without a suffix the product
// wraps around at 2^64, so 2^54 KiB are 0, which means unlimited.
func parseLimit(text string, unit uint64, modern bool) (value uint64, ok bool) {
	s := strings.TrimPrefix(strings.TrimLeft(text, " \t\n\v\f\r"), "+")
	if s == "" {
		return 0, text == ""
	}
	whole, s, ok := leadingNumber(s)
	if !ok {
		return 0, false
	}
	var fraction string
	if rest, found := strings.CutPrefix(s, "."); found {
		fraction, s = leadingDigits(rest)
	}
	if s == "" {
		return whole*unit + ofUnit(fraction, unit), true
	}
	shift, ok := suffix(s, modern)
	if !ok || whole > math.MaxUint64>>shift {
		return 0, false
	}
	return whole<<shift + ofUnit(fraction, 1<<shift), true
}

// suffix returns the power of two of a unit.
func suffix(s string, modern bool) (shift uint, ok bool) {
	n := strings.Index("bkmgtpe", strings.ToLower(s[:1]))
	if n < 0 {
		return 0, false
	}
	switch rest := strings.ToLower(s[1:]); {
	case rest == "":
		return uint(n) * 10, true
	case modern && n > 0 && (rest == "i" || rest == "ib" || rest == "b"):
		return uint(n) * 10, true
	}
	return 0, false
}

// leadingNumber parses like strtoull with base 0: decimal, 0x, and octal after a 0. A number that
// is too large becomes 2^64-1.
func leadingNumber(s string) (n uint64, rest string, ok bool) {
	base, digits := uint64(10), "0123456789"
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") &&
		strings.ContainsRune("0123456789abcdefABCDEF", rune(s[2])):
		base, digits, s = 16, "0123456789abcdef", s[2:]
	case s[0] == '0':
		base, digits = 8, "01234567"
	}
	i, over := 0, false
	for ; i < len(s); i++ {
		d := strings.IndexByte(digits, lower(s[i]))
		if d < 0 {
			break
		}
		hi, lo := bits.Mul64(n, base)
		sum, carry := bits.Add64(lo, uint64(d), 0)
		over = over || hi != 0 || carry != 0
		n = sum
	}
	if over {
		n = math.MaxUint64
	}
	return n, s[i:], i > 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func leadingDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// ofUnit returns the fraction 0.DIGITS of a unit, rounded down. Only the first 15 digits count,
// which is more than any unit has.
func ofUnit(digits string, unit uint64) uint64 {
	if len(digits) > 15 {
		digits = digits[:15]
	}
	var n, scale uint64 = 0, 1
	for i := range len(digits) {
		n, scale = n*10+uint64(digits[i]-'0'), scale*10
	}
	hi, lo := bits.Mul64(n, unit)
	q, _ := bits.Div64(hi, lo, scale)
	return q
}

// parseGrace parses a grace time: seconds, a sum such as 1w2d3h4m5s, or notify.
func parseGrace(text string) (seconds uint64, ok bool) {
	if text == "notify" {
		return notifyGrace, true
	}
	if text == "" {
		return 0, false
	}
	for text != "" {
		digits, rest := leadingDigits(text)
		n, err := strconv.ParseUint(digits, 10, 40)
		if err != nil {
			return 0, false
		}
		if rest == "" {
			return seconds + n, true
		}
		unit, ok := graceUnit(rest[0])
		if !ok {
			return 0, false
		}
		seconds, text = seconds+n*unit, rest[1:]
	}
	return seconds, true
}

func graceUnit(c byte) (seconds uint64, ok bool) {
	switch c {
	case 'w':
		return week, true
	case 'd':
		return 24 * 3600, true
	case 'h':
		return 3600, true
	case 'm':
		return 60, true
	case 's':
		return 1, true
	}
	return 0, false
}
