// Package engine is the way from what should exist to what was done: list, desire, observe,
// compare; judge, prepare, begin, execute, finish. The commands and the unattended loop share it.
// It reaches the outside through interfaces only.
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
	// Settings, Overrides, Policy, Rules and ValidFor are the site's: what exists, what differs
	// from the listing, what may be done without people, what an approval needs, and for how long a
	// plan is good (0: for ever).
	Settings  *planner.Settings
	Overrides []planner.Override
	Policy    policy.Policy
	Rules     func() (approval.Rules, error)
	ValidFor  time.Duration

	Store  Store
	Locker ledger.Locker
	// Key is the key of this node, with which the policy and people here approve.
	Key func() (approval.LocalKey, error)

	// Proxy is where an apply asks for everything.
	Proxy func() (Source, error)
	// Orders is Waldur; nil if there is none: then no order is known.
	Orders  apply.Orders
	Storage Storage

	// Who and Host are who does this and where, PID is the process's number, and Version is that of
	// the program.
	Who, Host, Version string
	PID                int
	Now                func() time.Time
	// Sleep waits between two tries of a callback; it returns early with an error when ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger
	// ListingTimeout and CallbackTimeout are how long one request to the proxy and to Waldur may
	// take.
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

// Storage opens what is to be looked at, and to be changed.
type Storage interface {
	// Wake has the mounts asked while there is something else to do: one that hangs has then been
	// waited for.
	Wake(ctx context.Context, parallelism int) error
	// Observer returns what looks at the storage; done lets go of it.
	Observer(ctx context.Context, parallelism int) (o Observer, done func(), err error)
	// Claim makes sure that no other state manages the systems that a plan touches, before anything
	// on them is changed.
	Claim(ctx context.Context, systems []string) error
	// Change opens the storage for changes; done lets go of it. Recorded are the identities that
	// the systems' directories had at the first apply: a system that is another one now is not
	// opened.
	Change(ctx context.Context, recorded map[string]planner.RootIdentity) (st apply.Storage,
		done func(), err error)
}

// Hooks are how an engine tells its process what it does. Each may be nil.
type Hooks struct {
	// Stop is closed when the process is asked to stop: looks end, and changes get to a good place.
	Stop <-chan struct{}
	// Stage hears of each stage, and how long it may take without another sign of life.
	Stage func(name string, allowed time.Duration)
	// Waits hears what is waited for, until ended is called.
	Waits func(what string) (ended func())
	// Progress hears how far long work is.
	Progress func(work string, done, total int)
	// Listed is called once the listing is there, and Changing before the first change.
	Listed, Changing func()
	// Reached is called at each point of an apply at which a kill must do no harm.
	Reached func(point string)
}

// How long the stages may go without a sign of life, beyond what their own time limits allow.
const (
	StageSlack    = time.Minute
	PlanningTime  = 10 * time.Minute
	ApplyingTime  = 15 * time.Minute
	ObservingTime = 3 * time.Minute
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

// ErrStopped is why looking ends early.
var ErrStopped = errors.New("interrupted: it was asked to stop")

// Looking returns ctx for what changes nothing: it ends also as soon as stop is closed, with
// [ErrStopped] as its cause.
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
	// List returns every item of one consistent listing, or an error: never a part. Statuses limits
	// the listing to items in one of these states; empty means all. The answer's order means
	// nothing.
	List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error)
	// Name says where the items come from, for people: a host or file names, without any secret.
	Name() string
}

// SourceProblem is how a source fails.
type SourceProblem string

// The problems of a source.
const (
	// SourceChanged: the listing changed while it was read, or moved elsewhere.
	SourceChanged SourceProblem = "changed"
	// SourceFails: the server fails at the whole listing, maybe because of one bad resource.
	SourceFails SourceProblem = "fails"
	// SourceRefuses: the server answers with another error.
	SourceRefuses SourceProblem = "refuses"
	// SourceSilent: there was no answer in time.
	SourceSilent SourceProblem = "silent"
)

// SourceError says how a listing failed, for whoever decides when to ask again.
type SourceError struct {
	Problem SourceProblem
	// RetryAfter is for how long the source asked to be left alone; 0 if it did not.
	RetryAfter time.Duration
	// Late is for how long an answer was waited for that did not come; 0 if that is not what went
	// wrong.
	Late time.Duration
	Err  error
}

// Error is the error of the source.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns it.
func (e *SourceError) Unwrap() error { return e.Err }

// HangsError says that nothing of the storage can be looked at, because not even its root opens.
type HangsError struct{ Err error }

// Error says which folder does not open.
func (e *HangsError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *HangsError) Unwrap() error { return e.Err }

// Observer sees what the storage has now. It never changes anything; a mount that hangs makes its
// own answers unknown and delays no other.
type Observer interface {
	Mounts(ctx context.Context, systems []planner.System) map[string]planner.Mount
	// Directories has one answer for each target, in order.
	Directories(ctx context.Context, targets []planner.Place) []planner.Directory
	// Quotas has one answer for each target, in order.
	Quotas(ctx context.Context, targets []planner.QuotaTarget) []planner.QuotaState
	// Find says where directories that others have replaced are now; what is not known is left out.
	Find(ctx context.Context, lost []planner.Lost) map[planner.Place]string
}
