package providers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// slow is a large Lustre filesystem: a look at a directory takes a millisecond, and a quota call
// ten. System "hung" never answers.
type slow struct{ forever chan struct{} }

func (s slow) Mount(system planner.System) planner.Mount {
	if system.Name == "hung" {
		<-s.forever
	}
	return planner.Mount{Filesystem: system.Name, Inode: 2}
}

func (s slow) Observe(planner.System, string) planner.Directory {
	time.Sleep(time.Millisecond)
	return planner.Directory{State: planner.DirPresent}
}

func (s slow) Get(context.Context, planner.System, planner.Subject) planner.QuotaState {
	time.Sleep(10 * time.Millisecond)
	return planner.QuotaState{}
}

// ownTime returns the processor time that this process has used.
func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSlowStorage observes 10,000 directories and as many quotas of a large Lustre filesystem:
// first alone, then together with as many on another mount that is known to hang.
func BenchmarkSlowStorage(b *testing.B) {
	const n = 10_000
	s := slow{make(chan struct{})}
	defer close(s.forever)
	o := NewObserver(Options{Systems: systems("lustre", "hung"), Directories: s, Quotas: s,
		Deadline: 100 * time.Millisecond})
	o.Mounts(b.Context(), systems("lustre", "hung"))
	observe := func(targets []planner.Place, quotas []planner.QuotaTarget) time.Duration {
		start := time.Now()
		dirs := o.Directories(b.Context(), planner.TargetsOf(targets...))
		if dirs[n-1].State != planner.DirPresent ||
			len(dirs) > n && dirs[n].State != planner.DirUnknown {
			b.Fatalf("got %+v", dirs[n-1])
		}
		got := o.Quotas(b.Context(), planner.TargetsOf(quotas...))
		if got[n-1].LimitsWhy() != "" || len(got) > n && got[n].LimitsWhy() == "" {
			b.Fatalf("got %+v", got[n-1])
		}
		return time.Since(start)
	}
	var alone, beside, own time.Duration
	for b.Loop() {
		before := ownTime(b)
		alone += observe(places("lustre", n), quotaTargets("lustre", "lustre", n))
		own += ownTime(b) - before
		beside += observe(append(places("lustre", n), places("hung", n)...),
			append(quotaTargets("lustre", "lustre", n), quotaTargets("hung", "hung", n)...))
	}
	b.ReportMetric(alone.Seconds()/float64(b.N), "s/10000")
	b.ReportMetric(own.Seconds()/float64(b.N), "cpu-s/10000")
	b.ReportMetric(float64(beside)/float64(alone), "x-alone")
	if got := fmt.Sprint(o.Hanging()); got != "1" {
		b.Errorf("%s calls hang on the hung mount, want the probe alone", got)
	}
}
