package linux

import (
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
)

// direct makes a call with quotactl_fd(2) and ignores the answer.
func direct(dir string, cmd uint32, by planner.QuotaBy, id uint32, data unsafe.Pointer) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _, _ = unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(fd), uintptr(cmd<<8|typeOf(by)),
		uintptr(id), uintptr(data), 0, 0)
}

// BenchmarkOwnCost measures what reading a quota costs besides its two calls to the real kernel
// with quotactl_fd(2): whether quotas are enforced, and the quota. The answers are made up, because
// the directory may be on any filesystem. The same calls are made bare in turn, so that a busy
// machine slows both. The bound is 20 µs.
func BenchmarkOwnCost(b *testing.B) {
	dir := b.TempDir()
	c := &Client{calls: hang.New(0), call: func(dir string, cmd uint32, by planner.QuotaBy,
		id uint32, data unsafe.Pointer) error {
		direct(dir, cmd, by, id, data)
		if cmd == getStats {
			(*stats)(data)[2] = groupCounted | groupEnforced
		}
		return nil
	}}
	var bare, whole time.Duration
	for b.Loop() {
		start := time.Now()
		direct(dir, getStats, planner.ByGroup, 0, unsafe.Pointer(new(stats)))
		direct(dir, getQuota, planner.ByGroup, 30500, new(block).pointer())
		between := time.Now()
		if q := c.Get(b.Context(), dir, planner.ByGroup, 30500); q.LimitsWhy() != "" {
			b.Fatal(q.LimitsWhy())
		}
		bare, whole = bare+between.Sub(start), whole+time.Since(between)
	}
	b.ReportMetric(float64((whole-bare).Nanoseconds())/float64(b.N)/1000, "own-µs/id")
	b.ReportMetric(0, "ns/op")
}
