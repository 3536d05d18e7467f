package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nodeLoop is the loop of one node, with a log of its own.
type nodeLoop struct {
	*service
	node string
	cmd  *exec.Cmd
	// over is closed once the process has ended.
	over chan struct{}
}

// loopOn starts the loop of a node.
func (g *pair) loopOn(node string, args ...string) *nodeLoop {
	g.t.Helper()
	l := &nodeLoop{service: &service{t: g.t, dir: g.dir, sim: g.sim, url: g.url}, node: node, over: make(chan struct{})}
	l.cmd = g.command(append([]string{"-c", node + ".hcl", "run", "--interval", "100ms"}, args...)...)
	l.cmd.Env = append(l.cmd.Env, "CSCS_TEST_HOST="+node)
	l.cmd.Stdout, l.cmd.Stderr = l.service, l.service
	g.check(l.cmd.Start())
	go func() {
		_ = l.cmd.Wait()
		close(l.over)
	}()
	g.t.Cleanup(func() { l.signal(syscall.SIGKILL); <-l.over })
	return l
}

func (l *nodeLoop) signal(s syscall.Signal) { _ = l.cmd.Process.Signal(s) }

// leads waits until the loop says that it leads, and returns how long that took.
func (l *nodeLoop) leads() time.Duration {
	l.t.Helper()
	begun := time.Now()
	l.until(l.node+" leads", l.says("this node leads"))
	return time.Since(begun)
}

// standsBy waits until the loop says that it stands by.
func (l *nodeLoop) standsBy() {
	l.t.Helper()
	l.until(l.node+" stands by", l.says("standing by"))
}

// trusted has a person's plan applied, so that the loops apply what the policy allows.
func (g *pair) trusted() {
	g.t.Helper()
	g.create("first", 30599)
	g.settle()
	g.ok("state", "copy", "--to", filepath.Join(g.dir, "a.hcl"))
}

// configure changes the configuration of nodes.
func (g *pair) configure(old, latest string, nodes ...string) {
	g.t.Helper()
	for _, node := range nodes {
		path := filepath.Join(g.dir, node+".hcl")
		text, err := os.ReadFile(path)
		g.check(err)
		changed := strings.Replace(string(text), old, latest, 1)
		if changed == string(text) {
			g.t.Fatalf("%s does not say %q", path, old)
		}
		g.check(os.WriteFile(path, []byte(changed), 0o600))
	}
}

// lasts shortens the lease.
func (g *pair) lasts(lease time.Duration) {
	g.configure(`name = "alps"`, fmt.Sprintf("name = \"alps\"\n  lease = %q", lease), "a", "b")
}

// TestAStandbyTakesOver: one loop works and the other one says that it stands by, in its log, its
// metrics, `state nodes` and on its page. It takes over soon after the first one is killed, and does
// what was ordered meanwhile.
func TestAStandbyTakesOver(t *testing.T) {
	const lease = 3 * time.Second
	g := newPair(t)
	g.lasts(lease)
	g.configure("state \"postgres\"", quick+"state \"postgres\"", "a", "b")
	g.trusted()
	a := g.loopOn("a")
	a.leads()
	b := g.loopOn("b")
	b.standsBy()
	time.Sleep(lease + lease/2)
	if n := strings.Count(b.log(), "standing by"); n != 1 || strings.Contains(b.log(), "msg=round") {
		t.Errorf("b says %d times that it stands by, and its log is\n%s", n, b.log())
	}
	for l, want := range map[*nodeLoop][2]string{a: {"cscs_sync_leader 1", "last good round"}, b: {"cscs_sync_leader 0", `standing by: node "a" has led`}} {
		if !l.answers("/metrics", want[0])() || !l.answers("/readyz", want[1])() || !l.answers("/healthz", "ok")() {
			t.Errorf("%s: want %q in\n%s\n%s", l.node, want, l.ask("/metrics"), l.ask("/readyz"))
		}
		if page := l.ask("/"); !strings.Contains(page, "stands by") || !strings.Contains(page, "leads") {
			t.Errorf("the page of %s names no leader:\n%s", l.node, page)
		}
	}
	if out := g.must("b", "state", "nodes"); !strings.Contains(out, "Loop of node a: has led since") || !strings.Contains(out, "Loop of node b: has stood by") {
		t.Error(out)
	}
	a.signal(syscall.SIGKILL)
	g.create("second", 30600)
	if took := b.leads(); took > (lease+lease/2)*slowdown {
		t.Errorf("the fail-over took %s, with a lease of %s", took, lease)
	}
	b.until("the order of b", g.exists("capstor/store/cscs/eth/second"))
	b.until("the metric of b", b.answers("/metrics", "cscs_sync_leader 1"))
	if out := g.must("b", "state", "nodes"); !strings.Contains(out, "Loop of node a: not heard of since") || !strings.Contains(out, "Loop of node b: has led") {
		t.Error(out)
	}
}

