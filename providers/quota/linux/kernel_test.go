//go:build kernel

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// These tests run in the machine that cmd/internal/kerneltest starts: make test-kernel. They test
// each row of the table in doc.go and in docs/reference/linux.md.

const mib = 1 << 20

func filesystems() []string { return []string{"xfs", "ext4"} }

// each runs a test on both filesystems, for group and for project quotas.
func each(t *testing.T, test func(t *testing.T, s *site)) {
	for _, fs := range filesystems() {
		for _, by := range []planner.QuotaBy{planner.ByGroup, planner.ByProject} {
			t.Run(fs+" "+string(by), func(t *testing.T) {
				s := &site{T: t, fs: fs, by: by, dir: "/mnt/" + fs, client: New(time.Minute)}
				test(t, s)
			})
		}
	}
}

// site is one filesystem of the machine and one kind of id.
type site struct {
	*testing.T
	fs     string
	by     planner.QuotaBy
	dir    string
	client *Client
}

// id returns an id that no other test uses.
func (s *site) id() uint32 { ids[s.dir]++; return 40000 + ids[s.dir] }

var ids = map[string]uint32{}

func (s *site) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) get(id uint32) planner.QuotaState {
	s.Helper()
	got := s.client.Get(s.Context(), s.dir, s.by, id)
	if got.LimitsWhy() != "" {
		s.Fatalf("limits of %d: %s", id, got.LimitsWhy())
	}
	return got
}

func (s *site) set(id uint32, q planner.Limits, keep planner.Grace) {
	s.Helper()
	s.ok(s.client.Set(s.Context(), s.dir, s.by, id, q, keep))
	if got := s.get(id); got.Limits != q {
		s.Fatalf("set %+v, read back %+v", q, got.Limits)
	}
}

// tree makes a directory whose content is charged to an id.
func (s *site) tree(id uint32) string {
	s.Helper()
	dir := filepath.Join(s.dir, fmt.Sprint(s.by, id))
	s.ok(os.Mkdir(dir, 0o2770))
	if s.by == planner.ByGroup {
		s.ok(os.Chown(dir, 0, int(id)))
		s.ok(unix.Chmod(dir, 0o2770))
		return dir
	}
	setProject(s.T, dir, id)
	return dir
}

// setProject gives a directory a project id that new entries inherit, with struct fsxattr of 28
// bytes.
func setProject(t *testing.T, dir string, id uint32) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var attr [28]byte
	binary.NativeEndian.PutUint32(attr[0:], 0x200) // FS_XFLAG_PROJINHERIT
	binary.NativeEndian.PutUint32(attr[12:], id)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 0x401c5820,
		uintptr(unsafe.Pointer(&attr))); errno != 0 {
		t.Fatal(errno)
	}
}

// write adds a file with so many bytes of real data.
func (s *site) write(dir, name string, size int) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return errors.Join(err, f.Sync(), f.Close())
}

func space(soft, hard planner.Bytes) planner.Limits {
	limit := func(n planner.Bytes) planner.Limit {
		if n == 0 {
			return planner.Unlimited()
		}
		return planner.LimitOf(n)
	}
	return planner.Limits{planner.SpaceSoft: limit(soft), planner.SpaceHard: limit(hard),
		planner.InodesSoft: planner.Unlimited(),
		planner.InodesHard: planner.Unlimited()}
}

// What plans assume about the filesystems is true.
func TestTraits(t *testing.T) {
	for _, fs := range filesystems() {
		want := config.Traits(planner.QuotaLinux, fs)
		if got, err := New(0).Traits(t.Context(), "/mnt/"+fs); err != nil || got != want {
			t.Errorf("%s: %+v, %v", fs, got, err)
		}
	}
	if _, err := New(0).Traits(t.Context(), "/tmp"); err == nil || !strings.Contains(err.Error(),
		"neither XFS nor ext4") {
		t.Errorf("tmpfs: %v", err)
	}
}

func TestLimitsAreExact(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		for _, q := range []planner.Limits{
			space(mib, 2*mib), space(0, 4096), space(4096, 0), space(maxSpace, maxSpace), space(0,
				0),
			{planner.SpaceSoft: planner.LimitOf[planner.Bytes](mib),
				planner.SpaceHard:  planner.LimitOf[planner.Bytes](mib),
				planner.InodesSoft: planner.LimitOf[planner.Inodes](1),
				planner.InodesHard: planner.LimitOf[planner.Inodes](2)},
			{planner.SpaceSoft: planner.Unlimited(), planner.SpaceHard: planner.Unlimited(),
				planner.InodesSoft: planner.LimitOf(maxInodes),
				planner.InodesHard: planner.LimitOf(maxInodes)},
		} {
			s.set(id, q, planner.Grace{})
		}
		other := planner.ByProject
		if s.by == other {
			other = planner.ByGroup
		}
		if got := s.client.Get(t.Context(), s.dir, other, id); got.LimitsWhy() != "" ||
			!got.Limits[planner.InodesHard].IsUnlimited() {
			t.Errorf("the other kind has %+v", got)
		}
	})
}

