package planner_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Reasons have units, because nobody reads 21990232555520 as 20 TiB.
func TestRefusalsHaveUnits(t *testing.T) {
	usageUnknown := func(m *model) {
		q := m.quotas[30500]
		q.Space = planner.Usage[planner.Bytes]{}
		q.SetWhys(planner.Whys{Space: "an OST is down"})
		m.quotas[30500] = q
	}
	digits := regexp.MustCompile(`[0-9]{6,}`)
	for _, c := range []struct {
		code, soft, hard string
		change           func(*model)
		says             []string
	}{
		{"usage_unknown", "5.0", "5.0", usageUnknown,
			[]string{"its space_hard would be lowered to 5 TiB", "an OST is down", "plan again"}},
		{"soft_above_hard", "20.0", "10.0", nil, []string{"(20 TiB)", "(10 TiB)", "override"}},
		{"soft_above_hard", "20.0", "0.0", nil, []string{"would be 20 TiB", "of 10 TiB",
			"override"}},
		{"quota", "1048577", "1048577", nil, []string{"1 EiB", "correct it in Waldur"}},
		{"quota", "-1", "1", nil, []string{"-1 TiB", "correct it in Waldur"}},
		{"quota", "1", "0.0000000001", nil, []string{"becomes 0", "correct it in Waldur"}},
	} {
		m := newModel()
		asWanted(m, "bio", 30500)
		if c.change != nil {
			c.change(m)
		}
		it := project("bio", 30500, func(it *planner.Item) { it.Quotas = quotas(c.soft, c.hard) })
		p, _ := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500))}, m)
		if len(p.Context.Blocked) != 1 || string(p.Context.Blocked[0].Reasons[0].Code) != c.code {
			t.Errorf("soft %s, hard %s: %v, want %s", c.soft, c.hard, p.Context.Blocked, c.code)
			continue
		}
		text := p.Context.Blocked[0].Reasons[0].Text
		for _, want := range c.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q does not say %q", c.code, text, want)
			}
		}
		if exact := regexp.MustCompile(`\([0-9,]+ bytes\)`).ReplaceAllString(text,
			""); digits.MatchString(exact) {
			t.Errorf("%s: %q has a bare number", c.code, text)
		}
	}
}

// A quota that is left alone is no danger, so other changes of the directory are not called
// dangerous because of it.
func TestNoDangerOfAQuotaThatStays(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	q := m.quotas[30500]
	q.Space, q.Inodes = planner.UsageOf(planner.Bytes(8*tib)), planner.Usage[planner.Inodes]{}
	q.SetWhys(planner.Whys{Inodes: "an MDT is down"})
	m.quotas[30500] = q
	it := project("bio", 30500, func(it *planner.Item) {
		it.Permission, it.Quotas = "2750", quotas("5.0", "5.0")
		it.Quotas[planner.InodesSoft], it.Quotas[planner.InodesHard] = dec("1000"), dec("1000")
	})
	p, _ := plan(&planner.Input{Items: items(it), Recorded: records(recordOf("bio", 30500))}, m)
	a, _ := action(t, p, bio)
	if code, _ := refusal(p, bio); code != "usage_unknown" || len(a.Changes) != 1 ||
		len(a.Danger) != 0 {
		t.Errorf("refused with %q; changes %v, dangers %v, want the mode alone and no danger", code,
			a.Changes, a.Danger)
	}
}

// TestModeJSON: a mode is four octal digits in a string. Numbers, from earlier builds, can be read.
func TestModeJSON(t *testing.T) {
	for text, want := range map[string]planner.Mode{`"2770"`: 0o2770, `"0700"`: 0o700,
		"1528": 0o2770, "0": 0} {
		var m planner.Mode
		if err := json.Unmarshal([]byte(text), &m); err != nil || m != want {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
	for _, text := range []string{`"770"`, `"2778"`, `2770.5`, `-1`, `4096`, `"0o2770"`, `{}`,
		`"27700"`} {
		var m planner.Mode
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s is taken as %v", text, m)
		}
	}
	b, err := json.Marshal(planner.Archived{Mode: 0o2770})
	if err != nil || !strings.Contains(string(b), `"mode":"2770"`) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestUndeliveredWords: a missing time or reason leaves no gap in the sentence, and no full stop is
// left over.
func TestUndeliveredWords(t *testing.T) {
	day := func(at time.Time) string { return at.Format("2006-01-02") }
	for want, u := range map[string]planner.Undelivered{
		"is waiting to be delivered": {},
		"is waiting to be delivered, since 2026-11-22: 503": {
			Since: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Problem: "503"},
		"is parked until a person looks at it: 409 Valid states for operation: executing": {
			Parked: true, Problem: "409 Valid states for operation: executing."},
		"is parked until a person looks at it": {
			Parked: true},
	} {
		if got := u.Words(day); got != want {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
}
