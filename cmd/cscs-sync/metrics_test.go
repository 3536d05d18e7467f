package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.yaml.in/yaml/v3"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// TestMetricsFollowTheCustom: names, units and help are as Prometheus wants them.
func TestMetricsFollowTheCustom(t *testing.T) {
	problems, err := testutil.GatherAndLint(newMetrics(time.Now, &pulse{now: time.Now}).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// described are the names and labels of our own metrics.
func described(m *metrics) map[string]string {
	all := map[string]string{}
	descriptions := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		if f := regexp.MustCompile(`fqName: "(cscs_sync_\w+)".*variableLabels: \{(.*)\}`).FindStringSubmatch(d.String()); f != nil {
			all[f[1]] = f[2]
		}
	}
	return all
}

// TestExamplesUseRealMetrics: the example alert rules and dashboard speak only of metrics and labels that exist.
func TestExamplesUseRealMetrics(t *testing.T) {
	known := described(newMetrics(time.Now, &pulse{now: time.Now}))
	if len(known) < 15 {
		t.Fatalf("only %d metrics are described: %v", len(known), known)
	}
	used := map[string]bool{}
	for _, f := range []string{"../../examples/prometheus/alerts.yml", "../../examples/prometheus/dashboard.json"} {
		for _, m := range regexp.MustCompile(`(cscs_sync_\w+)(?:\{\\?(\w*))?`).FindAllStringSubmatch(read(t, f), -1) {
			labels, ok := known[m[1]]
			if !ok || !strings.Contains(labels, m[2]) {
				t.Errorf("%s uses %s, which does not exist; its labels are %q", f, m[0], labels)
			}
			used[m[1]] = true
		}
	}
	if len(used) < 12 {
		t.Errorf("the examples use only %d metrics: the test reads them wrongly", len(used))
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../examples/prometheus/alerts.yml")), &rules); err != nil || len(rules.Groups) != 1 {
		t.Fatalf("alerts.yml: %v", err)
	}
	for _, r := range rules.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("alerts.yml: a rule without a name, an expression, a severity or a summary: %+v", r)
		}
	}
	var dashboard struct{ Panels []struct{ ID int } }
	if err := json.Unmarshal([]byte(read(t, "../../examples/prometheus/dashboard.json")), &dashboard); err != nil || len(dashboard.Panels) < 8 {
		t.Errorf("dashboard.json: %v, %d panels", err, len(dashboard.Panels))
	}
}

// TestHealth: /healthz follows the loop's pulse, /readyz the last good round.
func TestHealth(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	p := &pulse{now: clock}
	m := newMetrics(clock, p)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		m.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "yet") {
		t.Errorf("before the first round: %d %s", code, text)
	}
	p.beat("listing", time.Minute)
	m.good.Store(now.Unix())
	m.readyFor.Store(900)
	now = now.Add(time.Minute)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := ask(path); code != 200 {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	now = now.Add(time.Second)
	if code, text := ask("/healthz"); code != 503 || !strings.Contains(text, "listing") {
		t.Errorf("/healthz of a loop that is stuck: %d %s", code, text)
	}
	now = now.Add(15 * time.Minute)
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "16m1s") {
		t.Errorf("/readyz long after the last good round: %d %s", code, text)
	}
}

// TestMetricsTell: each metric has the value of what happened.
func TestMetricsTell(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.o.interval = time.Minute
	value := func(name string) float64 {
		t.Helper()
		w := httptest.NewRecorder()
		c.metrics.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
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
	c.ends(laneAudit, applied)
	is("after a create", map[string]float64{`changes_total{action="create",status="done"}`: 1, `rounds_total{lane="audit",reason="applied"}`: 1,
		`resources{action="create"}`: 1, `resources{action="unchanged"}`: 1})
	for _, name := range []string{`last_success_timestamp_seconds{lane="audit"}`, `last_success_timestamp_seconds{lane="orders"}`, "index_timestamp_seconds"} {
		if age := float64(c.s.now().Unix()) - value(name); age < 0 || age > 60 {
			t.Errorf("%s is %v s ago", name, age)
		}
	}
	for _, name := range []string{`listing_duration_seconds{lane="audit"}`, `observing_duration_seconds{lane="audit"}`, `round_duration_seconds{lane="audit"}`} {
		if v := value(name); v <= 0 || v > 60 {
			t.Errorf("%s is %v", name, v)
		}
	}

	c.terminate("second")
	c.ends(laneAudit, allHeld)
	is("while a removal is held", map[string]float64{"held_plans": 1, "held_actions": 1, `resources{action="archive"}`: 1})

	c.check(c.sim.Inject(waldursim.Fault{Path: "set_state_done", Kind: "status", Status: 503, Count: -1}))
	c.create("third", 30502)
	c.ends(laneOrders, partialRound)
	is("while Waldur was not told", map[string]float64{"outbox_callbacks": 1, `changes_total{action="create",status="undelivered"}`: 1})
	c.later(2 * time.Minute)
	if age := value("outbox_age_seconds"); age < 120 || age > 180 {
		t.Errorf("the callback waits since %v s", age)
	}
	c.sim.ClearFaults()
	c.round(context.Background(), laneOrders)
	is("once it was", map[string]float64{"outbox_callbacks": 0, "outbox_age_seconds": 0})

	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	c.create("fourth", 30503)
	for range quarantine {
		c.ends(laneOrders, partialRound)
		c.later(longestBackoff + time.Second)
	}
	is("in quarantine", map[string]float64{"quarantined_resources": 1, `changes_total{action="create",status="failed"}`: quarantine})

	c.check(c.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 400, RetryAfter: "600", Count: 1}))
	c.round(context.Background(), laneAudit)
	if left := value("proxy_quiet_until_timestamp_seconds") - float64(c.s.now().Unix()); left < 590 || left > 600 {
		t.Errorf("the proxy is left alone for %v s", left)
	}
}

// TestJitter: rounds of several nodes are spread, by at most a tenth more.
func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := jitter(time.Minute)
		if d < time.Minute || d > 66*time.Second {
			t.Fatalf("a minute becomes %s", d)
		}
		seen[d.Round(time.Second)] = true
	}
	if len(seen) < 6 {
		t.Errorf("only %d different waits", len(seen))
	}
}
