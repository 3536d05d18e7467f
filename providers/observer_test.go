package providers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// storage stands in for real mounts. Each system is a mount. Calls on it hang while the system is
// in hang.
type storage struct {
	mu      sync.Mutex
	hang    map[string]chan struct{}
	mounts  map[string]planner.Mount
	at, max map[string]int
	// slow are single paths or ids whose calls hang.
	slow  map[string]chan struct{}
	calls atomic.Int64
	fail  string
}

func newStorage() *storage {
	return &storage{hang: map[string]chan struct{}{}, slow: map[string]chan struct{}{},
		mounts: map[string]planner.Mount{},
		at:     map[string]int{}, max: map[string]int{}}
}

func (s *storage) enter(system, what string) (leave func()) {
	s.calls.Add(1)
	s.mu.Lock()
	s.at[system]++
	s.max[system] = max(s.max[system], s.at[system])
	hang, slow := s.hang[system], s.slow[what]
	s.mu.Unlock()
	for _, wait := range []chan struct{}{hang, slow} {
		if wait != nil {
			<-wait
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.at[system]--
	}
}

func (s *storage) Mount(system planner.System) planner.Mount {
	defer s.enter(system.Name, "canary "+system.Name)()
	if m, ok := s.mounts[system.Name]; ok {
		return m
	}
	return planner.Mount{Filesystem: "fs " + system.Name, Inode: 2}
}

func (s *storage) Observe(system planner.System, path string) planner.Directory {
	defer s.enter(system.Name, path)()
	var n uint64
	fmt.Sscanf(filepath.Base(path), "%d", &n)
	return planner.Directory{State: planner.DirPresent, Inode: n}
}

func (s *storage) Get(ctx context.Context, system planner.System,
	id planner.Subject) planner.QuotaState {
	defer s.enter(system.Name, fmt.Sprint("quota ", id.ID))()
	if s.fail != "" {
		time.Sleep(20 * time.Millisecond)
		return planner.UnknownQuota(s.fail)
	}
	return planner.QuotaState{Source: &planner.QuotaSource{Via: system.Name},
		Limits: planner.Limits{planner.InodesHard: planner.LimitOf(planner.Inodes(id.ID))}}
}

// testDeadline is so long that a busy machine does not look like a hung mount.
const testDeadline = time.Second

func systems(names ...string) (all []planner.System) {
	for _, name := range names {
		all = append(all, planner.System{Name: name, Directory: name})
	}
	return all
}

func newObserver(s *storage, names ...string) *StorageObserver {
	return NewObserver(Options{Systems: systems(names...), Directories: s, Quotas: s,
		Deadline: testDeadline, QuotaDeadline: testDeadline})
}

func places(system string, n int) (all []planner.Place) {
	for i := range n {
		all = append(all, planner.Place{System: system, Path: fmt.Sprintf("%s/%d", system, i)})
	}
	return all
}

func TestDirectoriesInOrder(t *testing.T) {
	s := newStorage()
	o := newObserver(s, "a", "b")
	var told []int
	o.o.Progress = func(_ string, done, total int) { told = append(told, done, total) }
	var targets []planner.Place
	for i, p := range places("a", 1000) {
		targets = append(targets, p, planner.Place{System: "b", Path: fmt.Sprintf("b/%d", i)})
	}
	got := o.Directories(t.Context(), planner.TargetsOf(targets...))
	for i, d := range got {
		if d.State != planner.DirPresent || d.Inode != uint64(i/2) {
			t.Fatalf("%d: got %+v", i, d)
		}
	}
	if n := len(told); n < 2 || told[n-1] != 2000 || told[n-2] != 2000 {
		t.Errorf("told %v", told)
	}
	if s.max["a"] > 16 || s.max["b"] > 16 {
		t.Errorf("more than 16 at a time: %v", s.max)
	}
	if got := o.Directories(t.Context(), planner.TargetsOf[planner.Place]()); len(got) != 0 {
		t.Errorf("nothing asked, got %v", got)
	}
}

// A mount whose probe hangs makes its own targets unknown, while the others continue. No further
// call is made on it. It is used again once it answers.
func TestCanaryHangs(t *testing.T) {
	s := newStorage()
	release := make(chan struct{})
	s.hang["b"] = release
	o := newObserver(s, "a", "b")
	start := time.Now()
	for range 3 {
		mounts := o.Mounts(t.Context(), systems("a", "b"))
		if mounts["a"].Filesystem != "fs a" || mounts["b"].Unknown == "" || mounts["b"].Filesystem != "" {
			t.Fatalf("mounts: %+v", mounts)
		}
		both := append(places("a", 100), places("b", 100)...)
		got := o.Directories(t.Context(), planner.TargetsOf(both...))
		if got[99].State != planner.DirPresent || got[100].State != planner.DirUnknown ||
			got[100].Why != mounts["b"].Unknown {
			t.Fatalf("got %+v and %+v", got[99], got[100])
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a hung mount was waited for again: %s", took)
	}
	if s.max["b"] != 1 || o.Hanging() != 1 {
		t.Errorf("%d calls at a time on the hung mount, %d counted", s.max["b"], o.Hanging())
	}
	if m := o.Mounts(t.Context(), systems("b"))["b"]; !strings.Contains(m.Unknown, "still hangs") {
		t.Errorf("asked again: %+v", m)
	}
	close(release)
	waitFor(t, func() bool { return o.Hanging() == 0 })
	if m := o.Mounts(t.Context(), systems("b"))["b"]; m.Filesystem != "fs b" {
		t.Errorf("it came back: %+v", m)
	}
	got := o.Directories(t.Context(), planner.TargetsOf(places("b", 3)...))
	if got[2].State != planner.DirPresent {
		t.Errorf("it came back: %+v", got)
	}
}

// A mount that did not answer its wake-up probe is known to hang when it is needed. A mount that
// answered is probed again, because it may have changed.
func TestWake(t *testing.T) {
	s := newStorage()
	release := make(chan struct{})
	s.hang["b"] = release
	defer close(release)
	o := newObserver(s, "a", "b")
	ended := make(chan struct{})
	o.Wake(t.Context(), systems("a", "b"), func() { close(ended) })
	<-ended
	s.mu.Lock()
	s.mounts["a"] = planner.Mount{Filesystem: "another"} // while there was something else to do
	s.mu.Unlock()
	before := s.calls.Load()
	mounts := o.Mounts(t.Context(), systems("a", "b"))
	if mounts["a"].Filesystem != "another" ||
		!strings.Contains(mounts["b"].Unknown, "did not answer within") {
		t.Errorf("mounts: %+v", mounts)
	}
	if n := s.calls.Load() - before; n != 1 {
		t.Errorf("%d mounts were asked, want the one that had answered", n)
	}
	if again := o.Mounts(t.Context(), systems("b")); !strings.Contains(again["b"].Unknown,
		"still hangs") {
		t.Errorf("asked once more: %+v", again)
	}
}

// A mount that hangs midway keeps the answers so far, and has a reason for the rest.
func TestMountHangsMidway(t *testing.T) {
	s := newStorage()
	release := make(chan struct{})
	for i := 500; i < 1000; i++ {
		s.slow[fmt.Sprintf("b/%d", i)] = release
	}
	o := newObserver(s, "a", "b")
	targets := append(places("a", 1000), places("b", 10_000)...)
	got := o.Directories(t.Context(), planner.TargetsOf(targets...))
	seen, unknown := 0, 0
	for i, d := range got {
		switch {
		case i < 1000 && d.State != planner.DirPresent:
			t.Fatalf("%d: another mount is delayed: %+v", i, d)
		case d.State == planner.DirPresent && d.Inode != uint64(i%1000) && i < 1000:
			t.Fatalf("%d: got the answer of another: %+v", i, d)
		case i >= 1000 && d.State == planner.DirPresent && d.Inode == uint64(i-1000):
			seen++
		case i >= 1000 && d.Why == "the mount of system b did not answer within 1s":
			unknown++
		case i >= 1000:
			t.Fatalf("%d: %+v", i, d)
		}
	}
	if seen == 0 || unknown < 500 || seen+unknown != 10_000 {
		t.Errorf("%d seen, %d unknown", seen, unknown)
	}
	calls := s.calls.Load()
	got = o.Directories(t.Context(), planner.TargetsOf(places("b", 10)...))
	if got[0].State != planner.DirUnknown || !strings.Contains(got[0].Why, "still hangs") {
		t.Errorf("asked again: %+v", got[0])
	}
	if s.calls.Load() != calls {
		t.Error("calls were added to a hung mount")
	}
	close(release)
	waitFor(t, func() bool { return o.Hanging() == 0 })
	got = o.Directories(t.Context(), planner.TargetsOf(places("b", 10)...))
	if got[9].State != planner.DirPresent {
		t.Errorf("it came back: %+v", got)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came")
		}
	}
}

func TestProblemsAndStrangers(t *testing.T) {
	s := newStorage()
	s.mounts["b"] = planner.Mount{Problem: "not mounted"}
	o := newObserver(s, "a", "b")
	got := o.Directories(t.Context(),
		planner.TargetsOf([]planner.Place{{System: "b", Path: "b/1"}, {System: "c", Path: "c/1"},
			{System: "a", Path: "a/7"}}...))
	if got[0].Why != "not mounted" || !strings.Contains(got[1].Why, "not configured") ||
		got[2].Inode != 7 {
		t.Errorf("got %+v", got)
	}
	if got[0].State != planner.DirUnknown || got[1].State != planner.DirUnknown {
		t.Errorf("what was not looked at is not unknown: %+v", got)
	}
}

func TestInterrupted(t *testing.T) {
	s := newStorage()
	release := make(chan struct{})
	defer close(release)
	s.slow["a/70"] = release
	o := newObserver(s, "a")
	o.o.Deadline = time.Hour
	o.Mounts(t.Context(), systems("a"))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	got := o.Directories(ctx, planner.TargetsOf(places("a", 100)...))
	if got[0].State != planner.DirPresent || got[70].State != planner.DirUnknown ||
		!strings.Contains(got[70].Why, "interrupted") {
		t.Errorf("got %+v, %+v", got[0], got[70])
	}
}

func quotaTargets(system, filesystem string, n int) (all []planner.QuotaTarget) {
	for i := range n {
		all = append(all, planner.QuotaTarget{System: system,
			Subject: planner.Subject{Filesystem: filesystem, By: planner.ByGroup, ID: uint32(i + 1)}})
	}
	return all
}

func TestQuotasOnceEach(t *testing.T) {
	s := newStorage()
	s.mounts["a"], s.mounts["b"] = planner.Mount{Filesystem: "shared"}, planner.Mount{Filesystem: "shared"}
	o := newObserver(s, "a", "b")
	o.Mounts(t.Context(), systems("a", "b"))
	before := s.calls.Load()
	targets := append(quotaTargets("a", "shared", 100), quotaTargets("b", "shared", 150)[100:]...)
	got := o.Quotas(t.Context(), planner.TargetsOf(targets...))
	if len(got) != 150 || s.calls.Load()-before != 150 {
		t.Errorf("%d answers by %d calls, want 150", len(got), s.calls.Load()-before)
	}
	for i, q := range got {
		if n, _ := q.Limits[planner.InodesHard].Number(); n != uint64(targets[i].Subject.ID) ||
			q.Via() != targets[i].System {
			t.Fatalf("%v: got %+v", targets[i], q)
		}
	}
	if s.max["a"]+s.max["b"] > 8+2 {
		t.Errorf("more than 8 at a time: %v", s.max)
	}
	other := o.Quotas(t.Context(), planner.TargetsOf(quotaTargets("a", "another", 1)...))
	for _, q := range other {
		if !strings.Contains(q.LimitsWhy(), `"shared" now`) || q.SpaceWhy() == "" || q.InodesWhy() == "" {
			t.Errorf("another filesystem: %+v", q)
		}
	}
}

// When a metadata server is down, each call fails after its own deadline. The observer does not
// wait for that ten thousand times.
func TestQuotasThatFailSlowly(t *testing.T) {
	s := newStorage()
	s.fail = "no answer in time"
	o := newObserver(s, "a")
	start := time.Now()
	got := o.Quotas(t.Context(), planner.TargetsOf(quotaTargets("a", "fs a", 10_000)...))
	if took := time.Since(start); took > 5*time.Second || len(got) != 10_000 {
		t.Errorf("took %s for %d", took, len(got))
	}
	for id, q := range got {
		if q.LimitsWhy() == "" || q.Limits.Known() {
			t.Fatalf("%v: %+v", id, q)
		}
	}
	waitFor(t, func() bool { return o.Hanging() == 0 })
}

// Directories and quotas of one mount may be read at the same time.
func TestBothAtOnce(t *testing.T) {
	o := newObserver(newStorage(), "a")
	o.Mounts(t.Context(), systems("a"))
	var wait sync.WaitGroup
	wait.Go(func() {
		for i, d := range o.Directories(t.Context(), planner.TargetsOf(places("a", 5000)...)) {
			if d.State != planner.DirPresent {
				t.Errorf("%d: %+v", i, d)
				return
			}
		}
	})
	wait.Go(func() {
		for id, q := range o.Quotas(t.Context(), planner.TargetsOf(quotaTargets("a", "fs a", 5000)...)) {
			if q.LimitsWhy() != "" {
				t.Errorf("%v: %+v", id, q)
				return
			}
		}
	})
	wait.Wait()
}

// bare makes the system calls that the observer cannot avoid: one openat2 and one fstat per
// directory.
type bare struct{ fd int }

func (b bare) Mount(planner.System) planner.Mount { return planner.Mount{Filesystem: "x"} }

func (b bare) Observe(_ planner.System, path string) planner.Directory {
	fd, err := unix.Openat2(b.fd, path,
		&unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH})
	if err != nil {
		return planner.Directory{Why: err.Error()}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	unix.Fstat(fd, &st)
	return planner.Directory{State: planner.DirPresent, Inode: st.Ino}
}

// BenchmarkDirectories compares the observer with a loop that makes the same system calls.
func BenchmarkDirectories(b *testing.B) {
	root := b.TempDir()
	targets := places("a", 10_000)
	for _, p := range targets {
		if err := os.MkdirAll(filepath.Join(root, p.Path), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	b.Run("loop", func(b *testing.B) {
		for b.Loop() {
			for _, p := range targets {
				bare{fd}.Observe(planner.System{}, p.Path)
			}
		}
	})
	b.Run("observer", func(b *testing.B) {
		o := NewObserver(Options{Systems: systems("a"), Directories: bare{fd}})
		for b.Loop() {
			o.Directories(b.Context(), planner.TargetsOf(targets...))
		}
	})
}

// TestOneQuotaHangs: a quota whose call never returns keeps one worker busy, and only this quota is
// unknown. The next look has one worker less, until none is left. The directories of the mount are
// looked at all the same.
func TestOneQuotaHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage()
		release := make(chan struct{})
		s.slow["quota 7"] = release
		o := newObserver(s, "a")
		read := func(look int, unknown func(i int) bool, why string) {
			for i, q := range o.Quotas(t.Context(), planner.TargetsOf(quotaTargets("a", "fs a", 100)...)) {
				if strings.Contains(q.LimitsWhy(), why) != unknown(i) {
					t.Errorf("look %d, quota %d: %+v", look, i+1, q)
				}
			}
		}
		for look := 1; look < DefaultQuotaWorkers; look++ {
			start := time.Now()
			read(look, func(i int) bool { return i == 6 }, "did not answer within 1s")
			if took := time.Since(start); took != testDeadline || o.Hanging() != look {
				t.Errorf("look %d took %s, and %d calls hang", look, took, o.Hanging())
			}
		}
		read(DefaultQuotaWorkers, func(i int) bool { return i >= 6 }, "did not answer within 1s")
		calls := s.calls.Load()
		read(DefaultQuotaWorkers+1, func(int) bool { return true }, "still hangs")
		if n := s.calls.Load() - calls; n != 0 {
			t.Errorf("%d calls were made although every worker hangs", n)
		}
		d := o.Directories(t.Context(), planner.TargetsOf(places("a", 1)...))
		if d[0].State != planner.DirPresent {
			t.Errorf("a directory: %+v", d[0])
		}
		close(release)
		synctest.Wait()
		read(DefaultQuotaWorkers+2, func(int) bool { return false }, "hangs")
	})
}

// TestLateCallIsGivenUp: a call that began before the others were done is given up at its own
// deadline.
func TestLateCallIsGivenUp(t *testing.T) {
	w := &work[int]{workers: make([]worker, 3)}
	first, second := &w.workers[0], &w.workers[1]
	first.busy, second.busy = true, true
	for range 3 {
		w.late(time.Second)
	}
	second.signs, second.running = 1, 0
	if late := w.late(time.Second); late != time.Second {
		t.Errorf("a call that began just now: %s", late)
	}
	second.busy = false
	if late := w.late(time.Second); late != 5*time.Second {
		t.Errorf("only the late call is left: %s", late)
	}
	first.busy = false
	if late := w.late(time.Second); late != 2*time.Second {
		t.Errorf("no call runs: %s", late)
	}
}
