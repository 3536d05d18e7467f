package posix

import (
	"path"

	"golang.org/x/sys/unix"
)

// Flags of `chattr` as FS_IOC_FSGETXATTR gives them, for filesystems whose statx does not.
const (
	immutableFlag = 0x8  // FS_XFLAG_IMMUTABLE
	appendFlag    = 0x10 // FS_XFLAG_APPEND
)

// movable refuses a directory that flags keep where it is: its own, or those of the directory above.
func (s *System) movable(d *Dir) error {
	if err := unchangeable(d.fd, d.Path()); err != nil {
		return err
	}
	return unchangeable(d.parent, path.Dir(d.Path()))
}

// unchangeable refuses an open directory with a flag that forbids to move it, or to move anything out of it. Where the flags
// cannot be read there are none: the kernel has the last word.
func unchangeable(fd int, where string) error {
	flag, what := "", ""
	switch immutable, appendOnly := flags(fd); {
	case immutable:
		flag, what = "i", "immutable"
	case appendOnly:
		flag, what = "a", "append-only"
	default:
		return nil
	}
	return refuse(ErrObstructed, "%s is %s (`chattr +%s`): find out who wants it so, then clear it with `chattr -%s %s`", where, what, flag,
		flag, where)
}

func flags(fd int) (immutable, appendOnly bool) {
	const both = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	st, err := statx(fd)
	if err == nil && st.Attributes_mask&both == both {
		return st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0, st.Attributes&unix.STATX_ATTR_APPEND != 0
	}
	var a attributes
	if attributesIoctl(fd, getAttributesIoctl, &a) != nil {
		return false, false
	}
	return a.flags&immutableFlag != 0, a.flags&appendFlag != 0
}
