package main

import (
	"context"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// TestMetricsTell: each metric has the value of what happened.
func TestMetricsTell(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.Options.Interval = time.Minute
	value := func(name string) float64 {
		t.Helper()
		w := httptest.NewRecorder()
		c.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		m := regexp.MustCompile("(?m)^cscs_sync_" + regexp.QuoteMeta(name) + " (\\S+)$").FindStringSubmatch(w.Body.String())
		if m == nil {
			t.Fatalf("there is no metric %s:\n%s", name, w.Body)
		}
		v, err := strconv.ParseFloat(m[1], 64)
		c.check(err)
		return v
	}
	is := func(when string, want map[string]float64) {
		t.Helper()
		for name, v := range want {
			if got := value(name); got != v {
				t.Errorf("%s: %s is %v, want %v", when, name, got, v)
			}
		}
	}
	is("before the first round", map[string]float64{`last_success_timestamp_seconds{lane="audit"}`: 0, "index_timestamp_seconds": 0, "held_plans": 0, "outbox_age_seconds": 0})
	c.create("second", 30501)
	c.ends(loop.LaneAudit, loop.Applied)
	is("after a create", map[string]float64{`changes_total{action="create",status="done"}`: 1, `rounds_total{lane="audit",reason="applied"}`: 1,
		`resources{action="create"}`: 1, `resources{action="unchanged"}`: 1})
	for _, name := range []string{`last_success_timestamp_seconds{lane="audit"}`, `last_success_timestamp_seconds{lane="orders"}`, "index_timestamp_seconds"} {
		if age := float64(c.now().Unix()) - value(name); age < 0 || age > 60 {
			t.Errorf("%s is %v s ago", name, age)
		}
	}
	for _, name := range []string{`listing_duration_seconds{lane="audit"}`, `observing_duration_seconds{lane="audit"}`, `round_duration_seconds{lane="audit"}`} {
		if v := value(name); v <= 0 || v > 60 {
			t.Errorf("%s is %v", name, v)
		}
	}

	c.terminate("second")
	c.ends(loop.LaneAudit, loop.AllHeld)
	is("while a removal is held", map[string]float64{"held_plans": 1, "held_actions": 1, `resources{action="archive"}`: 1})

	c.check(c.sim.Inject(waldursim.Fault{Path: "set_state_done", Kind: "status", Status: 503, Count: -1}))
	c.create("third", 30502)
	c.ends(loop.LaneOrders, loop.PartialRound)
	is("while Waldur was not told", map[string]float64{"outbox_callbacks": 1, `changes_total{action="create",status="undelivered"}`: 1})
	c.later(2 * time.Minute)
	if age := value("outbox_age_seconds"); age < 120 || age > 180 {
		t.Errorf("the callback waits since %v s", age)
	}
	c.sim.ClearFaults()
	c.Round(context.Background(), loop.LaneOrders)
	is("once it was", map[string]float64{"outbox_callbacks": 0, "outbox_age_seconds": 0})

	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	c.create("fourth", 30503)
	for range loop.Quarantine {
		c.ends(loop.LaneOrders, loop.PartialRound)
		c.later(loop.LongestBackoff + time.Second)
	}
	is("in quarantine", map[string]float64{"quarantined_resources": 1, `changes_total{action="create",status="failed"}`: loop.Quarantine})

	c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 400, RetryAfter: "600", Count: 1}))
	c.Round(context.Background(), loop.LaneAudit)
	if left := value("proxy_quiet_until_timestamp_seconds") - float64(c.now().Unix()); left < 590 || left > 600 {
		t.Errorf("the proxy is left alone for %v s", left)
	}
}
