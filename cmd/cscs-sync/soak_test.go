package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// rounds is how many rounds the soak test runs: 10,000 with CSCS_TEST_LONG.
func rounds() int {
	if os.Getenv("CSCS_TEST_LONG") != "" {
		return 10_000
	}
	return 150
}

// TestSoak runs many rounds in one process, with orders, drift and faults: neither memory, nor descriptors, nor goroutines
// may grow.
func TestSoak(t *testing.T) {
	s := newService(t, "auto_approve {\n  allow = [\"create\", \"report\", \"drift_mode\", \"quota_raise\", \"wider_access\"]\n}\n")
	s.withoutQuotas()
	s.create("first", 30500)
	s.settle()
	var passed time.Duration // a minute goes by from round to round
	l := s.inProcess(func() time.Time { return time.Now().Add(passed) }, func(ses *session.Session) {
		ses.Process.Log = slog.New(slog.DiscardHandler) // it would grow
		ses.Config.Proxy.Timeout = 300 * time.Millisecond
	})
	n := rounds()
	var before runtime.MemStats
	var files, goroutines int
	for i := range n {
		passed += time.Minute
		s.disturb(i)
		which := loop.LaneOrders
		if i%5 == 0 {
			which = loop.LaneAudit
		}
		l.Round(context.Background(), which)
		if i == n/3 {
			files, goroutines = s.measure(&before)
		}
	}
	var after runtime.MemStats
	filesNow, goroutinesNow := s.measure(&after)
	if filesNow > files+5 || goroutinesNow > goroutines+10 {
		t.Errorf("after %d more rounds: %d open files, was %d; %d goroutines, was %d", n-n/3, filesNow, files, goroutinesNow, goroutines)
	}
	if after.HeapAlloc > before.HeapAlloc+before.HeapAlloc/2+4<<20 {
		t.Errorf("after %d more rounds: heap %d KiB, was %d KiB", n-n/3, after.HeapAlloc>>10, before.HeapAlloc>>10)
	}
	t.Logf("%d rounds: heap %d KiB after a third, %d KiB at the end; %d and %d files; %d and %d goroutines", n,
		before.HeapAlloc>>10, after.HeapAlloc>>10, files, filesNow, goroutines, goroutinesNow)
	for _, why := range []loop.Reason{loop.Applied, loop.NoChanges, loop.AllHeld, loop.SourceUnreachable, loop.SourceIncomplete} {
		if ended := gaugeValue(t, l.Loop, roundsOf("orders", why)) + gaugeValue(t, l.Loop, roundsOf("audit", why)); ended == 0 {
			t.Errorf("no round ended with %s", why)
		} else {
			t.Logf("%s: %.0f", why, ended)
		}
	}
}

// withoutQuotas spares the rounds the many processes of lfs.
func (s *service) withoutQuotas() {
	config := filepath.Join(s.dir, "cscs-sync.hcl")
	text, err := os.ReadFile(config)
	s.check(err)
	text = regexp.MustCompile(`(?s)quota "lustre" \{.*?\n  \}`).ReplaceAll(text, []byte(`quota "none" { orders = "complete" }`))
	text = bytes.ReplaceAll(text, []byte(`quota "none" {}`), []byte(`quota "none" { orders = "complete" }`))
	s.check(os.WriteFile(config, text, 0o600))
}

// roundsOf is the metric that counts rounds that ended so.
func roundsOf(lane loop.Lane, why loop.Reason) string {
	return fmt.Sprintf(`cscs_sync_rounds_total{lane=%q,reason=%q}`, lane, why)
}

// runningLoop is a loop in this process, with the session and the process that it has.
type runningLoop struct {
	*loop.Loop
	s *session.Session
	a *app
}

