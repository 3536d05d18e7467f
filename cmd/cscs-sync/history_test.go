package main

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// TestHistoryShowsChanges: an entry says what was to be changed, from what to what, also to a spreadsheet.
func TestHistoryShowsChanges(t *testing.T) {
	e := ledger.Entry{Seq: 7, Event: ledger.EventBegin, Who: "=root", Plan: "sha256:12", Changed: ledger.ChangedBy(&planner.Core{
		Actions: []planner.Action{{Address: "/capstor/\x1b[2J", Kind: planner.Update, Changes: []planner.Change{
			{Attribute: planner.SpaceHard, Before: planner.Number(10 << 40), After: planner.Number(20 << 40)}}}, {Address: "/b", Kind: planner.Report}}})}
	var people strings.Builder
	writeChanged(&people, e.Changed)
	for _, want := range []string{"update \"/capstor/\\x1b[2J\"\n", "space_hard = 10 TiB -> 20 TiB\n", "report /b\n"} {
		if !strings.Contains(people.String(), want) {
			t.Errorf("no %q in\n%s", want, people.String())
		}
	}
	var sheet strings.Builder
	if err := writeCSV(&sheet, []ledger.Entry{e, {Seq: 8, Event: "hold", Text: "+1"}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(sheet.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), sheet.String())
	}
	for i, want := range []string{"seq,", ",update,space_hard,10995116277760,21990232555520,", ",/b,report,,,,", ",'+1,"} {
		if !strings.Contains(lines[i], want) || strings.ContainsAny(lines[i], "\x1b") {
			t.Errorf("line %d has no %q: %q", i, want, lines[i])
		}
	}
	if !strings.Contains(lines[1], ",'=root,") {
		t.Errorf("a formula: %q", lines[1])
	}
}
