package lustre

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// maxOutput is how many bytes of lfs's output are kept. A row has 200 bytes.
const maxOutput = 1 << 20

// lfsClient reads and sets quotas with the program lfs. Where a running clock must be kept, it uses
// the ioctl, because lfs has no flag for that.
type lfsClient struct {
	path string
	// trusted returns an error if others could replace the program; nil accepts every program.
	trusted func(program string) error
	calls   *hang.Calls
	now     func() time.Time
	ioctl   *ioctlClient

	mu sync.Mutex
	// meant holds the identities that lfs was seen to read as numbers, not as names.
	meant map[identity]bool
}

// identity is a kind of quota and an id, on any filesystem, because names belong to the node.
type identity struct {
	by planner.QuotaBy
	id uint32
}

// newLFS returns a client that runs the lfs at an absolute path. Each call takes at most timeout; 0
// means 30 seconds.
func newLFS(path string, timeout time.Duration, now func() time.Time) (*lfsClient, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("lfs %q: want an absolute path, such as /usr/bin/lfs", path)
	}
	return &lfsClient{path: path, calls: hang.New(timeout), now: now, ioctl: newIOCTL(timeout),
		meant: map[identity]bool{}}, nil
}

// stuck returns the number of lfs processes that were killed and have not died yet.
func (l *lfsClient) stuck() int { return l.calls.Stuck() }

// Get implements [client].
func (l *lfsClient) Get(ctx context.Context, dir string, by planner.QuotaBy,
	id uint32) planner.QuotaState {
	if err := quota.CheckID(by, id); err != nil {
		return quota.Unknown(viaLFS, err.Error())
	}
	r, err := l.run(ctx, getArgs(dir, by, id))
	if err != nil {
		return quota.Unknown(viaLFS, err.Error())
	}
	err = checkTitle(r.stdout, by, id)
	l.mu.Lock()
	l.meant[identity{by, id}] = err == nil
	l.mu.Unlock()
	if err != nil {
		return quota.Unknown(viaLFS, err.Error())
	}
	return parse(dir, r.stdout, r.stderr, r.exit, l.now())
}

// checkMeant asks lfs about an identity that Get has not read yet, because setquota does not say
// whose limits it sets.
func (l *lfsClient) checkMeant(ctx context.Context, dir string, by planner.QuotaBy,
	id uint32) error {
	l.mu.Lock()
	known := l.meant[identity{by, id}]
	l.mu.Unlock()
	if known {
		return nil
	}
	r, err := l.run(ctx, getArgs(dir, by, id))
	if err != nil {
		return err
	}
	return checkTitle(r.stdout, by, id)
}

// Set implements [client].
func (l *lfsClient) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32,
	want planner.Limits, keep planner.Grace) error {
	args, err := setArgs(dir, by, id, want)
	if err != nil {
		return err
	}
	if keep != (planner.Grace{}) {
		if err := l.ioctl.setKeeping(ctx, dir, by, id, want, keep); !isNoIOCTL(err) {
			return err
		}
		args = withoutSoft(args, keep)
	}
	if err := l.checkMeant(ctx, dir, by, id); err != nil {
		return fmt.Errorf("set quota of %s %d at %s: %w: nothing was sent: %w", by, id, dir,
			quota.ErrRefused, err)
	}
	r, err := l.run(ctx, args)
	if err != nil {
		return fmt.Errorf("set quota of %s %d at %s: %w", by, id, dir, err)
	}
	if r.exit != 0 {
		return fmt.Errorf("set quota of %s %d at %s: %w", by, id, dir,
			&exitError{explainExit("lfs setquota", r.exit, r.stdout, r.stderr), r.exit})
	}
	return nil
}

// exitError is a failed run of lfs.
type exitError struct {
	text string
	code int
}

func (e *exitError) Error() string { return e.text }

// getArgs returns the arguments of lfs that show a quota with its title; see [checkTitle].
func getArgs(dir string, by planner.QuotaBy, id uint32) []string {
	return []string{"quota", flagOf(by), strconv.FormatUint(uint64(id), 10), dir}
}

// setArgs returns the arguments of lfs that set all four limits.
func setArgs(dir string, by planner.QuotaBy, id uint32, want planner.Limits) ([]string, error) {
	l, err := check(by, id, want)
	if err != nil {
		return nil, err
	}
	n := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{"setquota", flagOf(by), n(uint64(id)),
		softSpace, n(l[planner.SpaceSoft]), "-B", n(l[planner.SpaceHard]),
		softInodes, n(l[planner.InodesSoft]), "-I", n(l[planner.InodesHard]), dir}, nil
}

const softSpace, softInodes = "-b", "-i"

// withoutSoft removes the soft limits whose clock must be kept. lfs then reads such a limit
// together with its clock, and sends both along with the new hard limit. It is used only where
// there is no Lustre that knows the ioctl.
func withoutSoft(args []string, keep planner.Grace) []string {
	for flag, end := range map[string]time.Time{softSpace: keep.Space, softInodes: keep.Inodes} {
		if at := slices.Index(args, flag); !end.IsZero() {
			args = slices.Delete(args, at, at+2)
		}
	}
	return args
}

func flagOf(by planner.QuotaBy) string {
	if by == planner.ByProject {
		return "-p"
	}
	return "-g"
}

// result is one run of lfs.
type result struct {
	stdout, stderr string
	exit           int
}

// run runs lfs once.
func (l *lfsClient) run(ctx context.Context, args []string) (result, error) {
	var r result
	err := l.calls.Do(ctx, "lfs", func(ctx context.Context) func() error {
		got, err := l.exec(ctx, args)
		return func() error { r = got; return err }
	})
	return r, err
}

func (l *lfsClient) exec(ctx context.Context, args []string) (result, error) {
	if l.trusted != nil {
		// this may have changed since the configuration was read
		if err := l.trusted(l.path); err != nil {
			return result{}, fmt.Errorf("run %s: %w: %w", l.path, quota.ErrRefused, err)
		}
	}
	cmd := exec.CommandContext(ctx, l.path, args...)
	stdout, stderr := &limitedBuffer{}, &limitedBuffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	cmd.WaitDelay = hang.Patience / 2
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result{}, l.calls.Late(ctx, "lfs")
	case errors.As(err, &exit) && exit.Exited():
		return result{stdout.kept.String(), stderr.kept.String(), exit.ExitCode()}, nil
	case err != nil:
		return result{}, fmt.Errorf("run %s: %w: check quota.lfs in the configuration", l.path, err)
	}
	return result{stdout.kept.String(), stderr.kept.String(), 0}, nil
}

// limitedBuffer keeps the first maxOutput bytes of what is written to it.
type limitedBuffer struct{ kept bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxOutput - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
