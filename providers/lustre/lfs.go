package lustre

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxOutput bounds what is kept of the output of lfs; a row has 200 bytes.
const maxOutput = 1 << 20

// LFS asks and sets quotas by the program lfs.
type LFS struct {
	path  string
	calls calls
	now   func() time.Time
}

// NewLFS uses the lfs at an absolute path. Each call may take as long as timeout; 0 is 30 seconds.
func NewLFS(path string, timeout time.Duration, now func() time.Time) (*LFS, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("lfs %q: want an absolute path, such as /usr/bin/lfs", path)
	}
	return &LFS{path: path, calls: newCalls(timeout), now: now}, nil
}

// Stuck counts the runs of lfs that were killed and have not died yet.
func (l *LFS) Stuck() int { return l.calls.stuckNow() }

// Get implements [Client].
func (l *LFS) Get(ctx context.Context, dir string, by planner.QuotaBy, id uint32) planner.QuotaState {
	if err := checkIdentity(by, id); err != nil {
		return unknown(viaLFS, err.Error())
	}
	r, err := l.run(ctx, GetArgs(dir, by, id))
	if err != nil {
		return unknown(viaLFS, err.Error())
	}
	return parse(dir, r.stdout, r.stderr, r.exit, l.now())
}

// Set implements [Client].
func (l *LFS) Set(ctx context.Context, dir string, by planner.QuotaBy, id uint32, quota planner.Quota, keep Grace) error {
	args, err := SetArgs(dir, by, id, quota, keep)
	if err != nil {
		return err
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

// GetArgs are the arguments of lfs that show a quota.
func GetArgs(dir string, by planner.QuotaBy, id uint32) []string {
	return []string{"quota", "-q", flagOf(by), strconv.FormatUint(uint64(id), 10), dir}
}

// SetArgs are the arguments of lfs that set the limits, or why they can't be set. Also for people, to repeat by hand.
func SetArgs(dir string, by planner.QuotaBy, id uint32, quota planner.Quota, keep Grace) ([]string, error) {
	l, err := check(by, id, quota)
	if err != nil {
		return nil, err
	}
	args := []string{"setquota", flagOf(by), strconv.FormatUint(uint64(id), 10)}
	add := func(flag string, n uint64) { args = append(args, flag, strconv.FormatUint(n, 10)) }
	if keep.Space.IsZero() {
		add("-b", l.spaceSoft)
	}
	add("-B", l.spaceHard)
	if keep.Inodes.IsZero() {
		add("-i", l.inodesSoft)
	}
	add("-I", l.inodesHard)
	return append(args, dir), nil
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
func (l *LFS) run(ctx context.Context, args []string) (result, error) {
	var r result
	err := l.calls.do(ctx, "lfs", func(ctx context.Context) func() error {
		got, err := l.exec(ctx, args)
		return func() error { r = got; return err }
	})
	return r, err
}

func (l *LFS) exec(ctx context.Context, args []string) (result, error) {
	cmd := exec.CommandContext(ctx, l.path, args...)
	stdout, stderr := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	cmd.WaitDelay = abandonAfter / 2
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result{}, l.calls.late(ctx, "lfs")
	case errors.As(err, &exit) && exit.Exited():
		return result{stdout.String(), stderr.String(), exit.ExitCode()}, nil
	case err != nil:
		return result{}, fmt.Errorf("run %s: %w: check quota.lfs in the configuration", l.path, err)
	}
	return result{stdout.String(), stderr.String(), 0}, nil
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
