package lustre

import (
	"context"
	"encoding/binary"
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

var viaIOCTL = &planner.QuotaSource{Via: "ioctl"}

// quotactl is Lustre's struct if_quotactl, 176 bytes, the same from 2.12 to 2.17 on every 64-bit
// machine. For some commands, which are not used here, the kernel reads 16 bytes more, a pool's
// name. They are zero.
type quotactl [176 + 16]byte

// Offsets of the members of struct if_quotactl.
const (
	atCmd       = 0
	atType      = 4 // 1 group, 2 project
	atID        = 8
	atBHard     = 48  // KiB
	atBSoft     = 56  // KiB
	atCurSpace  = 64  // bytes
	atIHard     = 72  // inodes
	atISoft     = 80  // inodes
	atCurInodes = 88  // inodes
	atBTime     = 96  // Unix seconds in the low 48 bits, flags above
	atITime     = 104 // likewise
	atValid     = 112
)

const (
	quotactlIoctl = 0xC0B066A2 // OBD_IOC_QUOTACTL
	getQuota      = 0x800007   // LUSTRE_Q_GETQUOTA
	setQuota      = 0x800008   // LUSTRE_Q_SETQUOTA

	typeGroup   = 1
	typeProject = 2

	// Bits of dqb_valid say which of the numbers are valid.
	validBLimits = 1
	validSpace   = 2
	validILimits = 4
	validInodes  = 8
	validBTime   = 16
	validITime   = 32

	timeMask    = 1<<48 - 1
	flagDefault = 1 << 48 // the default quota applies

	// errENOTSUPP is an errno for use inside the kernel. Modules up to 2.15 answer with it to commands
	// that they don't know.
	errENOTSUPP unix.Errno = 524
)

func (q *quotactl) u32(at int) uint32         { return binary.NativeEndian.Uint32(q[at:]) }
func (q *quotactl) u64(at int) uint64         { return binary.NativeEndian.Uint64(q[at:]) }
func (q *quotactl) put32(at int, n uint32)    { binary.NativeEndian.PutUint32(q[at:], n) }
func (q *quotactl) put64(at int, n uint64)    { binary.NativeEndian.PutUint64(q[at:], n) }
func (q *quotactl) has(bit uint32) bool       { return q.u32(atValid)&bit != 0 }
func (q *quotactl) ends(at int) (t time.Time) { return unixTime(q.u64(at) & timeMask) }

func unixTime(seconds uint64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// ioctlFunc opens the directory and makes the call on it.
type ioctlFunc func(dir string, q *quotactl) error

// ioctlClient reads and sets quotas with OBD_IOC_QUOTACTL, without starting a program.
type ioctlClient struct {
	ioctl ioctlFunc
	calls *hang.Calls
	// used has requests whose calls have returned.
	used sync.Pool
}

// newIOCTL returns a client whose calls take at most timeout; 0 means 30 seconds.
func newIOCTL(timeout time.Duration) *ioctlClient {
	return &ioctlClient{ioctl: kernel, calls: hang.New(timeout)}
}

// stuck returns the number of calls that were abandoned and have not returned.
func (i *ioctlClient) stuck() int { return i.calls.Stuck() }

// kernel makes the call to the real kernel.
func kernel(dir string, q *quotactl) error {
	fd, err := openDir(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), quotactlIoctl,
			uintptr(unsafe.Pointer(q)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func openDir(dir string) (int, error) {
	for {
		fd, err := unix.Open(dir,
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func request(cmd uint32, by planner.QuotaBy, id uint32) *quotactl {
	q := new(quotactl)
	q.ask(cmd, by, id)
	return q
}

// ask makes an empty struct a request.
func (q *quotactl) ask(cmd uint32, by planner.QuotaBy, id uint32) {
	q.put32(atCmd, cmd)
	q.put32(atType, typeGroup)
	if by == planner.ByProject {
		q.put32(atType, typeProject)
	}
	q.put32(atID, id)
}

// call makes one call within its deadline.
func (i *ioctlClient) call(ctx context.Context, dir string, q *quotactl) error {
	return i.calls.Do(ctx, "quota ioctl", func(context.Context) func() error {
		err := i.ioctl(dir, q)
		return func() error { return err }
	})
}

// Get implements [client].
func (i *ioctlClient) Get(_ context.Context, dir string, by planner.QuotaBy,
	id uint32) planner.QuotaState {
	s, _ := i.get(dir, by, id)
	return s
}

// get makes the call on the caller's goroutine. A request is used again only after its call has
// returned, because until then the kernel may still write to it.
func (i *ioctlClient) get(dir string, by planner.QuotaBy,
	id uint32) (planner.QuotaState, error) {
	if err := quota.CheckID(by, id); err != nil {
		return quota.Unknown(viaIOCTL, err.Error()), nil
	}
	q, ok := i.used.Get().(*quotactl)
	if !ok {
		q = new(quotactl)
	}
	*q = quotactl{}
	q.ask(getQuota, by, id)
	if err := i.ioctl(dir, q); err != nil {
		return quota.Unknown(viaIOCTL, "read quota by ioctl: "+errnoText(err)), err
	}
	s := q.state()
	i.used.Put(q)
	return s, nil
}

func (q *quotactl) state() planner.QuotaState {
	const missing = "not obtained from every server (the ioctl leaves out its valid bit)"
	if !q.has(validBLimits) || !q.has(validILimits) {
		return quota.Unknown(viaIOCTL, "limits "+missing)
	}
	s := planner.QuotaState{
		Source:        viaIOCTL,
		DefaultSpace:  q.u64(atBTime)&flagDefault != 0,
		DefaultInodes: q.u64(atITime)&flagDefault != 0,
		Limits: planner.Limits{
			planner.SpaceSoft:  quota.Limit(q.u64(atBSoft), planner.Bytes(kib)),
			planner.SpaceHard:  quota.Limit(q.u64(atBHard), planner.Bytes(kib)),
			planner.InodesSoft: quota.Limit(q.u64(atISoft), planner.Inodes(1)),
			planner.InodesHard: quota.Limit(q.u64(atIHard), planner.Inodes(1)),
		},
	}
	var why planner.Whys
	s.Space, why.Space = usage(figure{q.u64(atCurSpace), q.has(validSpace)}, planner.Bytes(1),
		missing)
	s.Inodes, why.Inodes = usage(figure{q.u64(atCurInodes), q.has(validInodes)},
		planner.Inodes(1), missing)
	s.SetWhys(why)
	if !s.Limits[planner.SpaceSoft].Known() || !s.Limits[planner.SpaceHard].Known() {
		return quota.Unknown(viaIOCTL, "a space limit is too large to be counted in bytes")
	}
	var ends planner.Grace
	if q.has(validBTime) {
		ends.Space = q.ends(atBTime)
	}
	if q.has(validITime) {
		ends.Inodes = q.ends(atITime)
	}
	s.SetEnds(ends)
	return s
}

// Set implements [client].
func (i *ioctlClient) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32,
	want planner.Limits, keep planner.Grace) error {
	l, err := check(by, id, want)
	if err != nil {
		return err
	}
	q := request(setQuota, by, id)
	q.put64(atBHard, l[planner.SpaceHard])
	q.put64(atBSoft, l[planner.SpaceSoft])
	q.put64(atIHard, l[planner.InodesHard])
	q.put64(atISoft, l[planner.InodesSoft])
	valid := uint32(validBLimits | validILimits)
	if !keep.Space.IsZero() {
		q.put64(atBTime, uint64(keep.Space.Unix())&timeMask)
		valid |= validBTime
	}
	if !keep.Inodes.IsZero() {
		q.put64(atITime, uint64(keep.Inodes.Unix())&timeMask)
		valid |= validITime
	}
	q.put32(atValid, valid)
	if err := i.call(ctx, dir, q); err != nil {
		return fmt.Errorf("set quota of %s %d at %s by ioctl: %w", by, id, dir, &callError{err})
	}
	return nil
}

// setKeeping sets the limits and keeps the clocks in keep. It takes the clocks' ends from the
// servers, because lfs returns them only to the second of this node's clock.
func (i *ioctlClient) setKeeping(ctx context.Context, dir string, by planner.QuotaBy, id uint32,
	want planner.Limits, keep planner.Grace) error {
	var now planner.QuotaState
	err := i.calls.Do(ctx, "quota ioctl", func(context.Context) func() error {
		got, err := i.get(dir, by, id)
		return func() error { now = got; return err }
	})
	if err != nil {
		return fmt.Errorf("set quota of %s %d at %s: read its grace periods by ioctl: %w", by, id,
			dir, &callError{err})
	}
	if now.LimitsWhy() != "" {
		return fmt.Errorf("set quota of %s %d at %s: its grace periods are not known: %s", by, id,
			dir, now.LimitsWhy())
	}
	if !keep.Space.IsZero() {
		keep.Space = now.Ends().Space
	}
	if !keep.Inodes.IsZero() {
		keep.Inodes = now.Ends().Inodes
	}
	return i.Set(ctx, dir, by, id, want, keep)
}

// callError adds to the errno of a quota call what it means.
type callError struct{ err error }

func (e *callError) Error() string { return errnoText(e.err) }
func (e *callError) Unwrap() error { return e.err }

func errnoText(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return hint(errno)
	}
	return err.Error()
}
