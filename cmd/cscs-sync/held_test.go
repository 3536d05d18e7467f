package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// TestPeopleAreToldOnce: by each channel once for each held plan, again only what failed; and no secret stands in the log.
func TestPeopleAreToldOnce(t *testing.T) {
	var mu sync.Mutex
	var posted, tokens []string
	fail := true
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if fail {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		posted, tokens = append(posted, string(body)), append(tokens, r.Header.Get("Authorization"))
	}))
	defer hook.Close()
	c := newTurnedLoop(t, "run {\n  notify {\n    exec = [\"/usr/bin/tee\", \"-a\", \"$WORK/notices\"]\n    webhook = \""+hook.URL+"/secret-path\"\n    token = file(\"$WORK/waldur.token\")\n  }\n}\n")
	c.terminate("first")
	c.ends(loop.LaneAudit, loop.AllHeld)
	c.ends(loop.LaneOrders, loop.AllHeld)
	mu.Lock()
	fail = false
	mu.Unlock()
	c.ends(loop.LaneOrders, loop.AllHeld)
	c.ends(loop.LaneAudit, loop.AllHeld)
	notices, err := os.ReadFile(filepath.Join(c.dir, "notices"))
	c.check(err)
	if n := strings.Count(string(notices), `"event":"held"`); n != 1 {
		t.Errorf("the program was told %d times: %s", n, notices)
	}
	if len(posted) != 1 || posted[0] != string(notices) || tokens[0] != "Bearer "+waldursim.DefaultWaldurToken {
		t.Errorf("posted %q with %q, the program got %q", posted, tokens, notices)
	}
	var notice struct {
		Actions            int
		Danger             []planner.Danger
		File               string
		Because, Addresses []string
	}
	if err := json.Unmarshal(notices, &notice); err != nil || notice.Actions != 1 || notice.Danger[0] != planner.DangerArchive || notice.File != c.pending()[0] ||
		notice.Because[0] != "held by policy: auto_approve does not allow archive" || notice.Addresses[0] != "/capstor/store/cscs/eth/first" {
		t.Errorf("%+v, %v", notice, err)
	}
	hook.Close()
	c.check(c.files().Remove(strings.TrimSuffix(c.pending()[0], ".plan") + ".webhook.told"))
	c.ends(loop.LaneOrders, loop.AllHeld)
	if log := c.service.log(); !strings.Contains(log, "msg=notify") || strings.Contains(log, "secret-path") || strings.Contains(log, waldursim.DefaultWaldurToken) {
		t.Errorf("the log:\n%s", log)
	}
}

// TestHeldPlans: what becomes of the files that wait for people.
func TestHeldPlans(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.terminate("first")
	c.ends(loop.LaneAudit, loop.AllHeld)
	held := c.pending()
	if len(held) != 1 {
		t.Fatalf("held: %v", held)
	}
	is := func(when string, want []string) {
		t.Helper()
		if got := c.pending(); !slices.Equal(got, want) {
			t.Errorf("%s: held %v, want %v; the log:\n%s", when, got, want, c.service.log())
		}
	}
	before, err := os.ReadFile(held[0])
	c.check(err)
	c.ends(loop.LaneOrders, loop.AllHeld)
	c.ends(loop.LaneAudit, loop.AllHeld)
	after, err := os.ReadFile(held[0])
	c.check(err)
	if string(before) != string(after) {
		t.Error("a held plan with the same id was written again")
	}
	is("again", held)

	c.lfsFault(lfssim.Fault{On: lfssim.OnQuota, Errno: "EIO"})
	c.check(os.Chmod(filepath.Join(c.dir, "mnt/capstor/store"), 0o755))
	c.Round(context.Background(), loop.LaneAudit)
	is("while its quota cannot be read", held)
	c.lfsMended()

	// more removals: a file each, for they do not depend on each other
	c.create("second", 30501)
	c.create("third", 30502)
	c.ends(loop.LaneOrders, loop.Applied)
	c.terminate("second")
	c.terminate("third")
	c.ends(loop.LaneOrders, loop.AllHeld)
	if n := len(c.pending()); n != 3 {
		t.Fatalf("%d held plans, want one for each removal", n)
	}
	c.ends(loop.LaneAudit, loop.AllHeld)
	if n := len(c.pending()); n != 3 {
		t.Errorf("%d held plans after an audit", n)
	}

	// one is approved and runs first; the others stay
	if out, err := c.command("approve", held[0]).CombinedOutput(); err != nil {
		t.Fatalf("approve: %v\n%s", err, out)
	}
	c.ends(loop.LaneOrders, loop.Applied)
	if c.exists("capstor/store/cscs/eth/first")() || len(c.pending()) != 2 {
		t.Errorf("after the approved one: %v; the log:\n%s", c.pending(), c.service.log())
	}

	// an order that is over takes its plan away, as soon as the complete listing of orders lacks it
	order, err := c.sim.Resource("capstor-second-store")
	c.check(err)
	_, err = c.sim.SetOrderState(order.Orders[len(order.Orders)-1].UUID, waldursim.Canceled)
	c.check(err)
	c.ends(loop.LaneOrders, loop.AllHeld)
	if n := len(c.pending()); n != 1 || !c.says("the order is over")() {
		t.Errorf("%d held plans after the removal was cancelled; the log:\n%s", n, c.service.log())
	}
	c.ends(loop.LaneAudit, loop.AllHeld)
	if n := len(c.pending()); n != 1 || !c.exists("capstor/store/cscs/eth/second")() {
		t.Errorf("%d held plans after the removal was cancelled", n)
	}
}

