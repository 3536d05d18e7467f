package posix

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// spot is a name in an open directory. path is for messages.
type spot struct {
	dir  int
	name string
	path string
}

// rename moves a directory to a free name and checks that the right directory arrived. exdev
// explains an EXDEV.
func rename(source *Dir, to spot, exdev string) error {
	if err := source.compare("move"); err != nil {
		return err
	}
	from := spot{source.parent, source.name, source.Path()}
	return arrived(source.inode, from, to, renameFree(from, to, exdev))
}

// arrived checks what a rename, which returned err, has moved. A rename goes by names, and whoever
// may write to the directory above the source can swap the name after it was compared. Anything but
// the directory with that inode is moved back at once.
func arrived(inode uint64, from, to spot, err error) error {
	st, look := lstatAt(to.dir, to.name)
	if look == nil && st.Ino == inode && isDir(st.Mode) {
		return nil // even after an error: an NFS server may do a rename and lose its answer
	}
	if err != nil {
		return err
	}
	back := renameFree(to, from, "it cannot go back")
	if back != nil {
		back = fmt.Errorf("and could not be moved back from %s: %w", to.path, back)
	}
	return errors.Join(refuse(ErrChanged,
		"%s was replaced by something else while it was moved, because "+
			"somebody interfered: find out who", from.path), back)
}

// renameFree renames only to a free name. Lustre and NFS answer EINVAL to RENAME_NOREPLACE: then it
// checks the name and makes a plain rename. In the archive folder, only we could take the name in
// between, and we hold the lock. On the way back, somebody else could. A plain rename then fails,
// unless they created an empty directory, which it replaces.
func renameFree(from, to spot, exdev string) error {
	err := retry(func() error {
		return unix.Renameat2(from.dir, from.name, to.dir, to.name, unix.RENAME_NOREPLACE)
	})
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
		err = plainRename(from, to)
	}
	switch err {
	case nil:
		return nil
	case unix.EEXIST, unix.ENOTEMPTY:
		return refuse(ErrExists, "%s already exists", to.path)
	case unix.EXDEV:
		return fmt.Errorf("%s: %w", exdev, err)
	case unix.EBUSY:
		return fmt.Errorf("%s is a mount point somewhere: %w: unmount it there first", from.path, err)
	}
	return fmt.Errorf("rename %s to %s: %w", from.path, to.path, explain(err))
}

func plainRename(from, to spot) error {
	switch _, err := lstatAt(to.dir, to.name); err {
	case unix.ENOENT:
	case nil:
		return unix.EEXIST
	default:
		return err
	}
	return retry(func() error { return unix.Renameat(from.dir, from.name, to.dir, to.name) })
}

// realPath returns the path of an open directory in this process's mounts, without links.
func realPath(fd int) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func isKind(err, kind error) bool { return errors.Is(err, kind) }
