package scan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	// span is how many ids are asked for at a time, and maxSpans is how often. Lustre's client
	// searches all records of a range for each record that it finds.
	span     = 10_000
	maxSpans = 100
)

// Range is a part of a system's quotas that one call lists: ids from First to Last, or all quotas
// of directories.
type Range struct {
	System      string
	Filesystem  string
	By          planner.QuotaBy
	First, Last uint32
}

// Surveyed is what was found in one range: what limits are set on, or why that is not known.
type Surveyed struct {
	Subjects []planner.QuotaID
	Why      string
	// NoList means that quotas cannot be listed there and can only be read one by one.
	NoList bool
}

// Ranges returns the quotas to list. It looks for ids as far as the ids of resources go, because no
// filesystem says which ids it has limits for without a search through all.
func (s *Scan) Ranges() []Range {
	claimed := s.claimed()
	done := map[string]bool{}
	for i := range s.in.Systems {
		sys := &s.in.Systems[i]
		m := s.in.Mounts[sys.Name]
		on := s.at[sys.Name]
		key := m.Filesystem + " " + string(sys.Quota.By)
		switch {
		case m.Problem+m.Unknown != "":
			continue
		case !sys.Quota.Sets():
			on.Looked = "none: the system has no quotas"
			continue
		case sys.Quota.By == planner.ByDirectory:
			on.Looked = "all of directories"
			s.ranges = append(s.ranges, Range{System: sys.Name, Filesystem: m.Filesystem,
				By: planner.ByDirectory})
			continue
		case done[key]:
			on.Looked = "listed with another system, on whose filesystem it lies"
			continue
		}
		done[key] = true
		s.idRanges(sys, m.Filesystem, claimed)
	}
	return s.ranges
}

// idRanges adds the ranges of ids of one system.
func (s *Scan) idRanges(sys *planner.System, filesystem string,
	claimed map[planner.Subject]bool) {
	var ids []uint32
	for c := range claimed {
		if c.Filesystem == filesystem && c.By == sys.Quota.By {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	first, last := uint32(max(s.in.MinGID, 1)), uint32(0)
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	if r := sys.Quota.ProjectIDs; r.IsSet() {
		first, last = uint32(r.First), uint32(r.Last)
	}
	on := s.at[sys.Name]
	if last < first {
		on.Looked = "none: no resource has one"
		return
	}
	on.Looked = fmt.Sprintf("%s ids from %d to %d", sys.Quota.By, first, last)
	near := (last-first)/span >= maxSpans
	spans := 0
	for begin := uint64(first); begin <= uint64(last); begin += span {
		r := Range{System: sys.Name, Filesystem: filesystem, By: sys.Quota.By,
			First: uint32(begin), Last: uint32(min(begin+span-1, uint64(last)))}
		if at, _ := slices.BinarySearch(ids, r.First); near &&
			(at == len(ids) || ids[at] > r.Last) {
			continue
		}
		if spans++; spans > maxSpans {
			break
		}
		s.ranges = append(s.ranges, r)
	}
	if near {
		on.Looked = fmt.Sprintf("%s ids near those of resources: %d ranges of %d", sys.Quota.By,
			min(spans, maxSpans), span)
	}
}

// claimed returns the quotas of resources: those that want one now, those that are recorded, and
// those that are archived.
func (s *Scan) claimed() map[planner.Subject]bool {
	all := map[planner.Subject]bool{}
	for i := range s.in.Quotas {
		if q := &s.in.Quotas[i]; len(q.Keys) > 0 {
			all[q.Subject] = true
		}
	}
	for r := range s.in.Recorded.Records.All() {
		if id, ok := r.Limited(); ok {
			all[id.On(s.in.Mounts[r.System].Filesystem)] = true
		}
	}
	for _, a := range s.in.Recorded.Archived {
		if id, ok := a.Limited(); ok {
			all[id.On(s.in.Mounts[a.System].Filesystem)] = true
			if id.By == planner.ByDirectory { // it has followed the directory, if the backend does that
				id.Path = a.Archive
				all[id.On(s.in.Mounts[a.System].Filesystem)] = true
			}
		}
	}
	return all
}

// QuotaTargets returns the quotas to read, given what [Scan.Strays] and [Scan.Ranges] have found:
// those that nobody claims, and those that count what a stray directory holds.
func (s *Scan) QuotaTargets(strays []Directory, surveyed []Surveyed) []planner.QuotaTarget {
	claimed := s.claimed()
	var targets []planner.QuotaTarget
	seen := map[planner.Subject]bool{}
	for i, found := range surveyed {
		r := &s.ranges[i]
		on := s.at[r.System]
		if found.NoList {
			on.Looked = fmt.Sprintf("those of %ss that own or count a directory listed here; this "+
				"release of the filesystem cannot list the others", r.By)
			found.Subjects = s.idsOf(strays, r)
		} else if found.Why != "" {
			on.problem("quotas could not be listed: " + found.Why)
			continue
		}
		for _, id := range found.Subjects {
			subject := id.On(r.Filesystem)
			if claimed[subject] || seen[subject] {
				continue
			}
			seen[subject] = true
			if on.Quotas++; on.Quotas <= s.in.Most {
				targets = append(targets, planner.QuotaTarget{Subject: subject, System: r.System})
			}
		}
	}
	slices.SortStableFunc(targets, compareTargets)
	s.report.list(s, strays, targets)
	asked := map[planner.Subject]bool{}
	for _, t := range targets {
		asked[t.Subject] = true
	}
	for i := range s.report.Directories {
		x := &s.report.Directories[i]
		id := x.counts.Subject
		x.claimed = claimed[id]
		// a directory's quota was listed, or does not exist
		known := id.By == planner.ByProject || seen[id]
		if id.By != "" && known && !x.claimed && !asked[id] {
			asked[id] = true
			targets = append(targets, x.counts)
		}
	}
	return targets
}

// idsOf returns the ids in a range of a system that stray directories have.
func (s *Scan) idsOf(strays []Directory, r *Range) (ids []planner.QuotaID) {
	for i := range strays {
		d := &strays[i]
		if s.in.Mounts[s.strays[i].System].Filesystem != r.Filesystem ||
			d.State != planner.DirPresent {
			continue
		}
		id := uint32(d.Group)
		if r.By == planner.ByProject {
			id = uint32(d.Project)
		}
		if r.First <= id && id <= r.Last {
			ids = append(ids, planner.QuotaID{By: r.By, ID: id})
		}
	}
	return ids
}

func compareTargets(a, b planner.QuotaTarget) int {
	return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Subject.By, b.Subject.By),
		cmp.Compare(a.Subject.ID, b.Subject.ID), cmp.Compare(a.Subject.Path, b.Subject.Path))
}
