package loop

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var write = flag.Bool("write", false, "write docs/reference/metrics.md")

const metricsPage = "../../docs/reference/metrics.md"

const metricsIntroduction = "# Metrics\n\nThis page lists what the loop serves at `/metrics` when `run.listen` is set. " +
	"[Monitor](../how-to/monitor.md)\nsays which of them to watch. The page is made from the code: run\n" +
	"`go test ./planner/loop -run Reference -write`.\n\n" +
	"The usual metrics of Go and of the process are there too.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"

// TestReferenceIsTheMetrics makes docs/reference/metrics.md from the registered metrics.
func TestReferenceIsTheMetrics(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(metricsIntroduction)
	families := described(t)
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		if strings.HasPrefix(name, namespace) {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, "`"+l.GetName()+"`")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name,
				strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
		}
	}
	if *write {
		if err := os.WriteFile(metricsPage, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(metricsPage); err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("docs/reference/metrics.md is not what is registered; refresh it with "+
			"go test ./planner/loop -run Reference -write (%v)", err)
	}
}

// served returns what /metrics serves, with a metric of every family.
func served(t *testing.T) []byte {
	t.Helper()
	m := newMetrics(time.Now, &heartbeat{now: time.Now})
	for _, g := range []family{m.took, m.listing, m.observing, m.resources} {
		g.gauge("x")
	}
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if got := w.Header().Get("Content-Type"); got != string(expfmt.NewFormat(expfmt.TypeTextPlain)) {
		t.Errorf("the metrics are served as %q", got)
	}
	return w.Body.Bytes()
}

// described returns the metrics as Prometheus reads them, by name.
func described(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(served(t)))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// TestTheUsualMetrics: the metrics of Go and of the process that dashboards use exist.
func TestTheUsualMetrics(t *testing.T) {
	families := described(t)
	for name, kind := range map[string]dto.MetricType{
		"go_goroutines": dto.MetricType_GAUGE, "go_memstats_heap_inuse_bytes": dto.MetricType_GAUGE,
		"go_gc_duration_seconds": dto.MetricType_SUMMARY, "go_info": dto.MetricType_GAUGE,
		"process_cpu_seconds_total":     dto.MetricType_COUNTER,
		"process_resident_memory_bytes": dto.MetricType_GAUGE,
		"process_start_time_seconds":    dto.MetricType_GAUGE,
		"process_open_fds":              dto.MetricType_GAUGE, "process_max_fds": dto.MetricType_GAUGE,
	} {
		if f := families[name]; f == nil || f.GetType() != kind {
			t.Errorf("%s: got %v, want a %s", name, f, kind)
		}
	}
}
