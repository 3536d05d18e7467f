package posix

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// attributes is struct fsxattr (linux/fs.h). It has 28 bytes, on Lustre, XFS and ext4 alike.
type attributes struct {
	flags, extentSize, extents, projectID, cowExtentSize uint32
	_                                                    [8]byte
}

const (
	getAttributesIoctl = 0x801C581F // FS_IOC_FSGETXATTR
	setAttributesIoctl = 0x401C5820 // FS_IOC_FSSETXATTR
	inheritFlag        = 0x200      // FS_XFLAG_PROJINHERIT
)

func (a *attributes) project() planner.ProjectID { return planner.ProjectID(a.projectID) }
func (a *attributes) inherits() bool             { return a.flags&inheritFlag != 0 }

// attributesFunc reads or writes the attributes of an open file or directory.
type attributesFunc func(fd int, request uintptr, a *attributes) error

// attributesIoctl calls the kernel.
func attributesIoctl(fd int, request uintptr, a *attributes) error {
	return retry(func() error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(a)))
		if errno != 0 {
			return errno
		}
		return nil
	})
}

func (r *Root) getAttributes(fd int) (a attributes, err error) {
	err = r.attributes(fd, getAttributesIoctl, &a)
	return a, err
}

// observe reads the state of an open directory.
func (s *System) observe(fd int, storage string) planner.Directory {
	st, err := statx(fd)
	if err != nil {
		return s.unknown("look at", storage, err)
	}
	d := planner.Directory{
		State: planner.DirPresent,
		Owner: planner.UID(st.Uid), Group: planner.GID(st.Gid),
		Mode:  planner.Mode(st.Mode) & planner.ModeBits,
		Inode: st.Ino,
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		d.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	if !s.listsACLs || !listsNoACL(fd) {
		if d.ACL, err = readACL(fd); err != nil {
			return s.unknown("read the ACLs of", storage, err)
		}
	}
	if !s.byProject() {
		return d
	}
	// Lustre shows a new project id only after an fstat, which was done above.
	attr, err := s.root.getAttributes(fd)
	switch err {
	case nil:
		d.Project, d.Inherit, d.HasProject = attr.project(), attr.inherits(), true
	case unix.ENOTTY, unix.EOPNOTSUPP, unix.EINVAL: // this filesystem has no project ids
	default:
		return s.unknown("read the project id of", storage, err)
	}
	return d
}

// Own changes owner and group. It makes no system call if both are right already, so that a user
// who is not root can try things out.
func (d *Dir) Own(owner planner.UID, group planner.GID) error {
	what := fmt.Sprintf("give to %d:%d", owner, group)
	st, err := fstat(d.fd)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	if st.Uid == uint32(owner) && st.Gid == uint32(group) {
		return d.compare(what)
	}
	return d.change(what, func() error { return unix.Fchown(d.fd, int(owner), int(group)) })
}

// Chmod sets all twelve bits of the mode and checks the result: the kernel silently drops setgid if
// the caller may not set it.
func (d *Dir) Chmod(mode planner.Mode) error {
	what := "set mode " + mode.String() + " of"
	chmod := func() error { return unix.Fchmod(d.fd, uint32(mode&planner.ModeBits)) }
	if err := d.change(what, chmod); err != nil {
		return err
	}
	st, err := fstat(d.fd)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Path(), explain(err))
	}
	if got := planner.Mode(st.Mode) & planner.ModeBits; got != mode&planner.ModeBits {
		return fmt.Errorf("%s %s: the filesystem set %s instead: run cscs-sync as root there, or as a "+
			"member of the group", what, d.Path(), got)
	}
	return nil
}

// DropACLs removes the access ACL and the default ACL, which a new directory may inherit.
func (d *Dir) DropACLs() error {
	return d.change("remove the ACLs of", func() error { return dropACLs(d.fd) })
}
