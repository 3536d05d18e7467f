package posix

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Names of the extended attributes that hold ACLs.
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
	nfs4ACL    = "system.nfs4_acl"
)

// maxXattr is the largest size of an extended attribute in bytes (XATTR_SIZE_MAX).
const maxXattr = 1 << 16

// readACL returns what the ACLs of a directory say beyond its mode, or nil if they say nothing
// more.
func readACL(fd int) (*planner.ACL, error) {
	var room [512]byte
	access, err := xattr(fd, accessACL+end, room[:])
	if err == unix.EOPNOTSUPP { // NFSv4 has its own kind of ACL
		return readNFS4(fd, room[:])
	}
	if err != nil {
		return nil, err
	}
	var acl *planner.ACL // almost all directories have none
	if !isMinimal(access) {
		acl = &planner.ACL{}
		acl.Access, acl.Unread = parseACL(access)
	}
	inherited, err := xattr(fd, defaultACL+end, room[:])
	if err != nil && err != unix.EOPNOTSUPP {
		return nil, err
	}
	if len(inherited) > 4 {
		if acl == nil {
			acl = &planner.ACL{}
		}
		var why string
		acl.Default, why = parseACL(inherited)
		acl.Unread = cmp.Or(acl.Unread, why)
	}
	return acl, nil
}

// listsACLs reports whether a filesystem, by its name in /proc/self/mountinfo, names the ACLs of a
// directory in the list of its extended attributes. That is so in the kernel's own ext4 and XFS.
// Lustre's list leaves out ACLs that the client has in memory.
func listsACLs(filesystem string) bool { return filesystem == "ext4" || filesystem == "xfs" }

// listsNoACL reports whether the list of a directory's extended attributes shows that it has no
// ACLs. One list costs less than two attributes that do not exist.
func listsNoACL(fd int) bool {
	var room [512]byte
	n, _, errno := unix.Syscall(unix.SYS_FLISTXATTR, uintptr(fd), uintptr(unsafe.Pointer(&room[0])),
		uintptr(len(room)))
	return errno == 0 && !bytes.Contains(room[:n], []byte("_acl"))
}

// end ends a name that is passed to the kernel as it is, so that no call has to copy it.
const end = "\x00"

// xattr reads an extended attribute, whose name has its [end], and returns nil if there is none. It
// allocates only if the value does not fit into room.
func xattr(fd int, name string, room []byte) ([]byte, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_FGETXATTR, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.StringData(name))), uintptr(unsafe.Pointer(&room[0])),
			uintptr(len(room)), 0, 0)
		switch {
		case errno == 0:
			return room[:n], nil
		case errno == unix.EINTR:
		case errno == unix.ENODATA:
			return nil, nil
		case errno == unix.ERANGE && len(room) < maxXattr:
			room = make([]byte, maxXattr)
		default:
			return nil, errno
		}
	}
}

// tags are the tags of linux/posix_acl.h.
var tags = map[uint16]planner.ACLTag{0x01: planner.ACLOwner, 0x02: planner.ACLUser,
	0x04: planner.ACLGroup, 0x08: planner.ACLNamed,
	0x10: planner.ACLMask, 0x20: planner.ACLOthers}

// parseACL parses a POSIX ACL: a version, then entries of tag and permissions (16 bits each) and id
// (32 bits), as in linux/posix_acl_xattr.h. unread says why it could not.
func parseACL(b []byte) (entries []planner.ACLEntry, unread string) {
	const broken = "its format is unknown"
	if len(b) < 4 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != 2 {
		return nil, broken
	}
	for e := b[4:]; len(e) > 0; e = e[8:] {
		tag, known := tags[binary.LittleEndian.Uint16(e)]
		if !known {
			return nil, broken
		}
		entry := planner.ACLEntry{Tag: tag, Rights: uint8(binary.LittleEndian.Uint16(e[2:]) & 7)}
		if tag == planner.ACLUser || tag == planner.ACLNamed {
			entry.ID = binary.LittleEndian.Uint32(e[4:])
		}
		entries = append(entries, entry)
	}
	return entries, ""
}

// isMinimal reports whether an ACL has only the entries for owner, group and others, which equal
// the mode.
func isMinimal(acl []byte) bool {
	if len(acl) < 4 || (len(acl)-4)%8 != 0 {
		return len(acl) == 0
	}
	for e := acl[4:]; len(e) > 0; e = e[8:] {
		switch tags[binary.LittleEndian.Uint16(e)] {
		case planner.ACLOwner, planner.ACLGroup, planner.ACLOthers:
		default:
			return false
		}
	}
	return true
}

// readNFS4 reads the NFSv4 ACL. It returns nil where the filesystem has no ACLs at all. If an ACL
// cannot be read, it says so, because every directory on NFSv4 has one.
func readNFS4(fd int, room []byte) (*planner.ACL, error) {
	b, err := xattr(fd, nfs4ACL+end, room)
	switch {
	case err == unix.EOPNOTSUPP:
		return nil, nil
	case err != nil:
		return &planner.ACL{Unread: fmt.Sprintf("its NFSv4 ACL could not be read: %v", err)}, nil
	}
	acl := parseNFS4(b)
	if len(acl.NFS) == 0 && acl.Unread == "" {
		return nil, nil
	}
	return &acl, nil
}

// parseNFS4 parses the XDR format of RFC 7530, section 6.2: the number of entries, and for each its
// type, flags and rights (32 bits each) and the name to which it applies.
func parseNFS4(b []byte) (acl planner.ACL) {
	number := func() (n uint32, ok bool) {
		if len(b) < 4 {
			return 0, false
		}
		n, b = binary.BigEndian.Uint32(b), b[4:]
		return n, true
	}
	if len(b) == 0 {
		return acl
	}
	count, ok := number()
	for i := uint32(0); ok && i < count; i++ {
		var size uint32
		for range 4 { // type, flags, rights, length of the name
			size, ok = number()
		}
		padded := (uint64(size) + 3) / 4 * 4
		if !ok || padded > uint64(len(b)) {
			return planner.ACL{Unread: "the format of its NFSv4 ACL is unknown"}
		}
		name := string(b[:size])
		b = b[padded:]
		if name != "OWNER@" && name != "GROUP@" && name != "EVERYONE@" &&
			!slices.Contains(acl.NFS, name) {
			acl.NFS = append(acl.NFS, name)
		}
	}
	if !ok {
		return planner.ACL{Unread: "the format of its NFSv4 ACL is unknown"}
	}
	return acl
}

// dropACLs removes both ACLs. It is no error if there are none.
func dropACLs(fd int) error {
	for _, name := range []string{accessACL, defaultACL} {
		err := retry(func() error { return unix.Fremovexattr(fd, name) })
		if err != nil && err != unix.ENODATA && err != unix.EOPNOTSUPP {
			return err
		}
	}
	return nil
}
