package posix

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// System is an open storage system: its directory, and what is mounted there.
type System struct {
	root     *Root
	settings planner.System
	fd       int
	// top is the top of the mount below storage.root, whose storage path is topPath. It is -1 if the
	// system's directory is the top.
	top     int
	topPath string
	place   place
	mount   planner.Mount
	// listsACLs is what [listsACLs] says of the filesystem.
	listsACLs bool
}

// Mount returns what was found mounted.
func (s *System) Mount() planner.Mount { return s.mount }

// Close closes the system's descriptors.
func (s *System) Close() {
	for _, fd := range []*int{&s.fd, &s.top} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
}

// base returns the descriptor from which to open a storage path, and the rest of the path.
func (s *System) base(storage string) (fd int, rel string, err error) {
	if !isClean(storage) {
		return -1, "", refuse(ErrObstructed, "%q is not a clean path below storage.root", storage)
	}
	if rel, ok := cutDirectory(storage, s.settings.Directory); ok {
		return s.fd, rel, nil
	}
	if rel, ok := cutDirectory(storage, s.topPath); ok && s.top >= 0 {
		return s.top, rel, nil
	}
	return -1, "", refuse(ErrElsewhere, "%s is not on the mount of system %s", s.root.Path(storage),
		s.settings.Name)
}

// checkMounted checks, before a change, that the system's directory is still the opened one: that
// nothing was mounted over it, and that it was not unmounted. Changes through an old descriptor
// would go to something that nobody sees.
func (s *System) checkMounted() error {
	where := s.root.Path(s.settings.Directory)
	fd, err := openat2(s.root.fd, s.settings.Directory, look|unix.O_DIRECTORY, beneath)
	if err != nil {
		return refuse(ErrNotMounted, "system %s: %s can no longer be opened: %v", s.settings.Name, where,
			explain(err))
	}
	defer unix.Close(fd)
	now, err := placeOf(fd)
	if err != nil {
		return fmt.Errorf("system %s: look at %s: %w", s.settings.Name, where, explain(err))
	}
	if now != s.place {
		return refuse(ErrNotMounted, "system %s: another filesystem or directory is now at %s: run the "+
			"command again", s.settings.Name, where)
	}
	return nil
}

// openDir opens the directory at a storage path so that it can be changed.
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
