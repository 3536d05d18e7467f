package lustre

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// TestMain lets the test binary simulate lfs. When it has that name, it does what the file next to
// it says, because the real client passes it no environment.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "lfs" {
		os.Exit(playLFS())
	}
	os.Exit(m.Run())
}

// playLFS records how it was called, and does what the script says: "exit CODE", "hang", "stubborn"
// (hangs, while a child keeps its output open), and then what to print.
func playLFS() int {
	dir := filepath.Dir(os.Args[0])
	cwd, _ := os.Getwd()
	called := fmt.Sprintf("%q\n%q\n%s\n", os.Args[1:], os.Environ(), cwd)
	os.WriteFile(filepath.Join(dir, "called"), []byte(called), 0o600)
	script, _ := os.ReadFile(filepath.Join(dir, "script"))
	how, out, _ := strings.Cut(string(script), "\n")
	stdout, stderr, _ := strings.Cut(out, "\x00")
	fmt.Fprint(os.Stdout, stdout)
	fmt.Fprint(os.Stderr, stderr)
	code := 0
	switch how {
	case "hang":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		time.Sleep(time.Minute)
	default:
		fmt.Sscanf(how, "exit %d", &code)
	}
	return code
}

// fakeLFS returns an lfs that does what the script says.
func fakeLFS(t *testing.T, timeout time.Duration, script string) (*lfsClient, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	written := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600)
	if err := errors.Join(written, os.Symlink(self, filepath.Join(dir, "lfs"))); err != nil {
		t.Fatal(err)
	}
	l, err := newLFS(filepath.Join(dir, "lfs"), timeout, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return l, filepath.Join(dir, "called")
}

func wanted() planner.Limits {
	return planner.Limits{
		planner.SpaceSoft:  planner.LimitOf[planner.Bytes](9 << 30),
		planner.SpaceHard:  planner.LimitOf[planner.Bytes](10 << 30),
		planner.InodesSoft: planner.Unlimited(),
		planner.InodesHard: planner.LimitOf[planner.Inodes](2000),
	}
}

func TestLFSArguments(t *testing.T) {
	running := testNow().Add(time.Hour)
	for name, c := range map[string]struct {
		by   planner.QuotaBy
		keep planner.Grace
		want string
	}{
		"group": {planner.ByGroup, planner.Grace{},
			`["setquota" "-g" "30500" "-b" "9437184" "-B" "10485760" "-i" "0" "-I" "2000" "/mnt/l x"]`},
		"project": {planner.ByProject, planner.Grace{},
			`["setquota" "-p" "30500" "-b" "9437184" "-B" "10485760" "-i" "0" "-I" "2000" "/mnt/l x"]`},
		"space clock runs": {planner.ByGroup, planner.Grace{Space: running},
			`["setquota" "-g" "30500" "-B" "10485760" "-i" "0" "-I" "2000" "/mnt/l x"]`},
		"inode clock runs": {planner.ByGroup, planner.Grace{Inodes: running},
			`["setquota" "-g" "30500" "-b" "9437184" "-B" "10485760" "-I" "2000" "/mnt/l x"]`},
		"both clocks do so": {planner.ByGroup, planner.Grace{Space: running, Inodes: running},
			`["setquota" "-g" "30500" "-B" "10485760" "-I" "2000" "/mnt/l x"]`},
	} {
		args, err := setArgs("/mnt/l x", c.by, 30500, wanted())
		args = withoutSoft(args, c.keep)
		if got := fmt.Sprintf("%q", args); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v\nwant %s", name, got, err, c.want)
		}
	}
	l, called := fakeLFS(t, 0, "exit 0\n")
	if err := l.Set(t.Context(), "/mnt/l x", planner.ByGroup, 30500, wanted(),
		planner.Grace{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(called)
	want := `["setquota" "-g" "30500" "-b" "9437184" "-B" "10485760" "-i" "0" "-I" "2000" "/mnt/l x"]` + "\n[\"LC_ALL=C\"]\n/\n"
	if err != nil || string(got) != want {
		t.Errorf("lfs saw arguments, environment, directory\n%s%v\nwant\n%s", got, err, want)
	}
}

// On a Lustre filesystem, lfs never sets limits whose clock must be kept. All four limits are set
// by one ioctl, with the end that the servers have, not the one that this node read from the output
// of lfs.
func TestLFSKeepsClocksByIOCTL(t *testing.T) {
	l, called := fakeLFS(t, 0, "exit 0\n")
	s := newServer()
	l.ioctl = s.client()
	s.ioctl("", request(getQuota, planner.ByGroup, 5))
	r := s.records[[2]uint32{typeGroup, 5}]
	r.put64(atCurSpace, 9<<30+1)
	r.put64(atBTime, 777)
	if err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{Space: testNow()}); err != nil {
		t.Fatal(err)
	}
	if got := r.u64(atBTime); got != 777 || r.u64(atBHard) != 10485760 || r.u64(atISoft) != 0 ||
		r.u64(atIHard) != 2000 {
		t.Errorf("the clock ends at %d, want 777: % x", got, r[:])
	}
	s.fail = unix.EIO
	if err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{Space: testNow()}); !errors.Is(err, unix.EIO) {
		t.Errorf("a server that fails: %v", err)
	}
	if exists(called) {
		t.Error("lfs was run, which starts the clock again or reads what another may have changed")
	}
	s.fail = unix.ENOTTY
	if err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{Space: testNow()}); err != nil || !exists(called) {
		t.Errorf("without Lustre: %v", err)
	}
}

