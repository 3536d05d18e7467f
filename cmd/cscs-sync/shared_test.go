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

	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// pair is a site whose nodes share a state in a real database. Nodes are configurations: each has its own files, and its
// processes their own host name.
type pair struct {
	*service
	server *pgtest.Server
}

// newPair makes the nodes a and b. The policy approves creates, removals and reports.
func newPair(t *testing.T) *pair {
	g := &pair{service: newService(t, ""), server: pgtest.Start(t)}
	g.check(os.WriteFile(filepath.Join(g.dir, "state.url"), []byte(g.server.Database(t, "waldur")), 0o600))
	g.check(os.WriteFile(filepath.Join(g.dir, "signers"), nil, 0o600))
	text, err := os.ReadFile(filepath.Join(g.dir, "cscs-sync.hcl"))
	g.check(err)
	for _, node := range []string{"a", "b"} {
		block := fmt.Sprintf("approval { allowed_signers = \"%[1]s/signers\" }\nauto_approve {\n  allow = [\"create\", \"archive\", \"report\"]\n  max_archives = 9\n}\n"+
			"state \"postgres\" {\n  url = file(\"%[1]s/state.url\")\n  name = \"alps\"\n  node = \"%[2]s\"\n  path = \"%[1]s/state-%[2]s\"\n}\n", g.dir, node)
		config := strings.Replace(string(text), fmt.Sprintf("state { path = \"%s/state\" }\n", g.dir), block, 1)
		g.check(os.WriteFile(filepath.Join(g.dir, node+".hcl"), []byte(config), 0o600))
	}
	return g
}

// on is a process on a node.
func (g *pair) on(node string, env []string, args ...string) *exec.Cmd {
	return g.fixed(append([]string{"CSCS_TEST_HOST=" + node}, env...), append([]string{"-c", node + ".hcl"}, args...)...)
}

// run runs a command on a node to its end.
func (g *pair) run(node string, args ...string) (int, string) {
	g.t.Helper()
	cmd := g.on(node, nil, args...)
	out, err := cmd.CombinedOutput()
	return exitOf(g.t, err), string(out)
}

// must runs a command that ends well.
func (g *pair) must(node string, args ...string) string {
	g.t.Helper()
	code, out := g.run(node, args...)
	if code != exitDone {
		g.t.Fatalf("%s: %v: exit %d\n%s", node, args, code, out)
	}
	return out
}

// expire has the lease end, as if its node were paused for longer than that lasts.
func (g *pair) expire() {
	g.server.SQL(g.t, "waldur", "UPDATE cscs_sync.states SET until = now() - interval '1 second'")
}

// stopAt starts an apply on a node, and waits until it has stopped itself at a point, as a paused machine does.
func (g *pair) stopAt(node, point string, args ...string) *exec.Cmd {
	g.t.Helper()
	cmd := g.on(node, []string{"CSCS_TEST_STOP=" + point}, args...)
	cmd.Stdout, cmd.Stderr = g, g
	g.check(cmd.Start())
	g.t.Cleanup(func() { _ = cmd.Process.Kill() })
	g.until("the stop at "+point, func() bool { return isStopped(cmd.Process.Pid) })
	return cmd
}

// wake lets a stopped process go on, and waits for its end.
func (g *pair) wake(cmd *exec.Cmd) int {
	g.t.Helper()
	g.check(cmd.Process.Signal(syscall.SIGCONT))
	return exitOf(g.t, cmd.Wait())
}

// TestTwoNodesTakeTurns: what one node records, the other one knows; one at a time may apply.
func TestTwoNodesTakeTurns(t *testing.T) {
	g := newPair(t)
	g.create("bio", 30500)
	g.must("a", "apply", "--auto-approve")
	if out := g.must("b", "plan"); !strings.Contains(out, "No changes") {
		t.Errorf("b does not know what a has applied:\n%s", out)
	}
	g.create("chem", 30501)
	g.must("b", "apply", "--auto-approve")
	if !g.exists("capstor/store/cscs/eth/chem")() {
		t.Error("not applied")
	}
	if a, b := g.must("a", "state", "pull"), g.must("b", "state", "pull"); a != b {
		t.Error("the nodes see different states")
	}
	if out := g.must("a", "state", "nodes"); !strings.Contains(out, "No node holds the state") {
		t.Error(out)
	}
}

// TestClocksAnHourApart: which node's clock is ahead makes no difference.
func TestClocksAnHourApart(t *testing.T) {
	g := newPair(t)
	for i, p := range []string{"p0", "p1", "p2", "p3"} {
		g.create(p, int64(30500+i))
		node := []string{"a", "b"}[i%2]
		g.passed = []time.Duration{0, time.Hour}[i%2]
		g.must(node, "apply", "--auto-approve")
		if !g.exists("capstor/store/cscs/eth/" + p)() {
			t.Errorf("%s was not applied on %s", p, node)
		}
	}
	g.must("a", "state", "history", "--verify")
}

// TestPausedBeforeARename: node a stops after the guard, before the rename. b may do nothing until a is fenced; a wakes up,
// and the tree is the same as without the stop, with each order acted on once.
func TestPausedBeforeARename(t *testing.T) {
	g := newPair(t)
	g.create("bio", 30500)
	g.must("a", "apply", "--auto-approve")
	g.terminate("bio")
	cmd := g.stopAt("a", "rename", "apply", "--auto-approve")
	if code, out := g.run("b", "apply", "--auto-approve"); code == exitDone || !strings.Contains(out, `node "a" has held the state`) {
		t.Errorf("while a holds the lease: exit %d\n%s", code, out)
	}
	g.expire()
	if code, out := g.run("b", "apply", "--auto-approve"); code == exitDone || !strings.Contains(out, "state fence --node a") {
		t.Errorf("while a may wake up: exit %d\n%s", code, out)
	}
	if out := g.must("b", "state", "nodes"); !strings.Contains(out, "did not release it") {
		t.Error(out)
	}
	g.must("b", "state", "fence", "--node", "a", "--reason", "the test says so")
	if code := g.wake(cmd); code == exitDone {
		t.Error("a ended well after it lost its lease")
	}
	// The one call that a was about to make was made; nothing after it was.
	if archived, _ := filepath.Glob(filepath.Join(g.dir, "mnt/capstor/.trash/*-bio")); len(archived) != 1 || g.exists("capstor/store/cscs/eth/bio")() {
		t.Errorf("a left %q", archived)
	}
	if log := g.log(); !strings.Contains(log, "does not hold") && !strings.Contains(log, "lease") {
		t.Errorf("a does not say why it stopped:\n%s", log)
	}
	if out := g.must("b", "archive", "rescan"); !strings.Contains(out, "1 archived") {
		t.Error(out)
	}
}

// TestPausedInABatch: node a stops before it writes down what a batch did. Its commit changes nothing after b has the lease,
// and none of its callbacks leaves.
func TestPausedInABatch(t *testing.T) {
	g := newPair(t)
	g.create("bio", 30500)
	cmd := g.stopAt("a", "journal", "apply", "--auto-approve")
	g.expire()
	g.must("b", "state", "fence", "--node", "a", "--reason", "the test says so")
	before := g.must("b", "state", "pull")
	if code := g.wake(cmd); code == exitDone {
		t.Error("a ended well after it lost its lease")
	}
	if after := g.must("b", "state", "pull"); after != before {
		t.Error("a changed the state after it lost its lease")
	}
	if posts := g.posts(); len(posts) > 0 {
		t.Errorf("a told Waldur %q", posts)
	}
}
