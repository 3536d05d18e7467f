package lustre

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Client reads and sets quotas. dir is an absolute path of a directory on the filesystem that the quota is of.
type Client interface {
	// Get reads limits and usage of one identity. What could not be read is unknown in the answer, with the reason.
	Get(ctx context.Context, dir string, by planner.QuotaBy, id uint32) planner.QuotaState
	// List reads the quotas that the filesystem has a record of, between two ids, both included. A record of which anything is
	// unknown is left out: it is to be read by Get. An error that is [providers.ErrNoList]: this release can't.
	List(ctx context.Context, dir string, by planner.QuotaBy, first, last uint32) (map[uint32]planner.QuotaState, error)
	// Set sets all four limits, each a number or unlimited, in one call, and keeps the clocks that keep names. It does
	// not read them back. After an error it is not known whether they were set.
	Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32, want planner.Quota, keep planner.Grace) error
}

// Keep tells which of the running clocks go on when want is set in place of what was observed: those whose soft limit stays.
func Keep(before planner.QuotaState, want planner.Quota) planner.Grace {
	var g planner.Grace
	if want.SpaceSoft == before.Limits.SpaceSoft {
		g.Space = before.Ends().Space
	}
	if want.InodesSoft == before.Limits.InodesSoft {
		g.Inodes = before.Ends().Inodes
	}
	return g
}

const (
	// maxBytes and maxInodes are the greatest limits that are set: far above any filesystem, far below where Lustre
	// and lfs wrap around to 0, which is unlimited.
	maxBytes  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48

	kib = 1024
)

// limits are the four limits as Lustre has them: space in KiB, 0 for unlimited.
type limits struct{ spaceSoft, spaceHard, inodesSoft, inodesHard uint64 }

// Check tells why the limits cannot be set, nil if they can: an unknown limit, a zero that is not said as unlimited, space
// that is no whole KiB, a number beyond all reason, soft above hard; the id 0, which is the default quota, and one above 2^31-1.
func Check(by planner.QuotaBy, id uint32, want planner.Quota) error {
	_, err := check(by, id, want)
	return err
}

func check(by planner.QuotaBy, id uint32, q planner.Quota) (l limits, err error) {
	errs := []error{quota.CheckID(by, id)}
	add := func(name string, n uint64, err error) uint64 {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return n
	}
	n, err := wire(q.SpaceSoft, kib, maxBytes)
	l.spaceSoft = add("space_soft", n, err)
	n, err = wire(q.SpaceHard, kib, maxBytes)
	l.spaceHard = add("space_hard", n, err)
	n, err = wire(q.InodesSoft, 1, maxInodes)
	l.inodesSoft = add("inodes_soft", n, err)
	n, err = wire(q.InodesHard, 1, maxInodes)
	l.inodesHard = add("inodes_hard", n, err)
	if l.spaceHard != 0 && l.spaceSoft > l.spaceHard {
		errs = append(errs, fmt.Errorf("space: soft %s is above hard %s", planner.Bytes(l.spaceSoft*kib), planner.Bytes(l.spaceHard*kib)))
	}
	if l.inodesHard != 0 && l.inodesSoft > l.inodesHard {
		errs = append(errs, fmt.Errorf("inodes: soft %d is above hard %d", l.inodesSoft, l.inodesHard))
	}
	if err := errors.Join(errs...); err != nil {
		return limits{}, fmt.Errorf("set quota of %s %d: %w: nothing was sent: %w", by, id, quota.ErrRefused, err)
	}
	return l, nil
}

// wire turns a limit into Lustre's number in the given unit.
func wire[U planner.Bytes | planner.Inodes](l planner.Limit[U], unit, greatest U) (uint64, error) {
	n, ok := l.Number()
	switch {
	case l.IsUnlimited():
		return 0, nil
	case !ok:
		return 0, errors.New("the limit is not known, and would become unlimited")
	case n == 0:
		return 0, errors.New("a limit of 0 would be unlimited on Lustre: say unlimited if that is meant")
	case n > greatest:
		return 0, fmt.Errorf("%v is above %v, the most that is set", n, greatest)
	case n%unit != 0:
		return 0, fmt.Errorf("%d bytes are no whole KiB", n)
	}
	return uint64(n / unit), nil
}
