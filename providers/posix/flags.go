package posix

import (
	"path"

	"golang.org/x/sys/unix"
)

// The flags of `chattr` as FS_IOC_FSGETXATTR returns them, for filesystems whose statx does not.
const (
	immutableFlag = 0x8  // FS_XFLAG_IMMUTABLE
	appendFlag    = 0x10 // FS_XFLAG_APPEND
)

// movable returns an error if a flag of the directory, or of the directory above, prevents a move.
func (s *System) movable(d *Dir) error {
	if err := checkFlags(d.fd, d.Path()); err != nil {
		return err
	}
	return checkFlags(d.parent, path.Dir(d.Path()))
}

// checkFlags returns an error if an open directory has a flag that prevents moving it, or moving
// anything out of it. If the flags cannot be read, it returns nil, and the kernel decides.
func checkFlags(fd int, where string) error {
	flag, what := "", ""
	switch immutable, appendOnly := flags(fd); {
	case immutable:
		flag, what = "i", "immutable"
	case appendOnly:
		flag, what = "a", "append-only"
	default:
		return nil
	}
	return refuse(ErrObstructed, "%s is %s (`chattr +%s`): find out who set this flag and why, then "+
		"clear it with `chattr -%s %s`", where, what, flag, flag, where)
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
