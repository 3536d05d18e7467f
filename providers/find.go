package providers

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
)

// SiblingFinder is a [DirectoryObserver] that can look for a directory beside the place where it was. The answer is the
// storage path where it is now, or nothing if it is not there; false means that this is not known.
type SiblingFinder interface {
	Find(system planner.System, lost planner.Lost) (at string, looked bool)
}

// Find looks for directories that others have replaced, each mount's by its own workers. What is not known is left out.
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
		workers: s.o.StatWorkers, deadline: s.o.Deadline, unknown: func(string) answer { return answer{} },
		call: func(_ context.Context, i int) answer {
			at, looked := finder.Find(s.systems[lost[i].Place.System], lost[i])
			return answer{at, looked}
		},
		alive: func(answer) bool { return true },
	}
	mounts := s.seen(ctx, names)
	answers := observe(ctx, s, "Looking for directories", len(lost), p, func(i int) (system, filesystem, why string) {
		m := mounts[lost[i].Place.System]
		return lost[i].Place.System, m.Filesystem, m.Problem + m.Unknown
	})
	found := map[planner.Place]string{}
	for i, a := range answers {
		if a.looked {
			found[lost[i].Place] = a.at
		}
	}
	return found
}
