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

// ErrExists is wrapped by the error of [Storage.Make] if something already exists at the path.
var ErrExists = errors.New("something already exists there")

// Storage is what an apply changes. Paths are storage paths. Every method works below an opened
// root and follows no symbolic links.
type Storage interface {
	// Make creates one directory, owned by us with mode 0700, and opens it. It never touches what
	// exists; the error is then [ErrExists].
	Make(system, path string) (Directory, error)
	// Open opens an existing directory for changes. Its inode must match, unless inode is 0.
	Open(system, path string, inode uint64) (Directory, error)
	// Look observes a directory without opening it for changes.
	Look(system, path string) planner.Directory
	// PrepareArchive tries everything that could make the move into the archive fail, then writes the
	// manifest and syncs it.
	PrepareArchive(Move) (Archiving, error)
	// SyncArchived makes a move into the archive durable that a killed apply has made.
	SyncArchived(Move) error
	// Restore renames a directory back from the archive, if nothing is at its path, and syncs both
	// parent directories. If a killed apply has already moved it, Restore only syncs.
	Restore(Move) error
	Quota(ctx context.Context, system string, id planner.QuotaID) planner.QuotaState
	// SetQuota sets all four limits in one call. If a grace clock is running and its soft limit stays,
	// the clock is kept where the client can do that.
	SetQuota(ctx context.Context, system string, id planner.QuotaID, want planner.Limits,
		before planner.QuotaState) error
	// RemoveQuota removes the quota of a directory. It succeeds if there is none.
	RemoveQuota(ctx context.Context, system string, id planner.QuotaID) error
}

// Archiving is a directory that is ready to be moved into the archive. The caller ends it with Move
// or Discard.
type Archiving interface {
	// Move renames the directory and syncs both parent directories. If the directory does not move,
	// Move removes the manifest again.
	Move() error
	// Discard removes the manifest and nothing that anybody else made.
	Discard() error
}

// Move describes a rename between a managed path and the archive, in either direction.
type Move struct {
	System string
	// Path is the managed storage path. Folder and Name are the place in the archive.
	Path, Folder, Name string
	Inode              uint64
	// Manifest is the file that is written beside the archived directory.
	Manifest []byte
}

// Archived returns the storage path of the directory in the archive.
func (m Move) Archived() string { return m.Folder + "/" + m.Name }

// Journal keeps what an apply must not forget. [state.Store] is a Journal.
type Journal interface {
	Update(func(ledger.Tx) error) error
}

// Work is one action, with what was found out about it just before the apply.
type Work struct {
	Action *planner.Action
	// Skip says why the action is left out: it is stale, and the rest of the plan goes on. If Skip is
	// empty, the action runs.
	Skip string
	// Queued reports whether an earlier run of this plan has put the callbacks into the outbox. A
	// callback that is no longer there was delivered, or somebody dropped it: it is not put there
	// again.
	Queued bool
	// Finished reports whether a callback of an earlier run has already ended the order. Only records
	// are left to write then.
	Finished bool
	// Shared reports whether other resources now use the quota that was to be frozen.
	Shared bool
	// Unit is the unit of the system's space limits: each is a whole multiple of it.
	Unit planner.Bytes
	// Async reports whether the quota's backend may still be working after it has answered. Pending
	// reports whether an earlier run of this plan has requested the quota.
	Async, Pending bool
	// Record is what is recorded once the resource is as wanted.
	Record planner.Record
	// URLs are the callbacks, rewritten to waldur.url. Order is the URL of the order itself.
	URLs  map[planner.Callback]string
	Order string
	// Bodies are the JSON bodies of the callbacks that need one.
	Bodies map[planner.Callback][]byte
	// Archived is the archive register's entry of a directory that is to be restored.
	Archived planner.Archived
}

// Job is one plan that is to run.
type Job struct {
	ID string
	// Begun is when the plan began, according to the ledger. Archived directories are named after it,
	// and their retention counts from it.
	Begun time.Time
	Work  []Work
	// Resumed reports whether an earlier run has begun this plan.
	Resumed bool
}

// Status says how an action on one resource ended.
type Status string

