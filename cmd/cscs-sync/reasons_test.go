package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/state"
)

// turnedLoop is a loop in this process, whose clock the test turns.
type turnedLoop struct {
	*service
	*runningLoop
	offset time.Duration
}

// newTurnedLoop makes a site on which a person has approved the plan of one resource, first.
func newTurnedLoop(t *testing.T, more string) *turnedLoop {
	s := newService(t, more)
	s.create("first", 30500)
	s.settle()
	return s.turnedLoop()
}

func (s *service) turnedLoop() *turnedLoop {
	c := &turnedLoop{service: s}
	c.runningLoop = s.inProcess(c.now)
	return c
}

// now is the time that the loop's clock shows.
func (c *turnedLoop) now() time.Time { return time.Now().Add(c.offset) }

// ends runs a round, and checks the reason in which it ends.
func (c *turnedLoop) ends(which loop.Lane, want loop.Reason) {
	c.t.Helper()
	if got := c.Round(context.Background(), which); got != want {
		c.t.Fatalf("%s round ended with %s, want %s; the log:\n%s", which, got, want, c.service.log())
	}
}

func (c *turnedLoop) later(d time.Duration) { c.offset += d }

func (s *service) lfsFault(f lfssim.Fault) {
	s.check(lfssim.AddFault(filepath.Join(s.dir, "lfs.json"), f))
}

func (s *service) lfsMended() {
	s.check(lfssim.Update(filepath.Join(s.dir, "lfs.json"), func(st *lfssim.State) error { st.Faults = nil; return nil }))
}

func (s *service) pending() []string {
	s.t.Helper()
	return s.plansIn("pending")
}

// begun are the paths of the plans that the loop continues.
func (s *service) begun() []string {
	s.t.Helper()
	return s.plansIn("begun")
}

// files are those of the state.
func (s *service) files() *state.Files {
	s.t.Helper()
	store, err := state.Open(filepath.Join(s.dir, "state"), state.Options{Now: time.Now})
	s.check(err)
	return store.Files()
}

// plansIn are the plans in a folder of the state, by their paths.
func (s *service) plansIn(folder string) (paths []string) {
	s.t.Helper()
	folder = filepath.Join(s.dir, "state", folder)
	names, err := s.files().Plans(folder)
	s.check(err)
	for _, name := range names {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}

// keptPlan is what the state has at a path.
func (s *service) keptPlan(path string) []byte {
	s.t.Helper()
	data, err := s.files().Read(path, planfile.MaxSize)
	s.check(err)
	return data
}

// listing makes the proxy answer listings with a status; count -1 is until it is fixed.
func (s *service) listing(status, count int) {
	s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: status, Count: count}))
}

