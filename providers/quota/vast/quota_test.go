package vast

import (
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

const example = `{"id":7,"name":"a","path":"/a/","tenant_id":1,"hard_limit":5,"soft_limit":null,"hard_limit_inodes":null,` +
	`"soft_limit_inodes":3,"used_capacity":1,"used_effective_capacity":9,"used_limited_capacity":null,"used_inodes":0,` +
	`"state":"SOFT_BOTH_EXCEEDED","time_to_block":"1 02:03:04"}`

func TestParseQuota(t *testing.T) {
	now := time.Unix(1e9, 0)
	q, err := parseQuota([]byte(example), now)
	if err != nil || q.ID != 7 || q.Path != "/a" || q.State.LimitsWhy() != "" ||
		q.State.Space.N() != 9 || !q.State.Inodes.Known() {
		t.Errorf("%+v, %v", q, err)
	}
	want := planner.Limits{planner.SpaceHard: planner.LimitOf[planner.Bytes](5),
		planner.SpaceSoft:  planner.Unlimited(),
		planner.InodesHard: planner.Unlimited(),
		planner.InodesSoft: planner.LimitOf[planner.Inodes](3)}
	if ends := q.State.Ends(); q.State.Limits != want ||
		ends.Space.Sub(now) != 26*time.Hour+3*time.Minute+4*time.Second ||
		ends.Space != ends.Inodes {
		t.Errorf("%+v, ends %v", q.State.Limits, ends)
	}
}

// A value that cannot be read is unknown, never 0 or unlimited.
func TestParseQuotaUnknown(t *testing.T) {
	for old, c := range map[string]string{
		`"hard_limit":5`: `"hard_limit":0`, `"soft_limit":null`: `"soft_limit":"5"`,
		`"hard_limit_inodes":null,`: ``,
		`"soft_limit_inodes":3`:     `"soft_limit_inodes":-3`, `"SOFT_BOTH_EXCEEDED"`: `"NEW"`,
	} {
		q, err := parseQuota([]byte(strings.Replace(example, old, c, 1)), time.Now())
		if err != nil || q.State.LimitsWhy() == "" || q.State.Limits.Known() {
			t.Errorf("%s: %+v, %v", c, q.State, err)
		}
	}
	for old, c := range map[string]string{`"used_capacity":1`: `"used_capacity":1.5`,
		`"used_effective_capacity":9`: `"used_effective_capacity":-1`} {
		if q, err := parseQuota([]byte(strings.Replace(example, old, c, 1)),
			time.Now()); err != nil || q.State.Space.Known() {
			t.Errorf("%s: %+v, %v", c, q.State, err)
		}
	}
	for _, bad := range []string{`{}`, `{"id":0,"path":"/a"}`, `{"id":1,"path":"a"}`,
		`{"id":1,"id":2,"path":"/a"}`, `[]`} {
		if q, err := parseQuota([]byte(bad), time.Now()); err == nil {
			t.Errorf("%s: %+v", bad, q)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute,
		"30d": 720 * time.Hour, "5": 5 * time.Second, "01:05": 65 * time.Second,
		"2 00:00:01": 48*time.Hour + time.Second, "1 7": 24*time.Hour + 7*time.Second} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "x", "-5", "1:2:3:4", "1 2 3", "999999999d", "m", "1::2"} {
		if got, ok := parseDuration(bad); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func FuzzParseQuota(f *testing.F) {
	f.Add([]byte(example))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := parseQuota(text, time.Unix(1e9, 0))
		if err == nil && (q.ID == 0 || !strings.HasPrefix(q.Path, "/") ||
			q.State.Limits.Known() == (q.State.LimitsWhy() != "")) {
			t.Errorf("%+v", q)
		}
	})
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(`[` + example + `]`))
	f.Add([]byte(`{"count":1,"next":null,"results":[` + example + `]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := parsePage(text); err == nil && (p.count < 0 || p.more && len(p.items) == 0) {
			t.Errorf("%+v", p)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1 02:03:04")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parseDuration(text); ok && d < 0 {
			t.Errorf("%q: %v", text, d)
		}
	})
}
