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
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// service is a `run` as a real process against a simulated Waldur.
type service struct {
	t     *testing.T
	dir   string
	sim   *waldursim.Server
	cmd   *exec.Cmd
	mu    sync.Mutex
	out   bytes.Buffer
	ended chan error
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
func newService(t *testing.T, more string) *service {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("gives directories to groups, which only root can")
	}
	s := &service{t: t, dir: quickDir(t), sim: waldursim.New(waldursim.Options{}), ended: make(chan error, 1)}
	server := httptest.NewServer(s.sim)
	t.Cleanup(server.Close)
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
var lfsBinary = func() func(*testing.T) string {
	var once sync.Once
	var path string
	var failed error
	return func(t *testing.T) string {
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
func quickDir(t *testing.T) string {
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
	s.check(s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
}

// until waits for something to become true.
func (s *service) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
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

func (s *service) create(project string, gid int64) {
	s.t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: project, DataType: "store", GID: gid,
		Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
}

// TestADayOfTheLoop runs the loop as a real process through what a day brings: orders, drift, a proxy that dies and comes
// back, a removal that waits for its approval, a reload, a clean stop.
func TestADayOfTheLoop(t *testing.T) {
	s := newService(t, "run {\n  interval = \"1s\"\n  audit_interval = \"1s\"\n  listen = \"127.0.0.1:0\"\n}\n")
	s.create("first", 30500)
	s.start("--interval", "100ms")
	s.until("holding everything", s.says("reason=all_held"))
	held, err := filepath.Glob(filepath.Join(s.dir, "state/pending/*.plan"))
	s.check(err)
	if len(held) != 1 || s.exists("capstor/store")() {
		t.Fatalf("held plans %v", held)
	}
	if out, err := s.command("approve", held[0]).CombinedOutput(); err != nil {
		t.Fatalf("approve: %v\n%s", err, out)
	}
	s.until("the approved plan", s.exists("capstor/store/cscs/eth/first"))
	s.create("second", 30501)
	s.until("a routine order", s.exists("capstor/store/cscs/eth/second"))

	s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "status", Status: 502, Count: -1})
	s.until("noticing that the proxy is down", s.says("reason=source_unreachable"))
	s.sim.ClearFaults()
	s.create("third", 30502)
	s.until("going on", s.exists("capstor/store/cscs/eth/third"))

	s.check(syscall.Chmod(filepath.Join(s.dir, "mnt/capstor/store/cscs/eth/first"), 0o770))
	s.until("holding the undoing of drift", s.says("auto_approve does not allow drift_mode"))

	_, err = s.sim.TerminateResource("capstor-second-store", "")
	s.check(err)
	s.until("holding the removal", s.says("auto_approve does not allow archive"))
	if !s.exists("capstor/store/cscs/eth/second")() {
		t.Fatal("the removal did not wait for its approval")
	}
	s.approveAll()
	s.until("the approved removal", func() bool { return !s.exists("capstor/store/cscs/eth/second")() })
	s.metricsAnswer()
	s.reloadAndStop()
}

// approveAll approves every held plan.
func (s *service) approveAll() {
	s.t.Helper()
	held, err := filepath.Glob(filepath.Join(s.dir, "state/pending/*.plan"))
	s.check(err)
	for _, p := range held {
		if out, err := s.command("approve", p).CombinedOutput(); err != nil {
			s.t.Logf("approve %s: %v\n%s", p, err, out) // the loop may just have replaced it
		}
	}
}

// metricsAnswer asks the local port that the log names.
func (s *service) metricsAnswer() {
	s.t.Helper()
	_, address, _ := strings.Cut(s.log(), "listen=")
	address, _, _ = strings.Cut(address, "\n")
	for path, want := range map[string]string{"/metrics": `cscs_sync_rounds_total{lane="audit",reason="applied"}`, "/healthz": "ok", "/readyz": "last good round"} {
		answer, err := http.Get("http://" + address + path)
		s.check(err)
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		s.check(err)
		if answer.StatusCode != 200 || !strings.Contains(string(text), want) {
			s.t.Errorf("%s: %s, without %q:\n%s", path, answer.Status, want, text)
		}
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
	s.until("refusing a bad configuration", s.says("going on with the old one"))
	s.check(os.WriteFile(config, good, 0o600))
	s.check(s.cmd.Process.Signal(syscall.SIGHUP))
	s.until("taking a good one", s.says("was read again"))
	s.check(s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("run ended by SIGTERM: %v, want exit 0", err)
		}
	case <-time.After(10 * time.Second):
		s.t.Error("run did not stop within 10 s of SIGTERM")
	}
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
	if !strings.Contains(string(out), "lane=audit reason=source_unreachable") || !strings.Contains(string(out), "lane=orders reason=no_changes") {
		t.Errorf("want a failed audit, and an orders lane that plans nothing for the newcomer inside another's directory:\n%s", out)
	}
}
