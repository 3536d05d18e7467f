package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/providers/web"
	"github.com/waldur/cscs-storage-sync/state"
)

// turnedLoop is a loop in this process, whose clock the test turns.
type turnedLoop struct {
	*service
	*loop
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
	c.loop = s.inProcess(func() time.Time { return time.Now().Add(c.offset) })
	return c
}

// ends runs a round, and checks the reason in which it ends.
func (c *turnedLoop) ends(which lane, want reason) {
	c.t.Helper()
	if got := c.round(context.Background(), which); got != want {
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
	held, err := filepath.Glob(filepath.Join(s.dir, "state/pending/*.plan"))
	s.check(err)
	return held
}

// listing makes the proxy answer listings with a status; count -1 is until it is mended.
func (s *service) listing(status, count int) {
	s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: status, Count: count}))
}

// reasonTests shows each reason in which a round can end.
var reasonTests = map[reason]struct {
	config string
	run    func(c *turnedLoop)
}{
	noChanges: {"", func(c *turnedLoop) { c.ends(laneAudit, noChanges) }},
	applied: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(laneOrders, applied)
	}},
	wouldApply: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.o.dryRun = true
		c.ends(laneOrders, wouldApply)
	}},
	allHeld: {"", func(c *turnedLoop) {
		c.terminate("first")
		c.ends(laneOrders, allHeld)
	}},
	ordersBlocked: {"", func(c *turnedLoop) {
		c.create("second", 500) // below min_gid
		c.ends(laneOrders, ordersBlocked)
	}},
	outsideWindow: {"auto_approve {\n  window {\n    from = \"00:00\"\n    to = \"00:00\"\n    deny = true\n  }\n}\n", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(laneOrders, outsideWindow)
	}},
	overLimit: {"auto_approve {\n  max_share = 10\n}\n", func(c *turnedLoop) {
		c.create("second", 30501)
		c.ends(laneOrders, overLimit)
	}},
	partialRound: {"", func(c *turnedLoop) {
		c.create("second", 30501)
		c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
		c.ends(laneOrders, partialRound)
	}},
	inBackoff: {"", func(c *turnedLoop) {
		c.o.interval = time.Minute
		c.create("second", 30501)
		c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
		c.ends(laneOrders, partialRound)
		c.ends(laneOrders, inBackoff)
	}},
	notConverged: {"auto_approve {\n  allow = [\"drift_mode\", \"wider_access\"]\n}\n", func(c *turnedLoop) {
		for range settledAfter {
			c.check(syscall.Chmod(filepath.Join(c.dir, "mnt/capstor/store/cscs/eth/first"), 0o2700))
			c.ends(laneAudit, applied)
		}
		c.check(syscall.Chmod(filepath.Join(c.dir, "mnt/capstor/store/cscs/eth/first"), 0o2700))
		c.ends(laneAudit, notConverged)
		c.later(3 * c.s.cfg.Run.AuditInterval)
		c.ends(laneAudit, applied)
	}},
	observeFailed: {"", func(c *turnedLoop) {
		c.lfsFault(lfssim.Fault{On: lfssim.OnQuota, Errno: "EIO"})
		c.ends(laneAudit, observeFailed)
	}},
	sourceUnreachable: {"", func(c *turnedLoop) {
		c.listing(400, 1)
		c.ends(laneAudit, sourceUnreachable)
	}},
	sourceIncomplete: {"", func(c *turnedLoop) {
		c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "html", Count: 1}))
		c.ends(laneAudit, sourceIncomplete)
	}},
	sourceShrank: {"", func(c *turnedLoop) {
		c.ends(laneAudit, noChanges)
		none := int64(0) // the proxy leaves a resource out whose group it cannot find
		_, err := c.sim.ChangeResource("capstor-first-store", waldursim.ResourceChange{GID: &none})
		c.check(err)
		c.ends(laneAudit, sourceShrank)
		c.ends(laneOrders, noChanges)
		c.ends(laneAudit, sourceShrank)
		if out, err := c.command("run", "--once", "--accept-shrunk").CombinedOutput(); err != nil {
			c.t.Fatalf("accept: %v\n%s", err, out)
		}
		c.ends(laneAudit, noChanges) // the running loop goes on, too
		if out, err := c.command("state", "history").CombinedOutput(); err != nil || !strings.Contains(string(out), eventShrunk) {
			c.t.Errorf("the history does not say who accepted it: %v\n%s", err, out)
		}
	}},
	lockBusy: {"", func(c *turnedLoop) {
		lock, err := state.AcquireLock(context.Background(), filepath.Join(c.dir, "state"), ledger.Holder{Who: "somebody"}, 0)
		c.check(err)
		c.create("second", 30501)
		c.ends(laneOrders, lockBusy)
		c.check(lock.Release())
		c.ends(laneOrders, applied)
	}},
	stopped: {"", func(c *turnedLoop) {
		close(c.s.stop)
		c.ends(laneAudit, stopped)
	}},
	roundFailed: {"", func(c *turnedLoop) {
		c.check(os.Rename(filepath.Join(c.dir, "mnt"), filepath.Join(c.dir, "gone")))
		c.ends(laneAudit, roundFailed)
	}},
}

