package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// ErrExists is what [Storage.Make] wraps when something stands at the path already.
var ErrExists = errors.New("something already exists there")

// Storage is what an apply changes. Paths are storage paths; every method works below an opened
// root and follows no links.
type Storage interface {
	// Make makes one directory, mode 0700 and ours, and opens it. What exists is never touched:
	// [ErrExists].
	Make(system, path string) (Directory, error)
	// Open opens an existing directory for changes; inode 0 accepts any, another one must match.
	Open(system, path string, inode uint64) (Directory, error)
	// Look observes without opening for changes.
	Look(system, path string) planner.Directory
	// PrepareArchive tries everything that could make the move into the archive fail, and writes the
	// manifest, synced.
	PrepareArchive(Move) (Archiving, error)
	// SyncArchived makes durable what a killed apply has moved into the archive.
	SyncArchived(Move) error
	// Restore renames back from the archive, onto nothing, and syncs both folders. What a killed apply
	// has moved already is only synced.
	Restore(Move) error
	Quota(ctx context.Context, system string, id planner.QuotaID) planner.QuotaState
	// SetQuota sets all four limits in one call. A running grace clock whose soft limit stays is kept
	// where the client can.
	SetQuota(ctx context.Context, system string, id planner.QuotaID, want planner.Limits,
		before planner.QuotaState) error
	// RemoveQuota removes the quota of a directory; one that is gone is removed.
	RemoveQuota(ctx context.Context, system string, id planner.QuotaID) error
}

// Archiving is a directory that is ready to be moved into the archive. It ends with Move or
// Discard.
type Archiving interface {
	// Move renames, and syncs both folders. If the directory does not move, the manifest is removed
	// again.
	Move() error
	// Discard removes the manifest, and nothing that anybody else made.
	Discard() error
}

// Move is a rename between a managed path and the archive, either way.
type Move struct {
	System string
	// Path is the managed storage path; Folder and Name the place in the archive.
	Path, Folder, Name string
	Inode              uint64
	// Manifest is what is written beside the archived directory.
	Manifest []byte
}

// Archived is the storage path in the archive.
func (m Move) Archived() string { return m.Folder + "/" + m.Name }

// Journal keeps what an apply must not forget. [state.Store] is one.
type Journal interface {
	Update(func(ledger.Tx) error) error
}

// Work is one action with what was found out about it just before.
type Work struct {
	Action *planner.Action
	// Skip says why the action is not done: it is stale, and the rest goes on. Empty: it is done.
	Skip string
	// Queued reports whether an earlier run of this plan has put the callbacks into the outbox. What
	// is no longer there was delivered, or somebody dropped it: nothing is put there again.
	Queued bool
	// Finished reports whether a callback of an earlier run ended the order already: only records are
	// left to write.
	Finished bool
	// Shared reports whether others live by now on the quota that was to be frozen.
	Shared bool
	// Unit is what space limits of its system are whole multiples of.
	Unit planner.Bytes
	// Async reports whether the backend of its quota may work on after it has answered, and Pending
	// that an earlier run of this plan asked for the quota.
	Async, Pending bool
	// Record is what is recorded once the resource is as wanted.
	Record planner.Record
	// URLs are the callbacks, rewritten to waldur.url; Order is the order's own URL.
	URLs  map[planner.Callback]string
	Order string
	// Bodies are the JSON bodies of callbacks that need one.
	Bodies map[planner.Callback][]byte
	// Archived is the register's entry for a restore.
	Archived planner.Archived
}

// Job is one plan to be run.
type Job struct {
	ID string
	// Begun is when the plan began, by the ledger: it names archived directories and begins their
	// retention.
	Begun time.Time
	Work  []Work
	// Resumed reports whether this plan has begun before.
	Resumed bool
}

// Status is how one resource ended.
type Status string

