package linux

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// simulatedKernel returns a client on a simulated kernel that records the blocks that it gets.
func simulatedKernel(answer func(cmd, id uint32, b *block) error) *Client {
	return &Client{calls: hang.New(time.Minute), call: func(_ string, cmd uint32, _ planner.QuotaBy,
		id uint32, data unsafe.Pointer) error {
		if cmd == getStats {
			(*stats)(data)[2] = groupCounted | groupEnforced
			return nil
		}
		return answer(cmd, id, (*block)(data))
	}}
}

func TestErrorsAreUnknownAndSayWhatToDo(t *testing.T) {
	for errno, way := range map[unix.Errno]string{
		unix.ESRCH: "mount the filesystem with grpquota", unix.EPERM: "run cscs-sync as root",
		unix.EIO: "check it", unix.EROFS: "read-only",
		unix.EOPNOTSUPP: "does not support such quotas",
	} {
		c := simulatedKernel(func(uint32, uint32, *block) error { return errno })
		got := c.Get(t.Context(), t.TempDir(), planner.ByGroup, 30500)
		if !strings.Contains(got.LimitsWhy(), way) || got.Limits.Known() || got.Space.Known() ||
			got.Inodes.Known() {
			t.Errorf("%v: %+v", errno, got)
		}
		if _, err := c.List(t.Context(), t.TempDir(), planner.ByGroup, 1, 9); err == nil ||
			!strings.Contains(err.Error(), way) {
			t.Errorf("%v: list: %v", errno, err)
		}
	}
}

// If the kernel goes back in a list, the client must not continue forever.
func TestListEnds(t *testing.T) {
	c := simulatedKernel(func(_, _ uint32, b *block) error {
		b.put64(64, 5<<32) // the id behind the bits of dqb_valid, on a little-endian machine
		return nil
	})
	if _, err := c.List(t.Context(), t.TempDir(), planner.ByGroup, 6, 9); err == nil ||
		!strings.Contains(err.Error(), "went back to 5") {
		t.Error(err)
	}
}

func TestTooLargeALimitIsUnknown(t *testing.T) {
	c := simulatedKernel(func(_, _ uint32, b *block) error { b.put64(atBHard, 1<<62); return nil })
	if got := c.Get(t.Context(), t.TempDir(), planner.ByGroup, 30500); got.LimitsWhy() == "" ||
		got.Space.Known() {
		t.Errorf("got %+v", got)
	}
}

func TestRequestCarriesRunningClocks(t *testing.T) {
	ends := time.Unix(1_800_000_000, 0)
	b := request(quota.Limits{planner.SpaceSoft: 1, planner.SpaceHard: 2, planner.InodesSoft: 3,
		planner.InodesHard: 4}, 4, planner.Grace{Space: ends})
	if b.u64(atBSoft) != 4 || b.u64(atBHard) != 8 || b.u64(atISoft) != 3 || b.u64(atIHard) != 4 ||
		b.u64(atBTime) != 1_800_000_000 ||
		b.u32(atValid) != validBLimits|validILimits|validBTime {
		t.Errorf("%v", b)
	}
}

func TestHangingCallIsLeftBehind(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c := simulatedKernel(func(uint32, uint32, *block) error { <-release; return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.List(ctx, t.TempDir(), planner.ByGroup, 1, 9); !errors.Is(err, hang.ErrTimeout) {
		t.Error(err)
	}
}
