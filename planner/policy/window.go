package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a time of the week in which a policy may, or may not, approve.
type Window struct {
	// Days are those on which the window begins; all if empty.
	Days []time.Weekday
	// From and To are minutes after midnight. A To that is not after From is on the next day.
	From, To int
	Zone     *time.Location
	// Deny closes in place of opening; deny beats allow.
	Deny bool
}

// String says when, in one line.
func (w Window) String() string {
	kind, days := "allow", "every day"
	if w.Deny {
		kind = "deny"
	}
	if len(w.Days) > 0 {
		var names []string
		for _, d := range w.Days {
			names = append(names, d.String()[:3])
		}
		days = strings.Join(names, ",")
	}
	return fmt.Sprintf("%s %s %02d:%02d-%02d:%02d %s", kind, days, w.From/60, w.From%60, w.To/60, w.To%60, w.Zone)
}

// Contains tells whether the window is open at a time.
func (w Window) Contains(now time.Time) bool {
	local := now.In(w.Zone)
	minute := local.Hour()*60 + local.Minute()
	today, yesterday := local.Weekday(), (local.Weekday()+6)%7
	on := func(d time.Weekday) bool { return len(w.Days) == 0 || slices.Contains(w.Days, d) }
	if w.From < w.To {
		return on(today) && minute >= w.From && minute < w.To
	}
	return on(today) && minute >= w.From || on(yesterday) && minute < w.To
}

// closed is the rule that holds everything at a time; empty if none does.
func closed(windows []Window, now time.Time) string {
	allows, open := 0, false
	for _, w := range windows {
		switch {
		case w.Deny && w.Contains(now):
			return "it is inside the window " + w.String()
		case !w.Deny:
			allows++
			open = open || w.Contains(now)
		}
	}
	if allows > 0 && !open {
		return "no window of auto_approve is open now"
	}
	return ""
}
