package loop

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var write = flag.Bool("write", false, "write docs/reference/metrics.md")

const metricsPage = "../../docs/reference/metrics.md"

const metricsIntroduction = "# Metrics\n\nThis page lists what the loop serves at `/metrics` when `run.listen` is set. " +
	"[Monitor](../how-to/monitor.md)\nsays which of them to watch. The page is made from the code: run\n" +
	"`go test ./planner/loop -run Reference -write`.\n\n" +
	"The usual metrics of Go and of the process are there too.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"

// TestReferenceIsTheMetrics makes docs/reference/metrics.md from the registered metrics.
func TestReferenceIsTheMetrics(t *testing.T) {
	m := newMetrics(time.Now, nil)
	for _, g := range []*prometheus.GaugeVec{m.took, m.listing, m.observing, m.resources} {
		g.WithLabelValues("x")
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(metricsIntroduction)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), namespace) {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, "`"+l.GetName()+"`")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(),
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
