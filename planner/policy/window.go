package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a time of the week in which a policy may, or may not, approve.
type Window struct {
	// Days are the days on which the window begins; all if empty.
	Days []time.Weekday
	// From and To are minutes after midnight. If To is not after From, it is on the next day.
	From, To int
	Zone     *time.Location
	// Deny means that the window denies instead of allowing. Deny takes precedence.
	Deny bool
}

// String describes the window in one line.
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
	return fmt.Sprintf("%s %s %02d:%02d-%02d:%02d %s", kind, days, w.From/60, w.From%60, w.To/60,
		w.To%60, w.Zone)
}

// Contains reports whether the window is open at a time.
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

// closed returns the rule that holds everything at a time, with the end of that; empty if none
// does.
func closed(windows []Window, now time.Time) string {
	rule := ""
	if denied := slices.IndexFunc(windows,
		func(w Window) bool { return w.Deny && w.Contains(now) }); denied >= 0 {
		rule = "it is inside the window " + windows[denied].String()
	} else if !isOpen(windows, now) {
		rule = "no window of auto_approve is open now"
	}
	if rule == "" {
		return ""
	}
	at := opens(windows, now)
	if at.IsZero() {
		return rule + ", nor will it be within a week"
	}
	return rule + "; the policy may approve again at " + at.UTC().Format("Mon 2006-01-02 15:04 UTC")
}

// isOpen reports whether the policy may approve at a time.
func isOpen(windows []Window, now time.Time) bool {
	allows, open := 0, false
	for _, w := range windows {
		switch {
		case w.Deny && w.Contains(now):
			return false
		case !w.Deny:
			allows++
			open = open || w.Contains(now)
		}
	}
	return allows == 0 || open
}

// opens returns the first minute after a time in which the policy may approve; the zero time if
// there is none within a week. It looks at minutes one by one, because the clocks of several zones,
// and the days on which they change, follow no rule.
func opens(windows []Window, now time.Time) time.Time {
	at := now.Truncate(time.Minute)
	for range 7*24*60 + 1 {
		if at = at.Add(time.Minute); isOpen(windows, at) {
			return at
		}
	}
	return time.Time{}
}