// reasonTests shows each reason in which a round can end.
var reasonTests = map[loop.Reason]struct {
	config string
	run    func(c *turnedLoop)
}{
	loop.NoChanges: {"", func(c *turnedLoop) { c.ends(loop.LaneAudit, loop.NoChanges) }},
	loop.Applied: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(loop.LaneOrders, loop.Applied)
	}},
	loop.WouldApply: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.Options.DryRun = true
		c.ends(loop.LaneOrders, loop.WouldApply)
	}},
	loop.AllHeld: {"", func(c *turnedLoop) {
		c.terminate("first")
		c.ends(loop.LaneOrders, loop.AllHeld)
	}},
	loop.OrdersBlocked: {"", func(c *turnedLoop) {
		c.create("second", 500) // below min_gid
		c.ends(loop.LaneOrders, loop.OrdersBlocked)
	}},
	loop.OutsideWindow: {"auto_approve {\n  window {\n    from = \"00:00\"\n    to = \"00:00\"\n    deny = true\n  }\n}\n", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(loop.LaneOrders, loop.OutsideWindow)
	}},
	loop.OverLimit: {"auto_approve {\n  max_share = 10\n}\n", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(loop.LaneOrders, loop.OverLimit)
	}},
	loop.PartialRound: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
		c.ends(loop.LaneOrders, loop.PartialRound)
	}},
	loop.InBackoff: {"", func(c *turnedLoop) {
		c.Options.Interval = time.Minute
		c.create("second", 30501)
		c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
		c.ends(loop.LaneOrders, loop.PartialRound)
		c.ends(loop.LaneOrders, loop.InBackoff)
	}},
	loop.NotConverged: {"auto_approve {\n  allow = [\"drift_mode\", \"wider_access\"]\n}\n", func(c *turnedLoop) {
		for range loop.SettledAfter {
			c.check(syscall.Chmod(filepath.Join(c.dir, "mnt/capstor/store/cscs/eth/first"), 0o2700))
			c.ends(loop.LaneAudit, loop.Applied)
		}
		c.check(syscall.Chmod(filepath.Join(c.dir, "mnt/capstor/store/cscs/eth/first"), 0o2700))
		c.ends(loop.LaneAudit, loop.NotConverged)
		c.later(3 * c.s.Config.Run.AuditInterval)
		c.ends(loop.LaneAudit, loop.Applied)
	}},
	loop.ObserveFailed: {"", func(c *turnedLoop) {
		c.lfsFault(lfssim.Fault{On: lfssim.OnQuota, Errno: "EIO"})
		c.ends(loop.LaneAudit, loop.ObserveFailed)
	}},
	loop.SourceUnreachable: {"", func(c *turnedLoop) {
		c.listing(400, 1)
		c.ends(loop.LaneAudit, loop.SourceUnreachable)
	}},
	loop.SourceIncomplete: {"", func(c *turnedLoop) {
		c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "html", Count: 1}))
		c.ends(loop.LaneAudit, loop.SourceIncomplete)
	}},
	loop.SourceShrank: {"", func(c *turnedLoop) {
		c.ends(loop.LaneAudit, loop.NoChanges)
		none := int64(0) // the proxy leaves a resource out whose group it cannot find
		_, err := c.sim.ChangeResource("capstor-first-store", waldursim.ResourceChange{GID: &none})
		c.check(err)
		c.ends(loop.LaneAudit, loop.SourceShrank)
		c.ends(loop.LaneOrders, loop.NoChanges)
		c.ends(loop.LaneAudit, loop.SourceShrank)
		if out, err := c.command("run", "--once", "--accept-shrunk").CombinedOutput(); err != nil {
			c.t.Fatalf("accept: %v\n%s", err, out)
		}
		c.ends(loop.LaneAudit, loop.NoChanges) // the running loop goes on, too
		if out, err := c.command("state", "history").CombinedOutput(); err != nil || !strings.Contains(string(out), ledger.EventShrunk) {
			c.t.Errorf("the history does not say who accepted it: %v\n%s", err, out)
		}
	}},
	loop.LockBusy: {"", func(c *turnedLoop) {
		lock, err := state.AcquireLock(context.Background(), filepath.Join(c.dir, "state"), ledger.Holder{Who: "somebody"}, 0)
		c.check(err)
		c.create("second", 30501)
		c.ends(loop.LaneOrders, loop.LockBusy)
		c.check(lock.Release())
		c.ends(loop.LaneOrders, loop.Applied)
	}},
	loop.Stopped: {"", func(c *turnedLoop) {
		c.a.stop.Ask()
		c.ends(loop.LaneAudit, loop.Stopped)
	}},
	loop.RoundFailed: {"", func(c *turnedLoop) {
		c.check(os.Rename(filepath.Join(c.dir, "mnt"), filepath.Join(c.dir, "gone")))
		c.ends(loop.LaneAudit, loop.RoundFailed)
	}},
}

// TestEveryReason: each reason is reached, and counted.
func TestEveryReason(t *testing.T) {
	for _, why := range loop.Reasons() {
		t.Run(string(why), func(t *testing.T) {
			tc, ok := reasonTests[why]
			if !ok {
				t.Fatal("no test shows it")
			}
			c := newTurnedLoop(t, tc.config)
			tc.run(c)
			w := httptest.NewRecorder()
			c.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if n := strings.Count(w.Body.String(), fmt.Sprintf("reason=%q} 0", why)); n > 1 {
				t.Errorf("no lane counted a round that ended with %s:\n%s", why, w.Body)
			}
		})
	}
}

