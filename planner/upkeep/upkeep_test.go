package upkeep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
)

var now = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)

// state is a state in memory. It logs what is done.
type state struct {
	ledger.Tx
	holds   []planner.Hold
	outbox  []ledger.Delivery
	archive []planner.Archived
	records []planner.Record
	plans   []ledger.Plan
	done    []string
}

func (s *state) View(f func(ledger.Tx) error) error   { return f(s) }
func (s *state) Update(f func(ledger.Tx) error) error { return f(s) }
func (s *state) Now() time.Time                       { return now }

func (s *state) Holds(time.Time) ([]planner.Hold, error) { return s.holds, nil }
func (s *state) AddHold(h planner.Hold) error {
	s.holds = append(s.holds, h)
	return nil
}

func (s *state) RemoveHolds(glob string) (gone []planner.Hold, err error) {
	for _, h := range s.holds {
		if h.Glob == glob {
			gone = append(gone, h)
		}
	}
	return gone, nil
}

func (s *state) Outbox() ([]ledger.Delivery, error) { return s.outbox, nil }
func (s *state) Retry(seq uint64) error {
	s.done = append(s.done, "retry "+string(rune('0'+seq)))
	return nil
}

func (s *state) ArchiveRegister() ([]planner.Archived, error) { return s.archive, nil }
func (s *state) ReplaceArchiveRegister(found []planner.Archived) error {
	s.archive = found
	return nil
}

func (s *state) AppendHistory(e ledger.Entry) (string, error) {
	s.done = append(s.done, e.Event+" by "+e.Who+": "+e.Text)
	return "", nil
}

