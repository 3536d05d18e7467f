// Package folder opens the state's folder and its files in a way that is safe for root. It follows
// no links, and accepts only files that belong to root or the caller and that nobody else may
// write.
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

// Open opens the state's folder. If the folder does not exist, Open returns nil, or creates it if
// create is true. It creates the folder and at most its parent, so that a mistyped path does not
// create a whole tree.
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
		return nil, fmt.Errorf("state.path %s is a symbolic link or not a folder: name the folder "+
			"itself", dir)
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
			return fmt.Errorf("%s does not exist either: create it first, or correct state.path: %w",
				filepath.Dir(d), err)
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

// Trusted checks the kind, owner and mode of an open file. It must belong to root or the caller,
// and have none of the mode bits in forbidden.
func Trusted(f *os.File, path string, kind uint32, forbidden uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Explain("check", path, err)
	}
	if st.Mode&unix.S_IFMT != kind {
		return fmt.Errorf("%s is not a file or folder as expected (mode %o): move it away", path, st.Mode)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, but must belong to root or the caller: chown it, or "+
			"choose another state.path", path, st.Uid)
	}
	if st.Mode&forbidden != 0 {
		return fmt.Errorf("%s has mode %04o, but others must not have access %04o: chmod it", path,
			st.Mode&0o7777, st.Mode&forbidden)
	}
	return nil
}

// OpenAt opens a file in the folder. It does not follow a link, and does not wait for the other end
// of a fifo.
func OpenAt(dir *os.File, name, path string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK,
		mode)
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

// Exists reports whether the folder has an entry called name. A nil folder has none.
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

// LockWithin tries to take the kernel's lock until the time is over. Then the error is EWOULDBLOCK.
func LockWithin(f *os.File, how int, wait time.Duration) error {
	pause := time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		again := errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR)
		if err == nil || !again || waited >= wait {
			return err
		}
		time.Sleep(pause)
		pause = min(pause*2, 20*time.Millisecond)
	}
}

// SameFile reports whether name in the folder is still the file that f has open.
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

// Sync flushes a folder to disk, including the names of entries that were created or removed in it.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Explain adds the file's name to an error of the kernel, and says what to do about common errors.
func Explain(op, file string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: the disk is full: the state is unchanged; free some space and try "+
			"again: %w", op,
			file, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: %w file system: the state is unchanged: %w", op, file, kv.ErrReadOnly,
			err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: not permitted: the state is unchanged; run as root: %w", op, file, err)
	case strings.Contains(err.Error(), file):
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s %s: %w", op, file, err)
}
