package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// guardedStorage calls the guard before every change. A change that the guard refuses counts as not
// begun, and the plan continues another time.
type guardedStorage struct {
	Storage
	guard func() error
}

// mayChange returns the guard's error as one that stops a step.
func mayChange(guard func() error) error {
	if err := guard(); err != nil {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	return nil
}

func (g guardedStorage) Make(system, path string) (Directory, error) {
	if err := mayChange(g.guard); err != nil {
		return nil, err
	}
	d, err := g.Storage.Make(system, path)
	if err != nil {
		return nil, err
	}
	return guardedDirectory{d, g.guard}, nil
}

func (g guardedStorage) Open(system, path string, inode uint64) (Directory, error) {
	d, err := g.Storage.Open(system, path, inode)
	if err != nil {
		return nil, err
	}
	return guardedDirectory{d, g.guard}, nil
}

func (g guardedStorage) PrepareArchive(m Move) (Archiving, error) {
	if err := mayChange(g.guard); err != nil {
		return nil, err
	}
	a, err := g.Storage.PrepareArchive(m)
	if err != nil {
		return nil, err
	}
	return guardedArchiving{a, g.guard}, nil
}

func (g guardedStorage) Restore(m Move) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Storage.Restore(m)
}

func (g guardedStorage) SetQuota(ctx context.Context, system string, id planner.QuotaID,
	want planner.Limits, before planner.QuotaState) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Storage.SetQuota(ctx, system, id, want, before)
}

func (g guardedStorage) RemoveQuota(ctx context.Context, system string, id planner.QuotaID) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Storage.RemoveQuota(ctx, system, id)
}

// guardedArchiving calls the guard before the move. If it refuses, the manifest is removed; that is
// allowed at any time.
type guardedArchiving struct {
	Archiving
	guard func() error
}

func (g guardedArchiving) Move() error {
	if err := mayChange(g.guard); err != nil {
		return errors.Join(err, g.Discard())
	}
	return g.Archiving.Move()
}

// guardedDirectory calls the guard before each change of one directory.
type guardedDirectory struct {
	Directory
	guard func() error
}

func (g guardedDirectory) Own(uid planner.UID, gid planner.GID) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Directory.Own(uid, gid)
}

func (g guardedDirectory) Chmod(mode planner.Mode) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Directory.Chmod(mode)
}

func (g guardedDirectory) DropACLs() error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Directory.DropACLs()
}

func (g guardedDirectory) SetProject(id planner.ProjectID) error {
	if err := mayChange(g.guard); err != nil {
		return err
	}
	return g.Directory.SetProject(id)
}

// Tag walks a whole tree, which may take hours, so the guard can end it in between.
func (g guardedDirectory) Tag(ctx context.Context, id planner.ProjectID,
	tell func(seen int)) (left int, err error) {
	if err := mayChange(g.guard); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return g.Directory.Tag(ctx, id, func(seen int) {
		if err := mayChange(g.guard); err != nil {
			cancel(err)
		}
		tell(seen)
	})
}

// guardedOrders calls the guard before each callback.
type guardedOrders struct {
	Orders
	guard func() error
}

func (g guardedOrders) Send(ctx context.Context, call Call) Answer {
	if err := mayChange(g.guard); err != nil {
		return Answer{Err: err}
	}
	return g.Orders.Send(ctx, call)
}

// beGuarded wraps the engine's storage and orders so that each change and each callback calls the
// guard first.
func (e *Engine) beGuarded() {
	if e.Guard == nil {
		return
	}
	if _, already := e.Storage.(guardedStorage); !already && e.Storage != nil {
		e.Storage = guardedStorage{e.Storage, e.Guard}
	}
	if _, already := e.Orders.(guardedOrders); !already && e.Orders != nil {
		e.Orders = guardedOrders{e.Orders, e.Guard}
	}
}
