package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// outside orders a resource at a path that no system has: it is blocked.
func (s *service) outside(project, path string) {
	s.t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: project, DataType: "store", GID: 30700,
		BackendID: path, Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
}

// told are the notices of orders that were written to a file.
func (c *turnedLoop) told() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "told"))
	return string(b)
}

// TestBlockedOrders: an order that is blocked is logged and told once, again when its reason changes, is counted by the
// metrics and doctor, and is the reason in which a round ends that has nothing else to do.
func TestBlockedOrders(t *testing.T) {
	s := newService(t, "")
	s.edit("state {", "run {\n  notify { exec = [\"$WORK/tell\"] }\n}\nstate {")
	s.edit("$WORK", s.dir)
	s.check(os.WriteFile(filepath.Join(s.dir, "tell"), []byte("#!/bin/sh\ncat >> "+s.dir+"/told; echo >> "+s.dir+"/told\n"), 0o700))
	s.create("first", 30500)
	s.settle()
	c := s.turnedLoop()
	c.outside("lost", "relative/path")
	for range 3 {
		c.ends(loop.LaneOrders, loop.OrdersBlocked)
	}
	c.ends(loop.LaneAudit, loop.OrdersBlocked)
	if n := strings.Count(c.service.log(), "order is blocked"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, c.service.log())
	}
	if told := c.told(); strings.Count(told, "orders_waiting") != 1 || !strings.Contains(told, `"blocked":true`) {
		t.Errorf("told:\n%s", told)
	}
	// another process tells it no second time, and another reason is told
	c = c.service.turnedLoop()
	c.ends(loop.LaneOrders, loop.OrdersBlocked)
	path := "/elsewhere/lost"
	_, err := c.sim.ChangeResource("capstor-lost-store", waldursim.ResourceChange{BackendID: &path})
	c.check(err)
	c.ends(loop.LaneOrders, loop.OrdersBlocked)
	if n := strings.Count(c.service.log(), "order is blocked"); n != 2 || strings.Count(c.told(), "orders_waiting") != 2 {
		t.Errorf("logged %d times; told:\n%s\nthe log:\n%s", n, c.told(), c.service.log())
	}
	if n := gaugeValue(t, c.Loop, "cscs_sync_blocked_orders"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	if _, out := c.here("doctor"); !strings.Contains(out, "1 open order blocked") {
		t.Errorf("doctor:\n%s", out)
	}
	// cancelled, it is no longer counted
	_, err = c.sim.SetOrderState(c.lastOrder("capstor-lost-store").UUID, waldursim.Canceled)
	c.check(err)
	c.ends(loop.LaneOrders, loop.NoChanges)
	if n := gaugeValue(t, c.Loop, "cscs_sync_blocked_orders"); n != 0 {
		t.Errorf("after it was cancelled the metric says %v", n)
	}
}

// TestOverdueOrders: an order that waits for more than a day is told, whatever it waits for: a person or its customer.
func TestOverdueOrders(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.terminate("first")
	_, err := c.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "slow", DataType: "store", GID: 30503,
		Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create", State: waldursim.PendingConsumer}})
	c.check(err)
	c.ends(loop.LaneOrders, loop.AllHeld)
	c.later(23 * time.Hour)
	c.ends(loop.LaneOrders, loop.AllHeld)
	if c.says("waits for more than a day")() {
		t.Fatalf("told too early:\n%s", c.service.log())
	}
	c.later(2 * time.Hour)
	for range 2 {
		c.ends(loop.LaneOrders, loop.AllHeld)
	}
	if n := strings.Count(c.service.log(), "order waits for more than a day"); n != 2 {
		t.Errorf("logged %d times, want each of two once:\n%s", n, c.service.log())
	}
	if n := gaugeValue(t, c.Loop, "cscs_sync_overdue_orders"); n != 2 {
		t.Errorf("the metric says %v", n)
	}
}

// TestOrdersLeftOut: where the proxy's listing has open orders and not one URL, that is said, a plan exits 4, rounds do not
// end well, and held plans stay.
func TestOrdersLeftOut(t *testing.T) {
	s := newService(t, "")
	s.create("first", 30500)
	s.settle()
	cut := false
	urls := regexp.MustCompile(`"[a-z_]+_url":"[^"]*",?`)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = strings.TrimPrefix(s.url, "http://") // which the callbacks name
		answer := httptest.NewRecorder()
		s.sim.ServeHTTP(answer, r)
		body, _ := io.ReadAll(answer.Body)
		if cut {
			body = bytes.ReplaceAll(urls.ReplaceAll(body, nil), []byte(",}"), []byte("}"))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	}))
	defer proxy.Close()
	s.edit(s.url+"/api/storage-resources/", proxy.URL+"/api/storage-resources/")
	c := s.turnedLoop()
	c.terminate("first")
	c.ends(loop.LaneOrders, loop.AllHeld)
	held := c.pending()
	cut = true
	if code, out := c.here("plan"); code != exitPartial || !strings.Contains(out, "`field` filter") {
		t.Errorf("exit %d\n%s", code, out)
	} else if strings.Contains(out, "its customer has not approved") || strings.Contains(out, "No changes") {
		t.Errorf("it says what is not known:\n%s", out)
	}
	c.ends(loop.LaneOrders, loop.ObserveFailed)
	c.ends(loop.LaneAudit, loop.ObserveFailed)
	if got := c.pending(); len(got) != len(held) {
		t.Errorf("held plans %v, before %v", got, held)
	}
	if !c.says("order is blocked")() {
		t.Errorf("the log does not say it:\n%s", c.service.log())
	}
	cut = false
	c.ends(loop.LaneOrders, loop.AllHeld)
}

// gaugeValue reads one gauge without labels.
func gaugeValue(t *testing.T, l *loop.Loop, name string) float64 {
	t.Helper()
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