// ready is what /readyz says.
func ready(c *turnedLoop) string {
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Body.String()
}

// failedOf counts the audits that failed in a row, and dueOf is when the next may begin.
func failedOf(c *turnedLoop) int    { _, failed := c.Audits(); return failed }
func dueOf(c *turnedLoop) time.Time { due, _ := c.Audits(); return due }

// TestAuditThatFailsStarvesNoOrder: as long as one resource makes the proxy answer 500 to the whole listing, and one to
// that of its status, all other orders are still carried out. The audit is tried again later and later.
func TestAuditThatFailsStarvesNoOrder(t *testing.T) {
	c := newTurnedLoop(t, "run {\n  interval = \"10s\"\n  audit_interval = \"1m\"\n}\n")
	c.Options.Interval = 10 * time.Second
	c.Tick(context.Background())
	body := `{"detail":"An error occurred: 1 validation error","error":"InternalServerError"}`
	c.check(c.sim.Inject(waldursim.Fault{Path: "page_size=500&status=updating", Kind: "status", Status: 500, Body: body, Count: -1}))
	c.create("second", 30501)
	c.ends(loop.LaneOrders, loop.SourceIncomplete)
	if !c.exists("capstor/store/cscs/eth/second")() {
		t.Fatalf("the order was not carried out:\n%s", c.service.log())
	}
	if !c.says("what is updating could not be listed")() {
		t.Errorf("the log does not say what is missing:\n%s", c.service.log())
	}
	c.sim.ClearFaults()
	c.later(time.Minute)
	for i, want := range []int{1, 2} {
		c.check(c.sim.Inject(waldursim.Fault{Path: "?page=1&page_size=500", Kind: "status", Status: 400, Count: 1})) // the whole listing comes first
		c.create(fmt.Sprint("more", i), int64(30600+i))
		c.Tick(context.Background())
		if failedOf(c) != want || !c.exists(fmt.Sprint("capstor/store/cscs/eth/more", i))() {
			t.Errorf("after %d failed audits: counted %d; the log:\n%s", want, failedOf(c), c.service.log())
		}
		if left := dueOf(c).Sub(c.now()).Round(time.Second); left != 20*time.Second<<i {
			t.Errorf("after %d failed audits the next is due in %s", want, left)
		}
		c.later(dueOf(c).Sub(c.now()))
	}
	c.Tick(context.Background())
	if failedOf(c) != 0 {
		t.Errorf("a good audit leaves %d failed ones", failedOf(c))
	}
}

// requests counts the listings that the proxy was asked for.
func (s *service) requests() (n int) {
	for _, r := range s.sim.Requests() {
		if strings.Contains(r.Path, "storage-resources") {
			n++
		}
	}
	return n
}

// TestTheProxyIsLeftAlone: for as long as it asks with Retry-After, by either lane; and after a listing that took too long,
// on which it may still work, for as long again.
func TestTheProxyIsLeftAlone(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 400, RetryAfter: "600", Count: 1}))
	c.ends(loop.LaneAudit, loop.SourceUnreachable)
	before := c.requests()
	c.later(9*time.Minute + 50*time.Second)
	c.ends(loop.LaneOrders, loop.SourceUnreachable)
	c.ends(loop.LaneAudit, loop.SourceUnreachable)
	if n := c.requests(); n != before {
		t.Errorf("%d requests although it asked to be left alone", n-before)
	}
	if !c.says("the proxy is left alone until")() {
		t.Errorf("the log does not say why nothing is listed:\n%s", c.service.log())
	}
	c.later(time.Minute)
	c.ends(loop.LaneOrders, loop.NoChanges)

	c.s.Config.Proxy.Timeout = 300 * time.Millisecond
	c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "slow", Delay: waldursim.Duration(2 * time.Second), Count: 1}))
	c.ends(loop.LaneAudit, loop.SourceUnreachable)
	before = c.requests()
	c.ends(loop.LaneOrders, loop.SourceUnreachable)
	if n := c.requests(); n != before {
		t.Errorf("%d requests right after a listing that took too long", n-before)
	}
	c.later(time.Second)
	c.ends(loop.LaneOrders, loop.NoChanges)
}

