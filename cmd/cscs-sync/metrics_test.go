package main

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.yaml.in/yaml/v3"
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
