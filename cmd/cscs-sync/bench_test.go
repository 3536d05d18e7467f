package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// BenchmarkPlanUnchanged measures a plan without changes, quotas by the simulated ioctl, against the bare program: as a
// ratio of times, taken in turn in one run, and as peak resident memory. CSCS_BENCH_RESOURCES names other sizes.
func BenchmarkPlanUnchanged(b *testing.B) {
	sizes := "10000 100000"
	if s := os.Getenv("CSCS_BENCH_RESOURCES"); s != "" {
		sizes = s
	}
	for size := range strings.FieldsSeq(sizes) {
		var n int
		if _, err := fmt.Sscan(size, &n); err != nil {
			b.Fatal(err)
		}
		b.Run(size, func(b *testing.B) { benchmarkPlanUnchanged(b, n) })
	}
}

func benchmarkPlanUnchanged(b *testing.B, n int) {
	site := newBenchSite(b, n, true)
	bare := site.bare(b)
	var ours, theirs, cpu time.Duration
	var memory int64
	for b.Loop() {
		theirs += measure(b, bare, append([]string{site.root}, site.pages...)...).wall
		u := measure(b, "cscs-sync", site.planArgs()...)
		if !strings.Contains(u.out, "No changes.") {
			b.Fatalf("the plan is not empty:\n%.2000s", u.out)
		}
		ours, cpu, memory = ours+u.wall, cpu+u.cpu, max(memory, u.memory)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "x-bare")
	b.ReportMetric(float64(memory)/1024, "MiB-peak")
	b.ReportMetric(float64(memory-40<<10)/float64(n), "KiB/resource")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*n), "µs/resource")
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N*n), "cpu-µs/resource")
}
