package planner

import "fmt"

// QuotaBy is the kind of subject that limits are set on.
type QuotaBy string

// The kinds of subject.
const (
	ByGroup     QuotaBy = "group"
	ByProject   QuotaBy = "project"
	ByDirectory QuotaBy = "directory"
)

// Subject is what limits are set on: a group id or a project id on a filesystem, or one directory
// on it.
type Subject struct {
	// Filesystem is [Mount.Filesystem].
	Filesystem string
	By         QuotaBy
	// ID is the group or project id; 0 for a directory.
	ID uint32
	// Path is the directory's storage path; empty for an id.
	Path string
}

// QuotaID returns the subject without its filesystem.
func (s Subject) QuotaID() QuotaID { return QuotaID{s.By, s.ID, s.Path} }

// inPlan returns the subject as an action has it.
func (s Subject) inPlan() *QuotaID {
	id := s.QuotaID()
	return &id
}

// String names the subject for a sentence.
func (s Subject) String() string { return s.QuotaID().String() }

// QuotaID is a [Subject] without the filesystem, which the storage path implies, so that plans do
// not depend on the host.
type QuotaID struct {
	By QuotaBy `json:"by"`
	// ID is the group or project id; 0 for a directory.
	ID uint32 `json:"id,omitempty"`
	// Path is the directory's storage path; empty for an id.
	Path string `json:"path,omitempty"`
}

// Valid reports whether it names exactly one of a group, a project and a directory.
func (id QuotaID) Valid() bool {
	switch id.By {
	case ByGroup, ByProject:
		return id.Path == ""
	case ByDirectory:
		return id.ID == 0 && id.Path != ""
	}
	return false
}

// On returns the subject that the id names on a filesystem.
func (id QuotaID) On(filesystem string) Subject {
	return Subject{Filesystem: filesystem, By: id.By, ID: id.ID, Path: id.Path}
}

// String names it for a sentence: "group 30500", or "directory capstor/store/x".
func (id QuotaID) String() string {
	if id.By == ByDirectory {
		return fmt.Sprintf("%s %s", id.By, id.Path)
	}
	return fmt.Sprintf("%s %d", id.By, id.ID)
}

// quotaOf returns what the limits of a directory at a storage path are set on; false if it has
// none.
func quotaOf(by QuotaBy, id uint32, storage string) (QuotaID, bool) {
	if by == ByDirectory {
		return QuotaID{By: by, Path: storage}, true
	}
	return QuotaID{By: by, ID: id}, by != ""
}

// Limited returns what the recorded limits are set on; false if the resource claims none.
func (r *Record) Limited() (QuotaID, bool) { return quotaOf(r.QuotaBy, r.QuotaID, r.Storage) }

func (r *Record) claims(s Subject) bool {
	id, ok := r.Limited()
	return ok && id == s.QuotaID()
}

func (a *Archived) claims(s Subject) bool {
	id, ok := a.Limited()
	return ok && id == s.QuotaID()
}

// Limited returns what the limits of an archived directory were set on at its old path; false if it
// had none.
func (a *Archived) Limited() (QuotaID, bool) { return quotaOf(a.QuotaBy, a.QuotaID, a.Storage) }
