package lustre

import (
	"context"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// client reads and sets quotas. dir is an absolute path of a directory on the filesystem that the
// quota is of.
type client interface {
	// Get reads limits and usage of one identity. What could not be read is unknown in the answer,
	// with the reason.
	Get(ctx context.Context, dir string, by planner.QuotaBy, id uint32) planner.QuotaState
	// List reads the quotas that the filesystem has a record of, between two ids, both included. A
	// record of which anything is unknown is left out: it is to be read by Get. An error that is
	// [providers.ErrNoList]: this release can't.
	List(ctx context.Context, dir string, by planner.QuotaBy, first,
		last uint32) (map[uint32]planner.QuotaState, error)
	// Set sets all four limits, each a number or unlimited, in one call, and keeps the clocks that
	// keep names. It does not read them back. After an error it is not known whether they were set.
	Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32, want planner.Limits,
		keep planner.Grace) error
}

const (
	// maxBytes and maxInodes are the greatest limits that are set: far above any filesystem, far
	// below where Lustre and lfs wrap around to 0, which is unlimited.
	maxBytes  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48

	kib = 1024
)

// check turns the limits of one id into Lustre's: space in KiB, 0 for unlimited.
func check(by planner.QuotaBy, id uint32, want planner.Limits) (quota.Limits, error) {
	return quota.Check(Traits(), by, id, want)
}
