package posix

import (
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// beneath keeps a lookup below its start and off every link; mounts may be crossed.
	beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
	// within also keeps it on one mount.
	within = beneath | unix.RESOLVE_NO_XDEV

	// readDir opens a directory for reading, syncing and changing it. It never waits and never opens anything else.
	readDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	// look gets a descriptor of anything, links too, without opening it.
	look = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// races is how often a lookup is tried again when the kernel says that a rename elsewhere disturbed it (EAGAIN).
const races = 1000

// openat2 looks name up from at. It tries again where the kernel asks for it.
func openat2(at int, name string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(at, name, &how)
		if err == unix.EINTR || err == unix.EAGAIN && tries < races {
			continue
		}
		return fd, err
	}
}

// retry calls f again when a signal interrupted it, as Go's own signals do on network filesystems.
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

// statx is fstat, and says when the file was made where the filesystem knows it.
func statx(fd int) (st unix.Statx_t, err error) {
	const want = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	err = retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, want, &st) })
	if err == nil && st.Mask&(unix.STATX_MODE|unix.STATX_UID|unix.STATX_GID|unix.STATX_INO) !=
		unix.STATX_MODE|unix.STATX_UID|unix.STATX_GID|unix.STATX_INO {
		err = unix.EIO
	}
	return st, err
}

// lstatAt looks at one name in a directory, without following it.
func lstatAt(fd int, name string) (st unix.Stat_t, err error) {
	err = retry(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// place is what identifies an open directory: its mount and its inode there.
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

// isClean tells whether a storage path is one that may be opened: relative, and its own canonical form.
func isClean(p string) bool {
	return filepath.IsLocal(p) && path.Clean(p) == p && !strings.ContainsRune(p, 0)
}

// below cuts the directory dir off the front of p: below("a/b", "a") is "b", and below("a", "a") is ".".
func below(p, dir string) (string, bool) {
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