// TestOneMoreTryForHeldPlans: a held plan that could not be applied is tried again later and later, and the round says so.
func TestOneMoreTryForHeldPlans(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.Options.Interval = time.Minute
	c.terminate("first")
	c.ends(loop.LaneOrders, loop.AllHeld)
	c.approveAll()
	c.check(c.sim.Inject(waldursim.Fault{Path: "?page=1&page_size=500", Kind: "status", Status: 400, Count: 1}))
	c.ends(loop.LaneOrders, loop.PartialRound)
	c.ends(loop.LaneOrders, loop.AllHeld)
	if !c.exists("capstor/store/cscs/eth/first")() {
		t.Fatal("it was archived without asking the proxy again")
	}
	c.later(2*time.Minute + time.Second)
	c.ends(loop.LaneOrders, loop.Applied)
	if c.exists("capstor/store/cscs/eth/first")() || len(c.pending()) != 0 {
		t.Errorf("still held: %v", c.pending())
	}
}

// TestUnreadableIsNotOver: while the state cannot be read, what was begun and what was approved stay. Taken
// away, a directory left unfinished would be held for a person as somebody else's.
func TestUnreadableIsNotOver(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.Options.Interval = time.Minute
	c.terminate("first")
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	c.ends(loop.LaneOrders, loop.PartialRound)
	if c.says(`error=""`)() {
		t.Errorf("the log tells of an error without a word:\n%s", c.service.log())
	}
	c.approveAll()
	kept := func() []string {
		return append(c.begun(), c.pending()...)
	}
	if before := kept(); len(before) != 2 {
		t.Fatalf("kept: %v, want the plan that was begun and the one that is held", before)
	}
	c.later(time.Hour)
	file := filepath.Join(c.dir, "state/state.db")
	c.check(os.Chmod(file, 0o666))
	c.ends(loop.LaneOrders, loop.RoundFailed)
	c.check(os.Chmod(file, 0o600))
	if after := kept(); len(after) != 2 {
		t.Fatalf("while the state could not be read, plans were taken away; left: %v", after)
	}
	c.lfsMended()
	c.later(2 * time.Hour)
	c.Round(context.Background(), loop.LaneOrders)
	if r, err := c.sim.Resource("capstor-second-store"); err != nil || r.State != waldursim.OK || c.exists("capstor/store/cscs/eth/first")() || len(kept()) != 0 {
		t.Errorf("in the end Waldur has the new one as %+v, %v; left: %v; the log:\n%s", r, err, kept(), c.service.log())
	}
}

// TestDryRunNamesWhatGoesFirst: what was begun and what is approved, and changes neither.
func TestDryRunNamesWhatGoesFirst(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.terminate("first")
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	c.ends(loop.LaneOrders, loop.PartialRound)
	c.approveAll()
	out, err := c.command("run", "--once", "--dry-run").CombinedOutput()
	for _, want := range []string{"first, begun: ", "first, approved: ", "wait   create   /capstor/store/cscs/eth/second", "dry_run=true"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the dry run does not say %q:\n%s", want, out)
		}
	}
	left := c.begun()
	if err != nil || len(left) != 1 || len(c.pending()) != 1 || !c.exists("capstor/store/cscs/eth/first")() {
		t.Errorf("%v; begun %v, held %v", err, left, c.pending())
	}
}

// TestHoldLeavesWhatWasBegun: a hold is for a time, so a plan that has begun waits for its end, and goes on then.
func TestHoldLeavesWhatWasBegun(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(loop.LaneOrders, loop.PartialRound)
	hold := func(args ...string) {
		t.Helper()
		if out, err := c.command(append([]string{"hold"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("hold %v: %v\n%s", args, err, out)
		}
	}
	hold("add", "/**", "--reason", "maintenance")
	c.create("third", 30502)
	c.later(time.Hour)
	c.ends(loop.LaneOrders, loop.NoChanges)
	begun := c.begun()
	if len(begun) != 1 || len(c.pending()) != 0 || c.exists("capstor/store/cscs/eth/third")() || !c.says("begun plan is on hold")() {
		t.Errorf("on hold: begun %v, held %v; the log:\n%s", begun, c.pending(), c.service.log())
	}
	hold("rm", "/**")
	c.later(time.Hour)
	c.Round(context.Background(), loop.LaneOrders)
	for _, slug := range []string{"capstor-second-store", "capstor-third-store"} {
		if r, err := c.sim.Resource(slug); err != nil || r.State != waldursim.OK {
			t.Errorf("after the hold Waldur has %s as %+v, %v; the log:\n%s", slug, r, err, c.service.log())
		}
	}
}
