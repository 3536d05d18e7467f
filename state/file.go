package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// openFolder opens the state's folder, nil if it does not exist. With create, it is made: the folder and at most its
// parent, so that a mistyped path does not grow a tree.
func openFolder(dir string, create bool) (*os.File, error) {
	f, err := openDir(dir)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := makeFolder(dir); err != nil {
			return nil, explain("make state.path", dir, err)
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
		return nil, explain("open state.path", dir, err)
	}
	if err := trusted(f, dir, unix.S_IFDIR, 0o022); err != nil {
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
		if err := syncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// trusted checks the kind, owner and mode of what f is: owned by root or the caller, and none of the bits in forbidden.
func trusted(f *os.File, path string, kind uint32, forbidden uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return explain("look at", path, err)
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

// openAt opens a file of the folder without following a link and without waiting for the other end of a fifo.
func openAt(dir *os.File, name, path string, flags int, mode uint32) (*os.File, error) {
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

// exists tells whether the folder has name; a nil folder has nothing.
func exists(dir *os.File, name string) (bool, error) {
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

// openLocked opens the state file and locks it: alone to write, with other readers to read. A file that was renamed
// while we waited is not the state any more; then the one in its place is opened.
func openLocked(dir *os.File, path string, write bool, wait time.Duration) (*os.File, error) {
	flags, how := unix.O_RDONLY, unix.LOCK_SH
	if write {
		flags, how = unix.O_RDWR, unix.LOCK_EX
	}
	for {
		f, err := openAt(dir, FileName, path, flags, 0)
		if err != nil {
			return nil, explain("open state", path, err)
		}
		if err := prepare(f, path, write, how, wait); err != nil {
			f.Close()
			return nil, err
		}
		if same, err := sameFile(dir, FileName, f); err == nil && same {
			return f, nil
		}
		f.Close()
	}
}

func prepare(f *os.File, path string, write bool, how int, wait time.Duration) error {
	if err := trusted(f, path, unix.S_IFREG, 0o022); err != nil {
		return err
	}
	if err := lockWithin(f, how, wait); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("state file %s: %w (waited %s): try again", path, ErrBusy, wait)
		}
		return explain("lock", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return explain("look at", path, err)
	}
	if write && info.Mode()&0o200 == 0 {
		return fmt.Errorf("state file %s: %w (mode %04o): the state is as it was; chmod it if that was not meant", path,
			ErrReadOnly, info.Mode().Perm())
	}
	return nil
}

// lockWithin tries for the kernel lock until it has it or the time is over: then EWOULDBLOCK.
func lockWithin(f *os.File, how int, wait time.Duration) error {
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

// sameFile tells whether name in the folder is still the file that f has open.
func sameFile(dir *os.File, name string, f *os.File) (bool, error) {
	var there, open unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if err := unix.Fstat(int(f.Fd()), &open); err != nil {
		return false, err
	}
	return there.Ino == open.Ino && there.Dev == open.Dev, nil
}

// fileIdentity changes whenever anybody writes to a file.
type fileIdentity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	txid         uint64
}

// metasOf reads the newer meta page.
func metasOf(f *os.File) (boltMeta, error) {
	head := make([]byte, 2*greatestPage)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return boltMeta{}, err
	}
	return readMetas(head[:n])
}

func identify(f *os.File) (fileIdentity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileIdentity{}, err
	}
	id := fileIdentity{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
	m, err := metasOf(f)
	if errors.As(err, new(*fs.PathError)) {
		return fileIdentity{}, err
	}
	id.txid = m.txid
	return id, nil
}

// checkFile walks the whole file: its pages, every checksum and every tally.
func checkFile(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return explain("look at", path, err)
	}
	if info.Size() == 0 {
		return &DamagedError{File: path, Reason: "truncated to nothing"}
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return explain("map", path, err)
	}
	defer unix.Munmap(data)
	return checkData(data, path)
}

// checkData is checkFile on bytes.
func checkData(data []byte, path string) error {
	found := map[string]tally{}
	var metaRaw []byte
	var place DamagedError
	err := walk(data, func(bucket string, key, value []byte) error {
		if bucket == bucketMeta {
			metaRaw = value
			return nil
		}
		_, sum, err := unseal(bucket, key, value)
		if err != nil {
			place = DamagedError{Bucket: bucket, Key: showKey(bucket, key)}
			return err
		}
		t := found[bucket]
		found[bucket] = tally{t.Count + 1, t.Sum + uint64(sum)}
		return nil
	})
	newer := metaRaw != nil && isNewer(path, metaRaw)
	if err != nil && !newer {
		return &DamagedError{File: path, Bucket: place.Bucket, Key: place.Key, Reason: err.Error()}
	}
	m, err := parseMeta(path, metaRaw)
	if err != nil {
		return err
	}
	return compareTallies(path, m, found)
}

// isNewer tells whether the meta value is good and of a newer version, whose other values we need not understand.
func isNewer(path string, metaRaw []byte) bool {
	_, err := parseMeta(path, metaRaw)
	return errors.Is(err, ErrNewer)
}

func compareTallies(path string, m meta, found map[string]tally) error {
	for _, b := range bucketsOf(m.Format) {
		w, ok := m.Tallies[b]
		if !ok {
			return &DamagedError{File: path, Reason: "bucket " + b + " is not accounted for"}
		}
		if got := found[b]; got != w {
			return &DamagedError{File: path, Reason: fmt.Sprintf("bucket %s: %d values with sum %x, want %d with %x", b,
				got.Count, got.Sum, w.Count, w.Sum)}
		}
		delete(found, b)
	}
	for b := range found {
		return &DamagedError{File: path, Reason: fmt.Sprintf("unknown bucket %q", b)}
	}
	return nil
}

// ensureFile makes an empty state file if there is none. It appears under its name complete, so that a state file of
// no length is always a damaged one.
func (s *Store) ensureFile(dir *os.File) error {
	there, err := exists(dir, FileName)
	if err != nil || there {
		return err
	}
	if err := s.keepOldCopy(dir); err != nil {
		return explain("keep", s.File()+".bak", err)
	}
	temp, err := os.CreateTemp(s.dir, "."+FileName+".*")
	if err != nil {
		return explain("make", s.File(), err)
	}
	defer os.Remove(temp.Name())
	temp.Close()
	if err := fillEmpty(temp.Name()); err != nil {
		return explain("make", s.File(), err)
	}
	if err := os.Link(temp.Name(), s.File()); err != nil && !errors.Is(err, fs.ErrExist) {
		return explain("make", s.File(), err)
	}
	if err := dir.Sync(); err != nil {
		return explain("make", s.File(), err)
	}
	return nil
}

// fillEmpty writes an empty state into an empty file.
func fillEmpty(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range append(buckets(), bucketMeta) {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		raw, err := seal(bucketMeta, []byte(metaKey), newMeta())
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaKey), raw)
	})
	return errors.Join(err, db.Close())
}

// keepOldCopy moves the copy of a state that was lost to a name of its own, so that the copy of the new and empty one
// does not replace it.
func (s *Store) keepOldCopy(dir *os.File) error {
	there, err := exists(dir, CopyName)
	if err != nil || !there {
		return err
	}
	kept := CopyName + "-" + s.now().Format("20060102T150405.000000000Z")
	return unix.Renameat2(int(dir.Fd()), CopyName, int(dir.Fd()), kept, unix.RENAME_NOREPLACE)
}

// copyFile makes the last good copy of f, which is locked and checked: complete and synced under another name, then
// renamed.
func copyFile(dir, f *os.File, path string) error {
	err := writeCopy(f, path, CopyName, func(temp string) error { return os.Rename(temp, filepath.Join(path, CopyName)) })
	if err != nil {
		return err
	}
	return dir.Sync()
}

// writeCopy writes what is in use of f into a synced file in a folder, and has it named.
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

// sizeInUse is how much of a good file is in use. The rest is what bbolt has set aside, or a write that failed left: a
// copy of it would only take room.
func sizeInUse(f *os.File) (int64, error) {
	m, err := metasOf(f)
	return int64(m.high) * int64(m.pageSize), err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
