package posix

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Root is storage.root, opened. Its methods may be called from many goroutines.
type Root struct {
	path string
	fd   int
	// euid is who we are: what we make must belong to it.
	euid uint32
	// attributes is the kernel's, for project ids.
	attributes attributesFunc

	// mu guards the maps only; it is never held over a system call on a mount, since one mount must not delay another.
	mu      sync.RWMutex
	systems map[string]*System
	// retired are descriptors that a newer look at the mount has replaced, but that somebody may still be using.
	retired []*System
}

// OpenRoot opens storage.root. Links in this path are followed: it is the administrator's own.
func OpenRoot(path string) (*Root, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("open storage.root %q: want an absolute path", path)
	}
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open storage.root %s: %w", path, explain(err))
	}
	return &Root{
		path: filepath.Clean(path), fd: fd, euid: uint32(unix.Geteuid()),
		attributes: attributesIoctl, systems: map[string]*System{},
	}, nil
}

// Close lets go of storage.root and of every mount below it.
func (r *Root) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.systems {
		s.Close()
	}
	for _, s := range r.retired {
		s.Close()
	}
	r.systems, r.retired = map[string]*System{}, nil
	fd := r.fd
	r.fd = -1
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}

// Path is where a storage path is on this node, for messages and for programs that need a path.
func (r *Root) Path(storage string) string { return filepath.Join(r.path, storage) }

// Mount looks whether the right filesystem is mounted where the system should be.
func (r *Root) Mount(system planner.System) planner.Mount {
	s, mount := r.open(system)
	if s != nil {
		mount.Archive = s.archiveProblem()
		r.keep(s)
	}
	return mount
}

// Observe looks at a storage path of the system. The mount must have been looked at before, by [Root.Mount]; if it was
// not, that is done now.
func (r *Root) Observe(system planner.System, storage string) planner.Directory {
	s, why := r.onSystem(system)
	if s == nil {
		return planner.Directory{Why: why}
	}
	return s.Observe(storage)
}

// onSystem is the opened system, or why it could not be opened.
func (r *Root) onSystem(system planner.System) (s *System, why string) {
	if s := r.seen(system.Name); s != nil {
		return s, ""
	}
	s, mount := r.open(system)
	if s == nil {
		return nil, mount.Problem + mount.Unknown
	}
	r.keep(s)
	return s, ""
}

// Find looks for a directory that another one has replaced: [System.Find]. The mount must have been looked at before.
func (r *Root) Find(system planner.System, lost planner.Lost) (at string, looked bool) {
	s := r.seen(system.Name)
	if s == nil {
		return "", false
	}
	return s.Find(lost)
}

// System opens the system for changes. It must be mounted as configured; and where expected is not zero, its root must
// be the one that was recorded. Otherwise the error is [ErrNotMounted], and nothing may be changed.
func (r *Root) System(system planner.System, expected planner.RootIdentity) (*System, error) {
	s, mount := r.open(system)
	if s == nil {
		return nil, refuse(ErrNotMounted, "open system %s: %s", system.Name, mount.Problem+mount.Unknown)
	}
	if expected != (planner.RootIdentity{}) && expected != (planner.RootIdentity{Filesystem: mount.Filesystem, Inode: mount.Inode}) {
		s.Close()
		return nil, refuse(ErrNotMounted, "open system %s: %s is %q inode %d, but the first apply saw %q inode "+
			"%d: another filesystem is mounted there",
			system.Name, r.Path(system.Directory), mount.Filesystem, mount.Inode, expected.Filesystem, expected.Inode)
	}
	return s, nil
}

func (r *Root) seen(name string) *System {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.systems[name]
}

func (r *Root) keep(s *System) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.systems[s.settings.Name]; old != nil {
		r.retired = append(r.retired, old)
	}
	r.systems[s.settings.Name] = s
}

// mounts are the mounts of this process's namespace that the filter keeps. Reading them touches no mount.
func mounts(skip func(*mountinfo.Info) bool) ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(i *mountinfo.Info) (bool, bool) { return skip(i), false })
}