func TestLFSGet(t *testing.T) {
	l, called := fakeLFS(t, 0, "exit 0\n/mnt/l 4 51200 61440 - 1 1000 0 - \n")
	s := l.Get(t.Context(), "/mnt/l", planner.ByProject, 7)
	want := planner.QuotaState{
		Source: viaLFS,
		Limits: planner.Limits{
			planner.SpaceSoft:  planner.LimitOf[planner.Bytes](50 << 20),
			planner.SpaceHard:  planner.LimitOf[planner.Bytes](60 << 20),
			planner.InodesSoft: planner.LimitOf[planner.Inodes](1000),
			planner.InodesHard: planner.Unlimited(),
		},
		Space: planner.UsageOf(planner.Bytes(4096)), Inodes: planner.UsageOf(planner.Inodes(1)),
	}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if got, _ := os.ReadFile(called); !strings.HasPrefix(string(got),
		`["quota" "-p" "7" "/mnt/l"]`) {
		t.Errorf("called with %s", got)
	}
}

func TestLFSFailures(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"exit 1\n\x00Permission denied.\n", "run cscs-sync as root"},
		{"exit 19\n", "not on a mounted Lustre filesystem"},
		{"exit 22\n", "soft above hard"},
		{"exit 4\nusage\n", "does not understand its arguments"},
		{"exit 12\n", "do not know this command"},
		{"exit 95\n", "project feature"},
		{"exit 122\n", "raise that limit"},
		{"exit 110\n", "did not answer in time"},
	} {
		l, _ := fakeLFS(t, 0, c.script)
		err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(), planner.Grace{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(),
			"set quota of group 5 at /mnt/l") {
			t.Errorf("%q: set: got %v, want %q", c.script, err, c.want)
		}
		if s := l.Get(t.Context(), "/mnt/l", planner.ByGroup, 5); !strings.Contains(s.LimitsWhy(),
			c.want) || s.Space.Known() {
			t.Errorf("%q: get: got %+v, want %q", c.script, s, c.want)
		}
	}
	l, err := newLFS("/nonexistent/lfs", 0, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if s := l.Get(t.Context(), "/mnt/l", planner.ByGroup, 5); !strings.Contains(s.LimitsWhy(),
		"quota.lfs") {
		t.Errorf("without lfs: %+v", s)
	}
	if _, err := newLFS("lfs", 0, testNow); err == nil {
		t.Error("a relative path would be looked up by PATH")
	}
}

