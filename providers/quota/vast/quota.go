package vast

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/strictjson"
)

// Quota is one quota as VAST has it.
type Quota struct {
	ID   uint64
	Name string
	// Path is as VAST has it, the prefix included.
	Path   string
	Tenant uint64
	// GracePeriod is the quota's own, in VAST's words; TimeToBlock is what is left of one that
	// runs.
	GracePeriod, TimeToBlock string
	// Word is the state as VAST names it.
	Word  string
	State planner.QuotaState
}

// states are those in which limits are enforced, and which clocks run in them.
var states = map[string]struct{ space, inodes bool }{
	"OK": {}, "SOFT_EXCEEDED": {space: true}, "INODE_SOFT_EXCEEDED": {inodes: true},
	"SOFT_BOTH_EXCEEDED": {true, true},
	"HARD_EXCEEDED":      {}, "INODE_HARD_EXCEEDED": {}, "HARD_BOTH_EXCEEDED": {}, "GRACE_EXPIRED": {},
}

// ParseQuota reads one quota. The error is about what identifies it; what else cannot be read is
// unknown, with the reason.
func ParseQuota(text []byte, now time.Time) (Quota, error) {
	m, err := strictjson.Members(text)
	if err != nil {
		return Quota{}, fmt.Errorf("quota: %w", err)
	}
	var q Quota
	if err := json.Unmarshal(m["id"], &q.ID); err != nil || q.ID == 0 {
		return Quota{}, errors.New("quota: id: want a whole number above 0")
	}
	if err := json.Unmarshal(m["path"], &q.Path); err != nil || !strings.HasPrefix(q.Path, "/") {
		return Quota{}, fmt.Errorf("quota %d: path: want an absolute path", q.ID)
	}
	if len(q.Path) > 1 {
		q.Path = strings.TrimSuffix(q.Path, "/")
	}
	if t := m["tenant_id"]; t != nil && string(t) != "null" {
		if err := json.Unmarshal(t, &q.Tenant); err != nil {
			return Quota{}, fmt.Errorf("quota %d: tenant_id: want a whole number", q.ID)
		}
	}
	q.Name, q.GracePeriod, q.TimeToBlock, q.Word = word(m["name"]), word(m["grace_period"]),
		word(m["time_to_block"]), word(m["state"])
	q.State = state(m)
	enforced, known := states[q.Word]
	if !known {
		q.State = quota.Unknown(via, fmt.Sprintf("VAST says that the quota's state is %.40q",
			q.Word))
		return q, nil
	}
	if left, ok := ParseDuration(q.TimeToBlock); ok && left > 0 {
		var g planner.Grace
		if enforced.space {
			g.Space = now.Add(left).UTC()
		}
		if enforced.inodes {
			g.Inodes = now.Add(left).UTC()
		}
		q.State.SetEnds(g)
	}
	return q, nil
}

func word(text json.RawMessage) string {
	var s string
	_ = json.Unmarshal(text, &s)
	return s
}

// state reads limits and usage.
func state(m map[string]json.RawMessage) planner.QuotaState {
	s := planner.QuotaState{Via: via}
	var errs []error
	s.Limits[planner.SpaceSoft] = limit[planner.Bytes](m, "soft_limit", &errs)
	s.Limits[planner.SpaceHard] = limit[planner.Bytes](m, "hard_limit", &errs)
	s.Limits[planner.InodesSoft] = limit[planner.Inodes](m, "soft_limit_inodes", &errs)
	s.Limits[planner.InodesHard] = limit[planner.Inodes](m, "hard_limit_inodes", &errs)
	if err := errors.Join(errs...); err != nil {
		s.Limits, s.LimitsWhy = planner.Limits{}, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	s.Space = used[planner.Bytes](m, "used_capacity", "used_effective_capacity",
		"used_limited_capacity")
	s.Inodes = used[planner.Inodes](m, "used_inodes")
	return s
}

// limit reads a limit: null is none. 0 is unknown, because it is not documented what it means.
func limit[U planner.Bytes | planner.Inodes](m map[string]json.RawMessage, name string,
	errs *[]error) planner.Limit {
	text, ok := m[name]
	n, err := strconv.ParseUint(string(text), 10, 63)
	switch {
	case !ok:
		err = fmt.Errorf("VAST does not show %s", name)
	case string(text) == "null":
		return planner.Unlimited()
	case err != nil:
		err = fmt.Errorf("%s is %.40q: want a whole number or null", name, text)
	case n == 0:
		err = fmt.Errorf("%s is 0, and it is not known whether that is no limit", name)
	default:
		return planner.LimitOf(U(n))
	}
	*errs = append(*errs, err)
	return planner.Limit{}
}

// used is the largest of the numbers that are shown: which one is held against the limit is not
// documented. A number that is shown but cannot be read, or none at all, makes it unknown.
func used[U planner.Bytes | planner.Inodes](m map[string]json.RawMessage,
	names ...string) planner.Usage[U] {
	var u planner.Usage[U]
	for _, name := range names {
		text, ok := m[name]
		if !ok || string(text) == "null" {
			continue
		}
		n, err := strconv.ParseUint(string(text), 10, 63)
		if err != nil {
			return planner.Usage[U]{Why: fmt.Sprintf("%s is %.40q: want a whole number", name,
				text)}
		}
		u.N, u.Known = max(u.N, U(n)), true
	}
	if !u.Known {
		u.Why = "VAST does not show " + strings.Join(names, " or ")
	}
	return u
}

// ParseDuration reads what VAST writes: "[DD] [HH:[MM:]]ss", or a number with a unit as in 90m or
// 30d.
func ParseDuration(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour,
		'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if s = strings.TrimSpace(s); s == "" {
		return 0, false
	}
	if unit, ok := units[s[len(s)-1]]; ok {
		return times(strings.TrimSpace(s[:len(s)-1]), unit)
	}
	var total time.Duration
	clock := s
	if days, rest, ok := strings.Cut(s, " "); ok {
		d, ok := times(days, 24*time.Hour)
		if !ok {
			return 0, false
		}
		total, clock = d, strings.TrimSpace(rest)
	}
	parts := strings.Split(clock, ":")
	if len(parts) > 3 {
		return 0, false
	}
	unit := time.Second
	for i := len(parts) - 1; i >= 0; i-- {
		d, ok := times(parts[i], unit)
		if !ok {
			return 0, false
		}
		total += d
		unit *= 60
	}
	return total, true
}

// times reads a number of at most six digits.
func times(digits string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n > 999_999 && unit > time.Second || n > 9999 && unit > time.Hour {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