// TestQuarantine: what fails three times in a row is tried once an hour, people are told once, and another wish tries again.
func TestQuarantine(t *testing.T) {
	c := newTurnedLoop(t, "run {\n  interval = \"60s\"\n  notify {\n    exec = [\"/usr/bin/tee\", \"-a\", \"$WORK/notices\"]\n  }\n}\n")
	c.Options.Interval = time.Minute
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	for _, wait := range []time.Duration{2 * time.Minute, 4 * time.Minute, time.Hour, time.Hour} {
		c.ends(loop.LaneOrders, loop.PartialRound)
		c.ends(loop.LaneOrders, loop.InBackoff)
		c.later(wait - time.Second)
		c.ends(loop.LaneOrders, loop.InBackoff)
		c.later(2 * time.Second)
	}
	notices, err := os.ReadFile(filepath.Join(c.dir, "notices"))
	c.check(err)
	if n := strings.Count(string(notices), `"event":"quarantined"`); n != 1 || !strings.Contains(string(notices), `"address":"/capstor/store/cscs/eth/second"`) {
		t.Errorf("people were told %d times: %s", n, notices)
	}
	if n := c.History().InQuarantine(); n != 1 {
		t.Errorf("%d in quarantine", n)
	}
	if !c.says("the next try is at")() {
		t.Errorf("the log does not say when it is tried again:\n%s", c.service.log())
	}
	c.Round(context.Background(), loop.LaneAudit) // which fails no more than the orders lane did
	c.later(30 * time.Minute)
	readyBefore := ready(c)
	c.ends(loop.LaneOrders, loop.InBackoff)
	// The clock of the test goes on while the test runs: on a busy machine some seconds.
	if now := ready(c); strings.HasPrefix(readyBefore, "last good round") || !strings.HasPrefix(now, "last good round") {
		t.Errorf("one resource in quarantine, and the loop is never ready again: %s, was %s", now, readyBefore)
	}
	c.later(time.Hour)
	c.lfsMended()
	c.ends(loop.LaneOrders, loop.Applied) // what was left unfinished is finished
	if r, err := c.sim.Resource("capstor-second-store"); err != nil || r.State != waldursim.OK {
		t.Errorf("Waldur has it as %+v, %v", r, err)
	}
	if n := c.History().InQuarantine(); n != 0 {
		t.Errorf("%d in quarantine after it worked", n)
	}
}

// grow orders more space for the first resource, in TB.
func (c *turnedLoop) grow(to int) {
	_, err := c.sim.UpdateResource("capstor-first-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": to}})
	c.check(err)
}

// TestAnotherWishIsTriedAtOnce: who waits for a next try does not wait with another order.
func TestAnotherWishIsTriedAtOnce(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.Options.Interval = time.Minute
	c.grow(2)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(loop.LaneOrders, loop.PartialRound)
	c.ends(loop.LaneOrders, loop.InBackoff)
	r, err := c.sim.Resource("capstor-first-store")
	c.check(err)
	_, err = c.sim.SetOrderState(r.Orders[len(r.Orders)-1].UUID, waldursim.Canceled)
	c.check(err)
	c.grow(3)
	c.ends(loop.LaneOrders, loop.Applied)
}

