package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// effects counts the callbacks that took effect, by their last part.
func (s *service) effects() map[string]int {
	n := map[string]int{}
	for _, q := range s.sim.Requests() {
		if q.Callback && q.TookEffect {
			parts := strings.Split(strings.Trim(q.Path, "/"), "/")
			n[parts[len(parts)-1]]++
		}
	}
	return n
}

// TestTwoAppliesAtOnce: of several processes that apply one plan at the same time, one does it; the others find the lock
// busy, or, if they wait for it, the plan used. Each callback takes effect once.
func TestTwoAppliesAtOnce(t *testing.T) {
	for _, wait := range []string{"0s", "30s"} {
		t.Run("lock-timeout "+wait, func(t *testing.T) {
			s := newService(t, "")
			s.withoutQuotas()
			for i := range 5 {
				s.create(fmt.Sprint("p", i), int64(31000+i))
			}
			s.ok("plan", "--out", "p.plan")
			s.ok("approve", "p.plan")
			const n = 4
			codes, texts := make([]int, n), make([]string, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					cmd := s.fixed(nil, "apply", "--lock-timeout", wait, "p.plan")
					out, err := cmd.CombinedOutput()
					codes[i], texts[i] = cmd.ProcessState.ExitCode(), string(out)
					if _, ok := err.(*exec.ExitError); err != nil && !ok {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			done := 0
			for i, code := range codes {
				switch {
				case code == exitDone:
					done++
				case code == exitError && wait == "0s" && strings.Contains(texts[i], "apply.lock is held by root"):
				case code == exitRefused && strings.Contains(texts[i], "was already applied"):
				default:
					t.Errorf("exit %d:\n%s", code, texts[i])
				}
			}
			if done != 1 {
				t.Errorf("%d of %d did it", done, n)
			}
			for call, n := range s.effects() {
				if n != 5 {
					t.Errorf("%s took effect %d times, want 5", call, n)
				}
			}
		})
	}
}

// TestSecondSignal: the second signal does not wait for Waldur's answer. What was sent is noted as not answered, and the
// next apply of the plan finds out.
func TestSecondSignal(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			s := newService(t, "")
			s.withoutQuotas()
			s.create("bio", 31000)
			s.ok("plan", "--out", "p.plan")
			s.ok("approve", "p.plan")
			s.check(s.sim.Inject(waldursim.Fault{Path: "approve_by_provider", Kind: waldursim.FaultSlow, Delay: waldursim.Duration(2500 * time.Millisecond)}))
			cmd := s.fixed([]string{"CSCS_TEST_CALLBACK_TIMEOUT=1m"}, "apply", "p.plan")
			cmd.Stdout, cmd.Stderr = s, s
			s.check(cmd.Start())
			s.until("the approve", func() bool {
				for _, q := range s.sim.Requests() {
					if strings.Contains(q.Path, "approve_by_provider") {
						return true
					}
				}
				return s.exists("capstor/store/cscs/eth/bio")()
			})
			time.Sleep(500 * time.Millisecond)
			s.check(cmd.Process.Signal(sig))
			time.Sleep(300 * time.Millisecond)
			if cmd.ProcessState != nil || syscall.Kill(cmd.Process.Pid, 0) != nil {
				t.Fatalf("the first signal did not wait for what is under way:\n%s", s.log())
			}
			second := time.Now()
			s.check(cmd.Process.Signal(sig))
			code := exitOf(t, cmd.Wait())
			if took := time.Since(second); code != exitInterrupted || took > beforeChanges {
				t.Errorf("exit %d after %s", code, took)
			}
			for _, want := range []string{"Apply incomplete!", "1 done but not reported", "To continue where it stopped: cscs-sync apply"} {
				if !strings.Contains(s.log(), want) {
					t.Errorf("the account lacks %q:\n%s", want, s.log())
				}
			}
			time.Sleep(2500 * time.Millisecond) // until Waldur has carried the approve out after all
			s.ok("apply", "p.plan")
			if got := fmt.Sprint(s.effects()); got != "map[approve_by_provider:1 set_backend_id:1 set_state_done:1]" {
				t.Errorf("took effect: %s", got)
			}
		})
	}
}

