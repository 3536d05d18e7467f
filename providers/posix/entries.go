package posix

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// maxEntries is the most entries of a folder that [System.Entries] reads.
const maxEntries = 1 << 16

// Entries returns the names of the directories in the folder at a storage path. It opens none of
// them, follows no link, and stops after [maxEntries] entries.
func (s *System) Entries(storage string) scan.Folder { return s.entries(storage, maxEntries) }

func (s *System) entries(storage string, most int) scan.Folder {
	at, rel, err := s.base(storage)
	if err != nil {
		return scan.Folder{State: planner.DirObstructed, Why: err.Error()}
	}
	fd, err := openat2(at, rel, readDir, within)
	if err != nil {
		d := s.refused(at, rel, storage, err)
		return scan.Folder{State: d.State, Why: d.Why}
	}
	defer unix.Close(fd)
	f := scan.Folder{State: planner.DirPresent}
	buf := make([]byte, 1<<15)
	for read := 0; ; {
		var n int
		err := retry(func() (err error) { n, err = unix.ReadDirent(fd, buf); return err })
		if err != nil {
			return scan.Folder{Why: s.unknown("read", storage, err).Why}
		}
		if n <= 0 {
			slices.Sort(f.Names)
			return f
		}
		for entries := buf[:n]; len(entries) > direntName; read++ {
			_, name, size := entry(entries)
			if size <= direntName || size > len(entries) {
				return scan.Folder{Why: s.unknown("read", storage, unix.EIO).Why}
			}
			if read >= most {
				f.Cut = true
				slices.Sort(f.Names)
				return f
			}
			if name != "." && name != ".." && isDirectory(fd, name, entries[direntType]) {
				f.Names = append(f.Names, name)
			}
			entries = entries[size:]
		}
	}
}

// direntType is the offset of the type in struct linux_dirent64.
const direntType = direntName - 1

// isDirectory reports whether an entry is a directory. Not every filesystem stores the type in the
// entry.
func isDirectory(fd int, name string, kind byte) bool {
	if kind != unix.DT_UNKNOWN {
		return kind == unix.DT_DIR
	}
	st, err := lstatAt(fd, name)
	return err == nil && isDir(st.Mode)
}

// Aged observes the directory at a storage path like [System.Observe], and adds when it was last
// modified.
func (s *System) Aged(storage string) scan.Directory {
	at, rel, err := s.base(storage)
	if err != nil {
		return scan.Directory{Directory: planner.Directory{State: planner.DirObstructed,
			Why: err.Error()}}
	}
	fd, err := openat2(at, rel, readDir, within)
	if err != nil {
		return scan.Directory{Directory: s.refused(at, rel, storage, err)}
	}
	defer unix.Close(fd)
	d := scan.Directory{Directory: s.observe(fd, storage)}
	if st, err := fstat(fd); err == nil {
		d.Modified = time.Unix(st.Mtim.Unix()).UTC()
	}
	return d
}

// Entries calls [System.Entries] on a system. If the system's mount was not checked yet, it checks
// it first.
func (r *Root) Entries(system planner.System, storage string) scan.Folder {
	s, why := r.onSystem(system)
	if s == nil {
		return scan.Folder{Why: why}
	}
	return s.Entries(storage)
}

// Aged calls [System.Aged] on a system. If the system's mount was not checked yet, it checks it
// first.
func (r *Root) Aged(system planner.System, storage string) scan.Directory {
	s, why := r.onSystem(system)
	if s == nil {
		return scan.Directory{Directory: planner.Directory{Why: why}}
	}
	return s.Aged(storage)
}

// Entries calls [Root.Entries] on the root of the current look.
func (l *Lease) Entries(system planner.System, path string) scan.Folder {
	root := l.take()
	if root == nil {
		return scan.Folder{Why: lookEnded}
	}
	defer l.giveBack(root)
	return root.open.Entries(system, path)
}

// Aged calls [Root.Aged] on the root of the current look.
func (l *Lease) Aged(system planner.System, path string) scan.Directory {
	root := l.take()
	if root == nil {
		return scan.Directory{Directory: planner.Directory{Why: lookEnded}}
	}
	defer l.giveBack(root)
	return root.open.Aged(system, path)
}