// The states of a resource after an apply.
const (
	Done     Status = "done"
	Failed   Status = "failed"
	Skipped  Status = "skipped"
	NotBegun Status = "not_begun"
	// Undelivered: the storage is done, and a callback waits in the outbox.
	Undelivered Status = "undelivered"
	// Unrecorded: the storage is done, or Waldur was told, and the state could not be written.
	Unrecorded Status = "unrecorded"
)

// Result is how one action ended.
type Result struct {
	Action *planner.Action
	Status Status
	// Err explains a status other than done.
	Err error
}

// Event tells of progress, as it happens.
type Event struct {
	Action *planner.Action
	// Step is "begin", "end", or in between how far a long step is, for people.
	Step   string
	Status Status
	Err    error
}

// Engine runs jobs.
type Engine struct {
	Storage Storage
	Orders  Orders
	Journal Journal
	Now     func() time.Time
	// Sleep waits between two tries of a callback; it returns early with an error when ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Notify hears of progress; it is called from several goroutines, one call at a time.
	Notify func(Event)
	// Guard is asked before each change and each callback whether it is still ours alone to make; nil:
	// it is. It is called from several goroutines.
	Guard func() error
	// Holds gives the holds in force. It is called before each change and each callback; nil: nothing
	// is ever held.
	Holds func() ([]planner.Hold, error)
	// Reached is called at each point at which a kill must do no harm; nil outside of tests.
	Reached func(point string)
	// Parallelism is how many resources are worked on at a time; at least 1.
	Parallelism int
	Host, Who   string
	// RootUID and RootGID own the ancestors that are no resource: [planner.Settings] says who root is.
	RootUID planner.UID
	RootGID planner.GID

	notify sync.Mutex
	// parents are the directories above that this run has dealt with, and the errors of those that
	// could not be made.
	parents map[string]error
	// paused is set once Waldur refused the token: no other callback would fare better.
	paused atomic.Bool
	// full is set once the state could not be written: nothing further is begun or told.
	full atomic.Bool
	told told
}

// batchSize is how many resources share one transaction of the state.
const batchSize = 64

// Run does the job. It finishes what it has begun when stop is closed, and ends at once when ctx
// ends. Every action of the job has a result. An error means that the state could not be written,
// or the lock was lost: nothing further is begun, and the results say what happened all the same.
func (e *Engine) Run(ctx context.Context, stop <-chan struct{}, job Job) ([]Result, error) {
	e.beGuarded()
	e.parents = map[string]error{}
	results := make([]Result, len(job.Work))
	for i := range job.Work {
		results[i] = Result{Action: job.Work[i].Action, Status: NotBegun}
	}
	if err := e.guarded(); err != nil {
		return results, err
	}
	if err := e.makeParents(ctx, stop, &job, results); err != nil {
		return results, err
	}
	for _, chunk := range e.batches(&job, e.resources(ctx, &job, results)) {
		if stopped(ctx, stop) {
			return results, nil
		}
		if err := e.guarded(); err != nil {
			return results, err
		}
		if err := e.batch(ctx, stop, &job, chunk, results); err != nil {
			return results, err
		}
	}
	return results, nil
}

// batches cuts the work into parts that share a transaction. Trees to be tagged take long, so
// nobody waits for them: they come last, as many as are worked on at a time.
func (e *Engine) batches(job *Job, todo []int) [][]int {
	var quick, long []int
	for _, i := range todo {
		if job.Work[i].Action.Tag {
			long = append(long, i)
		} else {
			quick = append(quick, i)
		}
	}
	return slices.Concat(slices.Collect(slices.Chunk(quick, batchSize)),
		slices.Collect(slices.Chunk(long, max(1, e.Parallelism))))
}

func (e *Engine) guarded() error {
	if e.Guard == nil {
		return nil
	}
	return e.Guard()
}

