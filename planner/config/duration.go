package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads Go's durations ("1h30m", "500ms") with d for days of 24 hours and w for weeks
// in front: "7d", "2w", "1d12h". Nothing negative, nothing without a unit.
func ParseDuration(s string) (time.Duration, error) {
	bad := errors.New(`want a duration such as "90s", "5m", "12h", "7d" or "2w"`)
	var total time.Duration
	rest := s
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		digits, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || digits[0] == '+' || time.Duration(n) > (math.MaxInt64-total)/unit.length {
			return 0, bad
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" && s != "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.ContainsAny(rest, "+-") || rest == "0" ||
		d > math.MaxInt64-total {
		return 0, bad
	}
	return total + d, nil
}