// An id that never had a quota has no limits and uses nothing, whatever the kernel answers.
func TestNeverSet(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		got := s.get(s.id())
		if got.Limits != space(0, 0) || got.Space != (planner.UsageOf(planner.Bytes(0))) ||
			got.Inodes != (planner.UsageOf(planner.Inodes(0))) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestNothingIsRounded(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		odd := planner.Bytes(5 << 10) // 5 KiB: one and a quarter block of XFS
		err := s.client.Set(t.Context(), s.dir, s.by, id, space(0, odd), planner.Grace{})
		if s.fs == "ext4" {
			s.ok(err)
			return
		}
		if !errors.Is(err, quota.ErrRefused) || !s.get(id).Limits[planner.SpaceHard].IsUnlimited() {
			t.Errorf("5 KiB: %v", err)
		}
		b := new(block) // what the kernel itself does with them
		b.put64(atBHard, 5)
		b.setValid(validBLimits)
		s.ok(kernel(s.dir, setQuota, s.by, id, b.pointer()))
		if n, _ := s.get(id).Limits[planner.SpaceHard].Number(); n != 8<<10 {
			t.Errorf("the kernel made %d of 5 KiB, not 8 KiB as the documentation says", n)
		}
	})
}

func TestSoftAboveHardIsNotSent(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		s.set(id, space(mib, 2*mib), planner.Grace{})
		if err := s.client.Set(t.Context(), s.dir, s.by, id, space(4*mib, 2*mib),
			planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("soft above hard: %v", err)
		}
		if got := s.get(id); got.Limits != space(mib, 2*mib) {
			t.Errorf("now %+v", got.Limits)
		}
	})
}

func TestUsage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		dir := s.tree(id)
		s.ok(s.write(dir, "a", 3*mib))
		s.ok(s.write(dir, "b", 1))
		got := s.get(id)
		if got.Space.N() < 3*mib || got.Space.N() > 3*mib+64<<10 || got.Inodes.N() != 3 {
			t.Errorf("used %+v, %+v", got.Space, got.Inodes)
		}
		s.set(id, space(mib, mib), planner.Grace{}) // below what is used: taken, and no error
	})
}

// The kernel stops a user over the hard limit. On XFS it also stops root, on ext4 it does not.
func TestRootBeyondTheHardLimit(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		dir := s.tree(id)
		s.set(id, space(0, mib), planner.Grace{})
		err := s.write(dir, "large", 4*mib)
		if stopped := errors.Is(err, unix.ENOSPC) || errors.Is(err,
			unix.EDQUOT); stopped != (s.fs == "xfs") {
			t.Errorf("root wrote 4 MiB with a limit of 1 MiB: %v", err)
		}
	})
}

// A running clock continues if its soft limit stays the same, on either filesystem. Without the
// clock's time, ext4 restarts it.
func TestGraceClock(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id := s.id()
		dir := s.tree(id)
		s.set(id, space(mib, 8*mib), planner.Grace{})
		s.ok(s.write(dir, "over", 2*mib))
		first := s.get(id).Ends().Space
		if first.IsZero() {
			t.Fatal("no clock runs, although the soft limit is passed")
		}
		time.Sleep(2100 * time.Millisecond)
		s.set(id, space(mib, 16*mib), planner.Grace{Space: first})
		if got := s.get(id).Ends().Space; !got.Equal(first) {
			t.Errorf("kept: ends %v, was %v", got, first)
		}
		s.set(id, space(mib, 32*mib), planner.Grace{})
		traits, err := s.client.Traits(t.Context(), s.dir)
		s.ok(err)
		if got := s.get(id).Ends().Space; got.Equal(first) != traits.KeepsClock {
			t.Errorf("not kept: ends %v, was %v, but KeepsClock is %v", got, first,
				traits.KeepsClock)
		}
		s.set(id, space(4*mib, 32*mib), planner.Grace{})
		if got := s.get(id).Ends().Space; !got.IsZero() {
			t.Errorf("below the soft limit again: ends %v", got)
		}
	})
}

