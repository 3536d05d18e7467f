package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serve answers the site's listing from its saved pages, and knows no order.
func (s *benchSite) serve(b *testing.B) *httptest.Server {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil || page < 1 || page > len(s.pages) {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, s.pages[page-1])
	}))
	b.Cleanup(server.Close)
	return server
}

// BenchmarkApplyCreates is an apply of 10,000 creates against a bare program that makes the same system calls and the same
// syncs: the whole command, with reading and checking the plan, asking the proxy again, and the state.
func BenchmarkApplyCreates(b *testing.B) {
	const n = 10_000
	dir, err := os.MkdirTemp("/var/tmp", "cscs-sync-bench") // on a disk: in memory a sync costs nothing
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	site := newBenchSiteIn(b, dir, n, false)
	bare := site.bare(b)
	site.serveFrom(b, site.serve(b).URL)
	plan := filepath.Join(site.dir, "p.plan")
	empty := func() {
		for _, dir := range []string{"mnt/capstor", "state"} {
			if err := os.RemoveAll(filepath.Join(site.dir, dir)); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(site.root, "capstor/store/cscs"), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	var p pairs
	for b.Loop() {
		empty()
		theirs := measure(b, bare, append([]string{"-make", filepath.Join(site.dir, "journal"), site.root}, site.pages...)...)
		empty()
		measure(b, "cscs-sync", "plan", "--config", site.config, "--out", plan)
		measure(b, "cscs-sync", "approve", "--config", site.config, plan)
		u := measure(b, "cscs-sync", "apply", "--config", site.config, plan)
		if !strings.Contains(u.out, "Apply complete! 10000 done (") {
			b.Fatalf("the apply is not complete:\n%s", u.out[max(0, len(u.out)-2000):])
		}
		p.add(theirs, u)
	}
	p.report(b)
	wall := p.best(func(u usage) time.Duration { return u.wall })
	b.ReportMetric(float64(wall.Microseconds())/n, "µs/create")
}
