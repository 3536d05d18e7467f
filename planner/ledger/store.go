// Package ledger has the types of what must survive a crash: records, plans that have begun and
// their journals, callbacks that wait, holds and history. A [Store] keeps them; package state has
// one.
package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Store keeps what must survive a crash. A batch is all or nothing: if Update returns nil,
// everything in it is on disk; if it returns an error, nothing is.
type Store interface {
	// View runs f on one unchanging view of the store.
	View(f func(Tx) error) error
	// Update runs f in a batch that may write. Another writer waits.
	Update(f func(Tx) error) error
}

// Locker has the lock for everything that changes the storage. One process at a time holds it.
type Locker interface {
	// Lock waits at most wait for the lock. A [*LockedError] names its holder.
	Lock(ctx context.Context, by Holder, wait time.Duration) (Lock, error)
}

// Lock is held until Release.
type Lock interface {
	// Check returns an error once the lock no longer protects anything. Call it before each group of
	// changes.
	Check() error
	Release() error
}

// Tx is one batch. It is valid only inside the function that got it, and only on its goroutine.
type Tx interface {
	// Now returns the time at which the batch began, in UTC. Everything in a batch happens at this
	// time.
	Now() time.Time
	Records
	Archive
	Outbox
	Plans
	History
	Holds
	Index
	Files
}

// Records are what was last seen as wanted, by resource, and the identities of the systems' root
// directories.
type Records interface {
	PutRecord(r planner.Record) error
	DeleteRecord(key planner.Key) (existed bool, err error)
	// Rename moves records, and entries of the archive register, to other keys. It returns how many it
	// moved.
	Rename(now map[planner.Key]planner.Key) (int, error)
	Record(key planner.Key) (r planner.Record, recorded bool, err error)
	Records() ([]planner.Record, error)
	// RecordsOf returns the records of an item, on any system and of any data type. It reads no others.
	RecordsOf(item string) ([]planner.Record, error)
	// RecordCount returns the number of records. It reads none.
	RecordCount() uint64
	// Written returns the number of the last record or archive entry that was written.
	Written() uint64
	// WrittenSince returns the keys of all records that were written, or got another key, since the
	// listing of the [Index] began. Some may have been deleted since then. known is false if the store
	// cannot say which records these are; then any record may be one.
	WrittenSince() (keys []planner.Key, known bool, err error)
	PutRoot(system string, id planner.RootIdentity) error
	DeleteRoot(system string) (existed bool, err error)
	Roots() (map[string]planner.RootIdentity, error)
	// Recorded returns everything that planning depends on. Waiting returns the same without records
	// and archive.
	Recorded() (planner.Recorded, error)
	Waiting() (planner.Recorded, error)
}

// Archive is the register of archived directories. The place of a directory in the archive is its
// identity.
type Archive interface {
	PutArchived(a planner.Archived) error
	DeleteArchived(archive string) (existed bool, err error)
	ArchiveRegister() ([]planner.Archived, error)
	// Archived returns the newest entry of the register for each resource that has one.
	Archived() (map[planner.Key]planner.Archived, error)
	ReplaceArchiveRegister(found []planner.Archived) error
}

// Outbox has the callbacks that wait. The callbacks of one order of one resource are sent in order.
type Outbox interface {
	// Enqueue adds a callback and returns its number. If the same callback of the same plan and
	// resource already waits, it is not added again.
	Enqueue(d Delivery) (uint64, error)
	Outbox() ([]Delivery, error)
	WaitingOf(key planner.Key) ([]Delivery, error)
	// Due returns the callbacks that may be sent at now: of each order only the first.
	Due(now time.Time) ([]Delivery, error)
	MarkDelivered(seq uint64) error
	MarkFailed(seq uint64, problem string, next time.Time) error
	Park(seq uint64, problem string) error
	Retry(seq uint64) error
	Drop(seq uint64, who, host, why string) error
	DropWithDependents(seq uint64, who, host, why string) (more []Delivery, err error)
}

// Plans are the plans that have begun, and the journals of those that have not ended.
type Plans interface {
	Begin(p PlanStart) (resumed bool, err error)
	ApprovalUsed(plan string, a Approval) (used bool, at time.Time, err error)
	Superseded(p PlanStart) ([]Supersession, error)
	// Touched returns the resources for which a plan was the last to begin.
	Touched(plan string) ([]planner.Key, error)
	BegunSince(id string, since time.Time, keys []planner.Key) ([]Supersession, error)
	Plan(id string) (p Plan, begun bool, err error)
	Plans() ([]Plan, error)
	Finish(id string, result Result, who string, counts map[string]int) error
	Abandon(id, who, why string) error
	AppendSteps(plan string, steps []Step) error
	Steps(plan string) ([]Step, error)
}

// History is the chain of what was done. Nothing before a known head can be changed unnoticed.
type History interface {
	AppendHistory(e Entry) (head string, err error)
	Head() (seq uint64, hash string)
	History(seq uint64, f func(Entry) error) error
	VerifyHistory(head string) error
}

// Holds are the holds that people have put in force.
type Holds interface {
	AddHold(h planner.Hold) error
	RemoveHolds(glob string) ([]planner.Hold, error)
	Holds(now time.Time) ([]planner.Hold, error)
	AllHolds() ([]planner.Hold, error)
}

// Index is the last complete listing, in chunks. written is the value of [Records].Written when the
// listing began.
type Index interface {
	SetIndex(at time.Time, written uint64, chunks []json.RawMessage) error
	Index() (at time.Time, written uint64, chunks []json.RawMessage, err error)
	// IndexAt returns what Index does, without reading the chunks. The time is zero if there is no
	// index.
	IndexAt() (at time.Time, written uint64)
	// IndexChunk returns one chunk; the first is 0. It returns nil if there is none with this number.
	IndexChunk(n int) (json.RawMessage, error)
}

// Files are documents that all nodes of a state see: held and begun plans, and what the loop
// remembers. A name is a relative path, such as "pending/0123456789ab.plan".
type Files interface {
	// File returns a document; found is false if there is none.
	File(name string) (data []byte, found bool, err error)
	PutFile(name string, data []byte) error
	DeleteFile(name string) (existed bool, err error)
	// EachFile calls f for each document whose name begins with prefix, in the order of the names. f
	// may keep data.
	EachFile(prefix string, f func(name string, data []byte) error) error
}
