package posix

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
)

// Lease lends storage.root to one look after the other, and to the calls that a look started. A
// call that hangs keeps the root of its look open. A root that nobody uses is closed, so that
// mounts are not kept busy between two looks. The zero value has no look.
type Lease struct {
	mu sync.Mutex
	// root is the root of the current look, or nil between two looks.
	root *leased
}

// leased is storage.root, open for one look and its calls.
type leased struct {
	open *Root
	// users counts the look and its calls. It is guarded by Lease.mu.
	users int
}

// lookEnded is the answer to a call whose caller has stopped waiting.
const lookEnded = "the look has ended"

// Begin starts a look with a root that was opened for it. The caller calls end when the look ends.
func (l *Lease) Begin(root *Root) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &leased{root, 1}
	l.root = now
	return func() { l.giveBack(now) }
}

// take returns the root for one call, or nil if the look has ended.
func (l *Lease) take() *leased {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.root != nil {
		l.root.users++
	}
	return l.root
}

// giveBack closes a root that nobody uses any more.
func (l *Lease) giveBack(root *leased) {
	l.mu.Lock()
	root.users--
	last := root.users == 0
	if last && l.root == root {
		l.root = nil
	}
	l.mu.Unlock()
	if last {
		root.open.Close()
	}
}

// Mount calls [Root.Mount] on the root of the current look.
func (l *Lease) Mount(system planner.System) planner.Mount {
	root := l.take()
	if root == nil {
		return planner.Mount{Unknown: lookEnded}
	}
	defer l.giveBack(root)
	return root.open.Mount(system)
}

// Observe calls [Root.Observe] on the root of the current look.
func (l *Lease) Observe(system planner.System, path string) planner.Directory {
	root := l.take()
	if root == nil {
		return planner.Directory{Why: lookEnded}
	}
	defer l.giveBack(root)
	return root.open.Observe(system, path)
}

// Find calls [Root.Find] on the root of the current look.
func (l *Lease) Find(system planner.System, lost planner.Lost) (at string, looked bool) {
	root := l.take()
	if root == nil {
		return "", false
	}
	defer l.giveBack(root)
	return root.open.Find(system, lost)
}

// Opener opens storage.root, which may be on a mount that hangs. It serves one goroutine.
type Opener struct{ calls hang.Single[opened] }

type opened struct {
	root *Root
	err  error
}

// Open calls [OpenRoot] and waits for it no longer than within. If there is no answer by then, the
// error is a [RootHangsError]. While an earlier call for the same path has not returned, Open makes
// no other.
func (o *Opener) Open(ctx context.Context, path string, within time.Duration) (*Root, error) {
	got, err := o.calls.Ask(ctx, path, within, func() opened {
		root, err := OpenRoot(path)
		return opened{root, err}
	})
	switch {
	case errors.Is(err, hang.ErrTimeout):
		return nil, &RootHangsError{path, within}
	case err != nil:
		return nil, fmt.Errorf("open storage.root %s: %w", path, err)
	}
	return got.root, got.err
}

// RootHangsError means that storage.root does not open, so nothing on the storage can be observed.
type RootHangsError struct {
	Path string
	// Within is how long the caller waited.
	Within time.Duration
}

func (e *RootHangsError) Error() string {
	return fmt.Sprintf("open storage.root %s: no answer within %s: its mount hangs", e.Path, e.Within)
}