// TestEveryReason: each reason is reached, and counted.
func TestEveryReason(t *testing.T) {
	for _, why := range reasons() {
		t.Run(string(why), func(t *testing.T) {
			tc, ok := reasonTests[why]
			if !ok {
				t.Fatal("no test shows it")
			}
			c := newTurnedLoop(t, tc.config)
			tc.run(c)
			w := httptest.NewRecorder()
			c.metrics.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if n := strings.Count(w.Body.String(), fmt.Sprintf("reason=%q} 0", why)); n > 1 {
				t.Errorf("no lane counted a round that ended with %s:\n%s", why, w.Body)
			}
		})
	}
}

// TestAuditThatFailsStarvesNoOrder: as long as one resource makes the proxy answer 500 to the whole listing, and one to
// that of its status, all other orders are still carried out. The audit is tried again later and later.
func TestAuditThatFailsStarvesNoOrder(t *testing.T) {
	c := newTurnedLoop(t, "run {\n  interval = \"10s\"\n  audit_interval = \"1m\"\n}\n")
	c.o.interval = 10 * time.Second
	c.tick(context.Background())
	body := `{"detail":"An error occurred: 1 validation error","error":"InternalServerError"}`
	c.check(c.sim.Inject(waldursim.Fault{Path: "page_size=500&status=updating", Kind: "status", Status: 500, Body: body, Count: -1}))
	c.create("second", 30501)
	c.ends(laneOrders, sourceIncomplete)
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
		c.tick(context.Background())
		if c.failedAudits != want || !c.exists(fmt.Sprint("capstor/store/cscs/eth/more", i))() {
			t.Errorf("after %d failed audits: counted %d; the log:\n%s", want, c.failedAudits, c.service.log())
		}
		if left := c.auditDue.Sub(c.s.now()).Round(time.Second); left != 20*time.Second<<i {
			t.Errorf("after %d failed audits the next is due in %s", want, left)
		}
		c.later(c.auditDue.Sub(c.s.now()))
	}
	c.tick(context.Background())
	if c.failedAudits != 0 {
		t.Errorf("a good audit leaves %d failed ones", c.failedAudits)
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
	c.ends(laneAudit, sourceUnreachable)
	before := c.requests()
	c.later(9*time.Minute + 50*time.Second)
	c.ends(laneOrders, sourceUnreachable)
	c.ends(laneAudit, sourceUnreachable)
	if n := c.requests(); n != before {
		t.Errorf("%d requests although it asked to be left alone", n-before)
	}
	if !c.says("the proxy is left alone until")() {
		t.Errorf("the log does not say why nothing is listed:\n%s", c.service.log())
	}
	c.later(time.Minute)
	c.ends(laneOrders, noChanges)

	c.s.cfg.Proxy.Timeout = 300 * time.Millisecond
	c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "slow", Delay: waldursim.Duration(2 * time.Second), Count: 1}))
	c.ends(laneAudit, sourceUnreachable)
	before = c.requests()
	c.ends(laneOrders, sourceUnreachable)
	if n := c.requests(); n != before {
		t.Errorf("%d requests right after a listing that took too long", n-before)
	}
	c.later(time.Second)
	c.ends(laneOrders, noChanges)
}