// did compares what was logged since the last call.
func (s *state) did(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(s.done, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("done:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	s.done = nil
}

var anna = ledger.Person{Who: "anna", Host: "node1"}

// TestHold: a hold is added once, and one that differs is another hold.
func TestHold(t *testing.T) {
	t.Parallel()
	s := &state{}
	h := planner.Hold{Glob: "/s/bio", Reason: "power cut"}
	for i, want := range []bool{false, true} {
		if already, err := upkeep.Hold(s, h, anna); already != want || err != nil {
			t.Errorf("%d: %t, %v", i, already, err)
		}
	}
	s.did(t, "hold by anna: /s/bio: power cut")
	h.Until = now
	if already, err := upkeep.Hold(s, h, anna); already || err != nil {
		t.Errorf("another end: %t, %v", already, err)
	}
	if already, err := upkeep.Hold(s, h, ledger.Person{Who: "bea"}); already || err != nil {
		t.Errorf("another person: %t, %v", already, err)
	}
	s.done = nil
	if n, err := upkeep.Lift(s, "/s/bio", anna); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	s.did(t, "unhold by anna: /s/bio (3 holds)")
	if _, err := upkeep.Lift(s, "/s/*", anna); err == nil {
		t.Error("a hold was lifted that there is not")
	}
	s.did(t)
	text := upkeep.Holds([]planner.Hold{{Glob: "/s/\x1b", By: "anna", Reason: "r", At: now}})
	if text != "\"/s/\\x1b\"\n  until lifted, by anna since 2026-11-22 21:40 UTC: r\n" {
		t.Errorf("%q", text)
	}
}

// TestCheckHold: a misspelt glob is refused, but a hold never comes late because little is known.
func TestCheckHold(t *testing.T) {
	t.Parallel()
	listed := []planner.Item{{MountPath: "/s/bio"}}
	none := &planner.Recorded{}
	gone := &planner.Recorded{Archived: map[planner.Key]planner.Archived{{}: {Address: "/s/old"}}}
	for name, c := range map[string]struct {
		glob     string
		recorded *planner.Recorded
		listed   []planner.Item
		running  bool
		warns    bool
		refuses  bool
	}{
		"listed":           {"/s/b*", none, listed, false, false, false},
		"archived":         {"/s/old", gone, nil, false, false, false},
		"misspelt":         {"/s/boi", none, listed, false, false, true},
		"nothing is known": {"/s/boi", none, nil, false, true, false},
		"an apply runs":    {"/s/boi", none, listed, true, true, false},
	} {
		warning, err := upkeep.CheckHold(c.glob, c.recorded, c.listed,
			func() (bool, error) { return c.running, nil })
		if (warning != "") != c.warns || engine.IsRefused(err) != c.refuses {
			t.Errorf("%s: %q, %v", name, warning, err)
		}
	}
}

// TestRunning: the person who holds something is told whose apply still runs.
func TestRunning(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]ledger.Holder{
		"A process that has not said who it is holds the lock. It finishes": {},
		"bea on node2 (pid 7, since 2026-11-22 21:40 UTC) applies plan 0123456789ab. ": {
			Who: "bea", Host: "node2", PID: 7, Since: now, Plan: "sha256:0123456789abcdef"},
	} {
		if got := upkeep.Running(h); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCallbacks: people see what waits, why, and until when.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	base := ledger.Delivery{Seq: 7, Callback: planner.SetStateDone, Address: "/s/bio", Since: now}
	for want, change := range map[string]func(*ledger.Delivery){
		"not tried yet": func(*ledger.Delivery) {},
		"tried 2 times, again after 2026-11-22": func(d *ledger.Delivery) {
			d.Tries,
				d.Next = 2, now
		},
		"tried 1 time, again as soon as something": func(d *ledger.Delivery) { d.Tries = 1 },
		"parked: retry or drop it\n    no \\x1bkey\n": func(d *ledger.Delivery) {
			d.Tries, d.Parked,
				d.Problem = 3, true, "no \x1bkey"
		},
	} {
		d := base
		change(&d)
		text := upkeep.Callbacks([]ledger.Delivery{d})
		if !strings.HasPrefix(text,
			"7  set_state_done of /s/bio\n    since 2026-11-22 21:40 UTC, "+want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

// TestUnpark: only the chosen callbacks become due, and none if one of them does not exist.
func TestUnpark(t *testing.T) {
	t.Parallel()
	s := &state{outbox: []ledger.Delivery{{Seq: 1}, {Seq: 2}}}
	if err := upkeep.Unpark(s, nil); err != nil {
		t.Error(err)
	}
	s.did(t, "retry 1", "retry 2")
	if err := upkeep.Unpark(s, []uint64{2}); err != nil {
		t.Error(err)
	}
	s.did(t, "retry 2")
	if err := upkeep.Unpark(s, []uint64{2, 3}); err == nil {
		t.Error("no callback 3 waits")
	}
	s.did(t)
	if n, err := upkeep.Numbers([]string{"1", "18446744073709551615"}); err != nil || len(n) != 2 {
		t.Errorf("%d, %v", n, err)
	}
	for _, arg := range []string{"", "-1", "a", "1.0"} {
		if n, err := upkeep.Numbers([]string{arg}); err == nil {
			t.Errorf("%q is taken as %d", arg, n)
		}
	}
}

// TestArchive: the register is sorted, says what is past its retention, and can be rebuilt.
func TestArchive(t *testing.T) {
	t.Parallel()
	s := &state{archive: []planner.Archived{{Address: "/s/b", Archive: "t/b", At: now,
		Until: now.Add(time.Second)},
		{Address: "/s/a", Archive: "t/a2", At: now, Until: now},
		{Address: "/s/a", Archive: "t/a1", At: now, Until: now}}}
	all, err := upkeep.Register(s, false)
	if err != nil || len(all) != 3 || all[0].Archive != "t/a1" || all[2].Archive != "t/b" {
		t.Errorf("%+v, %v", all, err)
	}
	late, err := upkeep.Register(s, true)
	if err != nil || len(late) != 2 {
		t.Errorf("%+v, %v", late, err)
	}
	text := upkeep.Archive(all, now)
	if strings.Count(text, "past its retention since 2026-11-22") != 2 ||
		!strings.Contains(text, "kept until 2026-11-22\n  in t/b") {
		t.Error(text)
	}
	if err := upkeep.Rebuild(s, all[:1], anna); err != nil || len(s.archive) != 1 {
		t.Errorf("%+v, %v", s.archive, err)
	}
	s.did(t, "rescan by anna: 3 in the register before, 1 now")
}