// A list returns what single reads return, from the first to the last id, and nothing else.
func TestListEqualsSingleReads(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const n = 1000
		first := uint32(100_000 + 10_000*len(s.by))
		for i := range uint32(n) {
			s.ok(s.client.Set(t.Context(), s.dir, s.by, first+2*i, space(0, planner.Bytes(i+1)*mib),
				planner.Grace{}))
		}
		start := time.Now()
		all, err := s.client.List(t.Context(), s.dir, s.by, first, first+2*n-3)
		s.ok(err)
		t.Logf("%d ids in %v", len(all), time.Since(start).Round(time.Millisecond))
		if len(all) != n-1 {
			t.Fatalf("%d ids, want %d", len(all), n-1)
		}
		for id, state := range all {
			if got := s.get(id); got.Limits != state.Limits || got.Space != state.Space ||
				got.Inodes != state.Inodes {
				t.Errorf("%d: listed %+v, read %+v", id, state, got)
			}
		}
	})
}

// A directory cannot be renamed into the tree of another project, and can be renamed out into a
// folder without one.
func TestRenameBetweenProjects(t *testing.T) {
	for _, fs := range filesystems() {
		t.Run(fs, func(t *testing.T) {
			s := &site{T: t, fs: fs, by: planner.ByProject, dir: "/mnt/" + fs,
				client: New(time.Minute)}
			from, to := s.tree(s.id()), s.tree(s.id())
			inner := filepath.Join(from, "inner")
			s.ok(os.Mkdir(inner, 0o700))
			if err := unix.Rename(inner, filepath.Join(to, "inner")); !errors.Is(err, unix.EXDEV) {
				t.Errorf("into another project: %v", err)
			}
			s.ok(os.MkdirAll(filepath.Join(s.dir, "trash"), 0o700))
			s.ok(unix.Renameat2(unix.AT_FDCWD, inner, unix.AT_FDCWD, filepath.Join(s.dir, "trash",
				filepath.Base(from)), unix.RENAME_NOREPLACE))
		})
	}
}

// The call for kernels before 5.14 sets, reads and lists the same.
func TestByDevice(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		ways := map[string]*Client{"by descriptor": s.client, "by device": {calls: s.client.calls,
			call: func(dir string, cmd uint32, by planner.QuotaBy, id uint32,
				data unsafe.Pointer) error {
				fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return byDevice(fd, dir, uintptr(cmd<<8|typeOf(by)), id, data)
			}}}
		for setter, c := range ways {
			id := s.id()
			s.ok(c.Set(t.Context(), s.dir, s.by, id, space(mib, 2*mib), planner.Grace{}))
			for reader, c := range ways {
				if got := c.Get(t.Context(), s.dir, s.by, id); got.Limits != space(mib, 2*mib) ||
					got.LimitsWhy() != "" {
					t.Errorf("set %s, read %s: %+v", setter, reader, got)
				}
				all, err := c.List(t.Context(), s.dir, s.by, id, id)
				if err != nil || len(all) != 1 || all[id].Limits != space(mib, 2*mib) {
					t.Errorf("set %s, listed %s: %+v, %v", setter, reader, all, err)
				}
				const n = 100
				start := time.Now()
				for range n {
					c.Get(t.Context(), s.dir, s.by, id)
				}
				t.Logf("%s: %v for one quota", reader,
					(time.Since(start) / n).Round(time.Microsecond))
			}
		}
	})
}

// If quotas are off, limits are unknown and nothing is set.
func TestQuotasOff(t *testing.T) {
	for fs, device := range map[string]string{"xfs": "/dev/vda", "ext4": "/dev/vdb"} {
		dir := "/mnt/" + fs
		remount := func(options string) {
			t.Helper()
			if err := errors.Join(unix.Unmount(dir, 0), unix.Mount(device, dir, fs, 0,
				options)); err != nil {
				t.Fatal(err)
			}
		}
		remount("noquota")
		err := New(0).Set(t.Context(), dir, planner.ByGroup, 60001, space(0, mib), planner.Grace{})
		if !errors.Is(err, quota.ErrRefused) || !strings.Contains(err.Error(), "grpquota") {
			t.Errorf("%s: set: %v", fs, err)
		}
		if got := New(0).Get(t.Context(), dir, planner.ByGroup,
			60001); !strings.Contains(got.LimitsWhy(), "grpquota") || got.Space.Known() {
			t.Errorf("%s: get: %+v", fs, got)
		}
		if _, err := New(0).List(t.Context(), dir, planner.ByProject, 1, 1000); err == nil {
			t.Errorf("%s: a list of quotas that are off", fs)
		}
		remount("grpquota,prjquota")
	}
}

// BenchmarkGet measures the cost of reading one quota, including the system calls.
func BenchmarkGet(b *testing.B) {
	for _, fs := range filesystems() {
		b.Run(fs, func(b *testing.B) {
			c := New(0)
			for b.Loop() {
				if got := c.Get(b.Context(), "/mnt/"+fs, planner.ByGroup,
					40001); got.LimitsWhy() != "" {
					b.Fatal(got.LimitsWhy())
				}
			}
		})
	}
}
