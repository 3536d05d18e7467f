package posix

import (
	"path"
	"path/filepath"
	"strings"

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
func openat2(at int, name string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(at, name, &how)
		if err == unix.EINTR || err == unix.EAGAIN && tries < maxRaces {
			continue
		}
		return fd, err
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

// statx is like fstat, and also returns when the file was created, if the filesystem knows.
func statx(fd int) (st unix.Statx_t, err error) {
	const want = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	err = retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, want, &st) })
	const must = unix.STATX_MODE | unix.STATX_UID | unix.STATX_GID | unix.STATX_INO
	if err == nil && st.Mask&must != must {
		err = unix.EIO
	}
	return st, err
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
	return filepath.IsLocal(p) && path.Clean(p) == p && !strings.ContainsRune(p, 0)
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
