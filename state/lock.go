package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/folder"
)

// Lock is the lock that a process must hold to change the storage.
type Lock struct {
	dir        *os.File
	file       *os.File
	name, path string
}

// AcquireLock takes the lock in the state's folder, and waits for it no longer than wait. It is a
// kernel lock on an open file. A killed process keeps it as long as one of its threads hangs in a
// call, and that thread may still change something. Therefore nobody ever takes a lock over, and
// the lock's file is never removed. If another process holds the lock, the error is a
// [ledger.LockedError].
func AcquireLock(ctx context.Context, dir string, holder ledger.Holder,
	wait time.Duration) (*Lock, error) {
	return acquire(ctx, dir, lockName, holder, wait)
}

// acquire takes the lock called name in a folder.
func acquire(ctx context.Context, dir, name string, holder ledger.Holder,
	wait time.Duration) (*Lock, error) {
	path := filepath.Join(dir, name)
	opened, err := folder.Open(dir, true)
	if err != nil {
		return nil, err
	}
	deadline, cancel := context.WithTimeout(ctx, max(wait, 0))
	defer cancel()
	for {
		file, err := openLock(opened, name, path)
		if err == nil {
			l := &Lock{opened, file, name, path}
			if err := l.introduce(holder); err != nil {
				l.Release()
				return nil, folder.Explain("write", path, err)
			}
			return l, nil
		}
		var locked *ledger.LockedError
		if !errors.As(err, &locked) {
			opened.Close()
			return nil, err
		}
		select {
		case <-deadline.Done():
			opened.Close()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			locked.Waited = max(wait, 0)
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// LockHolder returns who holds the lock in the state's folder, and whether anybody does. It never
// takes the lock, not even for a moment.
func LockHolder(dir string) (h ledger.Holder, held bool, err error) {
	path := filepath.Join(dir, lockName)
	opened, err := folder.Open(dir, false)
	if err != nil || opened == nil {
		return h, false, err
	}
	defer opened.Close()
	file, err := folder.OpenAt(opened, lockName, path, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return h, false, nil
	}
	if err != nil {
		return h, false, folder.Explain("read", path, err)
	}
	defer file.Close()
	if h = readHolder(file); h.Who == "" {
		return h, false, nil // the file is empty while nobody holds the lock
	}
	return h, isLocked(file), nil
}

// isLocked reports whether somebody holds the lock. It reads the kernel's list of locks, because
// trying the lock would take it.
func isLocked(file *os.File) bool {
	var st unix.Stat_t
	list, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(file.Fd()), &st) != nil {
		return true // the file says that somebody does
	}
	inode := fmt.Sprintf(":%d ", st.Ino)
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, "FLOCK") && strings.Contains(line, inode) {
			return true
		}
	}
	return false
}

// openLock tries once to take the lock.
func openLock(opened *os.File, name, path string) (*os.File, error) {
	file, err := folder.OpenAt(opened, name, path, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, folder.Explain("lock", path, err)
	}
	if err := folder.Trusted(file, path, unix.S_IFREG, 0o022); err != nil {
		file.Close()
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		if same, err := folder.SameFile(opened, name, file); err == nil && same {
			return file, nil
		}
		file.Close()
		return nil, &ledger.LockedError{File: path}
	}
	defer file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return nil, &ledger.LockedError{File: path, Holder: readHolder(file)}
	}
	return nil, folder.Explain("lock", path, err)
}

// readHolder returns what the holder wrote, or nothing if it cannot be read, for example because it
// is being written.
func readHolder(f *os.File) ledger.Holder {
	var h ledger.Holder
	body, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(body, &h) != nil {
		return ledger.Holder{}
	}
	for _, s := range []*string{&h.Who, &h.Host, &h.Plan} {
		*s = strings.Map(printable, *s)
	}
	return h
}

// printable maps control characters to -1: other users may have written to the file.
func printable(r rune) rune {
	if r < ' ' || (r >= 0x7f && r < 0xa0) {
		return -1
	}
	return r
}

func (l *Lock) introduce(h ledger.Holder) error {
	h.Since = h.Since.UTC()
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(body, '\n'), 0)
	return err
}

// Check returns an error if the lock no longer protects anything. That is so if somebody removed or
// replaced its file, because another process can then lock the new file. Call Check before each
// group of changes.
func (l *Lock) Check() error {
	same, err := folder.SameFile(l.dir, l.name, l.file)
	if err == nil && same {
		return nil
	}
	return fmt.Errorf("lock %s was removed or replaced while it was held: stop, and find out who "+
		"else changes the storage", l.path)
}

// Release frees the lock. The file stays, empty. Release unlocks explicitly, because closing the
// file is not enough while a child process that is just starting has the descriptor, too.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), unix.Flock(int(l.file.Fd()), unix.LOCK_UN),
		l.file.Close(), l.dir.Close())
}
