package linux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

var via = &planner.QuotaSource{Via: "quotactl"}

const (
	kib = 1024

	// maxSpace and maxInodes are far above the size of any filesystem, and far below the values at
	// which the kernel's counters wrap around to 0, which means no limit.
	maxSpace  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48

	xfsMagic = 0x58465342
	extMagic = 0xEF53
)

// Client reads and sets quotas of the kernel. dir is always the absolute path of a directory on the
// filesystem. Its methods are safe for concurrent use.
type Client struct {
	call  call
	calls *hang.Calls
	// used has what was read into by calls that have returned.
	used sync.Pool
}

// New returns a client whose calls take at most timeout; 0 means 30 seconds.
func New(timeout time.Duration) *Client { return &Client{call: kernel, calls: hang.New(timeout)} }

// Traits returns the abilities and bounds of the filesystem of dir. It is an error if this package
// does not support the filesystem.
func (c *Client) Traits(ctx context.Context, dir string) (planner.Traits, error) {
	var st unix.Statfs_t
	err := c.calls.Do(ctx, "statfs", func(context.Context) func() error {
		var got unix.Statfs_t
		err := unix.Statfs(dir, &got)
		return func() error { st = got; return err }
	})
	if err != nil {
		return planner.Traits{}, fmt.Errorf("find out the filesystem of %s: %w", dir, err)
	}
	t := planner.Traits{Unit: kib, Soft: true, Grace: true, MaxSpace: maxSpace,
		MaxInodes: maxInodes}
	switch int64(st.Type) {
	case xfsMagic:
		t.Unit, t.KeepsClock = planner.Bytes(st.Frsize), true
	case extMagic:
	default:
		return planner.Traits{},
			fmt.Errorf("%s is neither XFS nor ext4 (statfs says %#x): kernel quotas are supported only on "+
				"these",
				dir, st.Type)
	}
	return t, nil
}

// Enforced returns an error unless the kernel enforces limits for this kind of id. The error says
// what is missing and how to enable it.
func (c *Client) Enforced(ctx context.Context, dir string, by planner.QuotaBy) error {
	var s stats
	s.init()
	err := c.do(ctx, dir, getStats, by, 0, unsafe.Pointer(&s))
	return s.enforced(dir, by, err)
}

// init makes the struct a request.
func (s *stats) init() { s[0] = 1 } // FS_QSTATV_VERSION1

// enforced interprets the answer to a query for the state of quotas. It returns nil if they are
// enforced.
func (s *stats) enforced(dir string, by planner.QuotaBy, err error) error {
	counted, enforced, option := uint16(groupCounted), uint16(groupEnforced), "grpquota"
	if by == planner.ByProject {
		counted, enforced, option = projectCounted, projectEnforced, "prjquota"
	}
	switch {
	case err != nil:
		return fmt.Errorf("check whether %s quotas of %s are on: %w", by, dir, &callError{err})
	case s.flags()&counted == 0:
		return fmt.Errorf("%s quotas of %s are off: mount it with %s", by, dir, option)
	case s.flags()&enforced == 0:
		return fmt.Errorf("%s quotas of %s are counted, but not enforced: mount it with %s, or run "+
			"quotaon",
			by, dir, option)
	}
	return nil
}

// Get reads limits and usage of one id. What cannot be read is unknown, with the reason. On a mount
// that hangs, it may never return.
func (c *Client) Get(_ context.Context, dir string, by planner.QuotaBy,
	id uint32) planner.QuotaState {
	if err := quota.CheckID(by, id); err != nil {
		return quota.Unknown(via, err.Error())
	}
	r, ok := c.used.Get().(*reading)
	if !ok {
		r = new(reading)
	}
	q := c.read(r, dir, by, id)
	c.used.Put(r) // only now: while a call runs, the kernel may write to it
	return q
}

// reading holds what the kernel writes to while one quota is read.
type reading struct {
	stats stats
	block block
}

// read reads a quota, and before it whether quotas are enforced.
func (c *Client) read(r *reading, dir string, by planner.QuotaBy, id uint32) planner.QuotaState {
	*r = reading{}
	r.stats.init()
	err := c.call(dir, getStats, by, 0, unsafe.Pointer(&r.stats))
	if off := r.stats.enforced(dir, by, err); off != nil {
		return quota.Unknown(via, off.Error())
	}
	err = c.call(dir, getQuota, by, id, r.block.pointer())
	if errors.Is(err, unix.ENOENT) { // on XFS, an id that owns nothing and has no limits has no record
		r.block, err = block{}, nil
	}
	if err != nil {
		return quota.Unknown(via, fmt.Sprintf("read quota: %v", &callError{err}))
	}
	return r.block.state()
}

// List reads the quotas of which the filesystem has a record, from first to last inclusive. The
// result is complete, or it is an error.
func (c *Client) List(ctx context.Context, dir string, by planner.QuotaBy, first,
	last uint32) (map[uint32]planner.QuotaState, error) {
	if err := c.Enforced(ctx, dir, by); err != nil {
		return nil, fmt.Errorf("list quotas: %w", err)
	}
	all := map[uint32]planner.QuotaState{}
	for id := first; ; {
		b := new(block)
		err := c.do(ctx, dir, getNext, by, id, b.pointer())
		if errors.Is(err, unix.ENOENT) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list quotas of %s from %d on: %w", dir, id, &callError{err})
		}
		found := b.u32(atID)
		if found > last {
			return all, nil
		}
		if found < id {
			return nil, fmt.Errorf("list quotas of %s from %d on: the kernel went back to %d", dir,
				id, found)
		}
		all[found] = b.state()
		if found == last {
			return all, nil
		}
		id = found + 1
	}
}