// TestLockTakenAway: somebody removes the lock's file while an apply holds it, so that another could begin. The apply stops
// before its next change, and says so.
func TestLockTakenAway(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("a", 31000)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Method: "GET", Path: "marketplace-orders", Kind: waldursim.FaultSlow, Delay: waldursim.Duration(time.Second)}))
	cmd := s.fixed([]string{"CSCS_TEST_CALLBACK_TIMEOUT=1m"}, "apply", "p.plan")
	cmd.Stdout, cmd.Stderr = s, s
	lock := filepath.Join(s.dir, "state/apply.lock")
	s.check(cmd.Start())
	s.until("the lock, before the question about the order is answered", func() bool {
		held, err := os.ReadFile(lock)
		return err == nil && len(held) > 0
	})
	s.check(os.Remove(lock))
	if code := exitOf(t, cmd.Wait()); code != exitError || !strings.Contains(s.log(), "was removed or replaced while it was held") || s.exists("capstor/store")() {
		t.Errorf("exit %d\n%s", code, s.log())
	}
	s.ok("apply", "p.plan")
}

// TestAnotherRootMeanwhile: between the last look and the first change another filesystem takes a system's place. What is opened
// for changes is compared with what was recorded once more.
func TestAnotherRootMeanwhile(t *testing.T) {
	s := newService(t, "")
	s.active("bio", 31000)
	s.settle()
	ses := s.inProcess(time.Now).s
	s.check(syscall.Mount("second", filepath.Join(s.dir, "mnt/capstor"), "tmpfs", 0, ""))
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(s.dir, "mnt/capstor"), syscall.MNT_DETACH) })
	recorded, err := ses.Store.Recorded()
	s.check(err)
	st, done, err := ses.Site().Storage(t.Context(), recorded.Roots)
	s.check(err)
	defer done()
	if d, err := st.Make("capstor", "capstor/new"); err == nil || !strings.Contains(err.Error(), "another filesystem is mounted there") {
		t.Errorf("made %v, %v", d, err)
	}
	if s.exists("capstor/new")() {
		t.Error("something was made on it")
	}
}

// TestUmask: what is made has its mode whatever the umask of the process.
func TestUmask(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("old", 30602)
	s.settle()
	s.terminate("old")
	s.create("bio", 31000)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	apply := s.fixed(nil, "apply", "p.plan")
	cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 0777; exec "$0" "$@"`, apply.Path}, apply.Args[1:]...)...)
	cmd.Dir, cmd.Env = apply.Dir, apply.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"capstor/store/cscs/eth drwxrwxr-x 0:0", "eth/bio dgrwxrwx--- 0:31000", "capstor/.trash drwx------ 0:0", "-old dgrwxrwx--- 0:30602", "-old.json -rw------- 0:0"} {
		if !strings.Contains(s.tree(), want) {
			t.Errorf("under umask 0777 there is no %q:\n%s", want, s.tree())
		}
	}
}

// TestLoopPausesWithTheToken: while Waldur refuses the token, the loop tries one callback, says so once, and waits before
// it tries another; after a reload at once.
func TestLoopPausesWithTheToken(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	for i := range 3 {
		s.create(fmt.Sprint("p", i), int64(31000+i))
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "/api/marketplace", Kind: waldursim.FaultStatus, Status: 500, Count: -1}))
	if code, out := s.here("apply", "p.plan"); code != exitPartial {
		t.Fatalf("exit %d\n%s", code, out)
	}
	s.sim.ClearFaults()
	s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "/api/marketplace", Kind: waldursim.FaultStatus, Status: 401, Count: -1}))
	posts := func() (n int) {
		for _, q := range s.sim.Requests() {
			if q.Callback {
				n++
			}
		}
		return n
	}
	s.sim.ClearRequests()
	l := s.inProcess(time.Now)
	for range 5 {
		l.Round(t.Context(), loop.LaneOrders)
	}
	if n := strings.Count(s.log(), "all callbacks pause"); n != 1 || posts() != 1 {
		t.Errorf("said %d times, sent %d times:\n%s", n, posts(), s.log())
	}
	s.sim.ClearFaults()
	l.Reload()
	l.Round(t.Context(), loop.LaneOrders)
	if got := fmt.Sprint(s.effects()); got != "map[approve_by_provider:2 set_backend_id:2 set_state_done:2]" {
		t.Errorf("took effect: %s; the one that was refused waits a minute\n%s", got, s.log())
	}
}