// TestQuarantine: what fails three times in a row is tried once an hour, people are told once, and another wish tries anew.
func TestQuarantine(t *testing.T) {
	c := newTurnedLoop(t, "run {\n  interval = \"60s\"\n  notify {\n    exec = [\"/usr/bin/tee\", \"-a\", \"$WORK/notices\"]\n  }\n}\n")
	c.o.interval = time.Minute
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	for _, wait := range []time.Duration{2 * time.Minute, 4 * time.Minute, time.Hour, time.Hour} {
		c.ends(laneOrders, partialRound)
		c.ends(laneOrders, inBackoff)
		c.later(wait - time.Second)
		c.ends(laneOrders, inBackoff)
		c.later(2 * time.Second)
	}
	notices, err := os.ReadFile(filepath.Join(c.dir, "notices"))
	c.check(err)
	if n := strings.Count(string(notices), `"event":"quarantined"`); n != 1 || !strings.Contains(string(notices), `"address":"/capstor/store/cscs/eth/second"`) {
		t.Errorf("people were told %d times: %s", n, notices)
	}
	if n := c.memory.inQuarantine(); n != 1 {
		t.Errorf("%d in quarantine", n)
	}
	if !c.says("the next try is at")() {
		t.Errorf("the log does not say when it is tried again:\n%s", c.service.log())
	}
	c.metrics.good.Store(0)
	c.round(context.Background(), laneAudit) // which fails no more than the orders lane did
	c.later(time.Second)
	c.ends(laneOrders, inBackoff)
	if c.metrics.good.Load() == 0 {
		t.Error("one resource in quarantine, and the loop is never ready again")
	}
	c.later(time.Hour)
	c.lfsMended()
	c.ends(laneOrders, applied) // what was left half made is finished
	if r, err := c.sim.Resource("capstor-second-store"); err != nil || r.State != waldursim.OK {
		t.Errorf("Waldur has it as %+v, %v", r, err)
	}
	if n := c.memory.inQuarantine(); n != 0 {
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
	c.o.interval = time.Minute
	c.grow(2)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(laneOrders, partialRound)
	c.ends(laneOrders, inBackoff)
	r, err := c.sim.Resource("capstor-first-store")
	c.check(err)
	_, err = c.sim.SetOrderState(r.Orders[len(r.Orders)-1].UUID, waldursim.Canceled)
	c.check(err)
	c.grow(3)
	c.ends(laneOrders, applied)
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
			left, _ := filepath.Glob(filepath.Join(s.dir, "state/begun/*"))
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
	c.ends(laneAudit, allHeld)
	_, err := c.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "next", DataType: "store", GID: 30501,
		Limits: map[string]any{"storage": 1}, BackendID: "/capstor/store/cscs/eth/first", Order: &waldursim.OrderSpec{Type: "Create"}})
	c.check(err)
	c.ends(laneOrders, allHeld) // the one waits for the other
	c.approveAll()
	c.ends(laneOrders, applied)
	c.ends(laneOrders, noChanges)
	if r, err := c.sim.Resource("capstor-next-store"); err != nil || r.State != waldursim.OK {
		t.Errorf("Waldur has the new one as %+v, %v; the log:\n%s", r, err, c.service.log())
	}
}

// fakeSource answers listings by status.
type fakeSource struct {
	engine.Source
	items map[planner.Status][]planner.Item
	bad   map[planner.Status]bool
	asked []string
}

func (f *fakeSource) List(_ context.Context, statuses []planner.Status) (items []planner.Item, err error) {
	f.asked = append(f.asked, fmt.Sprint(statuses))
	for _, s := range statuses {
		if f.bad[s] {
			return nil, &web.StatusError{Place: "proxy", Status: 500}
		}
		items = append(items, f.items[s]...)
	}
	return items, nil
}

