package planner

import (
	"iter"
	"time"
)

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
	Why string
	// ACL is what its ACLs say beyond its mode; nil if they say nothing.
	ACL   *ACL
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
	MissingAbove        uint16
	State               DirState
	Inherit, HasProject bool
}

// QuotaState is what was observed of a quota. Limits and usage are known separately.
type QuotaState struct {
	Limits Limits
	// Space and Inodes are the usage.
	Space  Usage[Bytes]
	Inodes Usage[Inodes]
	// Source says where the state is from; nil if nobody says.
	Source *QuotaSource
	// more is nil in almost all of these: there is one for each resource.
	more *quotaNotes
	// Absent reports whether there is no quota, so that nothing is limited. Only a directory can be
	// without a quota.
	Absent bool
	// DefaultSpace and DefaultInodes report whether the filesystem's default quota covers this
	// identity, for space and for inodes. Not every release says so. Limits then has the default's
	// limits, or unlimited: releases differ.
	DefaultSpace, DefaultInodes bool
}

// QuotaSource is where the state of a quota is from. States that are read in the same way share
// one, so it is never changed.
type QuotaSource struct {
	// Via is how the state was read: "ioctl" or "lfs".
	Via string
	// Handle is the backend's name for the quota, if quotas are made and removed there; empty
	// elsewhere, and if there is no quota.
	Handle string
}

// Via returns how it was read; empty if nobody says.
func (q *QuotaState) Via() string {
	if q.Source == nil {
		return ""
	}
	return q.Source.Via
}

// Handle returns the backend's name for the quota; empty if it has none.
func (q *QuotaState) Handle() string {
	if q.Source == nil {
		return ""
	}
	return q.Source.Handle
}

// UnknownQuota returns the state of a quota of which nothing is known, and why.
func UnknownQuota(why string) QuotaState {
	return QuotaState{more: &quotaNotes{whys: Whys{why, why, why}}}
}

// quotaNotes are what few quotas have. They are never changed once they are made, because copies of
// the state share them.
type quotaNotes struct {
	whys  Whys
	grace Grace
	above string
}

// notes returns what few quotas have.
func (q *QuotaState) notes() quotaNotes {
	if q.more == nil {
		return quotaNotes{}
	}
	return *q.more
}

func (q *QuotaState) note(n quotaNotes) {
	q.more = nil
	if n != (quotaNotes{}) {
		kept := n // so that a value is allocated only if there is something to keep
		q.more = &kept
	}
}

// Whys say why the limits and the usage of a quota are unknown; empty for what is known.
type Whys struct{ Limits, Space, Inodes string }

// Whys returns why limits and usage are unknown.
func (q QuotaState) Whys() Whys {
	if q.more == nil {
		return Whys{}
	}
	return q.more.whys
}

// SetWhys sets why limits and usage are unknown.
func (q *QuotaState) SetWhys(w Whys) {
	if q.Whys() == w {
		return
	}
	n := q.notes()
	n.whys = w
	q.note(n)
}

// LimitsWhy returns why the limits are unknown; empty if they are known.
func (q QuotaState) LimitsWhy() string { return q.Whys().Limits }

// SpaceWhy returns why the used space is unknown; empty if it is known.
func (q QuotaState) SpaceWhy() string { return q.Whys().Space }

// InodesWhy returns why the used inodes are unknown; empty if they are known.
func (q QuotaState) InodesWhy() string { return q.Whys().Inodes }

// Grace says when running grace periods end, for space and for inodes; zero if none runs.
type Grace struct{ Space, Inodes time.Time }

// Ends returns when the running grace periods end.
func (q QuotaState) Ends() Grace { return q.notes().grace }

// SetEnds sets when the running grace periods end.
func (q *QuotaState) SetEnds(g Grace) {
	n := q.notes()
	n.grace = g
	q.note(n)
}

// Above returns the storage path of the nearest parent directory that has a quota of its own; empty
// if none has.
func (q QuotaState) Above() string { return q.notes().above }

// SetAbove sets the nearest parent directory with a quota of its own.
func (q *QuotaState) SetAbove(path string) {
	n := q.notes()
	n.above = path
	q.note(n)
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
		return uint64(q.Space.N()), q.Space.Known(), q.SpaceWhy()
	}
	return uint64(q.Inodes.N()), q.Inodes.Known(), q.InodesWhy()
}

// UsedValue returns the usage of what an attribute limits, as a plan's value.
func (q *QuotaState) UsedValue(a Attribute) Value {
	n, known, why := q.Used(a)
	if !known {
		return UnknownValue(why)
	}
	return Number(n)
}

// Usage is a used amount, which may be unknown. Its zero value is unknown.
type Usage[U Bytes | Inodes] struct {
	// code is 0 if the usage is unknown, and else largest or the amount plus one.
	code uint64
}

// UsageOf returns the usage n. The amount 2⁶⁴-2, which nobody uses, becomes 2⁶⁴-1.
func UsageOf[U Bytes | Inodes](n U) Usage[U] {
	if uint64(n) >= largest-1 {
		return Usage[U]{code: largest}
	}
	return Usage[U]{code: uint64(n) + 1}
}

// Known reports whether the usage is known.
func (u Usage[U]) Known() bool { return u.code != 0 }

// N returns the amount; 0 if it is unknown.
func (u Usage[U]) N() U {
	n := max(u.code, 1) - 1
	if u.code == largest {
		n = largest
	}
	return U(n)
}

// Amount returns the amount; nil if it is unknown.
func (u Usage[U]) Amount() *U {
	if !u.Known() {
		return nil
	}
	n := u.N()
	return &n
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

// Targets are places or quotas to observe, in order. There may be as many as resources, so a graph
// makes each one only when it is asked for. Several goroutines may ask at the same time.
type Targets[T Place | QuotaTarget] struct {
	n  int
	at func(i int) T
}

// TargetsOf returns the targets of a list.
func TargetsOf[T Place | QuotaTarget](list ...T) Targets[T] {
	return Targets[T]{len(list), func(i int) T { return list[i] }}
}

// Len returns the number of targets.
func (t Targets[T]) Len() int { return t.n }

// At returns the target with the given index.
func (t Targets[T]) At(i int) T { return t.at(i) }

// All returns the targets with their indexes.
func (t Targets[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := range t.n {
			if !yield(i, t.at(i)) {
				return
			}
		}
	}
}

// QuotaTarget is a quota identity to observe, read at the directory of the named system.
type QuotaTarget struct {
	Subject Subject
	System  string
}
