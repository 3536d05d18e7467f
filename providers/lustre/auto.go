package lustre

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Auto uses the ioctl where the filesystem answers it, and lfs elsewhere. It decides once for each directory, at the first
// call there; the answer's Via tells which it was.
type Auto struct {
	ioctl *IOCTL
	lfs   *LFS

	mu      sync.Mutex
	decided map[string]Client
}

// NewAuto chooses between the two.
func NewAuto(ioctl *IOCTL, lfs *LFS) *Auto {
	return &Auto{ioctl: ioctl, lfs: lfs, decided: map[string]Client{}}
}

// Get implements [Client].
func (a *Auto) Get(ctx context.Context, dir string, by planner.QuotaBy, id uint32) planner.QuotaState {
	if c := a.choice(dir); c != nil {
		return c.Get(ctx, dir, by, id)
	}
	s, err := a.ioctl.get(ctx, dir, by, id)
	switch {
	case isNoIOCTL(err):
		a.decide(dir, a.lfs)
		return a.lfs.Get(ctx, dir, by, id)
	case err == nil && s.LimitsWhy == "":
		a.decide(dir, a.ioctl)
	}
	return s
}

// Set implements [Client].
func (a *Auto) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32, want planner.Quota, keep planner.Grace) error {
	if err := Check(by, id, want); err != nil {
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

// isNoIOCTL tells that the filesystem does not know the call at all, so that it certainly had no effect. A server that is
// away, or a refusal, is an answer: lfs would get the same.
func isNoIOCTL(err error) bool { return errors.Is(err, unix.ENOTTY) || errors.Is(err, errENOTSUPP) }

func (a *Auto) choice(dir string) Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decided[dir]
}

func (a *Auto) decide(dir string, c Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decided[dir] = c
}
