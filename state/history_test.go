package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

func appendEntries(t testing.TB, s *Store, texts ...string) (heads []string) {
	update(t, s, func(tx ledger.Tx) error {
		for _, text := range texts {
			h, err := tx.AppendHistory(ledger.Entry{Who: "anna", Event: "note", Text: text,
				Counts: map[string]int{"b": 1, "a": 2}})
			if err != nil {
				return err
			}
			heads = append(heads, h)
		}
		return nil
	})
	return heads
}

func verify(t testing.TB, s *Store, head string) (err error) {
	t.Helper()
	view(t, s, func(tx ledger.Tx) error {
		err = tx.VerifyHistory(head)
		return nil
	})
	return err
}

func TestHistoryChain(t *testing.T) {
	s, _ := newStore(t)
	heads := appendEntries(t, s, "one", "two <&> \u2028", "bad utf8 \xff", "four")
	for _, h := range append(heads, "") {
		if err := verify(t, reopen(t, s), h); err != nil {
			t.Errorf("head %s: %v", h, err)
		}
	}
	if err := verify(t, s, strings.Repeat("0", 64)); err == nil {
		t.Error("a head that never was is found")
	}
	view(t, s, func(tx ledger.Tx) error {
		if seq, hash := tx.Head(); seq != 4 || hash != heads[3] {
			t.Errorf("head %d %s", seq, hash)
		}
		var texts []string
		err := tx.History(3, func(e ledger.Entry) error { texts = append(texts, e.Text); return nil })
		if len(texts) != 2 || texts[1] != "four" {
			t.Errorf("from 3: %q", texts)
		}
		return err
	})
}

// TestCanonical: an entry has the hash, and is the JSON, that it has once it was read again.
func TestCanonical(t *testing.T) {
	bad, zone := "a\xffb \ufffd \\ufffd <&> \u2028", time.FixedZone("", 5400)
	change := planner.Change{Attribute: planner.ModeAttr, Before: planner.ModeValue(0o700),
		After: planner.ModeValue(0o2770)}
	quota := planner.Change{Attribute: planner.SpaceHard, Before: planner.Unlimited().Value(),
		After: planner.Number(1)}
	for name, e := range map[string]ledger.Entry{
		"empty": {},
		"zones": {Approvals: []ledger.Approval{{Time: time.Now().In(zone)}},
			Steps: []ledger.Step{{At: time.Date(2026, 11, 3, 12, 0, 0, 5, zone)}}},
		"empty lists": {Steps: []ledger.Step{}, Changed: []ledger.Changed{{Changes: []planner.Change{}}}},
		"changes":     {Changed: []ledger.Changed{{Action: planner.Create, Changes: []planner.Change{change, quota}}}},
		"not UTF-8": {Text: bad, Counts: map[string]int{bad: 1}, Steps: []ledger.Step{{Note: bad}},
			Changed: []ledger.Changed{{Address: bad, Key: planner.Key{Item: bad}}}},
	} {
		got, err := canonical(e)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again ledger.Entry
		if err := json.Unmarshal(body, &again); err != nil {
			t.Fatal(err)
		}
		same, err := json.Marshal(again)
		if sum, _ := again.Sum(); err != nil || sum != got.Hash || !bytes.Equal(same, body) {
			t.Errorf("%s: %v, hash %s and then %s\n%s\n%s", name, err, got.Hash, sum, body, same)
		}
	}
}

// forge changes the history like a person who knows the file: it corrects every checksum and tally.
func forge(t testing.TB, s *Store, change func(entries []ledger.Entry) []ledger.Entry) {
	t.Helper()
	update(t, s, func(tx ledger.Tx) error {
		entries, err := all[ledger.Entry](tx.(*Tx), bucketHistory)
		if err != nil {
			return err
		}
		if err := tx.(*Tx).clear(bucketHistory, nil); err != nil {
			return err
		}
		for i, e := range change(entries) {
			if err := tx.(*Tx).put(bucketHistory, numberKey(uint64(i+1)), e); err != nil {
				return err
			}
		}
		return nil
	})
}

