package render

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// TestQuotasAloneAreCounted: what is done without its quota is in the last line, the table and the
// summary, and not under the heading for resources for which nothing is done.
func TestQuotasAloneAreCounted(t *testing.T) {
	p := plantest.Mixed()
	p.Context.Blocked, p.Context.Waiting = nil, nil
	p.Context.Counts.Blocked, p.Context.Counts.Waiting = 0, 0
	var made, changed *planner.Action
	for i := range p.Core.Actions {
		switch a := &p.Core.Actions[i]; a.Kind {
		case planner.Create:
			made = a
		case planner.Update:
			changed = a
		}
	}
	alone := func(a *planner.Action, code string) planner.Refusal {
		return planner.Refusal{Key: a.Key, Address: a.Address, System: a.System, QuotaOnly: true,
			Reasons: []planner.Reason{{Code: reason.Code(code), Text: "why " + code}}}
	}
	p.Context.Blocked = []planner.Refusal{alone(made, "shared")}
	p.Context.Waiting = []planner.Refusal{alone(changed, "orders_held")}
	text := string(Text(p, Options{}))
	if !strings.HasSuffix(text,
		", 1 quota blocked, 1 quota waiting, 1 directory without its quota.\n") {
		t.Errorf("the last line is %q", text[strings.LastIndex(strings.TrimSpace(text), "\n"):])
	}
	if strings.Contains(text, "Nothing will be done for") ||
		!strings.Contains(text, "These resources change, but their quotas stay as they are:") {
		t.Errorf("the sections are\n%s", text)
	}
	for _, row := range []string{"  blocked                                   1\n",
		"  waiting                                   1\n"} {
		if !strings.Contains(text, row) {
			t.Errorf("the table lacks %q:\n%s", row, text)
		}
	}
	var got struct{ Summary map[string]int }
	if err := json.Unmarshal(JSON(p), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"blocked": 0, "waiting": 0, "quota_blocked": 1,
		"quota_waiting": 1, "without_quota": 1} {
		if n, ok := got.Summary[name]; !ok || n != want {
			t.Errorf("the summary says %d %s, want %d", n, name, want)
		}
	}
	for name, out := range map[string][]byte{"Markdown": Markdown(p, Options{}),
		"HTML": HTML(p, Options{})} {
		if !bytes.Contains(out, []byte("1 directory without its quota")) {
			t.Errorf("%s does not count it", name)
		}
	}
}
