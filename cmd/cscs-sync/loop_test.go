package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// service is a `run` as a real process against a simulated Waldur.
type service struct {
	t     testing.TB
	dir   string
	url   string
	sim   *waldursim.Server
	cmd   *exec.Cmd
	mu    sync.Mutex
	out   bytes.Buffer
	ended chan error
	// env is more environment of the loop.
	env []string
	// passed is how much time has gone by since testTime.
	passed time.Duration
}

// Write collects the log.
func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *service) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// newService makes a site with a loop on it, whose policy allows creates, raises and reports.
func newService(t testing.TB, more string) *service {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("gives directories to groups, which only root can")
	}
	s := &service{t: t, dir: quickDir(t), sim: waldursim.New(waldursim.Options{}), ended: make(chan error, 1)}
	server := httptest.NewServer(s.sim)
	t.Cleanup(server.Close)
	s.url = server.URL
	exe, err := os.Executable()
	s.check(err)
	for _, d := range []string{"capstor", "iopsstor", "vast"} {
		s.check(os.MkdirAll(filepath.Join(s.dir, "mnt", d), 0o755))
	}
	s.check(os.Symlink(lfsBinary(t), filepath.Join(s.dir, "lfs")))
	s.check(os.Symlink(exe, filepath.Join(s.dir, "cscs-sync")))
	s.check(lfssim.Init(filepath.Join(s.dir, "lfs.json"), lfssim.State{Release: "2.15.8", Mounts: []lfssim.Mount{{Path: filepath.Join(s.dir, "mnt"), FS: "test"}}}))
	s.check(os.WriteFile(filepath.Join(s.dir, "proxy.token"), []byte(waldursim.DefaultProxyToken), 0o600))
	s.check(os.WriteFile(filepath.Join(s.dir, "waldur.token"), []byte(waldursim.DefaultWaldurToken), 0o600))
	config := strings.NewReplacer("$URL", server.URL, "$WORK", s.dir).Replace(usualConfig + more)
	s.check(os.WriteFile(filepath.Join(s.dir, "cscs-sync.hcl"), []byte(config), 0o600))
	return s
}

// lfsBinary is the simulator as a small binary of its own, built once: these tests start it thousands of times.
var lfsBinary = func() func(testing.TB) string {
	var once sync.Once
	var path string
	var failed error
	return func(t testing.TB) string {
		t.Helper()
		once.Do(func() {
			var dir string
			if dir, failed = os.MkdirTemp("", "lfs-sim"); failed != nil {
				return
			}
			path = filepath.Join(dir, "lfs-sim")
			build := exec.Command("go", "build", "-o", path, "../lfs-sim")
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			var out []byte
			if out, failed = build.CombinedOutput(); failed != nil {
				failed = fmt.Errorf("build lfs-sim: %w: %s", failed, out)
			}
		})
		if failed != nil {
			t.Fatal(failed)
		}
		return path
	}
}()

// quickDir is a folder in memory where there is one: these tests sync a lot, and a kill loses nothing that was written.
func quickDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "cscs-sync-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *service) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// command is one cscs-sync as a process of its own.
func (s *service) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.dir, "cscs-sync"), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "CSCS_TEST_NOW=", "NO_COLOR=1")
	return cmd
}

func (s *service) start(args ...string) {
	s.cmd = s.command(append([]string{"run"}, args...)...)
	s.cmd.Stderr, s.cmd.Stdout = s, s
	s.cmd.Env = append(s.cmd.Env, s.env...)
	s.check(s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
}

// until waits for something to become true.
func (s *service) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("%s never happened; the log:\n%s", what, s.log())
}

func (s *service) exists(path string) func() bool {
	return func() bool {
		_, err := os.Lstat(filepath.Join(s.dir, "mnt", path))
		return err == nil
	}
}

func (s *service) says(text string) func() bool {
	return func() bool { return strings.Contains(s.log(), text) }
}

func (s *service) create(project string, gid int64) { s.createOn("capstor", project, gid) }

func (s *service) createOn(system, project string, gid int64) {
	s.t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: system, Customer: "eth", Project: project, DataType: "store", GID: gid,
		Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
}

