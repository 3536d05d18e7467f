package posix

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Root is an open storage.root. Its methods are safe for concurrent use.
type Root struct {
	path string
	fd   int
	// euid is the user that we run as. What we create must belong to it.
	euid uint32
	// attributes reads or writes project ids. It calls the kernel, except in tests.
	attributes attributesFunc

	// mu guards only the maps. It is never held over a system call on a mount, because one mount must
	// not delay another.
	mu      sync.RWMutex
	systems map[string]*System
	// retired holds systems whose mount was checked again since, but that somebody may still be using.
	retired []*System
}

// OpenRoot opens storage.root. It follows links in this path, because the administrator chose it.
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

// Close closes storage.root and every mount below it.
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

// Path returns where a storage path is on this node, for messages and for programs that need a
// path.
func (r *Root) Path(storage string) string { return filepath.Join(r.path, storage) }

// Mount checks whether the right filesystem is mounted where the system should be.
func (r *Root) Mount(system planner.System) planner.Mount {
	s, mount := r.open(system)
	if s != nil {
		mount.Archive = s.archiveProblem()
		r.keep(s)
	}
	return mount
}

// Observe returns what is at a storage path of the system. [Root.Mount] should have checked the
// mount before; otherwise Observe checks it now.
func (r *Root) Observe(system planner.System, storage string) planner.Directory {
	s, why := r.onSystem(system)
	if s == nil {
		return planner.Directory{Why: why}
	}
	return s.Observe(storage)
}

// onSystem returns the opened system, or why it could not be opened.
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

// Find calls [System.Find] to look for a directory that was replaced by another one. [Root.Mount]
// must have checked the mount before.
func (r *Root) Find(system planner.System, lost planner.Lost) (at string, looked bool) {
	s := r.seen(system.Name)
	if s == nil {
		return "", false
	}
	return s.Find(lost)
}

// System opens the system for changes. It must be mounted as configured. If expected is not zero,
// its root must be the recorded one. Otherwise the error is [ErrNotMounted], and nothing may be
// changed.
func (r *Root) System(system planner.System, expected planner.RootIdentity) (*System, error) {
	s, mount := r.open(system)
	if s == nil {
		return nil, refuse(ErrNotMounted, "open system %s: %s", system.Name, mount.Problem+mount.Unknown)
	}
	found := planner.RootIdentity{Filesystem: mount.Filesystem, Inode: mount.Inode}
	if expected != (planner.RootIdentity{}) && expected != found {
		s.Close()
		return nil, refuse(ErrNotMounted,
			"open system %s: %s is %q inode %d, but the first apply saw %q inode "+
				"%d: another filesystem is mounted there", system.Name, r.Path(system.Directory), mount.Filesystem,
			mount.Inode, expected.Filesystem, expected.Inode)
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

// mounts returns the mounts of this process's namespace that skip does not skip. Reading them
// touches no mount.
func mounts(skip func(*mountinfo.Info) bool) ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(i *mountinfo.Info) (bool, bool) { return skip(i), false })
}