// The statuses of a resource after an apply.
const (
	Done     Status = "done"
	Failed   Status = "failed"
	Skipped  Status = "skipped"
	NotBegun Status = "not_begun"
	// Undelivered means that the storage is done and a callback waits in the outbox.
	Undelivered Status = "undelivered"
	// Unrecorded means that the storage is done, or Waldur has taken a callback, but the state could
	// not be written.
	Unrecorded Status = "unrecorded"
)

// Result says how one action ended.
type Result struct {
	Action *planner.Action
	Status Status
	// Err explains a status other than [Done].
	Err error
}

// Event reports the progress of one action as it happens.
type Event struct {
	Action *planner.Action
	// Step is "begin" or "end". Between these it says, for people, how far a long step has come.
	Step   string
	Status Status
	Err    error
}

// Engine runs jobs. Set the fields before the first call.
type Engine struct {
	Storage Storage
	Orders  Orders
	Journal Journal
	Now     func() time.Time
	// Sleep waits for d between two tries of a callback. It returns an error early if ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Notify receives events. It is called from several goroutines, one call at a time.
	Notify func(Event)
	// Guard is called before each change and each callback. An error means that this process may no
	// longer make it. If Guard is nil, it may. Guard is called from several goroutines.
	Guard func() error
	// Holds returns the holds in force. It is called before each change and each callback. If Holds is
	// nil, nothing is held.
	Holds func() ([]planner.Hold, error)
	// Reached is called at each point at which a kill must do no harm. It is nil outside of tests.
	Reached func(point string)
	// Parallelism is how many resources are worked on at a time, at least 1.
	Parallelism int
	Host, Who   string
	// RootUID and RootGID own the ancestors that are no resource. See [planner.Settings].
	RootUID planner.UID
	RootGID planner.GID

	notify sync.Mutex
	// parents are the storage paths of the parent directories that this run has dealt with. The value
	// is the error of a directory that could not be made.
	parents map[string]error
	// paused is set once Waldur refuses the token. All other callbacks would fail too.
	paused atomic.Bool
	// full is set once the state cannot be written. Nothing more is begun or reported then.
	full atomic.Bool
	told told
}

// batchSize is how many resources share one transaction of the state.
const batchSize = 64

// Run runs the job and returns one result for each of its actions. When stop is closed, Run
// finishes what it has begun; when ctx ends, it returns at once. An error means that the state
// could not be written or the lock was lost. Nothing more is begun then, and the results still say
// what happened.
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

// batches divides the work into batches that share a transaction. Trees that are to be tagged take
// long and nothing should wait for them, so they come last, in batches of e.Parallelism.
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

// resources returns the indexes of the work to do, in the plan's order and without parent
// directories. It ends the work that is to be skipped.
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

// outcome is what the work on one resource leaves for the state.
type outcome struct {
	index int
	// record is to be written. forget reports whether the resource's record is to be deleted.
	record   *planner.Record
	forget   bool
	archived *planner.Archived
	restored string
	calls    []ledger.Delivery
	// waiting are all callbacks of the resource in the outbox, in order. fresh reports whether this
	// run has put callbacks there. plan is the id of its plan.
	waiting []ledger.Delivery
	fresh   bool
	plan    string
	steps   []string
	inode   uint64
	err     error
	// unsynced waits for a sync of the parent directory; nil if nothing does.
	unsynced *unsynced
}

// batch works on some resources, records what it did in one transaction, and then sends their
// callbacks.
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
			r.Err = fmt.Errorf("%w; callbacks of an earlier run may still be waiting. "+
				"Run `cscs-sync callbacks list`", o.err)
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

// statusOf returns the status of a resource after the work on its storage ended with err, before
// anything is recorded or reported.
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

// statusOfTelling returns the status of a resource whose storage is done but whose callbacks ended
// with err.
func statusOfTelling(err error) Status {
	var unnoted *unnotedError
	if errors.As(err, &unnoted) {
		return Unrecorded
	}
	return Undelivered
}

// each calls f for 0 … n-1, e.Parallelism calls at a time, and waits for all of them.
func (e *Engine) each(n int, f func(int)) {
	var wg sync.WaitGroup
	var begun atomic.Int64
	for range min(n, max(1, e.Parallelism)) {
		wg.Go(func() {
			for i := int(begun.Add(1)); i <= n; i = int(begun.Add(1)) {
				f(i - 1)
			}
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
