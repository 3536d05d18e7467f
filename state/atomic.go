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

// maxReplaced bounds how much of an existing file [WriteFile] reads: the greatest plan file, 256 MiB.
const maxReplaced = 256 << 20

// WriteFile writes a file such that there is either all of it or what was there before, even if the machine stops: into
// a new file beside it, which is synced and renamed.
//
// An existing file is replaced only if it is a regular file and replace, called with what is in it, returns nil; a nil
// replace refuses. It is locked meanwhile, as [UpdateFile] does. A file that appears or changes all the same is not
// replaced. Links are not followed.
func WriteFile(path string, data []byte, mode fs.FileMode, replace func(existing []byte) error) error {
	if replace == nil {
		if err := absent(path); err != nil {
			return err
		}
		return place(path, data, mode, nil)
	}
	old, err := openExisting(path)
	if err != nil {
		return err
	}
	defer old.release()
	if old != nil {
		if err := replace(old.content); err != nil {
			return fmt.Errorf("write %s: it exists: %w", path, err)
		}
	}
	return place(path, data, mode, old)
}

// UpdateFile replaces a file by what change makes of its content, as [WriteFile] does. Of several that update one file at the
// same time, on one node or through one network filesystem, each sees what the one before has written.
func UpdateFile(path string, mode fs.FileMode, change func(existing []byte) ([]byte, error)) error {
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
	return place(path, data, mode, old)
}

// place puts data at path, where there must be what was there before: nothing, if old is nil.
func place(path string, data []byte, mode fs.FileMode, old *existing) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the name is ours, and says nothing to the reader
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

// absent refuses a path at which there is anything.
func absent(path string) error {
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
	return fmt.Errorf("write %s: it exists and is no regular file (%s): choose another name", path, info.Mode().Type())
}

// moveInto renames temp to path, where there must be what was there before: nothing, if before is nil. NFS and Lustre, where
// many have their home, answer EINVAL to RENAME_NOREPLACE: there path becomes a second name, and the caller removes the first.
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
	if !os.SameFile(before, now) || now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) {
		return errors.New("it was changed meanwhile by somebody else: try again")
	}
	return os.Rename(temp, path)
}
