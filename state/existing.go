package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/state/folder"
)

// waitForFile is how long [WriteFile] and [UpdateFile] wait for other processes that write the same
// file.
const waitForFile = 10 * time.Second

// existing is a file that is about to be replaced. It is locked: other processes wait until it is
// released, and then find another file in its place.
type existing struct {
	file    *os.File
	info    fs.FileInfo
	content []byte
	// beside is the path of the lock file, if the filesystem does not support locks.
	beside string
}

// release frees the lock. It does nothing on nil.
func (e *existing) release() {
	if e == nil {
		return
	}
	e.file.Close()
	if e.beside != "" {
		os.Remove(e.beside)
	}
}

// openExisting opens, locks and reads the file at path, or returns nil if nothing exists there. If
// the file was replaced while openExisting waited for its lock, it opens the new one.
func openExisting(path string) (*existing, error) {
	for {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, folder.Explain("write", path, err)
		}
		if !info.Mode().IsRegular() {
			return nil, notRegular(path, info)
		}
		e, err := lockExisting(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, folder.Explain("read", path, err)
		}
		if e.stillAt(path) {
			return e, nil
		}
		e.release()
	}
}

func lockExisting(path string) (*existing, error) {
	// A lock on a network filesystem needs a file that is open for writing.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		f, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, err
	}
	e := &existing{file: f}
	if err := e.lock(path); err != nil {
		f.Close()
		return nil, err
	}
	if err := e.read(); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// lock takes the kernel's lock, which also works through NFS and ends with its holder. Lustre may
// be mounted without locks. There a file next to this one is the lock.
func (e *existing) lock(path string) error {
	err := folder.LockWithin(e.file, unix.LOCK_EX, waitForFile)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("another process has been writing it for %s: try again", waitForFile)
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS),
		errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EBADF):
		e.beside, err = lockBeside(path, waitForFile)
	}
	return err
}

// lockBeside creates the lock file for a path. It waits as long as another process's lock file
// exists.
func lockBeside(path string, wait time.Duration) (string, error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	const pause = 50 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
		if err == nil {
			return name, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		if waited >= wait {
			return "", fmt.Errorf("another process has been writing it for %s; if none is running, remove "+
				"%s and try again", wait, name)
		}
		time.Sleep(pause)
	}
}

func (e *existing) read() (err error) {
	if e.info, err = e.file.Stat(); err != nil {
		return err
	}
	if !e.info.Mode().IsRegular() || e.info.Size() > maxReplaced {
		return fmt.Errorf("it is not a regular file of at most %s", planner.Bytes(maxReplaced))
	}
	e.content, err = io.ReadAll(io.LimitReader(e.file, maxReplaced))
	return err
}

// stillAt reports whether the locked file is the file at path. It opens path to find out, because
// NFS answers a stat from its cache.
func (e *existing) stillAt(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	now, err := f.Stat()
	return err == nil && os.SameFile(e.info, now)
}
