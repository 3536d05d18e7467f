// Package folder opens the state's folder and what lies in it, as root may: it follows no links, and it takes only what
// belongs to root or the caller and what nobody else may write.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// Open opens the state's folder, nil if it does not exist. With create, it is made: the folder and at most its
// parent, so that a mistyped path does not grow a tree.
func Open(dir string, create bool) (*os.File, error) {
	f, err := openDir(dir)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := makeFolder(dir); err != nil {
			return nil, Explain("make state.path", dir, err)
		}
		f, err = openDir(dir)
	}
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil, nil
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("state.path %s is a symbolic link or no folder: name the folder itself", dir)
	}
	if err != nil {
		return nil, Explain("open state.path", dir, err)
	}
	if err := Trusted(f, dir, unix.S_IFDIR, 0o022); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func openDir(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

func makeFolder(dir string) error {
	for _, d := range []string{filepath.Dir(dir), dir} {
		err := os.Mkdir(d, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s does not exist either: make it first, or correct state.path: %w", filepath.Dir(d), err)
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := Sync(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// Trusted checks the kind, owner and mode of what f is: owned by root or the caller, and none of the bits in forbidden.
func Trusted(f *os.File, path string, kind uint32, forbidden uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Explain("look at", path, err)
	}
	if st.Mode&unix.S_IFMT != kind {
		return fmt.Errorf("%s is not of the expected kind (mode %o): move it away", path, st.Mode)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d: want root or the caller; chown it, or choose another state.path", path, st.Uid)
	}
	if st.Mode&forbidden != 0 {
		return fmt.Errorf("%s has mode %04o: others must not have access %04o; chmod it", path, st.Mode&0o7777, st.Mode&forbidden)
	}
	return nil
}

// OpenAt opens a file of the folder without following a link and without waiting for the other end of a fifo.
func OpenAt(dir *os.File, name, path string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link: move it away", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Exists tells whether the folder has name; a nil folder has nothing.
func Exists(dir *os.File, name string) (bool, error) {
	if dir == nil {
		return false, nil
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// LockWithin tries for the kernel lock until it has it or the time is over: then EWOULDBLOCK.
func LockWithin(f *os.File, how int, wait time.Duration) error {
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil || (!errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR)) || waited >= wait {
			return err
		}
		time.Sleep(pause)
		pause = min(pause*2, 20*time.Millisecond)
	}
}

// SameFile tells whether name in the folder is still the file that f has open.
func SameFile(dir *os.File, name string, f *os.File) (bool, error) {
	var there, open unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if err := unix.Fstat(int(f.Fd()), &open); err != nil {
		return false, err
	}
	return there.Ino == open.Ino && there.Dev == open.Dev, nil
}

// Sync flushes a folder to the disk, with the names of what was made or removed in it.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Explain names the file in an error of the kernel and says the way out for those that people meet.
func Explain(op, file string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: the disk is full: the state is as it was; make room and try again: %w", op, file, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: %w file system: the state is as it was: %w", op, file, kv.ErrReadOnly, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: not permitted: the state is as it was; run as root: %w", op, file, err)
	case strings.Contains(err.Error(), file):
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s %s: %w", op, file, err)
}
