package scan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// formatVersion is the version of a scan's JSON.
const formatVersion = "1.0"

// Report is what a scan has found. Lists are never nil.
type Report struct {
	FormatVersion string    `json:"format_version"`
	Made          time.Time `json:"made"`
	Source        string    `json:"source"`
	Systems       []System  `json:"systems"`
	// Directories and Quotas are sorted by system, and then by path or id.
	Directories []Stray `json:"directories"`
	Quotas      []Quota `json:"quotas"`
}

// System counts what was found on one system.
type System struct {
	Name string `json:"name"`
	// Folders counts the folders that were read.
	Folders int `json:"folders"`
	// Directories and Quotas count all that were found, including those that are not listed.
	Directories int `json:"directories"`
	Quotas      int `json:"quotas"`
	// Looked says which quotas were looked at.
	Looked string `json:"looked"`
	// Problems say what could not be seen.
	Problems []string `json:"problems"`
	// more counts the problems that are left out.
	more int
}

// maxProblems is how many problems of a system are listed.
const maxProblems = 20

func (s *System) problem(text string) {
	switch {
	case slices.Contains(s.Problems, text):
	case len(s.Problems) < maxProblems:
		s.Problems = append(s.Problems, text)
	default:
		s.more++
	}
}

func cut(storage string) string {
	return storage + " has more entries than are read; what follows of it is a part"
}

// Stray is one directory that no resource wants.
type Stray struct {
	System string `json:"system"`
	// Path is its storage path. In a name that is not UTF-8, bytes are written as \xff.
	Path string `json:"path"`
	// Was is the address of the resource that had it; empty if none is known.
	Was string `json:"was,omitempty"`
	// Owner, Group and Mode are null if it could not be looked at, which Problem explains.
	Owner *planner.UID `json:"owner"`
	Group *planner.GID `json:"group"`
	Mode  *string      `json:"mode"`
	// Made and Modified are null if they are not known.
	Made     *time.Time `json:"made"`
	Modified *time.Time `json:"modified"`
	// Space and Inodes are what a quota of its own counts; null if none does, which Note explains.
	Space   *planner.Bytes  `json:"space"`
	Inodes  *planner.Inodes `json:"inodes"`
	Note    string          `json:"note,omitempty"`
	Problem string          `json:"problem,omitempty"`

	// counts is the quota that counts what it holds. claimed reports whether a resource claims that
	// quota.
	counts  planner.QuotaTarget
	claimed bool
}

// Quota is one quota that limits something and that no resource claims.
type Quota struct {
	System string          `json:"system"`
	By     planner.QuotaBy `json:"by"`
	ID     uint32          `json:"id,omitempty"`
	Path   string          `json:"path,omitempty"`
	// Limits are null if they could not be read, which Problem explains.
	Limits  *planner.Limits `json:"limits"`
	Space   *planner.Bytes  `json:"space"`
	Inodes  *planner.Inodes `json:"inodes"`
	Problem string          `json:"problem,omitempty"`

	target planner.QuotaTarget
}

// list fills in the directories and the quotas, before the quotas are read.
func (r *Report) list(s *Scan, strays []Directory, targets []planner.QuotaTarget) {
	for i, d := range strays {
		at := s.strays[i]
		x := Stray{System: at.System, Path: at.Path, Was: s.gone[at.Path]}
		switch d.State {
		case planner.DirPresent:
			x.fill(&d)
			x.counts = s.countedBy(&at, &d, &x)
		case planner.DirAbsent: // removed after its folder was read
			s.at[at.System].Directories--
			continue
		default:
			x.Problem = d.Why
		}
		r.Directories = append(r.Directories, x)
	}
	for _, t := range targets {
		r.Quotas = append(r.Quotas, Quota{System: t.System, By: t.Subject.By, ID: t.Subject.ID,
			Path: t.Subject.Path, target: t})
	}
}

func (x *Stray) fill(d *Directory) {
	mode := d.Mode.String()
	x.Owner, x.Group, x.Mode = &d.Owner, &d.Group, &mode
	if d.Born != 0 {
		t := time.Unix(0, d.Born).UTC()
		x.Made = &t
	}
	if !d.Modified.IsZero() {
		t := d.Modified.UTC()
		x.Modified = &t
	}
}

