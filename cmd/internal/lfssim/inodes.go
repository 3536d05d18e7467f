package lfssim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// projected is the project id of one inode. It is stored by inode, not by path, so that it stays
// with a directory that is renamed. The birth time distinguishes an inode from a later one with the
// same number.
type projected struct {
	Path    string `json:"path"` // where it was when set; for people
	Born    int64  `json:"born"` // nanoseconds since 1970
	ID      uint32 `json:"id"`
	Inherit bool   `json:"inherit,omitempty"`
}

// inodeRecord returns the record of what is at a path (links are not followed), and the file in
// which it is stored.
func (s *store) inodeRecord(path string) (rec projected, file string, ok bool, err error) {
	var st unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME,
		&st)
	if err != nil {
		return projected{}, "", false, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	born := st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	file = filepath.Join(s.dir(), "inodes", fmt.Sprintf("%d.%d-%d.json", st.Dev_major, st.Dev_minor,
		st.Ino))
	ok, err = readJSON(file, &rec)
	if err != nil || !ok || rec.Born != born {
		return projected{Path: path, Born: born}, file, false, err
	}
	return rec, file, true, nil
}

// projectOf returns the project of what is at a path. If it has no record, it was created after its
// directory got one, and inherits from there, because freeze has recorded everything that existed
// before.
func (s *store) projectOf(path, top string) (projected, error) {
	rec, _, ok, err := s.inodeRecord(path)
	if err != nil || ok || path == top || path == "/" {
		return rec, err
	}
	above, err := s.projectOf(filepath.Dir(path), top)
	if err != nil || !above.Inherit {
		return rec, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return rec, err
	}
	rec.ID, rec.Inherit = above.ID, info.IsDir()
	return rec, nil
}

// setProject sets the project of what is at a path.
func (s *store) setProject(path, top string, id uint32, inherit bool) error {
	if err := s.freeze(path, top); err != nil {
		return err
	}
	rec, file, _, err := s.inodeRecord(path)
	if err != nil {
		return err
	}
	rec.ID, rec.Inherit = id, inherit
	return writeJSON(file, rec)
}

// freeze records the current state of a directory's children, before what they inherit changes.
func (s *store) freeze(path, top string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := filepath.Join(path, e.Name())
		_, file, ok, err := s.inodeRecord(child)
		if err == nil && !ok {
			var rec projected
			if rec, err = s.projectOf(child, top); err == nil {
				err = writeJSON(file, rec)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
