package config_test

import (
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// TestParseTime: a moment may be a day, a time, or a distance from now.
func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)
	for _, c := range []struct {
		text      string
		direction config.Direction
		end       bool
		want      string
	}{
		{"7d", config.Ago, true, "2026-11-15T21:40:03Z"},
		{"7d", config.Ahead, false, "2026-11-29T21:40:03Z"},
		{"2026-12-01", config.Ago, false, "2026-12-01T00:00:00Z"},
		{"2026-12-31", config.Ahead, true, "2027-01-01T00:00:00Z"},
		{"2026-12-01T02:00:00+02:00", config.Ahead, true, "2026-12-01T00:00:00Z"},
		{"", config.Ahead, true, "0001-01-01T00:00:00Z"},
	} {
		got, err := config.ParseTime(c.text, now, c.direction, c.end)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%+v: %s, %v", c, got.Format(time.RFC3339), err)
		}
	}
	for _, text := range []string{"yesterday", "-7d", "2026-13-01", "12:00", " "} {
		if got, err := config.ParseTime(text, now, config.Ago, false); err == nil {
			t.Errorf("%q is taken as %s", text, got)
		}
	}
}
