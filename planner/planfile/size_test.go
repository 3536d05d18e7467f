package planfile

import (
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// TestSizes pins how many bytes every kind of change may have in a file.
func TestSizes(t *testing.T) {
	const n = 2000 / min(fewer, 4)
	for kind, add := range plantest.KindsOfChange() {
		p := plantest.Many(n, add)
		if _, err := Marshal(p, render.Options{}); err != nil {
			t.Fatal(err)
		}
		packed, err := compress(canonical.Encode(p))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ got, limit int }{
			"machine's part": {len(armor(planLabel, packed)), 200},
			"text":           {len(render.Text(p, render.Options{})), 1200},
			"coloured text":  {len(render.Text(p, render.Options{Color: true})), 1200},
		} {
			t.Logf("%s, %s: %d bytes a change", kind, name, c.got/n)
			if c.got > c.limit*n {
				t.Errorf("%s, %s: %d bytes a change, at most %d are allowed", kind, name, c.got/n,
					c.limit)
			}
		}
	}
}

// BenchmarkPlanFile measures what a plan of 10,000 changes costs: to render, to write as a file, to
// read and check (verify), and to read and render again (show).
func BenchmarkPlanFile(b *testing.B) {
	const n = 10_000
	p := plantest.Many(n, plantest.AddCreate)
	data, err := Marshal(p, render.Options{Color: true})
	if err != nil {
		b.Fatal(err)
	}
	text := render.Text(p, render.Options{Color: true})
	read := func() *File {
		f, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	b.Run("text", func(b *testing.B) {
		takes(b, func() { render.Text(p, render.Options{Color: true}) })
		b.ReportMetric(float64(len(text))/n, "B/change")
	})
	b.Run("marshal", func(b *testing.B) {
		takes(b, func() {
			if _, err := Marshal(p, render.Options{Color: true}); err != nil {
				b.Fatal(err)
			}
		})
		b.ReportMetric(float64(len(data)-len(text))/n, "B/change")
	})
	b.Run("json", func(b *testing.B) { takes(b, func() { render.JSON(p) }) })
	b.Run("parse", func(b *testing.B) { takes(b, func() { read() }) })
	b.Run("show", func(b *testing.B) { takes(b, func() { read().Show(render.Options{}) }) })
}

// takes returns how long f takes, with its garbage collection: the shortest of several runs,
// because other work on the machine only adds time; and its processor time, the mean of all runs.
func takes(b *testing.B, f func()) {
	const runs = 5
	before, best := processorTime(b), time.Hour
	for b.Loop() {
		for range runs {
			start := time.Now()
			f()
			best = min(best, time.Since(start))
		}
	}
	b.ReportMetric(best.Seconds(), "wall-s/op")
	b.ReportMetric((processorTime(b)-before).Seconds()/float64(runs*b.N), "cpu-s/op")
}

// processorTime returns what this process has used.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