// inProcess is a loop in this process, so that its memory can be looked at.
func (s *service) inProcess(now func() time.Time, prepare ...func(*session.Session)) *runningLoop {
	a := system()
	a.now = now
	a.configPath, a.term.Color, a.user = filepath.Join(s.dir, "cscs-sync.hcl"), "never", "root"
	a.term.Out, a.term.Err = io.Discard, io.Discard
	a.log = slog.New(slog.NewTextHandler(s, nil))
	a.quietLog = true
	ses, err := a.open(config.Read)
	s.check(err)
	for _, change := range prepare {
		change(ses)
	}
	l, ended := a.loop(ses, loop.Options{Interval: time.Millisecond})
	s.t.Cleanup(ended)
	return &runningLoop{l, ses, a}
}

// disturb does to the world what happens in one round: mostly nothing, now and then an order, one that changes or ends,
// drift, or a fault of either side.
func (s *service) disturb(i int) {
	s.sim.ClearFaults()
	s.sim.ClearRequests()
	which := fmt.Sprint("p", i/100%20)
	fault := func(f waldursim.Fault) { s.check(s.sim.Inject(f)) }
	switch i % 100 {
	case 1:
		if i < 2000 {
			s.create(which, int64(31000+i/100))
		}
	case 21, 61:
		_, _ = s.sim.UpdateResource("capstor-"+which+"-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": 1 + i/100}})
		fault(waldursim.Fault{Path: "set_state_done", Kind: "status", Status: 503, Count: 5})
	case 41: // the removal is held, and the customer takes it back
		_, _ = s.sim.TerminateResource("capstor-"+which+"-store", "")
	case 46:
		if r, err := s.sim.Resource("capstor-" + which + "-store"); err == nil && len(r.Orders) > 0 {
			_, _ = s.sim.SetOrderState(r.Orders[len(r.Orders)-1].UUID, waldursim.Canceled)
		}
	case 13, 53:
		fault(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 400, Count: 1})
	case 33, 73:
		fault(waldursim.Fault{Path: "storage-resources", Kind: "html", Count: 1})
	case 25, 65, 85:
		s.check(syscall.Chmod(filepath.Join(s.dir, "mnt/capstor/store/cscs/eth/first"), 0o2750+uint32(i/10%8)))
	case 88:
		if i%500 == 88 { // a listing that is cut off is read again after a pause
			fault(waldursim.Fault{Path: "storage-resources", Kind: "truncate", Count: 1})
		}
	case 92:
		if i%500 == 92 {
			fault(waldursim.Fault{Path: "storage-resources", Kind: "slow", Delay: waldursim.Duration(time.Second), Count: 1})
		}
	}
}

// measure counts what a leak would make grow, after everything that is dead is gone.
func (s *service) measure(m *runtime.MemStats) (files, goroutines int) {
	time.Sleep(50 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(m)
	names, err := os.ReadDir("/proc/self/fd")
	s.check(err)
	return len(names), runtime.NumGoroutine()
}

// TestOrderWithinTwoSeconds: with 10,000 resources and the loop as a process of its own, an order is provisioned and
// reported within two seconds of the poll that sees it. What is measured holds the wait for that poll too.
func TestOrderWithinTwoSeconds(t *testing.T) {
	const interval = 100 * time.Millisecond
	s := newService(t, "")
	s.withoutQuotas()
	s.check(s.sim.Generate(10_000, 0))
	s.create("trust", 65000)
	for _, args := range [][]string{{"plan", "--target", "/capstor/store/cscs/eth/trust", "--out", "p.plan"}, {"approve", "p.plan"}, {"apply", "p.plan"}} {
		if out, err := s.command(args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%.3000s", args, err, out)
		}
	}
	s.start("--interval", interval.String())
	s.until("the end of the first audit", s.says("lane=audit reason="))
	fastest := time.Hour // of a few orders: other tests run beside this one
	for i := range 5 {
		start := time.Now()
		s.create(fmt.Sprint("new", i), int64(65001+i))
		s.becomes(fmt.Sprintf("capstor-new%d-store", i), waldursim.OK)
		fastest = min(fastest, time.Since(start))
	}
	t.Logf("from order to report: %s", fastest.Round(time.Millisecond))
	if fastest > interval+2*time.Second*slowdown {
		t.Errorf("an order took %s until its report, want at most 2 s", fastest)
	}
	s.stops()
}
