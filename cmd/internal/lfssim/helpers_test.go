package lfssim

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// asLfs makes the test binary be lfs-sim, so that tests can start real processes.
const asLfs = "LFSSIM_TEST_BE_LFS"

func TestMain(m *testing.M) {
	if os.Getenv(asLfs) != "" {
		os.Exit(Main(os.Args, os.Getenv, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// sandbox is a state with one real mount, and lfs as a symlink next to it.
type sandbox struct {
	t                 *testing.T
	mount, state, lfs string
}

func newSandbox(t *testing.T, release string) *sandbox {
	t.Helper()
	dir := t.TempDir()
	s := &sandbox{t: t, mount: filepath.Join(dir, "mnt"), state: filepath.Join(dir, "lfs.json"),
		lfs: filepath.Join(dir, "lfs")}
	must(t, os.Mkdir(s.mount, 0o755))
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, s.lfs))
	must(t, Init(s.state, State{Release: release, Now: start, AsRoot: true,
		Mounts: []Mount{{s.mount, "tfs"}}}))
	return s
}

type result struct {
	stdout, stderr string
	exit           int
}

// run simulates lfs in this process.
func (s *sandbox) run(args ...string) result {
	var out, errs bytes.Buffer
	code := Main(append([]string{s.lfs}, args...), func(string) string { return "" }, &out, &errs)
	return result{out.String(), errs.String(), code}
}

// ok simulates lfs, and expects success with nothing on stderr.
func (s *sandbox) ok(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.exit != 0 || r.stderr != "" {
		s.t.Fatalf("lfs %q: exit %d, stderr %q", args, r.exit, r.stderr)
	}
	return r.stdout
}

// process runs lfs as a process, with the environment that cscs-sync gives it.
func (s *sandbox) process(args ...string) *exec.Cmd {
	cmd := exec.Command(s.lfs, args...)
	cmd.Env = []string{"LC_ALL=C", asLfs + "=1"}
	return cmd
}

func (s *sandbox) group(id uint32) Quota {
	s.t.Helper()
	q, err := ReadQuota(s.state, "tfs", Group, id)
	must(s.t, err)
	return q
}

func (s *sandbox) clock(after time.Duration) {
	s.t.Helper()
	must(s.t, SetClock(s.state, time.Unix(start, 0).Add(after)))
}

func exitOf(err error) int {
	var e *exec.ExitError
	switch {
	case errors.As(err, &e):
		return e.ExitCode()
	case err != nil:
		return -1
	}
	return 0
}