// TestADayOfTheLoop runs the loop as a real process through what a day brings: orders that come, change, fail and are
// cancelled, drift, a proxy that dies, a mount that hangs, a removal that waits for its approval, a reload, a clean stop.
func TestADayOfTheLoop(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.create("first", 30500)
	s.env = []string{"CSCS_TEST_MOUNT_TIMEOUT=2s"}
	s.start("--interval", "100ms")
	s.until("holding everything", s.says("reason=all_held"))
	if held := s.pending(); len(held) != 1 || s.exists("capstor/store")() {
		t.Fatalf("held plans %v", held)
	}
	s.approveAll()
	s.until("the approved plan", s.exists("capstor/store/cscs/eth/first"))
	s.create("second", 30501)
	s.until("a routine order", s.exists("capstor/store/cscs/eth/second"))

	s.ordersChangeFailAndEnd()
	s.proxyDies()
	s.mountHangs()

	s.check(syscall.Chmod(filepath.Join(s.dir, "mnt/capstor/store/cscs/eth/first"), 0o770))
	s.until("holding the undoing of drift", s.says("auto_approve does not allow drift_mode"))
	s.removal()
	s.metricsAnswer()
	s.reloadAndStop()
}

// becomes waits until Waldur has a resource in a state.
func (s *service) becomes(slug string, want waldursim.ResourceState) {
	s.t.Helper()
	s.until(slug+" becoming "+string(want), func() bool {
		r, err := s.sim.Resource(slug)
		s.check(err)
		return r.State == want
	})
}

// lastOrder is the newest order of a resource.
func (s *service) lastOrder(slug string) waldursim.OrderView {
	s.t.Helper()
	r, err := s.sim.Resource(slug)
	s.check(err)
	return r.Orders[len(r.Orders)-1]
}

// ordersChangeFailAndEnd: a raise is carried out, one that fails is tried again, a create that is cancelled before its
// customer approved it is none.
func (s *service) ordersChangeFailAndEnd() {
	s.t.Helper()
	grow := func(to int) {
		s.becomes("capstor-second-store", waldursim.OK)
		_, err := s.sim.UpdateResource("capstor-second-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": to}})
		s.check(err)
	}
	hard := func(tera uint64) func() bool {
		return func() bool {
			q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, 30501)
			s.check(err)
			return q.BlockHard >= tera<<30 && s.lastOrder("capstor-second-store").State == waldursim.Done
		}
	}
	grow(2)
	s.until("a raised quota", hard(2))
	s.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO", Count: 1})
	grow(3)
	s.until("a raise that fails", s.says("failures=1"))
	s.until("its second try", hard(3))

	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "never", DataType: "store", GID: 30503,
		Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create", State: waldursim.PendingConsumer}})
	s.check(err)
	s.passes(2)
	_, err = s.sim.SetOrderState(s.lastOrder("capstor-never-store").UUID, waldursim.Canceled)
	s.check(err)
	s.passes(2)
	if s.exists("capstor/store/cscs/eth/never")() {
		s.t.Error("an order that its customer did not approve, and cancelled, was carried out")
	}
}

// passes waits for some more rounds.
func (s *service) passes(rounds int) {
	s.t.Helper()
	want := strings.Count(s.log(), "msg=round") + rounds
	s.until("more rounds", func() bool { return strings.Count(s.log(), "msg=round") >= want })
}

// proxyDies and comes back.
func (s *service) proxyDies() {
	s.t.Helper()
	s.listing(502, -1)
	s.until("noticing that the proxy is down", s.says("reason=source_unreachable"))
	s.sim.ClearFaults()
	s.create("third", 30502)
	s.until("going on", s.exists("capstor/store/cscs/eth/third"))
	s.becomes("capstor-third-store", waldursim.OK)
}

// mountHangs: the orders on it wait, all others are carried out; once it is back, so are those.
func (s *service) mountHangs() {
	s.t.Helper()
	repair := s.hang(filepath.Join(s.dir, "mnt/iopsstor"))
	s.createOn("iopsstor", "far", 30510)
	s.create("near", 30511)
	s.until("carrying out what is elsewhere", s.exists("capstor/store/cscs/eth/near"))
	s.until("saying that a mount hangs", s.says("reason=observe_failed"))
	s.until("metrics that tell of the mount", s.answers("/metrics", "cscs_sync_hung_mounts 1"))
	repair()
	s.until("carrying out what waited", s.exists("iopsstor/store/cscs/eth/far"))
	s.becomes("iopsstor-far-store", waldursim.OK)
}

// removal: one that is cancelled is not done, one that is approved is.
func (s *service) removal() {
	s.t.Helper()
	s.terminate("third")
	s.until("holding the removal", s.says("auto_approve does not allow archive"))
	_, err := s.sim.SetOrderState(s.lastOrder("capstor-third-store").UUID, waldursim.Canceled)
	s.check(err)
	s.until("letting go of a removal that was cancelled", s.says("no longer held"))
	s.terminate("second")
	s.until("holding the next one", func() bool { return strings.Count(s.log(), "auto_approve does not allow archive") > 1 })
	if !s.exists("capstor/store/cscs/eth/second")() || !s.exists("capstor/store/cscs/eth/third")() {
		s.t.Fatal("a removal did not wait for its approval")
	}
	s.approveAll()
	s.until("the approved removal", func() bool { return !s.exists("capstor/store/cscs/eth/second")() })
	s.becomes("capstor-second-store", waldursim.Terminated)
	if !s.exists("capstor/store/cscs/eth/third")() {
		s.t.Error("what was not to be removed was")
	}
}

