package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// hang mounts a filesystem that answers nothing over a directory. repair removes it, and ends what
// waits.
func (s *service) hang(dir string) (repair func()) {
	m := newDeadMount(s.t, dir)
	m.dies(0, fuseInit)
	return m.bury
}

// dying mounts a filesystem that dies at the first directory made on it, and orders one.
func (s *service) dying() *deadMount {
	m := newDeadMount(s.t, filepath.Join(s.dir, "mnt/vast"))
	m.dies(0, fuseMkdir)
	s.createOn("vast", "slow", 30520)
	return m
}

// listener is systemd's side of sd_notify.
type listener struct {
	conn *net.UnixConn
	mu   sync.Mutex
	said []string
}

func (s *service) listen() *listener {
	s.t.Helper()
	conn, err := net.ListenUnixgram("unixgram",
		&net.UnixAddr{Name: filepath.Join(s.dir, "notify"), Net: "unixgram"})
	s.check(err)
	l := &listener{conn: conn}
	s.t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.said = append(l.said, string(buf[:n]))
			l.mu.Unlock()
		}
	}()
	return l
}

// count is how many messages held a text.
func (l *listener) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.said {
		if strings.Contains(m, text) {
			n++
		}
	}
	return n
}

// stops ends the loop, which must come to its end within withChanges and with exit code 0.
func (s *service) stops() {
	s.t.Helper()
	begun := time.Now()
	s.check(s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("run ended by SIGTERM: %v, want exit 0; the log:\n%s", err, s.log())
		}
	case <-time.After(withChanges):
		s.t.Errorf("run did not stop within %s of SIGTERM; the log:\n%s", withChanges, s.log())
	}
	s.t.Logf("stopped after %s", time.Since(begun).Round(time.Millisecond))
}

const quick = "run {\n  interval = \"1s\"\n  audit_interval = \"1s\"\n  listen = " +
	"\"127.0.0.1:0\"\n}\n"

// TestStopsAlthoughSomethingHangs: a listing, a mount, a notification.
func TestStopsAlthoughSomethingHangs(t *testing.T) {
	// each makes something hang, and gives what tells that the loop has met it
	for name, hang := range map[string]func(s *service) (met func() bool){
		"listing": func(s *service) func() bool {
			s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "slow",
				Delay: waldursim.Duration(time.Minute), Count: -1}))
			return s.says("listen=") // it lists as soon as it serves
		},
		"mount": func(s *service) func() bool {
			s.hang(filepath.Join(s.dir, "mnt/iopsstor"))
			return func() bool { return s.requests() > 0 }
		},
		"mount that changes": func(s *service) func() bool {
			s.withoutQuotas()
			s.settle()
			m := s.dying()
			return m.isDead
		},
		"callback": func(s *service) func() bool {
			s.settle()
			s.create("second", 30501)
			s.check(s.sim.Inject(waldursim.Fault{Path: "approve_by_provider", Kind: "slow",
				Delay: waldursim.Duration(time.Minute), Count: -1}))
			return s.exists("capstor/store/cscs/eth/second")
		},
		"quota": func(s *service) func() bool {
			s.settle()
			s.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Hang: true})
			s.create("second", 30501)
			return s.exists("capstor/store/cscs/eth/second")
		},
		"notification": func(s *service) func() bool {
			s.edit("listen = ", "notify {\n    exec = [\"/bin/sleep\", \"60\"]\n  }\n  listen = ")
			return s.says("msg=held")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, quick)
			s.create("first", 30500)
			met := hang(s)
			s.sim.ClearRequests()
			s.start()
			s.until("meeting what hangs", met)
			time.Sleep(300 * time.Millisecond)
			s.stops()
			s.sim.Stop() // answers what still waits
			s.sim.ClearFaults()
			s.lfsMended()
			if !s.exists("capstor/store/cscs/eth/second")() {
				return // nothing was under way
			}
			if out, err := s.command("run", "--once").CombinedOutput(); err != nil {
				t.Errorf("the next loop: %v\n%s", err, out)
			}
			s.becomes("capstor-second-store", waldursim.OK)
		})
	}
}

