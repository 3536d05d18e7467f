// Package engine leads from what should exist to what was done: list, desire, observe, compare;
// judge, prepare, begin, execute, finish. The commands and the unattended loop share it. It reaches
// the outside through interfaces only.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// Engine plans and applies under one configuration. Its methods are called one at a time.
type Engine struct {
	// Settings, Overrides, Policy, Rules and ValidFor come from the site's configuration: what exists,
	// what differs from the listing, what may be done without people, what an approval needs, and how
	// long a plan is valid (0: for ever).
	Settings  *planner.Settings
	Overrides []planner.Override
	Policy    policy.Policy
	Rules     func() (approval.Rules, error)
	ValidFor  time.Duration

	Store  Store
	Locker ledger.Locker
	// Key returns the key of this node, with which the policy and people on this node approve.
	Key func() (approval.LocalKey, error)

	// Proxy returns the source that an apply asks for everything.
	Proxy func() (Source, error)
	// Orders reaches Waldur. If it is nil, no order is known.
	Orders  apply.Orders
	Storage Storage

	// Who and Host say who runs the engine and where, PID is the process's number, and Version is the
	// version of the program.
	Who, Host, Version string
	PID                int
	Now                func() time.Time
	// Sleep waits for d between two tries of a callback. It returns an error early if ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger
	// ListingTimeout and CallbackTimeout are the longest that one request to the proxy and to Waldur
	// may take.
	ListingTimeout, CallbackTimeout time.Duration
	Hooks                           Hooks
}

// Store is the state.
type Store interface {
	ledger.Store
	// HoldsInForce returns the holds in force at now, as a view would. It is cheap: an apply asks
	// before each change and each callback.
	HoldsInForce(now time.Time) ([]planner.Hold, error)
}

// Storage opens the storage for looking and for changes.
type Storage interface {
	// Wake asks the mounts while there is other work to do, so that the wait for a mount that hangs is
	// over by the time it is needed.
	Wake(ctx context.Context, parallelism int) error
	// Observer returns what looks at the storage; done releases it.
	Observer(ctx context.Context, parallelism int) (o Observer, done func(), err error)
	// Claim makes sure, before anything is changed, that no other state manages the systems that a
	// plan changes.
	Claim(ctx context.Context, systems []string) error
	// Change opens the storage for changes; done releases it. recorded has the identities of the
	// systems' root directories at the first apply. Change does not open a system whose root is
	// another directory now.
	Change(ctx context.Context, recorded map[string]planner.RootIdentity) (st apply.Storage,
		done func(), err error)
}

// Hooks let an engine report to its process what it does. Each may be nil.
type Hooks struct {
	// Stop is closed when the process is asked to stop. Reading ends at once; changes may finish.
	Stop <-chan struct{}
	// Stage is called at the start of each stage, with how long it may take without another sign of
	// life.
	Stage func(name string, allowed time.Duration)
	// Waits is called with what the engine waits for, until ended is called.
	Waits func(what string) (ended func())
	// Progress is called with how far a long stage has come.
	Progress func(work string, done, total int)
	// Changing is called before the first change.
	Changing func()
	// Reached is called at each point of an apply at which a kill must do no harm.
	Reached func(point string)
}

// How long the stages may take without a sign of life, beyond their own time limits.
const (
	StageSlack    = time.Minute
	planningTime  = 10 * time.Minute
	applyingTime  = 15 * time.Minute
	observingTime = 3 * time.Minute
)

func (e *Engine) stage(name string, allowed time.Duration) {
	if e.Hooks.Stage != nil {
		e.Hooks.Stage(name, allowed)
	}
}

func (e *Engine) waits(what string) (ended func()) {
	if e.Hooks.Waits == nil {
		return func() {}
	}
	return e.Hooks.Waits(what)
}

func (e *Engine) progress(work string, done, total int) {
	if e.Hooks.Progress != nil {
		e.Hooks.Progress(work, done, total)
	}
}

// ErrStopped is the reason why reading ends early.
var ErrStopped = errors.New("interrupted: it was asked to stop")

// Looking returns a context for work that changes nothing. It also ends as soon as stop is closed,
// with [ErrStopped] as its cause.
func Looking(ctx context.Context, stop <-chan struct{}) (looking context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			cancel(ErrStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Source lists what should exist: the proxy, or files with its saved answers.
type Source interface {
	// List returns every item of one consistent listing or an error, never a part. statuses limits the
	// listing to items in one of these states; if it is empty, all are listed. The order of the items
	// means nothing.
	List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error)
	// Name says where the items come from, for people: a host or file names, without secrets.
	Name() string
}

// SourceProblem says how a source fails.
type SourceProblem string

// The problems of a source.
const (
	// SourceChanged means that the listing changed while it was read, or moved elsewhere.
	SourceChanged SourceProblem = "changed"
	// SourceFails means that the server fails at the whole listing, perhaps because of one bad
	// resource.
	SourceFails SourceProblem = "fails"
	// SourceRefuses means that the server answers with another error.
	SourceRefuses SourceProblem = "refuses"
	// SourceSilent means that there was no answer in time.
	SourceSilent SourceProblem = "silent"
)

// SourceError says how a listing failed, for the caller that decides when to ask again.
type SourceError struct {
	Problem SourceProblem
	// RetryAfter is for how long the source asked to be left alone; 0 if it did not.
	RetryAfter time.Duration
	// Late is how long the engine waited for an answer that did not come; 0 if the error is another
	// one.
	Late time.Duration
	Err  error
}

// Error returns the source's own error.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns the source's own error.
func (e *SourceError) Unwrap() error { return e.Err }

// HangsError means that nothing of the storage can be looked at, because not even its root opens.
type HangsError struct{ Err error }

// Error says which folder does not open.
func (e *HangsError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *HangsError) Unwrap() error { return e.Err }

// Observer sees what the storage has now. It never changes anything. A mount that hangs makes its
// own answers unknown and delays no other answers.
type Observer interface {
	Mounts(ctx context.Context, systems []planner.System) map[string]planner.Mount
	// Directories returns one answer for each target, in order.
	Directories(ctx context.Context, targets planner.Targets[planner.Place]) []planner.Directory
	// Quotas returns one answer for each target, in order.
	Quotas(ctx context.Context,
		targets planner.Targets[planner.QuotaTarget]) []planner.QuotaState
	// Find says where directories that were replaced by others are now. It leaves out those that it
	// cannot find.
	Find(ctx context.Context, lost []planner.Lost) map[planner.Place]string
}
