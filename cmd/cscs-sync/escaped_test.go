package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state"
)

// acts reports whether a terminal would act on a text, or hide some of it.
func acts(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

// TestNamesOfFilesDoNotActOnATerminal: what a plan file is called comes from outside like all else.
func TestNamesOfFilesDoNotActOnATerminal(t *testing.T) {
	for _, name := range []string{"\x1b[2J\x1b[31mred.plan", "csi\u009b31m.plan", "bidi\u202etxt.plan", "two\nApproved plan x.plan", "tab\t\r.plan"} {
		s := newService(t, "")
		s.create("bio", 30500)
		for _, command := range [][]string{{"plan", "--out", name}, {"approve", name}, {"verify", name}, {"show", name}, {"apply", name},
			{"apply", name}, {"approve", name + "none.plan"}, {"plan", "--out", filepath.Join("no", name)}} {
			_, out := s.here(command...)
			if acts(out) || strings.Contains(out, "\nApproved plan x") {
				t.Errorf("%q says %q", command, out)
			}
		}
	}
}

// TestJSONHidesNothing: the state holds names from outside, and prints as JSON of which nothing is hidden.
func TestJSONHidesNothing(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.settle()
	store, err := state.Open(filepath.Join(s.dir, "state"), state.Options{Now: time.Now})
	s.check(err)
	const evil = "a\u009b31m b\u202ec \u2066d\u2069 \U000e0041 \x7f"
	s.check(store.Update(func(tx ledger.Tx) error {
		_, err := tx.AppendHistory(ledger.Entry{Who: evil, Event: "x", Text: evil})
		if err != nil {
			return err
		}
		return tx.AddHold(planner.Hold{Glob: "/capstor/**", Reason: evil, By: evil})
	}))
	for _, command := range [][]string{{"state", "pull"}, {"state", "history", "--json"}, {"hold", "list", "--json"}, {"state", "history"}, {"hold", "list"}} {
		if out := s.ok(command...); acts(out) || !strings.Contains(out, "31m b") {
			t.Errorf("%q prints %q", command, out)
		}
	}
}