// TestLFSThatOthersMayReplace: an lfs that is no longer trusted is not run, and nothing is set.
func TestLFSThatOthersMayReplace(t *testing.T) {
	l, called := fakeLFS(t, 0, "quota\n")
	asked := ""
	l.trusted = func(program string) error { asked = program; return errors.New("a stranger may replace it") }
	if q := l.Get(t.Context(), "/mnt/l", planner.ByGroup, 5); !strings.Contains(q.LimitsWhy(),
		"a stranger may replace it") || q.Space.Known() {
		t.Errorf("get: %+v", q)
	}
	err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(), planner.Grace{})
	if !errors.Is(err, quota.ErrRefused) || !strings.Contains(err.Error(),
		"a stranger may replace it") {
		t.Errorf("set: %v", err)
	}
	if _, err := os.Stat(called); err == nil || asked != l.path {
		t.Errorf("it was run, or another was asked about: %q, %v", asked, err)
	}
}

func TestLFSHangs(t *testing.T) {
	l, called := fakeLFS(t, 2*time.Second, "hang\n/mnt/l 4 51200 61440 - 1 1000 1200 - \n")
	start := time.Now()
	s := l.Get(t.Context(), "/mnt/l", planner.ByGroup, 5)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := os.Stat(called); err != nil {
		t.Fatalf("lfs was never run: %v", err)
	}
	if !strings.Contains(s.LimitsWhy(), "no answer in time (2s)") || s.Limits.Known() ||
		s.Space.Known() {
		t.Errorf("what a killed lfs printed was believed, or the reason is wrong: %+v", s)
	}
	if n := l.stuck(); n != 0 {
		t.Errorf("%d stuck, but a process that can be killed is not", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Set(ctx, "/mnt/l", planner.ByGroup, 5, wanted(), planner.Grace{}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	set := func(f func(*planner.Limits)) planner.Limits { q := wanted(); f(&q); return q }
	for name, c := range map[string]struct {
		id     uint32
		limits planner.Limits
		want   string
	}{
		"unknown": {5,
			set(func(q *planner.Limits) { q[planner.SpaceHard] = planner.Limit{} }),
			"space_hard: the limit is unknown"},
		"zero": {5,
			set(func(q *planner.Limits) { q[planner.InodesHard] = planner.LimitOf[planner.Inodes](0) }), "inodes_hard: a limit of 0"},
		"no whole KiB": {5,
			set(func(q *planner.Limits) { q[planner.SpaceSoft] = planner.LimitOf[planner.Bytes](1025) }), "not a multiple of 1024"},
		"space too large": {5,
			set(func(q *planner.Limits) { q[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1<<60 + 1024) }), "space_hard"},
		"inodes too many": {5,
			set(func(q *planner.Limits) { q[planner.InodesHard] = planner.LimitOf[planner.Inodes](1<<48 + 1) }), "inodes_hard"},
		"soft above hard": {5,
			set(func(q *planner.Limits) { q[planner.SpaceSoft] = planner.LimitOf[planner.Bytes](11 << 30) }), "soft 11 GiB is above hard 10 GiB"},
		"inode soft above": {5,
			set(func(q *planner.Limits) { q[planner.InodesSoft] = planner.LimitOf[planner.Inodes](2001) }), "inodes: soft 2,001"},
		"id 0":         {0, wanted(), "default quota"},
		"id too large": {1 << 31, wanted(), "above 2147483647"},
	} {
		_, err := check(planner.ByGroup, c.id, c.limits)
		if !errors.Is(err, quota.ErrRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := check("user", 5, wanted()); !errors.Is(err, quota.ErrRefused) {
		t.Errorf("by user: got %v", err)
	}
	biggest := planner.Limits{
		planner.SpaceSoft:  planner.LimitOf[planner.Bytes](1 << 60),
		planner.SpaceHard:  planner.LimitOf[planner.Bytes](1 << 60),
		planner.InodesSoft: planner.LimitOf[planner.Inodes](1 << 48),
		planner.InodesHard: planner.Unlimited(),
	}
	if _, err := check(planner.ByProject, quota.MaxID, biggest); err != nil {
		t.Errorf("the greatest limits: %v", err)
	}
	l, called := fakeLFS(t, 0, "exit 0\n")
	if err := l.Set(t.Context(), "/mnt/l", planner.ByGroup, 0, wanted(),
		planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
		t.Errorf("set: got %v", err)
	}
	if _, err := os.Stat(called); err == nil {
		t.Error("lfs was run for a quota that is refused")
	}
}

// TestNamesOfNumbers: lfs tries an id as a name first. The quota of another identity with that name
// is neither read nor set.
func TestNamesOfNumbers(t *testing.T) {
	built := buildStandIn(t)
	for release, by := range map[string][]planner.QuotaBy{"2.15.8": {planner.ByGroup},
		"2.17.57": {planner.ByGroup, planner.ByProject}} {
		s := &standIn{t: t, path: filepath.Join(t.TempDir(), "lfs")}
		mount := filepath.Join(t.TempDir(), "m")
		if err := errors.Join(os.Mkdir(mount, 0o755), os.Symlink(built, s.path)); err != nil {
			t.Fatal(err)
		}
		s.sim("init", "--state", s.path+".json", "--release", release, "--mount", mount+"=capstor",
			"--as-root",
			"--group", "30500=31000", "--group", "bystander=31000", "--group", "own=30501",
			"--group", "30502=30502",
			"--projid", "30500=31000")
		for _, by := range by {
			l, err := newLFS(s.path, 0, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Get(t.Context(), mount, by, 30500); got.Limits.Known() ||
				!strings.Contains(got.LimitsWhy(), "is also the name of "+string(by)+" 31000") {
				t.Errorf("%s, %s: read %+v", release, by, got)
			}
			fresh, err := newLFS(s.path, 0, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			for name, l := range map[string]*lfsClient{"after Get": l, "unread": fresh} {
				err := l.Set(t.Context(), mount, by, 30500, wanted(), planner.Grace{})
				if !errors.Is(err, quota.ErrRefused) || !strings.Contains(err.Error(),
					"client = \"ioctl\"") {
					t.Errorf("%s, %s, %s: set: %v", release, by, name, err)
				}
			}
			for _, id := range []uint32{30501, 30502,
				30503} { // named otherwise, named by its own number, not named
				if err := l.Set(t.Context(), mount, by, id, wanted(), planner.Grace{}); err != nil {
					t.Errorf("%s, %s %d: %v", release, by, id, err)
				}
				if got := l.Get(t.Context(), mount, by, id); got.Limits != wanted() {
					t.Errorf("%s, %s %d: %+v", release, by, id, got)
				}
			}
			if got := l.Get(t.Context(), mount, by, 31000); got.Limits == wanted() {
				t.Errorf("%s, %s: the other identity has the limits", release, by)
			}
		}
	}
	for _, title := range []string{"Disk quotas for grp 30500 (uid 30500):",
		"Disk quotas for grp 30500:", "Disk quotas for grp a (gid 30500) (gid 7):",
		"Disk quotas for prj x (pid 30500):"} {
		if err := checkTitle(title+"\n", planner.ByGroup, 30500); err == nil {
			t.Errorf("%q is taken", title)
		}
	}
}

// TestOutputIsBounded: the output is bounded, whoever writes it and however io.Copy works.
func TestOutputIsBounded(t *testing.T) {
	out := &limitedBuffer{}
	cmd := exec.Command("head", "-c", strconv.Itoa(maxOutput+1<<19), "/dev/zero")
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if n := out.kept.Len(); n != maxOutput {
		t.Errorf("%d bytes are kept, want %d", n, maxOutput)
	}
}
