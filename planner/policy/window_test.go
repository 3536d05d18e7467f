package policy

import (
	"strings"
	"testing"
	"time"
)

// TestNextOpening: a rule that holds everything says until when, over days, zones, and windows that
// deny.
func TestNextOpening(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	workdays := Window{Days: []time.Weekday{time.Monday, time.Tuesday}, From: 8 * 60, To: 18 * 60,
		Zone: zurich}
	sunday := time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)
	for name, tc := range map[string]struct {
		windows []Window
		want    string
	}{
		"the next day": {[]Window{workdays}, "again at Mon 2026-11-23 07:00 UTC"},
		"after one denies": {[]Window{workdays, {Days: []time.Weekday{time.Sunday}, From: 20 * 60,
			To: 12 * 60, Zone: time.UTC, Deny: true}}, "again at Mon 2026-11-23 12:00 UTC"},
		"denied all the day": {[]Window{{From: 0, To: 0, Zone: time.UTC, Deny: true}},
			"nor will it be within a week"},
		"open": {[]Window{{From: 21 * 60, To: 22 * 60, Zone: time.UTC}}, ""},
	} {
		if got := closed(tc.windows, sunday); !strings.HasSuffix(got, tc.want) ||
			(got == "") != (tc.want == "") {
			t.Errorf("%s: %q, want it to end with %q", name, got, tc.want)
		}
	}
	// the clocks go forward in the night of 28 March 2027, so that 02:30 does not exist
	night := Window{From: 2*60 + 30, To: 4 * 60, Zone: zurich}
	if got := opens([]Window{night}, time.Date(2027, 3, 28, 0, 0, 0, 0,
		time.UTC)); got.UTC().Format("15:04") != "01:00" {
		t.Errorf("on the day when the clocks go forward it opens at %s", got.UTC())
	}
}