// TestLoopGoesOnAfterAKill: wherever the loop is killed, the next one ends as without the kill: the policy's plans are not
// taken for somebody else's work.
func TestLoopGoesOnAfterAKill(t *testing.T) {
	for _, at := range []string{"1", "3", "5", "7", "9", "12"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newService(t, "")
			s.create("first", 30500)
			s.settle()
			s.create("second", 30501)
			cmd := s.command("run", "--once")
			cmd.Env = append(cmd.Env, "CSCS_TEST_KILL="+at)
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Fatalf("it was not killed:\n%s", out)
			}
			if out, err := s.command("run", "--once").CombinedOutput(); err != nil {
				t.Fatalf("run again: %v\n%s", err, out)
			}
			r, err := s.sim.Resource("capstor-second-store")
			left := s.begun()
			if err != nil || r.State != waldursim.OK || len(s.pending())+len(left) > 0 {
				t.Errorf("Waldur has it as %+v, %v; held %v, begun %v", r, err, s.pending(), left)
			}
		})
	}
}

// TestAPathIsFreeOnceItsHolderIsArchived: a new order for it need not wait for the next audit.
func TestAPathIsFreeOnceItsHolderIsArchived(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.terminate("first")
	c.ends(loop.LaneAudit, loop.AllHeld)
	_, err := c.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "next", DataType: "store", GID: 30501,
		Limits: map[string]any{"storage": 1}, BackendID: "/capstor/store/cscs/eth/first", Order: &waldursim.OrderSpec{Type: "Create"}})
	c.check(err)
	c.ends(loop.LaneOrders, loop.AllHeld) // the one waits for the other
	c.approveAll()
	c.ends(loop.LaneOrders, loop.Applied)
	c.ends(loop.LaneOrders, loop.NoChanges)
	if r, err := c.sim.Resource("capstor-next-store"); err != nil || r.State != waldursim.OK {
		t.Errorf("Waldur has the new one as %+v, %v; the log:\n%s", r, err, c.service.log())
	}
}

// TestIndexOfAnotherForm: an index that cannot be read is none. The orders lane goes on without it, and an audit makes
// another.
func TestIndexOfAnotherForm(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.ends(loop.LaneAudit, loop.NoChanges)
	c.check(c.s.Store.Update(func(tx ledger.Tx) error {
		return tx.SetIndex(c.now(), 0, []json.RawMessage{json.RawMessage(`{"items":7}`)})
	}))
	c.create("second", 30501)
	c.ends(loop.LaneOrders, loop.Applied)
	if !c.says("the last complete listing cannot be read")() {
		t.Errorf("the log does not tell of it:\n%s", c.service.log())
	}
	c.ends(loop.LaneAudit, loop.NoChanges)
	if last, err := loop.ReadIndex(c.s.Store, slog.New(slog.DiscardHandler)); err != nil || last.At.IsZero() || len(last.Items) < 2 {
		t.Errorf("after an audit: %d items of %s, %v", len(last.Items), last.At, err)
	}
}

// TestFailureSeenToByHand: what failed and was then done by somebody else is forgotten, and a reload tries at once.
func TestFailureSeenToByHand(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.Options.Interval = time.Minute
	c.grow(2)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	for range loop.Quarantine {
		c.ends(loop.LaneOrders, loop.PartialRound)
		c.later(loop.LongestBackoff + time.Second)
	}
	c.lfsMended()
	byHand := c.command("apply", "--auto-approve")
	byHand.Env = append(byHand.Env, "CSCS_TEST_NOW="+c.now().UTC().Format(time.RFC3339))
	if out, err := byHand.CombinedOutput(); err != nil {
		t.Fatalf("apply by hand: %v\n%s", err, out)
	}
	c.ends(loop.LaneOrders, loop.NoChanges)
	if n := len(c.History().Failures); n != 1 {
		t.Errorf("%d failures after a round that did not list the resource: it concluded something from absence", n)
	}
	c.ends(loop.LaneAudit, loop.NoChanges)
	if n := len(c.History().Failures); n != 0 {
		t.Errorf("%d failures of what is as wanted", n)
	}

	c.grow(3)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(loop.LaneOrders, loop.PartialRound)
	c.ends(loop.LaneOrders, loop.InBackoff)
	c.Reload()
	c.ends(loop.LaneOrders, loop.Applied)
}