// TestOneBadStatus: the others are listed one by one, and what stands in two of them is left to the next round.
func TestOneBadStatus(t *testing.T) {
	item := func(name string) planner.Item { return planner.Item{Key: planner.Key{Item: name}} }
	f := &fakeSource{bad: map[planner.Status]bool{planner.StatusUpdating: true}, items: map[planner.Status][]planner.Item{
		planner.StatusPending: {item("a"), item("moved")}, planner.StatusRemoving: {item("b"), item("moved")}}}
	p := &patient{f, map[planner.Status]error{}}
	for _, want := range []int{2, 4} { // the second time the source itself would notice what moved
		if items, err := p.List(context.Background(), orderStatuses); err != nil || len(items) != want {
			t.Fatalf("%d items, %v, want %d", len(items), err, want)
		}
	}
	want := []string{"[pending updating removing error]", "[pending]", "[updating]", "[removing]", "[error]", "[pending removing error]"}
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	if err := p.problem(); err == nil || !strings.Contains(err.Error(), "what is updating could not be listed") {
		t.Errorf("the problem is %v", err)
	}
	for _, s := range orderStatuses {
		f.bad[s] = true
	}
	p, f.asked = &patient{f, map[planner.Status]error{}}, nil
	for range 2 {
		if _, err := p.List(context.Background(), orderStatuses); err == nil {
			t.Error("nothing could be listed, and that is no error")
		}
	}
	if slices.Contains(f.asked, "[]") {
		t.Errorf("asked for everything: %q", f.asked)
	}
}

// TestIndexOfAnotherForm: an index that cannot be read is none. The orders lane goes on without it, and an audit makes
// another.
func TestIndexOfAnotherForm(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.ends(laneAudit, noChanges)
	c.check(c.s.store.Update(func(tx ledger.Tx) error {
		return tx.SetIndex(c.s.now(), 0, []json.RawMessage{json.RawMessage(`{"items":7}`)})
	}))
	c.create("second", 30501)
	c.ends(laneOrders, applied)
	if !c.says("the last complete listing is not used")() {
		t.Errorf("the log does not tell of it:\n%s", c.service.log())
	}
	c.ends(laneAudit, noChanges)
	if last, err := c.s.index(); err != nil || last.at.IsZero() || len(last.items) < 2 {
		t.Errorf("after an audit: %d items of %s, %v", len(last.items), last.at, err)
	}
}

// TestTheIndexAgesOut: a complete listing older than three audits is not planned against.
func TestTheIndexAgesOut(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.ends(laneAudit, noChanges)
	r := &round{loop: c.loop, lane: laneOrders}
	items, err := c.s.source(nil)
	c.check(err)
	listed, err := items.List(context.Background(), nil)
	c.check(err)
	some := []planner.Item{listed[len(listed)-1]}
	some[0].URLs = map[planner.Callback]string{planner.Approve: "…"}
	c.later(3*c.s.cfg.Run.AuditInterval - time.Second)
	if all, err := r.indexed(some, &planner.Recorded{}); err != nil || len(all) != len(listed) {
		t.Errorf("an index of three audits: %d of %d items, %v", len(all), len(listed), err)
	}
	c.later(2 * time.Second)
	if all, err := r.indexed(some, &planner.Recorded{}); err != nil || len(all) != 1 || !c.says("too old")() {
		t.Errorf("an older one: %d items, %v", len(all), err)
	}
}

// TestFailureSeenToByHand: what failed and was then done by somebody else is forgotten, and a reload tries at once.
func TestFailureSeenToByHand(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.o.interval = time.Minute
	c.grow(2)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	for range quarantine {
		c.ends(laneOrders, partialRound)
		c.later(longestBackoff + time.Second)
	}
	c.lfsMended()
	byHand := c.command("apply", "--auto-approve")
	byHand.Env = append(byHand.Env, "CSCS_TEST_NOW="+c.s.now().UTC().Format(time.RFC3339))
	if out, err := byHand.CombinedOutput(); err != nil {
		t.Fatalf("apply by hand: %v\n%s", err, out)
	}
	c.ends(laneOrders, noChanges)
	if n := len(c.memory.failures); n != 1 {
		t.Errorf("%d failures after a round that did not list the resource: it concluded something from absence", n)
	}
	c.ends(laneAudit, noChanges)
	if n := len(c.memory.failures); n != 0 {
		t.Errorf("%d failures of what is as wanted", n)
	}

	c.grow(3)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(laneOrders, partialRound)
	c.ends(laneOrders, inBackoff)
	c.reload(func() {})
	c.ends(laneOrders, applied)
}