func stopped(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// resources are the indexes of the work that is not a directory above, dangerous or not, in the
// plan's order.
func (e *Engine) resources(ctx context.Context, job *Job, results []Result) []int {
	var todo []int
	for i := range job.Work {
		w := &job.Work[i]
		switch {
		case w.Skip != "":
			results[i].Status, results[i].Err = Skipped, errors.Join(errors.New(w.Skip),
				e.deliverSkipped(ctx, job, w))
			e.tell(Event{Action: w.Action, Step: "end", Status: Skipped, Err: results[i].Err})
		case !isParent(w.Action):
			todo = append(todo, i)
		}
	}
	return todo
}

func isParent(a *planner.Action) bool { return a.Target.IsBranch() && a.Kind == planner.Create }

// outcome is what one resource leaves for the state.
type outcome struct {
	index int
	// record is to be written; forget tells that the resource is no longer recorded.
	record   *planner.Record
	forget   bool
	archived *planner.Archived
	restored string
	calls    []ledger.Delivery
	// waiting are all callbacks of the resource in the outbox, in order; fresh tells that this run, of
	// this plan, put its own there.
	waiting []ledger.Delivery
	fresh   bool
	plan    string
	steps   []string
	inode   uint64
	err     error
	// unsynced is what waits for a sync of the directory above; nil if nothing does.
	unsynced *unsynced
}

// batch works on some resources, writes down what came of it in one transaction, and then sends
// their callbacks.
func (e *Engine) batch(ctx context.Context, stop <-chan struct{}, job *Job, indexes []int,
	results []Result) error {
	outcomes := make([]*outcome, len(indexes))
	e.each(len(indexes), func(i int) {
		if stopped(ctx, stop) {
			return
		}
		w := &job.Work[indexes[i]]
		e.tell(Event{Action: w.Action, Step: "begin"})
		o := &outcome{index: indexes[i]}
		if o.err = e.held(w.Action.Address); o.err == nil {
			o.err = e.work(ctx, stop, job, w, o)
		}
		outcomes[i] = o
	})
	e.syncAbove(job, outcomes)
	err := e.commit(job, outcomes)
	var failed firstError
	failed.keep(err)
	e.each(len(indexes), func(i int) {
		o := outcomes[i]
		if o == nil {
			return
		}
		r := &results[o.index]
		r.Status, r.Err = statusOf(o.err), o.err
		if r.Status == Failed && job.Work[o.index].Queued {
			r.Err = fmt.Errorf("%w; callbacks of an earlier run may still be waiting. Run `cscs-sync callbacks list`", o.err)
		}
		if r.Status == Done && err != nil {
			r.Status, r.Err = Unrecorded, errors.New("it is done, but could not be recorded")
		} else if r.Status == Done {
			if r.Err = e.deliver(ctx, r.Action, o); r.Err != nil {
				r.Status = statusOfTelling(r.Err)
			}
		}
		if r.Status == Unrecorded {
			failed.keep(r.Err)
		}
		e.tell(Event{Action: r.Action, Step: "end", Status: r.Status, Err: r.Err})
	})
	return failed.err
}

// statusOf is how the work on a resource ended, before anything is recorded or told.
func statusOf(err error) Status {
	var held *HeldError
	switch {
	case err == nil:
		return Done
	case errors.As(err, &held):
		return Skipped
	case errors.Is(err, errStopped):
		return NotBegun
	}
	return Failed
}

// statusOfTelling is how a resource whose storage is done ended, if telling Waldur gave an error.
func statusOfTelling(err error) Status {
	var unnoted *unnotedError
	if errors.As(err, &unnoted) {
		return Unrecorded
	}
	return Undelivered
}

// each calls f for 0 … n-1, some at a time, and waits for all.
func (e *Engine) each(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(1, e.Parallelism))
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

func (e *Engine) tell(ev Event) {
	if e.Notify == nil {
		return
	}
	e.notify.Lock()
	defer e.notify.Unlock()
	e.Notify(ev)
}

func (e *Engine) reached(point string) {
	if e.Reached != nil {
		e.Reached(point)
	}
}
