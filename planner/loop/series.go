package loop

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	vm "github.com/VictoriaMetrics/metrics"
)

const namespace = "cscs_sync"

// registry holds the loop's own metrics. Each family has one line of help.
type registry struct {
	set  *vm.Set
	help map[string]string
}

func newRegistry() *registry {
	vm.ExposeMetadata(true) // the library keeps this for the whole process
	return &registry{vm.NewSet(), map[string]string{}}
}

// family is all metrics of one name, which differ in their labels.
type family struct {
	set    *vm.Set
	name   string
	labels []string
}

func (r *registry) family(name, help string, labels ...string) family {
	name = namespace + "_" + name
	r.help[name] = help
	return family{r.set, name, labels}
}

// named returns the metric with these values of the labels, as the text format writes it.
func (f family) named(values []string) string {
	pairs := make([]string, len(f.labels))
	for i, label := range f.labels {
		pairs[i] = label + "=" + strconv.Quote(values[i])
	}
	return f.name + "{" + strings.Join(pairs, ",") + "}"
}

func (f family) gauge(values ...string) *vm.Gauge {
	return f.set.GetOrCreateGauge(f.named(values), nil)
}

func (f family) counter(values ...string) *vm.Counter {
	return f.set.GetOrCreateCounter(f.named(values))
}

// gauge adds a family of one metric. Its value is what value returns, or what is set if value is
// nil.
func (r *registry) gauge(name, help string, value func() float64) *vm.Gauge {
	return r.set.NewGauge(r.family(name, help).name, value)
}

// ServeHTTP writes the metrics, and the usual metrics of Go and of the process.
func (r *registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(r.text())
}

// text returns the metrics in the text format. The library leaves the help of a family empty.
func (r *registry) text() []byte {
	var b, out bytes.Buffer
	r.set.WritePrometheus(&b)
	vm.WriteProcessMetrics(&b)
	vm.WriteFDMetrics(&b)
	for line := range strings.Lines(b.String()) {
		name, isHelp := strings.CutPrefix(line, "# HELP ")
		if help := r.help[strings.TrimSpace(name)]; isHelp && help != "" {
			line = strings.TrimSpace(line) + " " + help + "\n"
		}
		out.WriteString(line)
	}
	return out.Bytes()
}