// TestAPlannedHandOver: a loop that is asked to end gives the lead back, and the other one works
// within two seconds. One that comes back stands by.
func TestAPlannedHandOver(t *testing.T) {
	g := newPair(t) // with the usual lease: nothing has to expire
	g.trusted()
	a := g.loopOn("a")
	a.leads()
	b := g.loopOn("b")
	b.standsBy()
	a.signal(syscall.SIGTERM)
	if took := b.leads(); took > 2*time.Second*slowdown {
		t.Errorf("the hand-over took %s", took)
	}
	<-a.over
	again := g.loopOn("a")
	again.standsBy()
	b.signal(syscall.SIGHUP) // a leader that reads its configuration again stays the leader
	b.until("the reload", b.says("the configuration was read again"))
	b.passes(2)
	if strings.Count(b.log(), "this node leads") != 1 || strings.Contains(again.log(), "this node leads") {
		t.Errorf("a reload gave the lead away:\n%s\n%s", b.log(), again.log())
	}
	g.create("second", 30600)
	b.until("the order of b", g.exists("capstor/store/cscs/eth/second"))
}

// TestAFailOverWithTheUsualTimes: a standby takes over within 45 s of the other node's death.
func TestAFailOverWithTheUsualTimes(t *testing.T) {
	t.Parallel()
	g := newPair(t)
	g.trusted()
	a := g.loopOn("a")
	a.leads()
	b := g.loopOn("b")
	b.standsBy()
	a.signal(syscall.SIGKILL)
	g.create("second", 30600)
	begun := time.Now()
	b.leads()
	b.until("the order of b", g.exists("capstor/store/cscs/eth/second"))
	if took := time.Since(begun); took > 45*time.Second {
		t.Errorf("the fail-over took %s", took)
	}
}

// TestAFailOverInTheMiddleOfAPlan: the leader dies while it applies. The other node fences it by the
// site's command, and continues what has begun.
func TestAFailOverInTheMiddleOfAPlan(t *testing.T) {
	g := newPair(t)
	g.lasts(2 * time.Second)
	fence := filepath.Join(g.dir, "fence")
	g.check(os.WriteFile(fence, []byte("#!/bin/sh\necho \"$1\" >>"+filepath.Join(g.dir, "fenced")+"\n"), 0o700))
	g.configure(`name = "alps"`, fmt.Sprintf("name = \"alps\"\n  fence { exec = [%q] }", fence), "a", "b")
	g.trusted()
	g.create("second", 30600)
	cmd := g.on("a", []string{"CSCS_TEST_NOW=", "CSCS_TEST_STOP=journal"}, "run", "--interval", "100ms")
	cmd.Stdout, cmd.Stderr = g, g
	g.check(cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	g.until("the stop of a", func() bool { return isStopped(cmd.Process.Pid) })
	b := g.loopOn("b")
	b.leads()
	b.becomes("capstor-second-store", "OK")
	// The policy's approval was made with the key of a, so the policy of b was asked again.
	if !b.says("the policy approved the plan of another node again")() {
		t.Errorf("b did not take over the plan of a:\n%s", b.log())
	}
	fenced, err := os.ReadFile(filepath.Join(g.dir, "fenced"))
	if err != nil || string(fenced) != "a\n" {
		t.Errorf("fenced %q, %v", fenced, err)
	}
	if out := g.must("b", "state", "history"); !strings.Contains(out, "the fence command succeeded") {
		t.Error(out)
	}
	_ = cmd.Process.Signal(syscall.SIGCONT) // it was only paused: it notices, and stands by
	g.until("a noticing", g.says("standing by"))
	for _, verb := range []string{"approve_by_provider", "set_state_done"} {
		if n := g.told(verb); n != 2 {
			t.Errorf("%s took effect %d times, want once for each of 2 orders", verb, n)
		}
	}
}

// TestNodesOfOneConfiguration: a node with another configuration waits and says so, and what to do.
func TestNodesOfOneConfiguration(t *testing.T) {
	g := newPair(t)
	g.lasts(2 * time.Second)
	g.configure("max_archives = 9", "max_archives = 8", "b")
	g.trusted()
	a := g.loopOn("a")
	a.leads()
	b := g.loopOn("b")
	b.until("b waits", b.says("give both nodes the same configuration"))
	if out := g.must("a", "state", "nodes"); !strings.Contains(out, "It differs from the leader's") {
		t.Error(out)
	}
	for _, node := range []string{"a", "b"} {
		if _, out := g.run(node, "doctor"); !strings.Contains(out, "it differs from this node's") {
			t.Errorf("doctor on %s:\n%s", node, out)
		}
	}
	a.signal(syscall.SIGKILL)
	b.until("b still waits", b.says("state fence --node a"))
	g.configure("max_archives = 8", "max_archives = 9", "b")
	b.signal(syscall.SIGHUP)
	b.leads()
	a = g.loopOn("a")
	a.standsBy()
}

// TestTwoLoopsOfOneNode: the second one waits.
func TestTwoLoopsOfOneNode(t *testing.T) {
	g := newPair(t)
	g.trusted()
	one := g.loopOn("a")
	one.leads()
	two := g.loopOn("a")
	two.until("the second loop waits", two.says("another loop is running on this node"))
	if code, out := g.run("a", "run", "--once"); code != exitDone || !strings.Contains(out, "another loop is running on this node") {
		t.Errorf("run --once beside a loop: exit %d\n%s", code, out)
	}
	one.signal(syscall.SIGKILL)
	if took := two.leads(); took > 5*time.Second*slowdown {
		t.Errorf("the second loop took over after %s, although the first one is known to be gone", took)
	}
}

// isStopped reports whether a process is stopped.
func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") T ")
}
