package posix

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// magicOf returns the magic number in statfs of a kind of filesystem (linux/magic.h; Lustre's is
// LL_SUPER_MAGIC), or false if it is unknown. ext2 and ext3 share ext4's number.
func magicOf(filesystem string) (int64, bool) {
	m, ok := map[string]int64{
		"lustre":  0x0BD00BD0,
		"nfs":     0x6969,
		"nfs4":    0x6969,
		"xfs":     0x58465342,
		"ext4":    0xEF53,
		"tmpfs":   0x01021994,
		"btrfs":   0x9123683E,
		"zfs":     0x2FC12FC1,
		"ceph":    0x00C36400,
		"gpfs":    0x47504653,
		"beegfs":  0x19830326,
		"overlay": 0x794C7630,
	}[filesystem]
	return m, ok
}

// anyFilesystem is the setting that accepts any filesystem, to try things out.
const anyFilesystem = "any"

// open opens the system's directory and checks what is mounted there. If something is wrong, it
// returns no system, and the mount says why.
func (r *Root) open(system planner.System) (*System, planner.Mount) {
	where := r.Path(system.Directory)
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := openat2(r.fd, system.Directory, flags, beneath)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil, planner.Mount{Problem: fmt.Sprintf("%s does not exist: mount system %s, or correct "+
			"its directory", where, system.Name)}
	case unix.ELOOP, unix.ENOTDIR, unix.EXDEV:
		return nil, planner.Mount{Problem: fmt.Sprintf("%s is not a directory below %s, reached without "+
			"links: correct the directory of system %s", where, r.path, system.Name)}
	default:
		return nil, planner.Mount{Unknown: fmt.Sprintf("%s could not be opened: %v", where, explain(err))}
	}
	s := &System{root: r, settings: system, fd: fd, top: -1}
	if mount := s.findMount(where); mount.Problem+mount.Unknown != "" {
		s.Close()
		return nil, mount
	}
	return s, s.mount
}

// findMount finds out what is mounted where the system's directory is.
func (s *System) findMount(where string) planner.Mount {
	unknown := func(what string, err error) planner.Mount {
		return planner.Mount{Unknown: fmt.Sprintf("%s: %s: %v", where, what, explain(err))}
	}
	var err error
	if s.place, err = placeOf(s.fd); err != nil {
		return unknown("its mount could not be determined", err)
	}
	var fs unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(s.fd, &fs) }); err != nil {
		return unknown("statfs", err)
	}
	found, node, err := s.mounted()
	if err != nil || found == nil {
		return unknown("its mount is not in /proc/self/mountinfo", err)
	}
	if problem := wrongMount(s.settings, where, found, node, int64(fs.Type)); problem != "" {
		return planner.Mount{Problem: problem}
	}
	s.mount = planner.Mount{Filesystem: identity(found, s.place), Inode: s.place.inode}
	if fs.Frsize > 0 {
		s.mount.Capacity = planner.Bytes(fs.Blocks * uint64(fs.Frsize))
		s.mount.Free = planner.Bytes(fs.Bfree * uint64(fs.Frsize))
	}
	s.listsACLs = listsACLs(found.FSType)
	s.findTop(found.Mountpoint)
	return s.mount
}

// mounted returns the mount of the system's directory and the mount at "/", or nil for a mount that
// it does not find.
func (s *System) mounted() (found, node *mountinfo.Info, err error) {
	both, err := mounts(func(i *mountinfo.Info) bool {
		return uint64(i.ID) != s.place.mount && i.Mountpoint != "/"
	})
	for _, m := range both {
		if uint64(m.ID) == s.place.mount {
			found = m
		}
		if m.Mountpoint == "/" {
			node = m
		}
	}
	return found, node, err
}

// nodesOwn reports whether a mount only shows what the node's root filesystem has at the same
// place. It is then the root filesystem itself, or a directory of it that is bound onto itself, as
// systemd does for the ReadWritePaths of a service.
func nodesOwn(m, node *mountinfo.Info) bool {
	return m.Mountpoint == "/" ||
		node != nil && m.Major == node.Major && m.Minor == node.Minor &&
			m.Root == path.Join(node.Root, m.Mountpoint)
}

// wrongMount says what is mounted and what was expected, or returns "" if these are the same. node
// is the mount at "/".
func wrongMount(system planner.System, where string, m, node *mountinfo.Info, magic int64) string {
	want := system.Filesystem
	if want == anyFilesystem {
		return ""
	}
	if !sameKind(m.FSType, want) {
		return fmt.Sprintf("%s is on %s (%s, mounted at %s), but system %s needs %s: mount it",
			where, m.FSType, m.Source, m.Mountpoint, system.Name, want)
	}
	if known, ok := magicOf(want); ok && known != magic&0xFFFFFFFF {
		return fmt.Sprintf("%s is mounted as %s, but statfs says 0x%X where %s has 0x%X: check what is "+
			"mounted there",
			where, m.FSType, magic, want, known)
	}
	if nodesOwn(m, node) {
		return fmt.Sprintf("%s is on the node's own root filesystem (%s), so nothing is mounted there "+
			"for system %s: mount it, or set filesystem = \"any\"",
			where, m.FSType, system.Name)
	}
	return ""
}

func sameKind(found, want string) bool {
	nfs := func(s string) bool { return s == "nfs" || s == "nfs4" }
	return found == want || nfs(found) && nfs(want)
}

// identity names a filesystem by kind and source. The name is the same for every directory and
// every mount of it. Lustre's source is "MGS:/NAME", followed by a folder if only a part is
// mounted; the quotas are those of NAME. Filesystems in memory have no source of their own, so
// their device number is added.
func identity(m *mountinfo.Info, p place) string {
	source := m.Source
	if m.FSType == "lustre" {
		if mgs, rest, ok := strings.Cut(source, ":/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			source = mgs + ":/" + name
		}
	}
	kind := m.FSType
	if kind == "nfs4" {
		kind = "nfs"
	}
	if kind != "zfs" && !strings.ContainsAny(source, "/:") {
		return fmt.Sprintf("%s %s %d:%d", kind, source, p.major, p.minor)
	}
	return kind + " " + source
}

// findTop opens the top of the system's mount, as far as it is below storage.root: the folders of
// `paths` and the archive may be there, next to the system's directory. It opens nothing if the
// system's directory is the top.
func (s *System) findTop(mountpoint string) {
	if at, err := placeOf(s.root.fd); err == nil && at.mount == s.place.mount {
		s.openTop(".")
		return
	}
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.root.fd))
	if err != nil {
		return
	}
	if rel, err := filepath.Rel(real, mountpoint); err == nil && isClean(rel) &&
		rel != s.settings.Directory {
		s.openTop(rel)
	}
}

func (s *System) openTop(rel string) {
	fd, err := openat2(s.root.fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC,
		beneath)
	if err != nil {
		return
	}
	if at, err := placeOf(fd); err != nil || at.mount != s.place.mount {
		unix.Close(fd)
		return
	}
	s.top, s.topPath = fd, rel
}
