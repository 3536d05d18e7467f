package lustre

import (
	"os/exec"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// The benchmarks measure what a client costs besides the calls that it cannot avoid. Both are made
// in turn, so that a busy machine slows both. The bounds are 20 µs per identity by ioctl, and by
// lfs 1.2 times the start of the process.

// BenchmarkIOCTLOwnCost reads quotas on the real kernel, from a directory that is not on Lustre.
// The directory is opened, queried and closed, and the same is done with bare system calls.
func BenchmarkIOCTLOwnCost(b *testing.B) {
	dir, c := b.TempDir(), newIOCTL(0)
	var bare, whole time.Duration
	for b.Loop() {
		start := time.Now()
		kernel(dir, request(getQuota, planner.ByGroup, 30500))
		between := time.Now()
		c.Get(b.Context(), dir, planner.ByGroup, 30500)
		bare, whole = bare+between.Sub(start), whole+time.Since(between)
	}
	b.ReportMetric(float64((whole-bare).Nanoseconds())/float64(b.N)/1000, "own-µs/id")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLFSOwnCost runs a minimal program as lfs.
func BenchmarkLFSOwnCost(b *testing.B) {
	path, err := exec.LookPath("true")
	if err != nil {
		b.Skip(err)
	}
	l, err := newLFS(path, 0, testNow)
	if err != nil {
		b.Fatal(err)
	}
	var bare, whole time.Duration
	for b.Loop() {
		start := time.Now()
		cmd := exec.Command(path, getArgs("/mnt/l", planner.ByGroup, 30500)...)
		cmd.Env = []string{"LC_ALL=C"}
		cmd.Output()
		between := time.Now()
		l.Get(b.Context(), "/mnt/l", planner.ByGroup, 30500)
		bare, whole = bare+between.Sub(start), whole+time.Since(between)
	}
	b.ReportMetric(whole.Seconds()/bare.Seconds(), "x-process-start")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkParse reads one row.
func BenchmarkParse(b *testing.B) {
	const out = "/mnt/lustre/capstor0\n                10485760* 9437184 11534336      1w    1234*  " +
		" 1000    2000      1w\ngid 1000 is using default block quota setting\n"
	for b.Loop() {
		if s := parse("/mnt/lustre/capstor0", out, "", 0, testNow()); s.LimitsWhy() != "" {
			b.Fatal(s.LimitsWhy())
		}
	}
}
