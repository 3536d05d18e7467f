package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

const tenYears = 10 * 365 * 24 * time.Hour

// TestClockJumps: the clock jumps ten years ahead, and back. What was done, failed, put off or listed in between keeps
// nothing from being done afterwards.
func TestClockJumps(t *testing.T) {
	c := newTurnedLoop(t, "auto_approve {\n  allow = [\"create\", \"quota_raise\", \"report\", \"drift_mode\", \"wider_access\"]\n}\n")
	c.Options.Interval = time.Minute
	c.Tick(t.Context())
	c.later(tenYears)
	c.create("ahead", 30501)
	c.Tick(t.Context()) // the audit is due
	if !c.exists("capstor/store/cscs/eth/ahead")() {
		t.Fatalf("nothing is done by a clock that is ahead; the log:\n%s", c.service.log())
	}
	c.create("failing", 30502)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	c.ends(loop.LaneOrders, loop.PartialRound) // and its next try is in ten years
	c.create("untold", 30503)
	c.check(c.sim.Inject(waldursim.Fault{Path: "set_state_done", Kind: waldursim.FaultStatus, Status: http.StatusServiceUnavailable, Count: -1}))
	c.ends(loop.LaneOrders, loop.PartialRound)
	c.sim.ClearFaults()
	c.ends(loop.LaneAudit, loop.InBackoff)

	c.later(-tenYears)
	audits := strings.Count(c.service.log(), "lane=audit")
	c.Tick(t.Context())
	c.Tick(t.Context())
	if strings.Count(c.service.log(), "lane=audit") == audits {
		t.Errorf("no audit after the clock was set back; the log:\n%s", c.service.log())
	}
	if !c.exists("capstor/store/cscs/eth/failing")() {
		t.Errorf("what failed waits for ten years; the log:\n%s", c.service.log())
	}
	c.becomes("capstor-untold-store", waldursim.OK)
	c.create("later", 30504)
	c.ends(loop.LaneOrders, loop.Applied)
	c.check(syscall.Chmod(filepath.Join(c.dir, "mnt/capstor/store/cscs/eth/ahead"), 0o2700))
	c.ends(loop.LaneAudit, loop.Applied)
}