// TestSystemdIsTold: readiness, what happens, signs of life also while a mount hangs, reloads and
// the stop.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.create("first", 30500)
	systemd := s.listen()
	s.env = []string{"CSCS_TEST_MOUNT_TIMEOUT=2s", "NOTIFY_SOCKET=" + filepath.Join(s.dir, "notify"),
		"WATCHDOG_USEC=400000"}
	s.createOn("iopsstor", "far", 30510)
	repair := s.hang(filepath.Join(s.dir, "mnt/iopsstor"))
	s.start()
	s.until("readiness", func() bool { return systemd.count("READY=1") == 1 })
	s.until("a sign of life", func() bool { return systemd.count("WATCHDOG=1") > 0 })
	before := systemd.count("WATCHDOG=1")
	time.Sleep(3 * time.Second) // the mount hangs all the while
	if n := systemd.count("WATCHDOG=1") - before; n < 2 {
		t.Errorf("%d signs of life in 3 s, with one due every 400 ms", n)
	}
	s.until("the end of the round that met it", func() bool { return systemd.count("STATUS=last audit round: observe_failed") > 0 })
	repair()
	s.until("a round that met nothing", func() bool {
		return systemd.count("STATUS=last audit "+
			"round: all_held") > 0
	})
	s.check(s.cmd.Process.Signal(syscall.SIGHUP))
	s.until("a reload", func() bool {
		return systemd.count("RELOADING=1\nMONOTONIC_USEC=") == 1 && systemd.count("READY=1") == 2
	})
	s.stops()
	if log := s.log(); !strings.Contains(log, "msg=start") || !strings.Contains(log, "msg=stop ") {
		t.Errorf("the log has no begin, or no end:\n%s", log)
	}
	if systemd.count("STOPPING=1") != 1 {
		t.Error("it did not say that it stops")
	}
}

// TestMountDiesUnderAChange: a mount that dies between the last look and the change holds the round
// up. That is seen from outside within a bounded time, by the log, /healthz, the metrics and
// systemd, at the cost of one call; and once the call ends, the loop goes on.
func TestMountDiesUnderAChange(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.withoutQuotas()
	s.create("first", 30500)
	s.settle()
	m := s.dying()
	systemd := s.listen()
	s.env = []string{"CSCS_TEST_MOUNT_TIMEOUT=500ms", "NOTIFY_SOCKET=" + filepath.Join(s.dir, "notify")}
	s.start()
	s.until("the mount's death", m.isDead)
	died := time.Now()
	s.until("saying that the round waits", s.says(`systems=vast stage=applying`))
	if took := time.Since(died); took > time.Minute {
		t.Errorf("a mount timeout of 500 ms, and the log says only after %s that the round waits", took)
	}
	if text := s.ask("/healthz"); !strings.HasPrefix(text, "503") || !strings.Contains(text, "vast") {
		t.Errorf("/healthz: %s", text)
	}
	s.until("metrics that tell of it", s.answers("/metrics", "cscs_sync_hung_mounts 1"))
	if systemd.count("STATUS=applying: waits for a mount that does not answer: vast") != 1 {
		t.Error("systemd was not told, or more than once")
	}
	threads := func() int {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid))
		s.check(err)
		return len(tasks)
	}
	before := threads()
	time.Sleep(4 * time.Second) // it is asked at least twice more
	if after := threads(); after > before+1 {
		t.Errorf("%d threads, were %d: each question adds a call to a mount that hangs", after, before)
	}
	m.bury()
	s.until("going on", s.says("the round continues"))
	s.until("being well again", s.answers("/healthz", "ok"))
	s.create("second", 30501)
	s.becomes("capstor-second-store", waldursim.OK)
	s.stops()
}

