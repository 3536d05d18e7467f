package bolt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// openLocked opens the state file and locks it, exclusively for writing, or together with other
// readers for reading. If the file was renamed while openLocked waited, it is no longer the state,
// and openLocked opens the file in its place.
func openLocked(dir *os.File, path string, write bool, wait time.Duration) (*os.File, error) {
	flags, how := unix.O_RDONLY, unix.LOCK_SH
	if write {
		flags, how = unix.O_RDWR, unix.LOCK_EX
	}
	for {
		f, err := folder.OpenAt(dir, fileName, path, flags, 0)
		if err != nil {
			return nil, folder.Explain("open state", path, err)
		}
		if err := prepare(f, path, write, how, wait); err != nil {
			f.Close()
			return nil, err
		}
		if same, err := folder.SameFile(dir, fileName, f); err == nil && same {
			return f, nil
		}
		f.Close()
	}
}

func prepare(f *os.File, path string, write bool, how int, wait time.Duration) error {
	if err := folder.Trusted(f, path, unix.S_IFREG, 0o022); err != nil {
		return err
	}
	if err := folder.LockWithin(f, how, wait); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("state file %s: %w (waited %s): try again", path, kv.ErrBusy, wait)
		}
		return folder.Explain("lock", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return folder.Explain("check", path, err)
	}
	if write && info.Mode()&0o200 == 0 {
		return fmt.Errorf("state file %s: %w (mode %04o): the state is unchanged; chmod it if it "+
			"should be writable", path,
			kv.ErrReadOnly, info.Mode().Perm())
	}
	return nil
}

// fileIdentity changes whenever anybody writes to a file.
type fileIdentity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	txid         uint64
}

// identify returns the identity of the state file. Without the file's lock, this may be the
// identity of a batch that is being written. No later batch has the same one.
func identify(fd int) (fileIdentity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileIdentity{}, err
	}
	id := fileIdentity{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
	m, err := readMetas(descriptor(fd))
	if errors.As(err, new(*fs.PathError)) {
		return fileIdentity{}, err
	}
	id.txid = m.txid
	return id, nil
}

// descriptor reads an open file.
type descriptor int

// ReadAt implements [io.ReaderAt].
func (d descriptor) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		more, err := unix.Pread(int(d), b[n:], at+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, &fs.PathError{Op: "read", Path: fileName, Err: err}
		case more == 0:
			return n, io.EOF
		default:
			n += more
		}
	}
	return n, nil
}

// copyFile makes the last good copy of f, which is locked and checked. It writes and syncs the copy
// under another name, and then renames it.
func copyFile(dir, f *os.File, path string) error {
	err := writeCopy(f, path, copyName,
		func(temp string) error { return os.Rename(temp, filepath.Join(path, copyName)) })
	if err != nil {
		return err
	}
	return dir.Sync()
}

// writeCopy copies the part of f that is in use to a synced temporary file in a folder, and calls
// place to name it.
func writeCopy(f *os.File, folder, name string, place func(temp string) error) error {
	temp, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	size, err := sizeInUse(f)
	if err != nil {
		return err
	}
	if _, err := io.Copy(temp, io.NewSectionReader(f, 0, size)); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	return place(temp.Name())
}

// sizeInUse returns how many bytes of a good file are in use. The rest was reserved by bbolt, or
// left by a failed write. Copying it would only waste space.
func sizeInUse(f *os.File) (int64, error) {
	m, err := readMetas(f)
	return int64(m.high) * int64(m.pageSize), err
}

// checkFile walks the whole file and verifies its values.
func (e *Engine) checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return folder.Explain("check", e.file(), err)
	}
	if info.Size() == 0 {
		return &kv.DamagedError{File: e.file(), Reason: "truncated to nothing"}
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return folder.Explain("map", e.file(), err)
	}
	defer unix.Munmap(data)
	pages := reading{forget: func() { _ = unix.Madvise(data, unix.MADV_DONTNEED) }}
	return e.options.Verify(func(visit kv.Visit) error {
		return walk(data, func(bucket string, key, value []byte) error {
			pages.read(len(key) + len(value))
			return visit(bucket, key, value)
		})
	})
}

// reading reads a mapped file from one end to the other. The pages that were read count as memory
// of this process, although they are the kernel's own copy of the file, and a file of a million
// records has 700 MiB. So they are given back every 4 MiB. A page that is needed again is mapped
// again. If the kernel takes none back, only more memory is in use.
type reading struct {
	bytes  int
	forget func()
}

func (r *reading) read(n int) {
	if r.bytes += n; r.bytes >= 4<<20 {
		r.bytes = 0
		r.forget()
	}
}

// ensureFile creates an empty state file if there is none. It appears under its name only when it
// is complete, so a state file of length 0 is always a damaged one.
func (e *Engine) ensureFile(dir *os.File) error {
	there, err := folder.Exists(dir, fileName)
	if err != nil || there {
		return err
	}
	if err := e.keepOldCopy(dir); err != nil {
		return folder.Explain("keep", e.file()+".bak", err)
	}
	temp, err := os.CreateTemp(e.dir, "."+fileName+".*")
	if err != nil {
		return folder.Explain("make", e.file(), err)
	}
	defer os.Remove(temp.Name())
	temp.Close()
	if err := e.fillEmpty(temp.Name()); err != nil {
		return folder.Explain("make", e.file(), err)
	}
	if err := os.Link(temp.Name(), e.file()); err != nil && !errors.Is(err, fs.ErrExist) {
		return folder.Explain("make", e.file(), err)
	}
	if err := dir.Sync(); err != nil {
		return folder.Explain("make", e.file(), err)
	}
	return nil
}

// fillEmpty writes an empty state to an empty file.
func (e *Engine) fillEmpty(path string) error {
	db, err := bbolt.Open(path, 0o600,
		&bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range e.options.Buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		for _, v := range e.options.Initial {
			if err := tx.Bucket([]byte(v.Bucket)).Put(v.Key, v.Value); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

// keepOldCopy renames the copy of a state that was lost, so that the copy of the new, empty state
// does not replace it.
func (e *Engine) keepOldCopy(dir *os.File) error {
	there, err := folder.Exists(dir, copyName)
	if err != nil || !there {
		return err
	}
	kept := copyName + "-" + e.now().Format("20060102T150405.000000000Z")
	return unix.Renameat2(int(dir.Fd()), copyName, int(dir.Fd()), kept, unix.RENAME_NOREPLACE)
}
