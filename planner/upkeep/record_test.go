package upkeep_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
)

func (s *state) Records() ([]planner.Record, error) { return s.records, nil }
func (s *state) DeleteRecord(k planner.Key) (bool, error) {
	s.done = append(s.done, "delete "+k.Item)
	return true, nil
}
func (s *state) DeleteRoot(system string) (bool, error) { return system == "capstor", nil }
func (s *state) Plans() ([]ledger.Plan, error)          { return s.plans, nil }
func (s *state) Abandon(id, who, why string) error {
	s.done = append(s.done, "abandon "+id+" by "+who+": "+why)
	return nil
}

// recorded is a state with three records, two of one address.
func recorded() *state {
	limits := planner.NoLimits()
	limits[planner.SpaceHard] = planner.LimitOf(planner.Bytes(1 << 40))
	bio := planner.Record{Key: planner.Key{Item: "2", System: "c", DataType: "store"},
		Address: "/s/\x1bbio",
		System:  "capstor", Storage: "c/bio", Inode: 7, Owner: 1, Group: 30500, Mode: 0o2770,
		At:   now,
		Plan: "sha256:0123456789abcdef", Claim: limits, QuotaBy: planner.ByGroup, QuotaID: 30500}
	old, chem := bio, bio
	old.Key.Item, old.Unfinished = "3", true
	chem.Key.Item, chem.Address = "1", "/a"
	return &state{records: []planner.Record{bio, old, chem}}
}

// TestRecords: people see the records, sorted, and nothing in them reaches a terminal as a command.
func TestRecords(t *testing.T) {
	t.Parallel()
	s := recorded()
	all, err := upkeep.Records(s)
	if err != nil || len(all) != 3 || all[0].Address != "/a" {
		t.Fatalf("%+v, %v", all, err)
	}
	table := strings.Split(upkeep.Table(all), "\n")
	if len(table) != 4 || !strings.HasPrefix(table[0], "/a            2770  1:30500") ||
		!strings.HasSuffix(table[2], "unfinished") || strings.Contains(table[1], "\x1b") {
		t.Errorf("%q", table)
	}
	found, err := upkeep.RecordsOf(s, "2")
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	text := upkeep.Details(found)
	for _, want := range []string{`"/s/\x1bbio"`, "item       2 (c, store)",
		"c/bio on capstor, inode 7",
		"1:30500, mode 2770 (rwxrws---)", "space unlimited soft, 1 TiB hard; inodes unlimited soft",
		"by plan 0123456789ab\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if b, err := json.Marshal(found[0]); err != nil ||
		!strings.Contains(string(b), `"mode":"2770"`) {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := upkeep.RecordsOf(s, "/s/b"); err == nil {
		t.Error("nothing is recorded of /s/b")
	}
}

// TestForget: all records of an address are removed, and no others.
func TestForget(t *testing.T) {
	t.Parallel()
	s := recorded()
	if err := upkeep.Forget(s, "/s/\x1bbio", anna); err != nil {
		t.Error(err)
	}
	s.did(t, "delete 2", "delete 3", "remove by anna: /s/\x1bbio")
	if err := upkeep.Forget(s, "/s/b", anna); err == nil {
		t.Error("nothing is recorded of /s/b")
	}
	if err := upkeep.ForgetRoot(s, "vast", anna); err == nil {
		t.Error("no root of vast is recorded")
	}
	s.did(t)
	if err := upkeep.ForgetRoot(s, "capstor", anna); err != nil {
		t.Error(err)
	}
	s.did(t, "remove by anna: root of system capstor")
}

// TestAbandon: only a plan in progress can be abandoned, and only if exactly one is meant.
func TestAbandon(t *testing.T) {
	t.Parallel()
	s := &state{plans: []ledger.Plan{{ID: "sha256:aa1"}, {ID: "sha256:aa2",
		Result: ledger.Interrupted},
		{ID: "sha256:aa3", Result: ledger.Done}}}
	for _, id := range []string{"", "sha256:", "aa", "aa3", "a1", "b"} {
		if got, err := upkeep.Abandon(s, id, "r", anna); err == nil {
			t.Errorf("%q: %s is given up", id, got)
		}
	}
	s.did(t)
	for _, id := range []string{"aa1", "sha256:aa2"} {
		if _, err := upkeep.Abandon(s, id, "r", anna); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	s.did(t, "abandon sha256:aa1 by anna: r", "abandon sha256:aa2 by anna: r")
}
