package providers

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
)

// SiblingFinder is a [DirectoryObserver] that can look for a directory next to the place where it
// was. Find returns the storage path where the directory is now, or "" if it is not there. It
// returns false if it could not find out.
type SiblingFinder interface {
	Find(system planner.System, lost planner.Lost) (at string, looked bool)
}

// Find looks for directories that were replaced by others. Each mount has its own workers.
// Directories for which the answer is unknown are left out.
func (s *StorageObserver) Find(ctx context.Context, lost []planner.Lost) map[planner.Place]string {
	finder, can := s.o.Directories.(SiblingFinder)
	if !can || len(lost) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, l := range lost {
		names[l.Place.System] = true
	}
	type answer struct {
		at     string
		looked bool
	}
	p := pool[answer]{
		workers: s.o.StatWorkers, deadline: s.o.Deadline,
		unknown: func(string) answer { return answer{} },
		call: func(_ context.Context, i int) answer {
			at, looked := finder.Find(s.systems[lost[i].Place.System], lost[i])
			return answer{at, looked}
		},
		alive: func(answer) bool { return true },
	}
	mounts := s.seen(ctx, names)
	where := func(i int) (system, filesystem, why string) {
		m := mounts[lost[i].Place.System]
		return lost[i].Place.System, m.Filesystem, m.Problem + m.Unknown
	}
	answers := observe(ctx, s, "Looking for directories", len(lost), p, where)
	found := map[planner.Place]string{}
	for i, a := range answers {
		if a.looked {
			found[lost[i].Place] = a.at
		}
	}
	return found
}
