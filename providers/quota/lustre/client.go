package lustre

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// client reads and sets quotas. dir is the absolute path of a directory on the quota's filesystem.
type client interface {
	// Get reads limits and usage of one quota. What cannot be read is unknown in the answer, with the
	// reason. On a mount that hangs, it may never return.
	Get(ctx context.Context, dir string, by planner.QuotaBy, id uint32) planner.QuotaState
	// List reads the quotas of which the filesystem has a record, from first to last inclusive. It
	// leaves out incomplete records; the caller reads those with Get. [providers.ErrNoList] means that
	// this release cannot list quotas.
	List(ctx context.Context, dir string, by planner.QuotaBy, first,
		last uint32) (map[uint32]planner.QuotaState, error)
	// Set sets all four limits in one call. Each is a number or unlimited. It keeps the clocks in
	// keep. It does not read the limits back. After an error it is unknown whether they were set.
	Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32, want planner.Limits,
		keep planner.Grace) error
}

const (
	// maxBytes and maxInodes are the largest limits that are ever set. They are far above the size of
	// any filesystem, and far below the values at which Lustre and lfs wrap around to 0, which means
	// unlimited.
	maxBytes  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48

	kib = 1024
)

// check converts the limits of one id to Lustre's: space in KiB, 0 for unlimited.
func check(by planner.QuotaBy, id uint32, want planner.Limits) (quota.Limits, error) {
	return quota.Check(Traits(), by, id, want)
}
