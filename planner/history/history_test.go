package history

import (
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// TestShowsChanges: an entry says what was to be changed, from what and to what, and a spreadsheet
// gets that too.
func TestShowsChanges(t *testing.T) {
	t.Parallel()
	raise := planner.Change{Attribute: planner.SpaceHard, Before: planner.Number(10 << 40),
		After: planner.Number(20 << 40)}
	e := ledger.Entry{Seq: 7, Event: ledger.EventBegin, Who: "=root", Plan: "sha256:12",
		Changed: ledger.ChangedBy(&planner.Core{Actions: []planner.Action{
			{Address: "/capstor/\x1b[2J", Kind: planner.Update, Changes: []planner.Change{raise}},
			{Address: "/b", Kind: planner.Report}}})}
	people := Text([]ledger.Entry{e})
	for _, want := range []string{"update \"/capstor/\\x1b[2J\"\n",
		"space_hard = 10 TiB -> 20 TiB\n",
		"report /b\n"} {
		if !strings.Contains(people, want) {
			t.Errorf("no %q in\n%s", want, people)
		}
	}
	sheet, err := Export([]ledger.Entry{e, {Seq: 8, Event: "hold", Text: "+1"}}, "csv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sheet)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), sheet)
	}
	for i, want := range []string{"seq,", ",update,space_hard,10995116277760,21990232555520,",
		",/b,report,,,,", ",'+1,"} {
		if !strings.Contains(lines[i], want) || strings.ContainsAny(lines[i], "\x1b") {
			t.Errorf("line %d has no %q: %q", i, want, lines[i])
		}
	}
	if !strings.Contains(lines[1], ",'=root,") {
		t.Errorf("a formula: %q", lines[1])
	}
}

// TestManyChanges: people do not see thousands of resources, and read how many more there are.
func TestManyChanges(t *testing.T) {
	t.Parallel()
	text := Text([]ledger.Entry{{Changed: make([]ledger.Changed, mostChanged+1)}})
	if !strings.HasSuffix(text, "and 1 more resource; --json shows all\n") {
		t.Error(text)
	}
}

// log is embedded for the methods that the tests do not use.
type log = ledger.History

// list is a history in memory.
type list struct {
	log
	entries []ledger.Entry
}

func (l list) Head() (uint64, string) { return uint64(len(l.entries)), "abc" }

func (l list) History(_ uint64, f func(ledger.Entry) error) error {
	for _, e := range l.entries {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// TestFilter: each filter selects what it says, and everything of the plan that it is about.
func TestFilter(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	at := func(address string) []ledger.Changed { return []ledger.Changed{{Address: address}} }
	h := list{entries: []ledger.Entry{
		{Seq: 1, Time: day, Plan: "sha256:aa", Event: ledger.EventBegin,
			Changed:   append(at("/s/bio"), at("/s/chem")...),
			Approvals: []ledger.Approval{{Name: "anna"}}},
		{Seq: 2, Time: day, Plan: "sha256:aa", Event: ledger.EventChanges, Changed: at("/s/eth")},
		{Seq: 3, Time: day.Add(time.Hour), Plan: "sha256:aa", Event: ledger.EventFinish},
		{Seq: 4, Time: day.AddDate(0, 0, 1), Event: "hold", Text: "/s/bio: power cut"},
		{Seq: 5, Time: day.AddDate(0, 0, 1), Plan: "sha256:ab", Event: ledger.EventBegin,
			Changed: at("/s/eth")},
	}}
	for name, c := range map[string]struct {
		filter Filter
		want   string
	}{
		"nothing said":   {Filter{}, "12345"},
		"an address":     {Filter{Address: "/s/bio"}, "134"},
		"many addresses": {Filter{Address: "/s/{eth,x}"}, ""},
		"a glob":         {Filter{Address: "/s/e*"}, "235"},
		"a day":          {Filter{Since: day, Until: day.AddDate(0, 0, 1)}, "123"},
		"an hour":        {Filter{Since: day.Add(time.Hour), Until: day.Add(2 * time.Hour)}, "3"},
		"an approver":    {Filter{Approver: "anna"}, "1"},
		"a plan":         {Filter{Plan: "sha256:ab"}, "5"},
		"digits":         {Filter{Plan: "aa"}, "123"},
		"both":           {Filter{Plan: "aa", Address: "/s/bio", Approver: "anna"}, "1"},
	} {
		got, head, err := c.filter.Read(h)
		seqs := ""
		for _, e := range got {
			seqs += string(rune('0' + e.Seq))
		}
		if seqs != c.want || head != "abc" || err != nil || got == nil {
			t.Errorf("%s: %s, want %s; head %s, %v", name, seqs, c.want, head, err)
		}
	}
	chosen, _, _ := (&Filter{Address: "/s/bio"}).Read(h)
	if got := chosen[0].Changed; len(got) != 1 || got[0].Address != "/s/bio" {
		t.Errorf("changes elsewhere stand in the entry: %v", got)
	}
}