// rehash makes the chain valid again, from the first entry on.
func rehash(entries []ledger.Entry) []ledger.Entry {
	prev := ""
	for i := range entries {
		entries[i].Seq, entries[i].Prev = uint64(i+1), prev
		entries[i].Hash, _ = entries[i].Sum()
		prev = entries[i].Hash
	}
	return entries
}

func TestEditsOfTheHistoryAreFound(t *testing.T) {
	tests := map[string]struct {
		change func([]ledger.Entry) []ledger.Entry
		seq    uint64
	}{
		"changed text":     {func(es []ledger.Entry) []ledger.Entry { es[1].Text = "other"; return es }, 2},
		"changed time":     {func(es []ledger.Entry) []ledger.Entry { es[2].Time = es[2].Time.Add(1); return es }, 3},
		"changed and hash": {func(es []ledger.Entry) []ledger.Entry { es[1].Who = "ben"; es[1].Hash, _ = es[1].Sum(); return es }, 3},
		"removed":          {func(es []ledger.Entry) []ledger.Entry { return append(es[:1], es[2:]...) }, 2},
		"removed first":    {func(es []ledger.Entry) []ledger.Entry { return es[1:] }, 1},
		"removed last":     {func(es []ledger.Entry) []ledger.Entry { return es[:3] }, 4},
		"removed all":      {func(es []ledger.Entry) []ledger.Entry { return nil }, 1},
		"swapped":          {func(es []ledger.Entry) []ledger.Entry { es[1], es[2] = es[2], es[1]; return es }, 2},
		"repeated":         {func(es []ledger.Entry) []ledger.Entry { return append(es, es[3]) }, 5},
		"chain made anew": {func(es []ledger.Entry) []ledger.Entry {
			es[0].Text = "never"
			return rehash(es)
		}, 5},
	}
	for name, tt := range tests {
		s, _ := newStore(t)
		heads := appendEntries(t, s, "one", "two", "three", "four")
		forge(t, s, tt.change)
		err := verify(t, reopen(t, s), heads[3])
		var wrong *HistoryError
		if !errors.As(err, &wrong) || wrong.Seq != tt.seq {
			t.Errorf("%s: %v, want entry %d", name, err, tt.seq)
		}
	}
}

func TestAChainMadeAnewIsFoundByTheHead(t *testing.T) {
	s, _ := newStore(t)
	heads := appendEntries(t, s, "one", "two")
	forge(t, s, func(es []ledger.Entry) []ledger.Entry { es[0].Text = "never"; return rehash(es) })
	update(t, s, func(tx ledger.Tx) error {
		tx.(*Tx).changed = true
		return tx.History(2, func(e ledger.Entry) error { tx.(*Tx).meta.Head = e.Hash; return nil })
	})
	if err := verify(t, s, ""); err != nil {
		t.Fatalf("the forgery is not good enough for this test: %v", err)
	}
	if err := verify(t, s, heads[1]); err == nil {
		t.Error("the head that was logged does not tell")
	}
}

func TestAnyEntryVerifies(t *testing.T) {
	s, _ := newStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		e := ledger.Entry{Who: rapid.String().Draw(rt, "who"), Event: "note",
			Text:   string(rapid.SliceOf(rapid.Byte()).Draw(rt, "text")),
			Counts: rapid.MapOf(rapid.String(), rapid.Int()).Draw(rt, "counts")}
		if err := s.Update(func(tx ledger.Tx) error { return second(tx.AppendHistory(e)) }); err != nil {
			rt.Fatal(err)
		}
		if err := verify(t, s, ""); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestEntriesOfUnknownMembersAreEdits(t *testing.T) {
	s, _ := newStore(t)
	appendEntries(t, s, "one")
	update(t, s, func(tx ledger.Tx) error {
		var e map[string]json.RawMessage
		if _, err := tx.(*Tx).get(bucketHistory, numberKey(1), &e); err != nil {
			return err
		}
		e["extra"] = json.RawMessage("1")
		return tx.(*Tx).put(bucketHistory, numberKey(1), e)
	})
	if err := verify(t, s, ""); err == nil {
		t.Error("an added member is not found")
	}
}
