package vastsim_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
	"github.com/waldur/cscs-storage-sync/providers/quota/vast"
)

// BenchmarkList lists 10,000 quotas. Own time is the time in which no request is being answered.
// The bounds are half a second, and two requests at the same time.
func BenchmarkList(b *testing.B) {
	sim, err := vastsim.New("")
	if err != nil {
		b.Fatal(err)
	}
	sim.Fill("/export/p", 10_000)
	var answering, running, most atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		start := time.Now()
		sim.ServeHTTP(w, r)
		answering.Add(int64(time.Since(start)))
		running.Add(-1)
	}))
	defer server.Close()
	c, err := vast.New(vast.Options{URL: server.URL + "/api/v5", Token: vastsim.Token,
		PathPrefix: "/export",
		Transport:  server.Client().Transport})
	if err != nil {
		b.Fatal(err)
	}
	var whole time.Duration
	for b.Loop() {
		start := time.Now()
		if all, err := c.List(b.Context()); err != nil || len(all) != 10_000 {
			b.Fatal(len(all), err)
		}
		whole += time.Since(start)
	}
	b.ReportMetric((whole-time.Duration(answering.Load())).Seconds()/float64(b.N), "own-s/list")
	b.ReportMetric(float64(most.Load()), "in-flight")
	b.ReportMetric(0, "ns/op")
}