// approveAll approves every held plan.
func (s *service) approveAll() {
	s.t.Helper()
	for _, p := range s.pending() {
		if out, err := s.command("approve", p).CombinedOutput(); err != nil {
			s.t.Logf("approve %s: %v\n%s", p, err, out) // the loop may just have replaced it
		}
	}
}

// ask asks the local port that the log names last.
func (s *service) ask(path string) string {
	s.t.Helper()
	log := s.log()
	address, _, _ := strings.Cut(log[strings.LastIndex(log, "listen=")+len("listen="):], "\n")
	answer, err := http.Get("http://" + address + path)
	s.check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	s.check(err)
	return answer.Status + "\n" + string(text)
}

// answers tells whether the answer is well and holds a text.
func (s *service) answers(path, want string) func() bool {
	return func() bool {
		text := s.ask(path)
		return strings.HasPrefix(text, "200") && strings.Contains(text, want)
	}
}

func (s *service) metricsAnswer() {
	s.t.Helper()
	for path, want := range map[string]string{"/metrics": `cscs_sync_changes_total{action="archive",status="done"} 1`, "/healthz": "ok", "/readyz": "last good round"} {
		s.until(path+" with "+want, s.answers(path, want))
	}
}

// reloadAndStop sends SIGHUP with a bad and a good configuration, and then SIGTERM.
func (s *service) reloadAndStop() {
	s.t.Helper()
	config := filepath.Join(s.dir, "cscs-sync.hcl")
	good, err := os.ReadFile(config)
	s.check(err)
	s.check(os.WriteFile(config, append([]byte("nonsense = 1\n"), good...), 0o600))
	s.check(s.cmd.Process.Signal(syscall.SIGHUP))
	s.until("refusing a bad configuration", s.says("the old configuration stays in force"))
	s.check(os.WriteFile(config, bytes.Replace(good, []byte("127.0.0.1:0"), []byte("127.0.0.2:0"), 1), 0o600))
	s.check(s.cmd.Process.Signal(syscall.SIGHUP))
	s.until("taking a good one", s.says("was read again"))
	s.until("answering at another address", func() bool { return s.says("listen=127.0.0.2:")() && s.answers("/healthz", "ok")() })
	s.stops()
}

// TestOrdersLaneSeesConflicts: an order for a path that belongs to somebody whom the orders lane does not list is blocked.
func TestOrdersLaneSeesConflicts(t *testing.T) {
	s := newService(t, "")
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "old", DataType: "store", GID: 30500, Limits: map[string]any{"storage": 1}, BackendID: "/capstor/store/cscs/eth/old"})
	s.check(err)
	if out, err := s.command("run", "--once").CombinedOutput(); err != nil {
		t.Fatalf("first audit: %v\n%s", err, out)
	}
	_, err = s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "new", DataType: "store", GID: 30501, Limits: map[string]any{"storage": 1},
		BackendID: "/capstor/store/cscs/eth/old/inner", Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
	// the audit fails, so only the orders lane plans, with the index of the audit before
	s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 500, Count: 3})
	out, _ := s.command("run", "--once").CombinedOutput()
	if !strings.Contains(string(out), "lane=audit reason=source_unreachable") || !strings.Contains(string(out), "lane=orders reason=orders_blocked") {
		t.Errorf("want a failed audit, and an orders lane that plans nothing for the newcomer inside another's directory:\n%s", out)
	}
}

// TestNeverTwoListings: while one listing is running there is no second one, however short the interval and whichever the
// lane.
func TestNeverTwoListings(t *testing.T) {
	s := newService(t, quick)
	s.withoutQuotas()
	s.create("first", 30500)
	s.settle()
	var now, most, all atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for most.Load() < n && !most.CompareAndSwap(most.Load(), n) {
		}
		all.Add(1)
		time.Sleep(60 * time.Millisecond) // several intervals
		s.sim.ServeHTTP(w, r)
		now.Add(-1)
	}))
	defer proxy.Close()
	s.edit(s.url+"/api/storage-resources/", proxy.URL+"/api/storage-resources/")
	s.start("--interval", "10ms")
	s.until("both lanes", func() bool {
		return all.Load() > 20 && strings.Count(s.log(), "lane=audit") > 2 && s.says("lane=orders")()
	})
	s.stops()
	if most.Load() != 1 {
		t.Errorf("%d listings at a time", most.Load())
	}
}
