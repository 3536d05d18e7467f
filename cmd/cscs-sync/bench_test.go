package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state"
)

// BenchmarkPlanUnchanged measures a plan without changes, quotas by the simulated ioctl, against the bare program: as
// ratios of wall and of processor time, in pairs, and as the greatest peak of resident memory. In one case everything is recorded, as after an audit; the bare program has no records.
// CSCS_BENCH_RESOURCES names other sizes than 10,000 and 100,000.
func BenchmarkPlanUnchanged(b *testing.B) {
	sizes := "10000 100000 100000-recorded"
	if s := os.Getenv("CSCS_BENCH_RESOURCES"); s != "" {
		sizes = s
	}
	for size := range strings.FieldsSeq(sizes) {
		number, recorded := strings.CutSuffix(size, "-recorded")
		n, err := strconv.Atoi(number)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(size, func(b *testing.B) {
			site := newBenchSite(b, n, true)
			if recorded {
				store, err := state.Open(filepath.Join(site.dir, "state"), state.Options{Now: time.Now})
				if err != nil {
					b.Fatal(err)
				}
				site.record(b, store)
			}
			site.benchmarkPlan(b)
		})
	}
}

func (s *benchSite) benchmarkPlan(b *testing.B) {
	bare := s.bare(b)
	var p pairs
	for b.Loop() {
		theirs := measure(b, bare, append([]string{s.root}, s.pages...)...)
		ours := measure(b, "cscs-sync", s.planArgs()...)
		if !strings.Contains(ours.out, "No changes.") {
			b.Fatalf("the plan is not empty:\n%.2000s", ours.out)
		}
		p.add(theirs, ours)
	}
	p.report(b)
	b.ReportMetric(p.best(func(u usage) time.Duration { return u.wall }).Seconds(), "s/plan")
	b.ReportMetric(float64(p.memory())/1024, "MiB-peak")
	b.ReportMetric(float64(p.memory()-40<<10)/float64(s.n), "KiB/resource")
	cpu := p.best(func(u usage) time.Duration { return u.cpu })
	b.ReportMetric(float64(cpu.Microseconds())/float64(s.n), "cpu-µs/resource")
}

// BenchmarkVersion measures how long the program takes to start and print its version, as the shortest of
// several runs, and how large it is as it is released.
func BenchmarkVersion(b *testing.B) {
	program := filepath.Join(b.TempDir(), "cscs-sync")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		b.Fatal(err)
	}
	best := time.Hour
	for b.Loop() {
		for range 20 {
			best = min(best, measure(b, program, "version").wall)
		}
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "ms/start")
	b.ReportMetric(float64(info.Size())/1e6, "MB")
}
