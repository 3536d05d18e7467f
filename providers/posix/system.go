package posix

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// System is one storage system, opened: its directory, and what is mounted there.
type System struct {
	root     *Root
	settings planner.System
	fd       int
	// top is the top of the mount below storage.root, at the storage path topPath; -1 if the system's directory is it.
	top     int
	topPath string
	place   place
	mount   planner.Mount
}

// Mount is what was found mounted.
func (s *System) Mount() planner.Mount { return s.mount }

// Close lets go of the mount.
func (s *System) Close() {
	for _, fd := range []*int{&s.fd, &s.top} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
}

// base is the descriptor to open a storage path from, and the rest of the path.
func (s *System) base(storage string) (fd int, rel string, err error) {
	if !isClean(storage) {
		return -1, "", refuse(ErrObstructed, "%q is no clean path below storage.root", storage)
	}
	if rel, ok := below(storage, s.settings.Directory); ok {
		return s.fd, rel, nil
	}
	if rel, ok := below(storage, s.topPath); ok && s.top >= 0 {
		return s.top, rel, nil
	}
	return -1, "", refuse(ErrElsewhere, "%s does not lie on the mount of system %s", s.root.Path(storage), s.settings.Name)
}

// still checks, before a change, that the system's directory is the one that was opened: that nothing was mounted over it
// or taken away since. Whoever works on an old descriptor works on something that nobody sees.
func (s *System) still() error {
	where := s.root.Path(s.settings.Directory)
	fd, err := openat2(s.root.fd, s.settings.Directory, look|unix.O_DIRECTORY, beneath)
	if err != nil {
		return refuse(ErrNotMounted, "system %s: %s can no longer be opened: %v", s.settings.Name, where, explain(err))
	}
	defer unix.Close(fd)
	now, err := placeOf(fd)
	if err != nil {
		return fmt.Errorf("system %s: look at %s: %w", s.settings.Name, where, explain(err))
	}
	if now != s.place {
		return refuse(ErrNotMounted, "system %s: another filesystem or directory is at %s than when this began: start again", s.settings.Name,
			where)
	}
	return nil
}

// openDir opens the directory at a storage path, by which it can be changed.
func (s *System) openDir(storage string) (int, error) {
	at, rel, err := s.base(storage)
	if err != nil {
		return -1, err
	}
	fd, err := openat2(at, rel, readDir, within)
	if err == nil {
		return fd, nil
	}
	if seen := s.refused(at, rel, storage, err); seen.State == planner.DirAbsent {
		return -1, refuse(ErrAbsent, "%s does not exist", s.root.Path(storage))
	} else if seen.State == planner.DirObstructed {
		return -1, refuse(ErrObstructed, "%s", seen.Why)
	}
	return -1, fmt.Errorf("open %s: %w", s.root.Path(storage), explain(err))
}
