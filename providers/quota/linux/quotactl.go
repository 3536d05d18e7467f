package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"unsafe"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Commands of quotactl(2), from linux/quota.h and linux/dqblk_xfs.h.
const (
	getQuota = 0x800007 // Q_GETQUOTA
	setQuota = 0x800008 // Q_SETQUOTA
	getNext  = 0x800009 // Q_GETNEXTQUOTA
	getStats = 0x5808   // Q_XGETQSTATV

	typeGroup   = 1 // GRPQUOTA
	typeProject = 2 // PRJQUOTA
)

// Bits of dqb_valid say which members of struct if_dqblk a set call changes.
const (
	validBLimits = 1
	validILimits = 4
	validBTime   = 16
	validITime   = 32
)

// block is struct if_nextdqblk: struct if_dqblk followed by an id, 72 bytes.
type block [72]byte

// Offsets of the members of struct if_nextdqblk. Space limits are in KiB, used space is in bytes.
const (
	atBHard     = 0
	atBSoft     = 8
	atCurSpace  = 16
	atIHard     = 24
	atISoft     = 32
	atCurInodes = 40
	atBTime     = 48 // Unix seconds
	atITime     = 56
	atValid     = 64 // u32
	atID        = 68 // u32, of Q_GETNEXTQUOTA only
)

func (b *block) u64(at int) uint64       { return binary.NativeEndian.Uint64(b[at:]) }
func (b *block) u32(at int) uint32       { return binary.NativeEndian.Uint32(b[at:]) }
func (b *block) put64(at int, n uint64)  { binary.NativeEndian.PutUint64(b[at:], n) }
func (b *block) setValid(bits uint32)    { binary.NativeEndian.PutUint32(b[atValid:], bits) }
func (b *block) pointer() unsafe.Pointer { return unsafe.Pointer(b) }

// stats is struct fs_quota_statv, of which only the version and the flags are used.
type stats [160]byte

// Bits of qs_flags say what is counted and what is enforced.
const (
	groupCounted    = 1 << 2 // FS_QUOTA_GDQ_ACCT
	groupEnforced   = 1 << 3 // FS_QUOTA_GDQ_ENFD
	projectCounted  = 1 << 4 // FS_QUOTA_PDQ_ACCT
	projectEnforced = 1 << 5 // FS_QUOTA_PDQ_ENFD
)

func (s *stats) flags() uint16 { return binary.NativeEndian.Uint16(s[2:]) }

// call makes a quotactl call on the filesystem of a directory.
type call func(dir string, cmd uint32, by planner.QuotaBy, id uint32, data unsafe.Pointer) error

// kernel makes the call to the running kernel.
func kernel(dir string, cmd uint32, by planner.QuotaBy, id uint32, data unsafe.Pointer) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	op := uintptr(cmd<<8 | typeOf(by))
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(fd), op, uintptr(id), uintptr(data),
		0, 0)
	if errno != unix.ENOSYS {
		return asError(errno)
	}
	return byDevice(fd, dir, op, id, data)
}

// byDevice makes the call in the form that kernels before 5.14 support.
func byDevice(fd int, dir string, op uintptr, id uint32, data unsafe.Pointer) error {
	device, err := deviceOf(fd, dir)
	if err != nil {
		return err
	}
	name, err := unix.BytePtrFromString(device)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, op, uintptr(unsafe.Pointer(name)), uintptr(id),
		uintptr(data), 0, 0)
	return asError(errno)
}

// deviceOf returns the device that is mounted at an open directory.
func deviceOf(fd int, dir string) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return unix.Mkdev(uint32(m.Major), uint32(m.Minor)) != st.Dev ||
			!filepath.IsAbs(m.Source), false
	})
	if err != nil {
		return "", fmt.Errorf("find the device of %s: %w", dir, err)
	}
	if len(mounts) == 0 {
		return "", fmt.Errorf("find the device of %s: %w", dir, errNoDevice)
	}
	return mounts[0].Source, nil
}

// errNoDevice means that a filesystem has no block device that quotactl(2) could name.
var errNoDevice = errors.New("no block device is mounted there")

func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func typeOf(by planner.QuotaBy) uint32 {
	if by == planner.ByProject {
		return typeProject
	}
	return typeGroup
}
