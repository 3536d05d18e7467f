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

// Quota is one of VAST's quotas.
type Quota struct {
	ID   uint64
	Name string
	// Path is VAST's path, including the prefix.
	Path   string
	Tenant uint64
	// GracePeriod is the quota's own grace period, and TimeToBlock is the rest of a running one, both
	// in VAST's format.
	GracePeriod, TimeToBlock string
	// Word is VAST's name of the state.
	Word  string
	State planner.QuotaState
}

// states are the states in which limits are enforced, and the clocks that run in them.
var states = map[string]struct{ space, inodes bool }{
	"OK": {}, "SOFT_EXCEEDED": {space: true}, "INODE_SOFT_EXCEEDED": {inodes: true},
	"SOFT_BOTH_EXCEEDED": {true, true},
	"HARD_EXCEEDED":      {}, "INODE_HARD_EXCEEDED": {}, "HARD_BOTH_EXCEEDED": {}, "GRACE_EXPIRED": {},
}

// parseQuota parses one quota. It returns an error only if the quota cannot be identified. Other
// members that cannot be parsed are unknown, with the reason.
func parseQuota(text []byte, now time.Time) (Quota, error) {
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
		q.State = quota.Unknown(via, fmt.Sprintf("VAST reports the unknown quota state %.40q", q.Word))
		return q, nil
	}
	if left, ok := parseDuration(q.TimeToBlock); ok && left > 0 {
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

// state parses limits and usage.
func state(m map[string]json.RawMessage) planner.QuotaState {
	s := planner.QuotaState{Source: via}
	var why planner.Whys
	var errs []error
	s.Limits[planner.SpaceSoft] = limit[planner.Bytes](m, "soft_limit", &errs)
	s.Limits[planner.SpaceHard] = limit[planner.Bytes](m, "hard_limit", &errs)
	s.Limits[planner.InodesSoft] = limit[planner.Inodes](m, "soft_limit_inodes", &errs)
	s.Limits[planner.InodesHard] = limit[planner.Inodes](m, "hard_limit_inodes", &errs)
	if err := errors.Join(errs...); err != nil {
		s.Limits, why.Limits = planner.Limits{}, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	s.Space, why.Space = used[planner.Bytes](m, "used_capacity", "used_effective_capacity",
		"used_limited_capacity")
	s.Inodes, why.Inodes = used[planner.Inodes](m, "used_inodes")
	s.SetWhys(why)
	return s
}

// limit parses a limit. null means no limit. 0 is unknown, because VAST does not document what it
// means.
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
		err = fmt.Errorf("%s is 0, and VAST does not document whether that means no limit", name)
	default:
		return planner.LimitOf(U(n))
	}
	*errs = append(*errs, err)
	return planner.Limit{}
}

// used returns the largest of the numbers that are shown, because VAST does not document which of
// them is compared with the limit. The usage is unknown if a number cannot be parsed, or if none is
// shown, and why says so.
func used[U planner.Bytes | planner.Inodes](m map[string]json.RawMessage,
	names ...string) (u planner.Usage[U], why string) {
	for _, name := range names {
		text, ok := m[name]
		if !ok || string(text) == "null" {
			continue
		}
		n, err := strconv.ParseUint(string(text), 10, 63)
		if err != nil {
			return planner.Usage[U]{}, fmt.Sprintf("%s is %.40q: want a whole number", name, text)
		}
		u = planner.UsageOf(max(u.N(), U(n)))
	}
	if !u.Known() {
		why = "VAST does not show " + strings.Join(names, " or ")
	}
	return u, why
}

// parseDuration parses VAST's durations: "[DD] [HH:[MM:]]ss", or a number with a unit such as 90m
// or 30d.
func parseDuration(s string) (time.Duration, bool) {
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

// times parses a number of at most six digits and multiplies it by unit.
func times(digits string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n > 999_999 && unit > time.Second || n > 9999 && unit > time.Hour {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
