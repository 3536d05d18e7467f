package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads Go's durations ("1h30m", "500ms"), with d for days of 24 hours and w for
// weeks in front: "7d", "2w", "1d12h". It refuses negative values and values without a unit.
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

// ParseTime reads a moment: a day such as 2026-12-01, a time as in RFC 3339, or a duration such as
// 7d, counted from now in the given direction. A day means its beginning or, with endOfDay, its
// end. An empty text is the zero time.
func ParseTime(s string, now time.Time, direction Direction, endOfDay bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := ParseDuration(s); err == nil {
		return now.Add(time.Duration(direction) * d).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if endOfDay {
			t = t.AddDate(0, 0, 1)
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf(
		"%q: want a day such as 2026-12-01, a time as in RFC 3339, or a "+
			"duration such as 7d", s)
}

// Direction says where from now a duration leads.
type Direction int

// The directions of a duration.
const (
	Ago   Direction = -1
	Ahead Direction = 1
)
