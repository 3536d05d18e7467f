package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxReplaced bounds how much of an existing file [WriteFile] reads: the greatest plan file, 256 MiB.
const maxReplaced = 256 << 20

// WriteFile writes a file such that there is either all of it or what was there before, even if the machine stops: into
// a new file beside it, which is synced and renamed.
//
// An existing file is replaced only if it is a regular file and replace, called with what is in it, returns nil; a nil
// replace refuses. A file that appears or changes meanwhile is not replaced. Links are not followed.
func WriteFile(path string, data []byte, mode fs.FileMode, replace func(existing []byte) error) error {
	before, err := replaceable(path, replace)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the name is ours, and says nothing to the reader
	}
	if err != nil {
		return explain("write", path, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(mode.Perm()), temp.Sync(), temp.Close()); err != nil {
		return explain("write", path, err)
	}
	if err := moveInto(temp.Name(), path, before); err != nil {
		return explain("write", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return explain("sync the folder of", path, err)
	}
	return nil
}

// replaceable asks whether what is at path may be replaced; nil if nothing is there.
func replaceable(path string, replace func([]byte) error) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("write", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("write %s: it exists and is no regular file (%s): choose another name", path, info.Mode().Type())
	}
	if replace == nil {
		return nil, fmt.Errorf("write %s: %w: choose another name", path, fs.ErrExist)
	}
	existing, opened, err := readRegular(path)
	if err != nil {
		return nil, explain("read", path, err)
	}
	if err := replace(existing); err != nil {
		return nil, fmt.Errorf("write %s: it exists: %w", path, err)
	}
	return opened, nil
}

func readRegular(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxReplaced {
		return nil, nil, fmt.Errorf("no regular file of at most %s", planner.Bytes(maxReplaced))
	}
	body, err := io.ReadAll(io.LimitReader(f, maxReplaced))
	return body, info, err
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
