package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
)

// maxReplaced is the largest existing file in bytes that [WriteFile] reads. This is the size of the
// largest plan file, 256 MiB.
const maxReplaced = 256 << 20

// WriteFile writes a file so that afterwards it is either complete or as it was before, even after
// a crash. It writes to a new file next to it, syncs that and renames it.
//
// WriteFile replaces an existing file only if it is a regular file and replace, which gets its
// content, returns nil. A nil replace never allows that. Meanwhile the file is locked, as by
// [UpdateFile]. If the file appears or changes all the same, it is not replaced. Links are not
// followed.
func WriteFile(path string, data []byte, mode fs.FileMode,
	replace func(existing []byte) error) error {
	if replace == nil {
		if err := checkAbsent(path); err != nil {
			return err
		}
		return placeFile(path, data, mode, nil)
	}
	old, err := openExisting(path)
	if err != nil {
		return err
	}
	defer old.release()
	if old != nil {
		if err := replace(old.content); err != nil {
			return fmt.Errorf("write %s: the file exists: %w", path, err)
		}
	}
	return placeFile(path, data, mode, old)
}

// UpdateFile calls change with a file's content and replaces the content by the result, as
// [WriteFile] does. If several processes update one file at the same time, on one node or through a
// network filesystem, each sees what the one before has written.
func UpdateFile(path string, mode fs.FileMode,
	change func(existing []byte) ([]byte, error)) error {
	old, err := openExisting(path)
	if err != nil {
		return err
	}
	if old == nil {
		return &fs.PathError{Op: "update", Path: path, Err: fs.ErrNotExist}
	}
	defer old.release()
	data, err := change(old.content)
	if err != nil {
		return err
	}
	return placeFile(path, data, mode, old)
}

// placeFile moves data to path. What is at path must still be old, or nothing if old is nil.
func placeFile(path string, data []byte, mode fs.FileMode, old *existing) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the temporary name would mean nothing to the reader
	}
	if err != nil {
		return folder.Explain("write", path, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(mode.Perm()), temp.Sync(), temp.Close()); err != nil {
		return folder.Explain("write", path, err)
	}
	var before fs.FileInfo
	if old != nil {
		before = old.info
	}
	if err := moveInto(temp.Name(), path, before); err != nil {
		return folder.Explain("write", path, err)
	}
	if err := folder.Sync(filepath.Dir(path)); err != nil {
		return folder.Explain("sync the folder of", path, err)
	}
	return nil
}

// checkAbsent returns an error if anything exists at path.
func checkAbsent(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return folder.Explain("write", path, err)
	case !info.Mode().IsRegular():
		return notRegular(path, info)
	}
	return fmt.Errorf("write %s: %w: choose another name", path, fs.ErrExist)
}

func notRegular(path string, info fs.FileInfo) error {
	return fmt.Errorf("write %s: it exists and is not a regular file (%s): choose another name", path,
		info.Mode().Type())
}

// moveInto renames temp to path. What is at path must still be before, or nothing if before is nil.
// NFS and Lustre, which hold many home directories, answer EINVAL to RENAME_NOREPLACE. There path
// becomes a second name, and the caller removes the first one.
func moveInto(temp, path string, before fs.FileInfo) error {
	if before == nil {
		err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
			return os.Link(temp, path)
		}
		return err
	}
	now, err := os.Lstat(path)
	if err != nil {
		return err
	}
	same := os.SameFile(before, now) && now.Size() == before.Size() &&
		now.ModTime().Equal(before.ModTime())
	if !same {
		return errors.New("somebody else changed it in the meantime: try again")
	}
	return os.Rename(temp, path)
}