// Set sets all four limits in one call and keeps the clocks in keep. It does not read the limits
// back. After an error that does not wrap [quota.ErrRefused], it is unknown whether they were set.
func (c *Client) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32,
	want planner.Limits, keep planner.Grace) error {
	t, err := c.Traits(ctx, dir)
	if err != nil {
		return fmt.Errorf("set quota of %s %d: %w: nothing was sent: %w", by, id, quota.ErrRefused, err)
	}
	l, err := quota.Check(t, by, id, want)
	if err != nil {
		return err
	}
	if err := c.Enforced(ctx, dir, by); err != nil {
		return fmt.Errorf("set quota of %s %d: %w: nothing was sent: %w", by, id, quota.ErrRefused, err)
	}
	b := request(l, uint64(t.Unit/kib), keep)
	if err := c.do(ctx, dir, setQuota, by, id, b.pointer()); err != nil {
		return fmt.Errorf("set quota of %s %d at %s: %w", by, id, dir, &callError{err})
	}
	return nil
}

// request returns the block that sets limits. One unit of a space limit is so many KiB.
func request(l quota.Limits, unit uint64, keep planner.Grace) *block {
	b := new(block)
	b.put64(atBSoft, l[planner.SpaceSoft]*unit)
	b.put64(atBHard, l[planner.SpaceHard]*unit)
	b.put64(atISoft, l[planner.InodesSoft])
	b.put64(atIHard, l[planner.InodesHard])
	valid := uint32(validBLimits | validILimits)
	if !keep.Space.IsZero() {
		b.put64(atBTime, uint64(keep.Space.Unix()))
		valid |= validBTime
	}
	if !keep.Inodes.IsZero() {
		b.put64(atITime, uint64(keep.Inodes.Unix()))
		valid |= validITime
	}
	b.setValid(valid)
	return b
}

// state returns the quota state in a block that was read.
func (b *block) state() planner.QuotaState {
	s := planner.QuotaState{
		Source: via,
		Limits: planner.Limits{
			planner.SpaceSoft:  quota.Limit(b.u64(atBSoft), planner.Bytes(kib)),
			planner.SpaceHard:  quota.Limit(b.u64(atBHard), planner.Bytes(kib)),
			planner.InodesSoft: quota.Limit(b.u64(atISoft), planner.Inodes(1)),
			planner.InodesHard: quota.Limit(b.u64(atIHard), planner.Inodes(1)),
		},
		Space:  planner.UsageOf(planner.Bytes(b.u64(atCurSpace))),
		Inodes: planner.UsageOf(planner.Inodes(b.u64(atCurInodes))),
	}
	if !s.Limits[planner.SpaceSoft].Known() || !s.Limits[planner.SpaceHard].Known() {
		return quota.Unknown(via, "a space limit is too large to be counted in bytes")
	}
	s.SetEnds(planner.Grace{Space: unixTime(b.u64(atBTime)), Inodes: unixTime(b.u64(atITime))})
	return s
}

func unixTime(seconds uint64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// do makes one call within its deadline. The kernel writes to a copy of data, because it may still
// write after the call was abandoned.
func (c *Client) do(ctx context.Context, dir string, cmd uint32, by planner.QuotaBy, id uint32,
	data unsafe.Pointer) error {
	var copied [len(stats{})]byte
	size := len(block{})
	if cmd == getStats {
		size = len(stats{})
	}
	to := unsafe.Slice((*byte)(data), size)
	copy(copied[:], to)
	err := c.calls.Do(ctx, "quotactl", func(context.Context) func() error {
		err := c.call(dir, cmd, by, id, unsafe.Pointer(&copied))
		return func() error { return err }
	})
	if err == nil {
		copy(to, copied[:size])
	}
	return err
}

// callError adds to the errno of a quota call what it means.
type callError struct{ err error }

func (e *callError) Unwrap() error { return e.err }

func (e *callError) Error() string {
	switch {
	case errors.Is(e.err, unix.ESRCH), errors.Is(e.err, unix.ENOSYS): // ext4's and XFS's answer
		return "quotas of this kind are off there: mount the filesystem with grpquota or prjquota"
	case errors.Is(e.err, unix.EPERM), errors.Is(e.err, unix.EACCES):
		return "not permitted: run cscs-sync as root (it needs CAP_SYS_ADMIN)"
	case errors.Is(e.err, unix.EOPNOTSUPP), errors.Is(e.err, unix.EINVAL):
		return fmt.Sprintf("the kernel or the filesystem does not support such quotas (%v)", e.err)
	case errors.Is(e.err, unix.EIO):
		return "the filesystem failed to read or write its quotas (input/output error): check it, and " +
			"read the kernel's log"
	case errors.Is(e.err, unix.EROFS):
		return "the filesystem is mounted read-only: mount it read-write"
	}
	return e.err.Error()
}
