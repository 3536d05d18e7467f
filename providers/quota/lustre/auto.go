package lustre

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// autoClient uses the ioctl if the filesystem supports it, and lfs otherwise. It decides once for
// each directory, at the first call there. Via in the answer says which one it used.
type autoClient struct {
	ioctl *ioctlClient
	lfs   *lfsClient

	mu      sync.Mutex
	decided map[string]client
}

// newAuto returns a client that chooses between the two.
func newAuto(ioctl *ioctlClient, lfs *lfsClient) *autoClient {
	return &autoClient{ioctl: ioctl, lfs: lfs, decided: map[string]client{}}
}

// Get implements [client].
func (a *autoClient) Get(ctx context.Context, dir string, by planner.QuotaBy,
	id uint32) planner.QuotaState {
	if c := a.choice(dir); c != nil {
		return c.Get(ctx, dir, by, id)
	}
	s, err := a.ioctl.get(dir, by, id)
	switch {
	case isNoIOCTL(err):
		a.decide(dir, a.lfs)
		return a.lfs.Get(ctx, dir, by, id)
	case err == nil && s.LimitsWhy() == "":
		a.decide(dir, a.ioctl)
	}
	return s
}

// Set implements [client].
func (a *autoClient) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32,
	want planner.Limits, keep planner.Grace) error {
	if _, err := check(by, id, want); err != nil {
		return err
	}
	if c := a.choice(dir); c != nil {
		return c.Set(ctx, dir, by, id, want, keep)
	}
	err := a.ioctl.Set(ctx, dir, by, id, want, keep)
	switch {
	case isNoIOCTL(err):
		a.decide(dir, a.lfs)
		return a.lfs.Set(ctx, dir, by, id, want, keep)
	case err == nil:
		a.decide(dir, a.ioctl)
	}
	return err
}

// isNoIOCTL reports whether the filesystem does not know the call at all, so that the call
// certainly had no effect. A failed server or a refusal is an answer: lfs would get the same one.
func isNoIOCTL(err error) bool { return errors.Is(err, unix.ENOTTY) || errors.Is(err, errENOTSUPP) }

func (a *autoClient) choice(dir string) client {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decided[dir]
}

func (a *autoClient) decide(dir string, c client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decided[dir] = c
}
