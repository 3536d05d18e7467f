package main

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTwoLoopsUnderFire runs the loop on both nodes, and kills, stops and restarts them at random, while orders come. Each
// order is acted on once, whoever does it, and the history is whole.
func TestTwoLoopsUnderFire(t *testing.T) {
	g := newPair(t)
	g.create("first", 30599)
	g.settle() // a loop holds everything until a person's plan was applied: on one node, before the state is shared
	g.ok("state", "copy", "--to", filepath.Join(g.dir, "a.hcl"))
	g.sim.ClearRequests()
	r := rand.New(rand.NewPCG(7, 8))
	loops := map[string]*exec.Cmd{}
	start := func(node string) {
		cmd := g.command("-c", node+".hcl", "run", "--interval", "100ms")
		cmd.Env = append(cmd.Env, "CSCS_TEST_HOST="+node)
		cmd.Stdout, cmd.Stderr = g, g
		g.check(cmd.Start())
		loops[node] = cmd
	}
	for _, node := range []string{"a", "b"} {
		start(node)
		t.Cleanup(func() { _ = loops[node].Process.Kill(); _ = loops[node].Wait() })
	}
	const orders = 24
	for i := range orders {
		g.create(fmt.Sprintf("p%02d", i), int64(30600+i))
		node := []string{"a", "b"}[r.IntN(2)]
		switch r.IntN(3) {
		case 0:
			_ = loops[node].Process.Kill()
			_ = loops[node].Wait()
			start(node)
		case 1:
			_ = loops[node].Process.Signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
			_ = loops[node].Process.Signal(syscall.SIGCONT)
		}
		time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
	}
	done := func() bool {
		for i := range orders {
			if !g.exists(fmt.Sprintf("capstor/store/cscs/eth/p%02d", i))() {
				return false
			}
		}
		return g.told("set_state_done") == orders
	}
	g.until("every order done", done)
	for _, verb := range []string{"approve_by_provider", "set_state_done"} {
		if n := g.told(verb); n != orders {
			t.Errorf("%s took effect %d times, want once for each of %d orders", verb, n, orders)
		}
	}
	for _, cmd := range loops {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	if out := g.must("a", "state", "history", "--verify"); !strings.Contains(out, "The history is whole") {
		t.Error(out)
	}
	if out := g.must("b", "callbacks", "list"); !strings.Contains(out, "told everything") {
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