// TestOneRoundOnADyingMount: a timer's process tells of it, too, and ends when it is told to.
func TestOneRoundOnADyingMount(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	s.withoutQuotas()
	s.create("first", 30500)
	s.settle()
	s.dying()
	s.env = []string{"CSCS_TEST_MOUNT_TIMEOUT=500ms"}
	s.start("--once")
	s.until("saying that the round waits", s.says(`systems=vast stage=applying`))
	s.stops()
}

// TestLoopWhoseRootHangs: nothing can be looked at; rounds say so, also by the metrics, and it
// passes by itself.
func TestLoopWhoseRootHangs(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	outer := filepath.Join(s.dir, "outer")
	s.check(os.Mkdir(outer, 0o755))
	s.check(os.Rename(filepath.Join(s.dir, "mnt"), filepath.Join(outer, "mnt")))
	s.edit(`root = "`+s.dir+`/mnt"`, `root = "`+outer+`/mnt"`)
	s.create("first", 30500)
	s.settle()
	l := s.inProcess(time.Now, func(ses *session.Session) { ses.Process.MountTimeout = 500 * time.Millisecond })
	repair := s.hang(outer)
	for _, which := range []loop.Lane{loop.LaneAudit, loop.LaneOrders} {
		s.create("n"+string(which), 30510)
		if why := l.Round(t.Context(), which); why != loop.ObserveFailed {
			t.Errorf("%s round ended with %s, want observe_failed; the log:\n%s", which, why, s.log())
		}
	}
	if n := gaugeValue(t, l.Loop, "cscs_sync_hung_mounts"); n != 3 || !s.says("its mount hangs")() {
		t.Errorf("%v mounts hang by the metrics, want those of all three systems; the log:\n%s", n,
			s.log())
	}
	repair()
	s.until("a round that does what waited",
		func() bool { return l.Round(t.Context(), loop.LaneAudit) == loop.Applied })
}

// TestTwoLoops: a second loop on one state does no harm. It may find the lock taken, an order done
// that it has just planned for, or that very plan applied: then its round says so, and nothing
// happens twice.
func TestTwoLoops(t *testing.T) {
	s := newService(t, quick)
	s.create("first", 30500)
	s.settle()
	s.start("--interval", "50ms")
	for i := range 5 {
		s.create(fmt.Sprint("p", i), int64(30600+i))
		out, err := s.command("run", "--once").CombinedOutput()
		harmless := strings.Contains(string(out), "lock_busy") || strings.Contains(string(out), "stale: order was") ||
			strings.Contains(string(out), "was already applied")
		if err != nil && !harmless {
			t.Fatalf("a second loop: %v\n%s", err, out)
		}
	}
	s.until("all of them", func() bool {
		for _, r := range s.sim.State() {
			if r.State != waldursim.OK {
				return false
			}
		}
		return true
	})
	for i := range 5 {
		if n := len(callbacksOf(s, fmt.Sprint("p", i))); n != 3 {
			t.Errorf("%d callbacks took effect for p%d, want approve, set_backend_id and set_state_done", n,
				i)
		}
	}
	s.until("nothing left behind", func() bool {
		left, _ := os.ReadDir(filepath.Join(s.dir, "state/begun"))
		return len(left) == 0
	})
	s.stops()
}

// TestPortInUse: a loop whose port is taken does not begin, and says what to do.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newService(t, fmt.Sprintf("run {\n  listen = %q\n}\n", taken.Addr()))
	out, err := s.command("run").CombinedOutput()
	if code := exitOf(t, err); code != exitError || !strings.Contains(string(out), "another loop may run here already") || strings.Contains(string(out), "msg=round") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// callbacksOf are the callbacks for a project that took effect.
func callbacksOf(s *service, project string) (calls []string) {
	s.t.Helper()
	r, err := s.sim.Resource("capstor-" + project + "-store")
	s.check(err)
	order := strings.ReplaceAll(r.Orders[0].UUID, "-", "")
	for _, q := range s.sim.Requests() {
		if q.Callback && q.TookEffect &&
			(strings.Contains(q.Path, order) || strings.Contains(q.Path, r.UUID)) {
			calls = append(calls, q.Path)
		}
	}
	return calls
}