// countedBy returns the quota that counts only what a directory holds, if there is one.
func (s *Scan) countedBy(at *planner.Place, d *Directory, x *Stray) (t planner.QuotaTarget) {
	i := slices.IndexFunc(s.in.Systems,
		func(sys planner.System) bool { return sys.Name == at.System })
	t.System = at.System
	subject := planner.Subject{Filesystem: s.in.Mounts[at.System].Filesystem,
		By: s.in.Systems[i].Quota.By}
	switch subject.By {
	case planner.ByDirectory:
		subject.Path = at.Path
	case planner.ByProject:
		if !d.HasProject || d.Project == 0 || !d.Inherit {
			x.Note = "no project id counts it"
			return planner.QuotaTarget{}
		}
		subject.ID = uint32(d.Project)
	case planner.ByGroup:
		x.Note = fmt.Sprintf("quotas count all of group %d, not one directory", d.Group)
		return planner.QuotaTarget{}
	default:
		x.Note = "the system has no quotas"
		return planner.QuotaTarget{}
	}
	t.Subject = subject
	return t
}

// Report returns the report, given the states of [Scan.QuotaTargets].
func (s *Scan) Report(targets []planner.QuotaTarget, states []planner.QuotaState) *Report {
	r := s.report
	of := map[planner.Subject]*planner.QuotaState{}
	for i := range targets {
		of[targets[i].Subject] = &states[i]
	}
	for i := range r.Quotas {
		r.Quotas[i].fill(of[r.Quotas[i].target.Subject])
	}
	// A quota that limits nothing was removed after it was listed.
	r.Quotas = slices.DeleteFunc(r.Quotas, func(q Quota) bool {
		none := q.Limits != nil && !limits(q.Limits)
		if none {
			s.at[q.System].Quotas--
		}
		return none
	})
	sharing := map[planner.Subject]int{}
	for i := range r.Directories {
		sharing[r.Directories[i].counts.Subject]++
	}
	for i := range r.Directories {
		x := &r.Directories[i]
		x.size(of[x.counts.Subject], sharing[x.counts.Subject])
	}
	for i := range r.Systems {
		if n := r.Systems[i].more; n > 0 {
			r.Systems[i].Problems = append(r.Systems[i].Problems,
				fmt.Sprintf("and %d more such problems", n))
		}
	}
	return r
}

// size fills in what a quota counts of a directory, if it counts nothing else.
func (x *Stray) size(q *planner.QuotaState, sharing int) {
	id := x.counts.Subject
	switch {
	case id == planner.Subject{}:
	case x.claimed:
		x.Note = "the quota of " + id.String() + " counts it together with a resource"
	case q == nil || q.Absent:
		x.Note = "no quota counts it"
	case sharing > 1:
		x.Note = fmt.Sprintf("the quota of %s counts it together with %d more of these", id,
			sharing-1)
	default:
		x.Space, x.Inodes = used(q)
		if x.Space == nil {
			x.Note = "what is used could not be read: " + q.SpaceWhy()
		}
	}
}

func (q *Quota) fill(state *planner.QuotaState) {
	if state == nil {
		q.Problem = "it was not read"
		return
	}
	if q.Problem = state.LimitsWhy(); q.Problem == "" {
		limits := state.Limits
		q.Limits = &limits
	}
	q.Space, q.Inodes = used(state)
}

func used(q *planner.QuotaState) (space *planner.Bytes, inodes *planner.Inodes) {
	return q.Space.Amount(), q.Inodes.Amount()
}

// limits reports whether a quota limits anything.
func limits(l *planner.Limits) bool {
	return slices.ContainsFunc(l[:], func(one planner.Limit) bool {
		_, set := one.Number()
		return set
	})
}

// Complete reports whether everything could be seen.
func (r *Report) Complete() bool {
	return !slices.ContainsFunc(r.Systems, func(s System) bool { return len(s.Problems) > 0 }) &&
		!slices.ContainsFunc(r.Directories, func(x Stray) bool { return x.Problem != "" }) &&
		!slices.ContainsFunc(r.Quotas, func(q Quota) bool { return q.Problem != "" })
}

// MarshalJSON writes the bytes of names that are not UTF-8 as \xff.
func (r *Report) MarshalJSON() ([]byte, error) {
	type plain Report
	c := plain(*r)
	c.Directories, c.Quotas = slices.Clone(r.Directories), slices.Clone(r.Quotas)
	for i := range c.Directories {
		c.Directories[i].Path = utf8Of(c.Directories[i].Path)
	}
	for i := range c.Quotas {
		c.Quotas[i].Path = utf8Of(c.Quotas[i].Path)
	}
	return json.Marshal(c)
}

// JSON returns the report for programs. Characters that can't be seen are written as \u escapes.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return render.EscapeJSON(append(data, '\n')), nil
}

// utf8Of writes bytes that are not UTF-8 as \xff.
func utf8Of(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
