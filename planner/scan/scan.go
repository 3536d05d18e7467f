// Package scan finds what no resource wants: directories in places where resources are, and quotas
// that limit no resource. It is pure: it says what to look at, and compares what was seen with what
// is wanted and recorded. A scan only reports. It proposes nothing, and above all it never proposes
// to delete.
//
// A scan goes through [New] → [Scan.Folders] → [Scan.Strays] → [Scan.Ranges] → [Scan.QuotaTargets]
// → [Scan.Report].
package scan

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Input is everything that a scan compares with.
type Input struct {
	Systems []planner.System
	// MinGID is storage.min_gid. No group below it has a quota of a resource.
	MinGID planner.GID
	// Views and Quotas are those of a plan for all resources. Recorded is what the state holds.
	Views    []planner.View
	Quotas   []planner.QuotaView
	Recorded planner.Recorded
	Mounts   map[string]planner.Mount
	// Made is when the scan was made, Source is where the resources came from, and Most is how many
	// directories and how many quotas of a system are listed at most.
	Made   time.Time
	Source string
	Most   int
}

// Folder is what was seen in one folder.
type Folder struct {
	// State is [planner.DirPresent] if the folder was read. Why explains [planner.DirUnknown].
	State planner.DirState
	Why   string
	// Names are the directories in the folder, sorted.
	Names []string
	// Cut means that it has more entries than were read.
	Cut bool
}

// Directory is what was seen of one directory that no resource wants.
type Directory struct {
	planner.Directory
	// Modified is when one of its entries was last made, renamed or removed.
	Modified time.Time
}

// Scan is one comparison in progress.
type Scan struct {
	in Input
	// wanted are the storage paths of resources. gone are the storage paths of resources that are
	// recorded or listed as removed, with their addresses.
	wanted map[string]place
	gone   map[string]string
	// hidden are directories that are not reported: archives, archived directories, and systems.
	// closed are those of them that are never entered.
	hidden, closed map[string]bool
	// entered are the folders to read.
	entered map[string]bool
	folders []planner.Place
	strays  []planner.Place
	// report grows while the scan runs.
	report *Report
	at     map[string]*System
	ranges []Range
}

// place is what is wanted at a storage path.
type place struct {
	system string
	// leaf reports whether it is the directory of a project or a user, which is never entered.
	leaf bool
}

// New begins a scan.
func New(in Input) *Scan {
	s := &Scan{in: in, wanted: map[string]place{}, gone: map[string]string{},
		hidden: map[string]bool{}, closed: map[string]bool{}, entered: map[string]bool{},
		at: map[string]*System{}}
	s.report = &Report{FormatVersion: formatVersion, Made: in.Made, Source: in.Source,
		Systems: make([]System, len(in.Systems)), Directories: []Stray{}, Quotas: []Quota{}}
	for i := range in.Systems {
		name := in.Systems[i].Name
		s.report.Systems[i] = System{Name: name, Problems: []string{}}
		s.at[name] = &s.report.Systems[i]
		if m := in.Mounts[name]; m.Problem+m.Unknown != "" {
			s.at[name].problem(m.Problem + m.Unknown)
		}
	}
	s.places()
	s.hide()
	s.enter()
	return s
}

// places notes which storage paths are wanted, and which were.
func (s *Scan) places() {
	for i := range s.in.Views {
		switch v := &s.in.Views[i]; {
		case v.Storage == "" || v.System == "":
		case v.Status == planner.StatusRemoved:
			s.gone[v.Storage] = v.Address
		default:
			old := s.wanted[v.Storage]
			s.wanted[v.Storage] = place{v.System, old.leaf || !v.Target.IsBranch()}
		}
	}
	for r := range s.in.Recorded.Records.All() {
		if _, wanted := s.wanted[r.Storage]; !wanted {
			s.gone[r.Storage] = r.Address
		}
	}
}

// hide notes what a scan leaves out.
func (s *Scan) hide() {
	for i := range s.in.Systems {
		sys := &s.in.Systems[i]
		s.hidden[sys.Archive], s.closed[sys.Archive] = true, true
		s.hidden[path.Join(sys.Directory, "lost+found")] = true
		s.hidden[sys.Directory] = true
		for _, m := range sys.Paths {
			s.hidden[m.Folder] = true
		}
	}
	for _, a := range s.in.Recorded.Archived {
		s.hidden[a.Archive], s.closed[a.Archive] = true, true
	}
}

// enter notes which folders are read: those of the systems, and all between them and resources.
func (s *Scan) enter() {
	systems := map[string]string{}
	for i := range s.in.Systems {
		sys := &s.in.Systems[i]
		if m := s.in.Mounts[sys.Name]; m.Problem+m.Unknown != "" {
			continue
		}
		tops := []string{sys.Directory}
		for _, m := range sys.Paths {
			tops = append(tops, m.Folder)
		}
		for _, top := range tops {
			s.entered[top], systems[top] = true, sys.Name
		}
		for p, w := range s.wanted {
			if w.system == sys.Name {
				s.enterAbove(p, tops, sys.Name, systems)
			}
			if w.system == sys.Name && !w.leaf {
				s.enterAbove(path.Join(p, "x"), tops, sys.Name, systems)
			}
		}
		for p := range s.gone {
			s.enterAbove(p, tops, sys.Name, systems)
		}
		s.enterAbove(sys.Archive, tops, sys.Name, systems)
	}
	for _, p := range slices.Sorted(maps.Keys(s.entered)) {
		if !s.inside(p) {
			s.folders = append(s.folders, planner.Place{System: systems[p], Path: p})
		}
	}
}

// enterAbove marks the folders above a path to be read, up to the first of tops that it lies below.
func (s *Scan) enterAbove(p string, tops []string, system string, systems map[string]string) {
	if !slices.ContainsFunc(tops, func(top string) bool { return strings.HasPrefix(p, top+"/") }) {
		return
	}
	for up := path.Dir(p); up != "." && !s.entered[up]; up = path.Dir(up) {
		s.entered[up], systems[up] = true, system
		if slices.Contains(tops, up) {
			return
		}
	}
}

// inside reports whether a path is, or lies in, an archive or the directory of a project or a user.
func (s *Scan) inside(p string) bool {
	for up := p; up != "."; up = path.Dir(up) {
		if s.wanted[up].leaf || s.closed[up] {
			return true
		}
	}
	return false
}

// Folders returns the folders to read.
func (s *Scan) Folders() []planner.Place { return s.folders }

// Strays returns the directories to look at, given the content of each of [Scan.Folders]: those
// that no resource wants, and of each system at most as many as are listed.
func (s *Scan) Strays(folders []Folder) []planner.Place {
	for i, f := range folders {
		at := s.folders[i]
		sys := s.at[at.System]
		switch {
		case f.State == planner.DirAbsent:
			continue
		case f.State != planner.DirPresent:
			sys.problem(f.Why)
			continue
		case f.Cut:
			sys.problem(cut(at.Path))
		}
		sys.Folders++
		for _, name := range f.Names {
			p := path.Join(at.Path, name)
			if _, wanted := s.wanted[p]; wanted || s.hidden[p] || s.entered[p] {
				continue
			}
			if sys.Directories++; sys.Directories <= s.in.Most {
				s.strays = append(s.strays, planner.Place{System: at.System, Path: p})
			}
		}
	}
	slices.SortStableFunc(s.strays, func(a, b planner.Place) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Path, b.Path))
	})
	return s.strays
}
