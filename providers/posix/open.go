package posix

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// beneath keeps a lookup below its start and makes it fail at any link. It may cross mounts.
	beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
	// within also keeps the lookup on one mount.
	within = beneath | unix.RESOLVE_NO_XDEV

	// readDir opens a directory for reading, syncing and changing it. It never waits, and never opens
	// anything else.
	readDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	// look gets a descriptor of anything, including links, without opening it.
	look = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// maxRaces is how often a lookup is retried when the kernel says that a rename elsewhere disturbed
// it (EAGAIN).
const maxRaces = 1000

// openat2 looks up name, starting at the directory at. It tries again when the kernel asks for it.
// It is called for each resource, so it allocates nothing for a path of usual length.
func openat2(at int, name string, flags int, resolve uint64) (int, error) {
	var room [256]byte
	path := append(append(room[:0], name...), 0)
	if strings.IndexByte(name, 0) >= 0 {
		return -1, unix.EINVAL
	}
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(at), uintptr(unsafe.Pointer(&path[0])),
			uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == unix.EINTR, errno == unix.EAGAIN && tries < maxRaces:
		default:
			return -1, errno
		}
	}
}

// retry calls f again if a signal interrupted it. Go's own signals do that on network filesystems.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func fstat(fd int) (st unix.Stat_t, err error) {
	err = retry(func() error { return unix.Fstat(fd, &st) })
	return st, err
}

// nothing is the empty path, which means the descriptor itself.
var nothing byte

// statx is like fstat, and also returns when the file was created, if the filesystem knows.
func statx(fd int) (st unix.Statx_t, err error) {
	const want = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	errno := unix.EINTR
	for errno == unix.EINTR {
		_, _, errno = unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(&nothing)),
			unix.AT_EMPTY_PATH, want, uintptr(unsafe.Pointer(&st)), 0)
	}
	const must = unix.STATX_MODE | unix.STATX_UID | unix.STATX_GID | unix.STATX_INO
	switch {
	case errno != 0:
		return st, errno
	case st.Mask&must != must:
		return st, unix.EIO
	}
	return st, nil
}

// lstatAt returns the status of a name in a directory, without following a link.
func lstatAt(fd int, name string) (st unix.Stat_t, err error) {
	err = retry(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// place identifies an open directory: its mount, its device and its inode.
type place struct {
	mount        uint64
	major, minor uint32
	inode        uint64
}

func placeOf(fd int) (place, error) {
	var st unix.Statx_t
	const want = unix.STATX_INO | unix.STATX_MNT_ID
	err := retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, want, &st) })
	if err != nil {
		return place{}, err
	}
	if st.Mask&want != want {
		return place{}, unix.ENOSYS
	}
	return place{st.Mnt_id, st.Dev_major, st.Dev_minor, st.Ino}, nil
}

// isClean reports whether a storage path may be opened: it must be relative and in its canonical
// form.
func isClean(p string) bool {
	for rest, more := p, p != "."; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return strings.IndexByte(p, 0) < 0
}

// cutDirectory removes the directory dir from the front of p: cutDirectory("a/b", "a") is "b", and
// cutDirectory("a", "a") is ".".
func cutDirectory(p, dir string) (string, bool) {
	if dir == "." || dir == "" {
		return p, true
	}
	if p == dir {
		return ".", true
	}
	return strings.CutPrefix(p, dir+"/")
}

func fileType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

func isDir(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFDIR }
