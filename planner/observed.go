package planner

import "time"

// Mount is what was observed of the place where a system should be mounted.
type Mount struct {
	// Problem says why nothing on the system can be touched (not mounted, another filesystem);
	// empty if it can.
	Problem string
	// Unknown says why the mount could not be observed (it hangs); empty if it could. Its resources
	// are unknown.
	Unknown string
	// Filesystem identifies what is mounted, the same for every directory on one filesystem: kind
	// and source.
	Filesystem string
	// Archive says why nothing can be archived on the system (its folder lies on another
	// filesystem, or is open to others); empty if nothing is known to stand against it.
	Archive string
	// Inode is the inode number of the system's directory. With Filesystem it is the root's
	// identity.
	Inode uint64
	// Capacity is how much the filesystem holds, and Free how much of it nobody uses, as statfs
	// says; 0 where it does not.
	Capacity, Free Bytes
}

// RootIdentity is what a system's directory was at the first apply; another one in its place blocks
// the system.
type RootIdentity struct {
	Filesystem string `json:"filesystem"`
	Inode      uint64 `json:"inode"`
}

// DirState tells what stands at a storage path. Its zero value is unknown, which is never taken as
// absent.
type DirState uint8

// The states of a directory.
const (
	DirUnknown DirState = iota
	// DirAbsent is only said of a path on a mount that was proven alive.
	DirAbsent
	DirPresent
	// DirObstructed: a link, a file, a fifo or another mount stands at the path or above it.
	DirObstructed
)

// Directory is one observation of a storage path.
type Directory struct {
	// Why explains DirUnknown and DirObstructed.
	Why   string
	Inode uint64
	// Born is when it was made, in nanoseconds since 1970; 0 where the filesystem does not say.
	Born  int64
	Owner UID
	Group GID
	// Project is the project id, and Inherit its inheritance flag; only where HasProject.
	Project ProjectID
	Mode    Mode
	// MissingAbove counts the ancestors that are absent too, when the state is DirAbsent.
	MissingAbove uint16
	State        DirState
	// ACL is what its ACLs say beyond its mode; nil if that is nothing.
	ACL                 *ACL
	Inherit, HasProject bool
}

// QuotaState is what was observed of a quota. Limits and usage are known separately.
type QuotaState struct {
	// Absent reports that there is no quota, which only a directory can be without: then nothing is
	// limited.
	Absent bool
	// Above is the nearest directory above that has a quota of its own, as a storage path where it
	// has one; empty if none has.
	Above string
	// Handle is what the backend calls the quota, where quotas are made and removed; empty
	// elsewhere, and where there is none.
	Handle string
	Limits Limits
	// LimitsWhy says why the limits are unknown; empty when they are known.
	LimitsWhy string
	// Space and Inodes are what is used.
	Space  Usage[Bytes]
	Inodes Usage[Inodes]
	// DefaultSpace and DefaultInodes mean that the filesystem's default quota covers this identity,
	// for space and for inodes; not every release says so. Limits then has the default's limits, or
	// unlimited: releases differ.
	DefaultSpace, DefaultInodes bool
	// grace is nil if no grace period runs, as of almost all: there is a state for each resource.
	grace *Grace
	// Via is the way it was asked: "ioctl" or "lfs".
	Via string
}

// Grace is when running grace periods end, of space and of inodes; zero where none runs.
type Grace struct{ Space, Inodes time.Time }

// Ends is when the running grace periods end.
func (q QuotaState) Ends() Grace {
	if q.grace == nil {
		return Grace{}
	}
	return *q.grace
}

// SetEnds notes when the running grace periods end.
func (q *QuotaState) SetEnds(g Grace) {
	q.grace = nil
	if g != (Grace{}) {
		kept := g // so that only what runs is allocated
		q.grace = &kept
	}
}

// EndOf is when the grace period of what an attribute limits ends; zero if none runs.
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

// Used is how much is used of what an attribute limits.
func (q *QuotaState) Used(a Attribute) (n uint64, known bool, why string) {
	if a.IsSpace() {
		return uint64(q.Space.N), q.Space.Known, q.Space.Why
	}
	return uint64(q.Inodes.N), q.Inodes.Known, q.Inodes.Why
}

// UsedValue is what is used of what an attribute limits, as a plan's value.
func (q *QuotaState) UsedValue(a Attribute) Value {
	if a.IsSpace() {
		return q.Space.Value()
	}
	return q.Inodes.Value()
}

// Usage is an amount used, which may be unknown.
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

// Observed is everything seen of the storage for one plan.
type Observed struct {
	// Mounts are keyed by system name.
	Mounts map[string]Mount
	// Directories has one entry for each of [Graph.Targets], in that order.
	Directories []Directory
	// Quotas has one entry for each of [Graph.QuotaTargets], in that order.
	Quotas []QuotaState
	// Found says where the directories of [Graph.Lost] are now: a storage path, or nothing where a
	// look at the siblings did not find one. Places that were not looked at are missing.
	Found map[Place]string
}

// Place is a storage path to be observed, on the named system.
type Place struct {
	System string
	Path   string
}

// QuotaTarget is a quota identity to be observed, asked at the directory of the named system.
type QuotaTarget struct {
	Subject Subject
	System  string
}
