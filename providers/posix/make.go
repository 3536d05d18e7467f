package posix

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// private is the most that the mode of a new directory may allow before everything else about it is
// right. Setgid is inherited from the parent.
const private planner.Mode = 0o2700

// Make creates one directory, closed to everybody else, and opens it. The error is [ErrExists] if
// something already exists there, and [ErrAbsent] if the directory above is missing. If the
// directory that it opens is not ours, empty and closed, somebody interfered: Make refuses it and
// leaves it alone.
func (s *System) Make(storage string) (*Dir, error) {
	if err := s.checkMounted(); err != nil {
		return nil, err
	}
	parent, name, err := s.openParent(storage)
	if err != nil {
		return nil, err
	}
	defer unix.Close(parent)
	if err := s.mkdir(parent, name, storage); err != nil {
		return nil, err
	}
	d, err := s.openWithParent(storage)
	if err != nil {
		return nil, err
	}
	if err := d.isNew(parent); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (s *System) mkdir(parent int, name, storage string) error {
	where := s.root.Path(storage)
	switch err := retry(func() error { return unix.Mkdirat(parent, name, 0o700) }); err {
	case nil:
		return nil
	case unix.EEXIST:
		return refuse(ErrExists, "make %s: something already exists there", where)
	default:
		return fmt.Errorf("make %s: %w", where, explain(err))
	}
}

// isNew checks that the opened directory is the one that was just created in parent: ours, closed
// and empty.
func (d *Dir) isNew(parent int) error {
	var above [2]unix.Stat_t
	for i, fd := range []int{parent, d.parent} {
		var err error
		if above[i], err = fstat(fd); err != nil {
			return fmt.Errorf("make %s: look at the directory above: %w", d.Path(), explain(err))
		}
	}
	st, err := fstat(d.fd)
	if err != nil {
		return fmt.Errorf("make %s: %w", d.Path(), explain(err))
	}
	mode := planner.Mode(st.Mode) & planner.ModeBits
	if st.Uid != d.system.root.euid || mode&^private != 0 || above[0].Ino != above[1].Ino ||
		above[0].Dev != above[1].Dev {
		return refuse(ErrChanged, "make %s: what is there now (owner %d, mode %s) is not the new "+
			"directory, because somebody interfered: find out who; it was left "+
			"alone", d.Path(), st.Uid, mode)
	}
	empty, err := isEmpty(d.fd)
	if err != nil {
		return fmt.Errorf("make %s: read it: %w", d.Path(), explain(err))
	}
	if !empty {
		return refuse(ErrChanged, "make %s: the new directory is not empty, because somebody "+
			"interfered: find out who; it was left alone", d.Path())
	}
	return d.compare("make")
}

// isEmpty reports whether a directory is empty. It reads through its own descriptor, which has its
// own position.
func isEmpty(fd int) (bool, error) {
	own, err := openat2(fd, ".", readDir, within)
	if err != nil {
		return false, err
	}
	defer unix.Close(own)
	buf := make([]byte, 1<<12)
	for {
		var n int
		err := retry(func() (err error) { n, err = unix.ReadDirent(own, buf); return err })
		if err != nil || n <= 0 {
			return err == nil, err
		}
		if _, names, _ := unix.ParseDirent(buf[:n], 1, nil); names > 0 {
			return false, nil
		}
	}
}

// Empty reports whether the directory is empty.
func (d *Dir) Empty() (bool, error) {
	empty, err := isEmpty(d.fd)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", d.Path(), explain(err))
	}
	return empty, nil
}
