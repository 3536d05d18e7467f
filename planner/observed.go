package planner

import "time"

// Mount is what was observed at the place where a system should be mounted.
type Mount struct {
	// Problem says why nothing on the system may be touched (not mounted, another filesystem); empty
	// if it may.
	Problem string
	// Unknown says why the mount could not be observed (it hangs); empty if it could. Its resources
	// are unknown then.
	Unknown string
	// Filesystem identifies what is mounted by its kind and source. It is the same for every directory
	// on one filesystem.
	Filesystem string
	// Archive says why nothing can be archived on the system (its folder is on another filesystem, or
	// is open to others); empty if no reason is known.
	Archive string
	// Inode is the inode number of the system's directory. Together with Filesystem it identifies the
	// root.
	Inode uint64
	// Capacity is the size of the filesystem, and Free is how much of it nobody uses, according to
	// statfs; 0 if statfs does not say.
	Capacity, Free Bytes
}

// RootIdentity identifies a system's directory as it was at the first apply. If another directory
// is in its place, the system is blocked.
type RootIdentity struct {
	Filesystem string `json:"filesystem"`
	Inode      uint64 `json:"inode"`
}

// DirState says what is at a storage path. Its zero value is unknown, which is never taken as
// absent.
type DirState uint8

// The states of a directory.
const (
	DirUnknown DirState = iota
	// DirAbsent is used only for a path on a mount that was proven to answer.
	DirAbsent
	DirPresent
	// DirObstructed means that a link, a file, a fifo or another mount is at the path or above it.
	DirObstructed
)

// Directory is one observation of a storage path.
type Directory struct {
	// Why explains DirUnknown and DirObstructed.
	Why   string
	Inode uint64
	// Born is when it was created, in nanoseconds since 1970; 0 if the filesystem does not say.
	Born  int64
	Owner UID
	Group GID
	// Project is the project id, and Inherit is its inheritance flag. They are valid only if
	// HasProject is set.
	Project ProjectID
	Mode    Mode
	// MissingAbove counts the ancestors that are absent too, if the state is DirAbsent.
	MissingAbove uint16
	State        DirState
	// ACL is what its ACLs say beyond its mode; nil if they say nothing.
	ACL                 *ACL
	Inherit, HasProject bool
}

// QuotaState is what was observed of a quota. Limits and usage are known separately.
type QuotaState struct {
	// Absent reports whether there is no quota, so that nothing is limited. Only a directory can be
	// without a quota.
	Absent bool
	// Above is the storage path of the nearest parent directory that has a quota of its own; empty if
	// none has.
	Above string
	// Handle is the backend's name for the quota, if quotas are made and removed there; empty
	// elsewhere, and if there is no quota.
	Handle string
	Limits Limits
	// LimitsWhy says why the limits are unknown; empty if they are known.
	LimitsWhy string
	// Space and Inodes are the usage.
	Space  Usage[Bytes]
	Inodes Usage[Inodes]
	// DefaultSpace and DefaultInodes report whether the filesystem's default quota covers this
	// identity, for space and for inodes. Not every release says so. Limits then has the default's
	// limits, or unlimited: releases differ.
	DefaultSpace, DefaultInodes bool
	// grace is nil if no grace period runs, as in almost all of these, because there is one for each
	// resource.
	grace *Grace
	// Via is how it was read: "ioctl" or "lfs".
	Via string
}

// Grace says when running grace periods end, for space and for inodes; zero if none runs.
type Grace struct{ Space, Inodes time.Time }

// Ends returns when the running grace periods end.
func (q QuotaState) Ends() Grace {
	if q.grace == nil {
		return Grace{}
	}
	return *q.grace
}

// SetEnds sets when the running grace periods end.
func (q *QuotaState) SetEnds(g Grace) {
	q.grace = nil
	if g != (Grace{}) {
		kept := g // so that a value is allocated only if a grace period runs
		q.grace = &kept
	}
}

// EndOf returns when the grace period of what an attribute limits ends; zero if none runs.
func (q *QuotaState) EndOf(a Attribute) time.Time {
	if a.IsSpace() {
		return q.Ends().Space
	}
	return q.Ends().Inodes
}

// DefaultCovers reports whether a limit is the filesystem's default, and not the identity's own.
func (q QuotaState) DefaultCovers(a Attribute) bool {
	return a.IsSpace() && q.DefaultSpace || a.IsQuota() && !a.IsSpace() && q.DefaultInodes
}

// Used returns the usage of what an attribute limits.
func (q *QuotaState) Used(a Attribute) (n uint64, known bool, why string) {
	if a.IsSpace() {
		return uint64(q.Space.N), q.Space.Known, q.Space.Why
	}
	return uint64(q.Inodes.N), q.Inodes.Known, q.Inodes.Why
}

// UsedValue returns the usage of what an attribute limits, as a plan's value.
func (q *QuotaState) UsedValue(a Attribute) Value {
	if a.IsSpace() {
		return q.Space.Value()
	}
	return q.Inodes.Value()
}

// Usage is a used amount, which may be unknown.
type Usage[U Bytes | Inodes] struct {
	N     U
	Known bool
	// Why explains an unknown usage.
	Why string
}

// Value turns the usage into a plan's value.
func (u Usage[U]) Value() Value {
	if !u.Known {
		return UnknownValue(u.Why)
	}
	return Number(uint64(u.N))
}

// Observed is everything that was seen of the storage for one plan.
type Observed struct {
	// Mounts are keyed by system name.
	Mounts map[string]Mount
	// Directories has one entry for each of [Graph.Targets], in that order.
	Directories []Directory
	// Quotas has one entry for each of [Graph.QuotaTargets], in that order.
	Quotas []QuotaState
	// Found says where the directories of [Graph.Lost] are now: a storage path, or empty if a look at
	// the siblings did not find one. Places that were not looked at are missing.
	Found map[Place]string
}

// Place is a storage path to observe, on the named system.
type Place struct {
	System string
	Path   string
}

// QuotaTarget is a quota identity to observe, read at the directory of the named system.
type QuotaTarget struct {
	Subject Subject
	System  string
}
