package posix

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Observe returns what is at a storage path: its owner, mode and ACLs, and its project id if the
// system has quotas by project.
func (s *System) Observe(storage string) planner.Directory {
	at, rel, err := s.base(storage)
	if err != nil {
		return planner.Directory{State: planner.DirObstructed, Why: err.Error()}
	}
	fd, err := openat2(at, rel, readDir, within)
	if err != nil {
		return s.refused(at, rel, storage, err)
	}
	defer unix.Close(fd)
	return s.observe(fd, storage)
}

// byProject reports whether the system has quotas by project.
func (s *System) byProject() bool {
	return s.settings.Quota.By == planner.ByProject
}

func (s *System) unknown(what, storage string, err error) planner.Directory {
	return planner.Directory{Why: fmt.Sprintf("could not %s %s: %v", what, s.root.Path(storage),
		explain(err))}
}

// refused returns what a failed lookup of rel below at means.
func (s *System) refused(at int, rel, storage string, err error) planner.Directory {
	switch err {
	case unix.ENOENT:
		return s.absentDirectory(at, rel, storage)
	case unix.ELOOP, unix.ENOTDIR, unix.EXDEV, unix.ENXIO:
		return s.obstructed(at, rel, storage)
	}
	return s.unknown("open", storage, err)
}

// absentDirectory counts how many of the directories above are missing, too. If the system's
// directory itself is gone, nothing below it is called absent.
func (s *System) absentDirectory(at int, rel, storage string) planner.Directory {
	if st, err := fstat(at); err != nil || st.Nlink == 0 {
		return planner.Directory{Why: fmt.Sprintf("the directory of system %s was removed or unmounted "+
			"in the meantime", s.settings.Name)}
	}
	missing := uint16(0)
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		fd, err := openat2(at, dir, look|unix.O_DIRECTORY, within)
		if err == nil {
			unix.Close(fd)
			break
		}
		if err != unix.ENOENT {
			return s.refused(at, dir, storage, err)
		}
		missing++
	}
	return planner.Directory{State: planner.DirAbsent, MissingAbove: missing}
}

// obstructed finds what is in the way. If that is gone in the meantime, the state is unknown.
func (s *System) obstructed(at int, rel, storage string) planner.Directory {
	above := strings.TrimSuffix(strings.TrimSuffix(storage, rel), "/")
	for end := 0; end < len(rel); {
		next := strings.IndexByte(rel[end+1:], '/')
		if next < 0 {
			end = len(rel)
		} else {
			end += 1 + next
		}
		if what := obstacle(at, rel[:end]); what != "" {
			return planner.Directory{State: planner.DirObstructed,
				Why: what + " is at " + s.root.Path(path.Join(above, rel[:end]))}
		}
	}
	return planner.Directory{Why: s.root.Path(storage) + " changed while it was read: try again"}
}

// obstacle names what is at a path if it is not a directory on this mount; "" if it is one, or is
// gone.
func obstacle(at int, rel string) string {
	fd, err := openat2(at, rel, look, within)
	if err == unix.EXDEV {
		return "another mount"
	}
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	st, err := fstat(fd)
	if err != nil || isDir(st.Mode) {
		return ""
	}
	return fileType(st.Mode)
}
