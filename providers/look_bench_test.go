package providers_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/lustre"
)

// looked is how many directories and quotas the benchmarks of a look read.
const looked = 20_000

// processorTime returns the processor time that this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// measure reports what a target costs: the least processor time, because other processes can only
// make it more, and bytes of garbage.
func measure(b *testing.B, look func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	least := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := processorTime(b)
		look()
		least = min(least, processorTime(b)-start)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(least)/looked, "cpu-ns/target")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N*looked), "B/target")
}

// answering answers quota ioctls as a filesystem that limits everything alike.
func answering(_ string, q []byte) error {
	binary.NativeEndian.PutUint64(q[48:], 1<<30)
	binary.NativeEndian.PutUint64(q[56:], 1<<29)
	binary.NativeEndian.PutUint64(q[64:], 1<<40)
	binary.NativeEndian.PutUint32(q[112:], 0x3f)
	return nil
}

// BenchmarkLook measures a look at directories, 50 next to each other, and at quotas.
func BenchmarkLook(b *testing.B) {
	root := b.TempDir()
	system := planner.System{Name: "bench", Directory: "bench", Filesystem: "any",
		Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByGroup}}
	var directories []planner.Place
	for i := range looked {
		at := fmt.Sprintf("bench/store/cscs/c%05d/p%07d", i/50, i)
		if err := os.MkdirAll(filepath.Join(root, at), 0o755); err != nil {
			b.Fatal(err)
		}
		directories = append(directories, planner.Place{System: "bench", Path: at})
	}
	opened, err := posix.OpenRoot(root)
	if err != nil {
		b.Fatal(err)
	}
	var lease posix.Lease
	defer lease.Begin(opened)()
	clients, err := quota.OpenSystems([]planner.System{system},
		map[string]quota.Open{planner.QuotaLustre: lustre.Open},
		quota.Options{Root: root, Kernel: answering, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	o := providers.NewObserver(providers.Options{Systems: []planner.System{system},
		Directories: &lease, Quotas: clients})
	on := o.Mounts(b.Context(), []planner.System{system})["bench"].Filesystem
	b.Run("directories", func(b *testing.B) {
		measure(b, func() {
			d := o.Directories(b.Context(), planner.TargetsOf(directories...))
			if d[looked-1].State != planner.DirPresent {
				b.Fatalf("%+v", d[looked-1])
			}
		})
	})
	var quotas []planner.QuotaTarget
	for i := range looked {
		quotas = append(quotas, planner.QuotaTarget{System: "bench",
			Subject: planner.Subject{Filesystem: on, By: planner.ByGroup, ID: uint32(1000 + i)}})
	}
	b.Run("quotas", func(b *testing.B) {
		measure(b, func() {
			if q := o.Quotas(b.Context(), planner.TargetsOf(quotas...)); q[looked-1].LimitsWhy() != "" {
				b.Fatalf("%+v", q[looked-1])
			}
		})
	})
}
