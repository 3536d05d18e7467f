package providers

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// FolderReader is a [DirectoryObserver] that can also read folders. Its calls may hang.
type FolderReader interface {
	// Entries reads the names of the directories in one folder.
	Entries(system planner.System, path string) scan.Folder
	// Aged looks at one directory and returns its age, too.
	Aged(system planner.System, path string) scan.Directory
}

// QuotaSurveyor is a [QuotaReader] that can list all quotas in a range, not only given ones. A call
// may hang even beyond ctx.
// beyond ctx.
type QuotaSurveyor interface {
	// Survey returns the ids in one range of a system on which limits are set.
	Survey(ctx context.Context, system planner.System, of scan.Range) ([]planner.QuotaID, error)
}

// Folders reads folders. Each mount has its own workers.
func (s *StorageObserver) Folders(ctx context.Context, of []planner.Place) []scan.Folder {
	return readAll(ctx, s, "Reading folders", of,
		func(why string) scan.Folder { return scan.Folder{Why: why} }, FolderReader.Entries)
}

// Aged looks at directories that no resource wants. Each mount has its own workers.
func (s *StorageObserver) Aged(ctx context.Context, of []planner.Place) []scan.Directory {
	return readAll(ctx, s, "Looking at directories", of, func(why string) scan.Directory {
		return scan.Directory{Directory: planner.Directory{Why: why}}
	}, FolderReader.Aged)
}

// readAll calls read for each place.
func readAll[T any](ctx context.Context, s *StorageObserver, work string, of []planner.Place,
	unknown func(why string) T, read func(FolderReader, planner.System, string) T) []T {
	names := map[string]bool{}
	for _, p := range of {
		names[p.System] = true
	}
	mounts := s.seen(ctx, names)
	reader, can := s.o.Directories.(FolderReader)
	p := pool[T]{workers: s.o.StatWorkers, deadline: s.o.Deadline, unknown: unknown,
		call: func(_ context.Context, i int) T {
			return read(reader, s.systems[of[i].System], of[i].Path)
		},
		alive: func(T) bool { return true }}
	return observe(ctx, s, work, len(of), p, func(i int) (system, filesystem, why string) {
		m := mounts[of[i].System]
		why = m.Problem + m.Unknown
		if !can {
			why = "folders cannot be read there"
		}
		return of[i].System, m.Filesystem, why
	})
}

// Survey lists quotas in ranges. It reads the ranges of one filesystem one after the other, because
// two calls at once have hung Lustre's client.
func (s *StorageObserver) Survey(ctx context.Context, of []scan.Range) []scan.Surveyed {
	names := map[string]bool{}
	for _, r := range of {
		names[r.System] = true
	}
	mounts := s.seen(ctx, names)
	surveyor, can := s.o.Quotas.(QuotaSurveyor)
	p := pool[scan.Surveyed]{workers: 1, deadline: s.o.QuotaDeadline,
		unknown: func(why string) scan.Surveyed { return scan.Surveyed{Why: why} },
		call: func(ctx context.Context, i int) scan.Surveyed {
			found, err := surveyor.Survey(ctx, s.systems[of[i].System], of[i])
			if err != nil {
				return scan.Surveyed{Why: err.Error(), NoList: errors.Is(err, ErrNoList)}
			}
			return scan.Surveyed{Subjects: found}
		},
		alive: func(x scan.Surveyed) bool { return x.Why == "" || x.NoList }}
	for _, r := range of {
		if r.By == planner.ByDirectory { // one list of all, which may take minutes
			p.deadline = s.o.ListDeadline
		}
	}
	return observe(ctx, s, "Listing quotas", len(of), p,
		func(i int) (system, filesystem, why string) {
			m := mounts[of[i].System]
			why = m.Problem + m.Unknown
			if why == "" && m.Filesystem != of[i].Filesystem {
				why = fmt.Sprintf("system %s is on %q now, not on %q", of[i].System, m.Filesystem,
					of[i].Filesystem)
			}
			if !can {
				why = "quotas cannot be listed there"
			}
			return of[i].System, m.Filesystem, why
		})
}
