package posix

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

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
