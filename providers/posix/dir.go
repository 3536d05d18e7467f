package posix

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Dir is one managed directory. It holds descriptors of the directory and of its parent. Every
// change first compares the inode, and checks that the parent still has the directory under its
// name. If the directory was moved, removed or replaced in the meantime, the error is [ErrChanged]
// and nothing is changed.
type Dir struct {
	system  *System
	storage string
	fd      int
	parent  int
	name    string
	inode   uint64
}

// Open opens the directory at a storage path to change it. It must have the given inode; 0 accepts
// any.
func (s *System) Open(storage string, inode uint64) (*Dir, error) {
	if err := s.checkMounted(); err != nil {
		return nil, err
	}
	d, err := s.openWithParent(storage)
	if err != nil {
		return nil, err
	}
	if inode != 0 {
		d.inode = inode // every later change compares with it
	}
	if err := d.compare("open"); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// openParent opens the directory above a storage path. The system's own directory is refused,
// because nothing above it may be changed.
func (s *System) openParent(storage string) (fd int, name string, err error) {
	if storage == s.settings.Directory || storage == "." {
		return -1, "", refuse(ErrObstructed, "%s is the directory of system %s itself",
			s.root.Path(storage), s.settings.Name)
	}
	dir, name := path.Split(storage)
	fd, err = s.openDir(path.Clean(dir))
	return fd, name, err
}

func (s *System) openWithParent(storage string) (*Dir, error) {
	parent, name, err := s.openParent(storage)
	if err != nil {
		return nil, err
	}
	fd, err := s.openChild(parent, name, storage)
	if err != nil {
		unix.Close(parent)
		return nil, err
	}
	d := &Dir{system: s, storage: storage, fd: fd, parent: parent, name: name}
	st, err := fstat(fd)
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("look at %s: %w", d.Path(), explain(err))
	}
	d.inode = st.Ino
	return d, nil
}

func (s *System) openChild(parent int, name, storage string) (int, error) {
	fd, err := openat2(parent, name, readDir, within)
	if err == nil {
		return fd, nil
	}
	where := s.root.Path(storage)
	switch err {
	case unix.ENOENT:
		return -1, refuse(ErrAbsent, "%s does not exist", where)
	case unix.ELOOP, unix.ENOTDIR, unix.EXDEV, unix.ENXIO:
		what := obstacle(parent, name)
		if what == "" {
			what = "something else"
		}
		return -1, refuse(ErrObstructed, "%s is at %s", what, where)
	}
	return -1, fmt.Errorf("open %s: %w", where, explain(err))
}

// Path returns the path of the directory on this node.
func (d *Dir) Path() string { return d.system.root.Path(d.storage) }

// Close closes the directory's descriptors.
func (d *Dir) Close() error {
	for _, fd := range []*int{&d.fd, &d.parent} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
	return nil
}

// compare checks that the descriptor is the expected directory, and that the directory still has
// its name.
func (d *Dir) compare(what string) error {
	st, err := fstat(d.fd)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	named, err := lstatAt(d.parent, d.name)
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	if st.Ino != d.inode || st.Nlink == 0 || err == unix.ENOENT || named.Ino != st.Ino ||
		named.Dev != st.Dev {
		return refuse(ErrChanged, "%s %s: it is no longer the directory with inode %d, because "+
			"somebody moved or replaced it: plan again", what, d.Path(), d.inode)
	}
	return nil
}

// change compares, and then makes a system call on the directory.
func (d *Dir) change(what string, f func() error) error {
	if err := d.compare(what); err != nil {
		return err
	}
	if err := retry(f); err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	return nil
}

// Observe reads the state of the directory through its descriptor.
func (d *Dir) Observe() planner.Directory { return d.system.observe(d.fd, d.storage) }

// SetProject sets the project id and makes new files and directories inherit it. It reads both
// back.
func (d *Dir) SetProject(id planner.ProjectID) error {
	what := fmt.Sprintf("set project id %d of", id)
	// Some filesystems keep the parent's id when the flag is set in the same call. Then a second call
	// helps.
	for range 2 {
		if err := d.change(what, func() error { return d.writeProject(id) }); err != nil {
			return err
		}
		if _, err := fstat(d.fd); err != nil { // Lustre shows the new id only after this
			return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
		}
		now, err := d.system.root.getAttributes(d.fd)
		if err != nil {
			return fmt.Errorf("%s %s: read it back: %w", what, d.Path(), explain(err))
		}
		if now.project() == id && now.inherits() {
			return nil
		}
	}
	return fmt.Errorf("%s %s: the filesystem did not keep it: check that project quotas are enabled "+
		"there",
		what, d.Path())
}

func (d *Dir) writeProject(id planner.ProjectID) error {
	a, err := d.system.root.getAttributes(d.fd)
	if err != nil {
		return err
	}
	a.projectID, a.flags = uint32(id), a.flags|inheritFlag
	return d.system.root.attributes(d.fd, setAttributesIoctl, &a)
}

// Sync makes the directory's own attributes durable.
func (d *Dir) Sync() error { return d.sync(d.fd, "sync") }

// Parent returns the device and inode number of the directory above, as it was opened.
func (d *Dir) Parent() (device, inode uint64, err error) {
	st, err := fstat(d.parent)
	if err != nil {
		return 0, 0, fmt.Errorf("look at the directory above %s: %w", d.Path(), explain(err))
	}
	return st.Dev, st.Ino, nil
}

// SyncParent makes the directory's name durable.
func (d *Dir) SyncParent() error { return d.sync(d.parent, "sync the directory above") }

func (d *Dir) sync(fd int, what string) error {
	if err := retry(func() error { return unix.Fsync(fd) }); err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	return nil
}
