package posix

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Extended attributes that hold POSIX ACLs.
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// hasACL tells whether a directory has a default ACL, or an access ACL that says more than its mode.
func hasACL(fd int) (bool, error) {
	for _, name := range []string{accessACL, defaultACL} {
		var buf [512]byte
		var n int
		err := retry(func() (err error) { n, err = unix.Fgetxattr(fd, name, buf[:]); return err })
		switch {
		case err == unix.ENODATA || err == unix.EOPNOTSUPP:
		case err == unix.ERANGE: // too many entries to be the minimal one
			return true, nil
		case err != nil:
			return false, err
		case name == defaultACL && n > 4 || !isMinimal(buf[:n]):
			return true, nil
		}
	}
	return false, nil
}

// isMinimal tells whether an ACL has no entries but owner, group and others, which are the mode. The form is
// linux/posix_acl_xattr.h: a version, then entries of tag, permissions (16 bits each) and id (32 bits).
func isMinimal(acl []byte) bool {
	const userObj, groupObj, other = 0x01, 0x04, 0x20
	if len(acl) < 4 || (len(acl)-4)%8 != 0 {
		return len(acl) == 0
	}
	for e := acl[4:]; len(e) > 0; e = e[8:] {
		switch binary.LittleEndian.Uint16(e) {
		case userObj, groupObj, other:
		default:
			return false
		}
	}
	return true
}

// dropACLs removes both ACLs; where there are none, that is fine.
func dropACLs(fd int) error {
	for _, name := range []string{accessACL, defaultACL} {
		err := retry(func() error { return unix.Fremovexattr(fd, name) })
		if err != nil && err != unix.ENODATA && err != unix.EOPNOTSUPP {
			return err
		}
	}
	return nil
}

// attributes is struct fsxattr (linux/fs.h), 28 bytes, the same on Lustre, XFS and ext4.
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

// attributesFunc reads or writes the attributes of an open directory.
type attributesFunc func(fd int, request uintptr, a *attributes) error

// attributesIoctl asks the kernel.
func attributesIoctl(fd int, request uintptr, a *attributes) error {
	return retry(func() error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(a))); errno != 0 {
			return errno
		}
		return nil
	})
}

func (r *Root) getAttributes(fd int) (a attributes, err error) {
	err = r.attributes(fd, getAttributesIoctl, &a)
	return a, err
}
