package status

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/state"
)

// live returns the source of a loop with an empty state and two held plans.
func live(t *testing.T) (*Live, *View) {
	t.Helper()
	now := func() time.Time { return plantest.Made() }
	store, err := state.Open(t.TempDir(), state.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	early, late := now(), now().Add(time.Hour)
	v := &View{Systems: []string{"capstor"}, Store: store, Files: store.Files(),
		Held: func() ([]Held, error) {
			return []Held{{ID: "a", Since: early}, {ID: "b", Since: late}},
				nil
		},
		Nodes: func() ([]Node, error) { return []Node{{Name: "n"}}, nil },
		Plan: func(short string) (*planner.Plan, error) {
			if short != "587be404d007" {
				return nil, ErrNotThere
			}
			return plantest.Mixed(), nil
		},
		Report: func(p *engine.Planned) ([]byte, error) {
			if p == nil {
				return nil, errors.New("no report")
			}
			return []byte("report"), nil
		}}
	l := &Live{Host: "mgmt01", Now: now, Hung: func() []string { return nil }}
	l.Use(*v)
	return l, v
}

func TestLiveReadsTheState(t *testing.T) {
	l, v := live(t)
	err := v.Store.Update(func(tx ledger.Tx) error {
		for i := range mostHistory + 5 {
			entry := ledger.Entry{Event: ledger.EventRemove, Who: "root", Text: fmt.Sprint(i)}
			if _, err := tx.AppendHistory(entry); err != nil {
				return err
			}
		}
		_, err := tx.Begin(ledger.PlanStart{ID: "sha256:" + strings.Repeat("ab", 32), Context: "c",
			Made: plantest.Made(),
			Who:  "root"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.History) != mostHistory || s.History[0].Event != ledger.EventBegin ||
		s.History[1].Text != fmt.Sprint(mostHistory+4) {
		t.Errorf("history: %d entries, %+v first", len(s.History), s.History[0])
	}
	if len(s.Begun) != 1 || len(s.Held) != 2 || s.Held[0].ID != "b" || len(s.Nodes) != 1 ||
		!slices.Equal(s.Systems, []string{"capstor"}) || s.HasReport {
		t.Errorf("the snapshot is %+v", s)
	}
}

func TestLiveKeepsTheLastRounds(t *testing.T) {
	l, _ := live(t)
	for i := range mostRounds + 3 {
		l.Ended("audit", loop.Reason(fmt.Sprint(i)), time.Second)
	}
	s, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rounds) != mostRounds || s.Rounds[0].Reason != fmt.Sprint(mostRounds+2) {
		t.Errorf("%d rounds, the last %+v", len(s.Rounds), s.Rounds[0])
	}
}

// If a report cannot be made, the one before stays.
func TestLiveReport(t *testing.T) {
	l, _ := live(t)
	if _, err := l.Report(); !errors.Is(err, ErrNotThere) {
		t.Errorf("before an audit: %v", err)
	}
	l.Seen(&engine.Planned{})
	l.Seen(nil)
	if page, err := l.Report(); err != nil || string(page) != "report" {
		t.Errorf("after an audit: %q, %v", page, err)
	}
	if s, err := l.Snapshot(); err != nil || !s.HasReport {
		t.Errorf("the snapshot has no report: %v", err)
	}
}

// The name of a held plan does not reach anything that reads files unless it is a short id.
func TestLiveHeldPlan(t *testing.T) {
	l, v := live(t)
	asked := ""
	plan := v.Plan
	v.Plan = func(short string) (*planner.Plan, error) {
		asked += short
		return plan(short)
	}
	l.Use(*v)
	for _, short := range []string{"", "../state", "587be404d007/", "587BE404D007", "587be404d0071",
		"*"} {
		if _, err := l.HeldPlan(short); !errors.Is(err, ErrNotThere) || asked != "" {
			t.Errorf("%q: %v, looked for %q", short, err, asked)
		}
	}
	if p, err := l.HeldPlan("587be404d007"); err != nil || p == nil {
		t.Errorf("a held plan: %v", err)
	}
	if _, err := l.HeldPlan("000000000000"); !errors.Is(err, ErrNotThere) {
		t.Errorf("another one: %v", err)
	}
}

// A page that cannot be read is an error and not an empty page.
func TestLiveSaysWhatItCannotRead(t *testing.T) {
	broken := errors.New("broken")
	for what, spoil := range map[string]func(*View){
		"held plans": func(v *View) { v.Held = func() ([]Held, error) { return nil, broken } },
		"nodes":      func(v *View) { v.Nodes = func() ([]Node, error) { return nil, broken } },
	} {
		l, v := live(t)
		spoil(v)
		l.Use(*v)
		if _, err := l.Snapshot(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Requests, rounds and reloads happen at the same time.
func TestLiveIsSafeForGoroutines(t *testing.T) {
	l, v := live(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := l.Snapshot(); err != nil {
					t.Error(err)
				}
				_, _ = l.Report()
			}
		})
		wait.Go(func() {
			for range 5 {
				l.Ended("orders", "no_changes", time.Second)
				l.Seen(&engine.Planned{})
				l.Use(*v)
			}
		})
	}
	wait.Wait()
	if s, err := l.Snapshot(); err != nil || len(s.Rounds) != 20 {
		t.Errorf("%v: %+v", err, s)
	}
}
