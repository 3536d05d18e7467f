// Package engine is the way from what should exist to what was done: list, desire, observe, compare; judge, prepare, begin,
// execute, finish. The commands and the unattended loop share it. It reaches the outside through interfaces only.
package engine

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Source lists what should exist: the proxy, or files with its saved answers.
type Source interface {
	// List returns every item of one consistent listing, or an error: never a part. Statuses limits the listing to
	// items in one of these states; empty means all. The answer's order means nothing.
	List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error)
	// Name says where the items come from, for people: a host or file names, without any secret.
	Name() string
}

// Observer sees what the storage has now. It never changes anything; a mount that hangs makes its own answers unknown
// and delays no other.
type Observer interface {
	Mounts(ctx context.Context, systems []planner.System) map[string]planner.Mount
	// Directories has one answer for each target, in order.
	Directories(ctx context.Context, targets []planner.Place) []planner.Directory
	// Quotas has one answer for each target, in order.
	Quotas(ctx context.Context, targets []planner.QuotaTarget) []planner.QuotaState
	// Find says where directories that others have replaced are now; what is not known is left out.
	Find(ctx context.Context, lost []planner.Lost) map[planner.Place]string
}
