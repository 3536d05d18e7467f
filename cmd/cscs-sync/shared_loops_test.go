package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fire is two loops that are killed and stopped at random.
type fire struct {
	*pair
	r     *rand.Rand
	loops map[string]*exec.Cmd
}

// start starts the loop of a node, and notes its process for the fence.
func (f *fire) start(node string) {
	f.t.Helper()
	cmd := f.command("-c", node+".hcl", "run", "--interval", "100ms")
	cmd.Env = append(cmd.Env, "CSCS_TEST_HOST="+node)
	cmd.Stdout, cmd.Stderr = f, f
	f.check(cmd.Start())
	f.check(os.WriteFile(filepath.Join(f.dir, "pid-"+node), fmt.Appendln(nil, cmd.Process.Pid), 0o600))
	f.loops[node] = cmd
}

func (f *fire) kill(node string) {
	_ = f.loops[node].Process.Kill()
	_ = f.loops[node].Wait()
}

// fenced has the nodes fence each other as a power switch does: the process is gone before the command
// says so.
func (f *fire) fenced() {
	f.t.Helper()
	script := filepath.Join(f.dir, "fence")
	text := fmt.Sprintf("#!/bin/sh\npid=$(cat %[1]s/pid-\"$1\")\nkill -9 \"$pid\"\n"+
		"until [ ! -d /proc/\"$pid\" ] || grep -q '^State:.Z' /proc/\"$pid\"/status; do sleep 0.02; done\n", f.dir)
	f.check(os.WriteFile(script, []byte(text), 0o700))
	f.configure(`name = "alps"`, fmt.Sprintf("name = \"alps\"\n  fence { exec = [%q] }", script), "a", "b")
}

// round does something bad to one of the loops, for at most a time.
func (f *fire) round(longest time.Duration) {
	node := []string{"a", "b"}[f.r.IntN(2)]
	time.Sleep(time.Duration(f.r.IntN(200)) * time.Millisecond)
	switch f.r.IntN(4) {
	case 0: // killed, and started again at once
		f.kill(node)
		f.start(node)
	case 1: // paused; perhaps for so long that the other one fences it
		_ = f.loops[node].Process.Signal(syscall.SIGSTOP)
		time.Sleep(time.Duration(f.r.Int64N(int64(longest))))
		_ = f.loops[node].Process.Signal(syscall.SIGCONT)
	case 2: // asked to end
		_ = f.loops[node].Process.Signal(syscall.SIGTERM)
		_ = f.loops[node].Wait()
		f.start(node)
	case 3: // dead for a while
		f.kill(node)
		time.Sleep(time.Duration(f.r.Int64N(int64(longest))))
		f.start(node)
	}
	if !isRunning(f.loops[node].Process.Pid) { // it was fenced
		f.kill(node)
		f.start(node)
	}
}

// isRunning reports whether a process is there, and not over.
func isRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// TestTwoLoopsUnderFire runs the loop on both nodes, which are killed, paused, ended and fenced at
// random, while orders come. Each order is acted on once, whoever does it, and the history is whole.
func TestTwoLoopsUnderFire(t *testing.T) {
	rounds, every := 24, 1
	if os.Getenv("CSCS_TEST_LONG") != "" {
		rounds, every = 1000, 3
	}
	const lease = time.Second
	g := newPair(t)
	f := &fire{pair: g, r: rand.New(rand.NewPCG(7, 8)), loops: map[string]*exec.Cmd{}}
	g.lasts(lease)
	f.fenced()
	g.trusted()
	g.sim.ClearRequests()
	for _, node := range []string{"a", "b"} {
		f.start(node)
		t.Cleanup(func() { f.kill(node) })
	}
	var projects []string
	for i := range rounds {
		if i%every == 0 {
			p := fmt.Sprintf("p%04d", i)
			g.create(p, int64(30600+i))
			projects = append(projects, p)
		}
		f.round(2 * lease)
	}
	g.until("every order done", func() bool {
		for _, node := range []string{"a", "b"} {
			if !isRunning(f.loops[node].Process.Pid) {
				f.kill(node)
				f.start(node)
			}
		}
		return g.told("set_state_done") == len(projects)
	})
	for _, p := range projects {
		if !g.exists("capstor/store/cscs/eth/" + p)() {
			t.Errorf("%s was not made", p)
		}
	}
	for _, verb := range []string{"approve_by_provider", "set_state_done"} {
		if n := g.told(verb); n != len(projects) {
			t.Errorf("%s took effect %d times, want once for each of %d orders", verb, n, len(projects))
		}
	}
	for _, node := range []string{"a", "b"} {
		_ = f.loops[node].Process.Signal(syscall.SIGTERM)
		_ = f.loops[node].Wait()
	}
	if out := g.must("a", "state", "history", "--verify"); !strings.Contains(out, "The history is whole") {
		t.Error(out)
	}
	if out := g.must("b", "callbacks", "list"); !strings.Contains(out, "told everything") {
		t.Error(out)
	}
	if out := g.must("b", "plan"); !strings.Contains(out, "No changes") {
		t.Error(out)
	}
}

// told counts the callbacks of a kind that took effect.
func (g *pair) told(verb string) (n int) {
	for _, r := range g.sim.Requests() {
		if r.Method == "POST" && strings.HasSuffix(r.Path, "/"+verb+"/") && r.Status < 300 {
			n++
		}
	}
	return n
}
