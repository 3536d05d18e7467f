package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// relay stands between a node and its database, and cuts what runs through it.
type relay struct {
	t    testing.TB
	to   string
	url  string
	here net.Listener

	mu    sync.Mutex
	isCut bool
	open  []net.Conn
	// commits counts the COMMIT that went through; the answer to number lose is lost, with its
	// connection.
	commits, lose int
}

// relayTo is a relay to a server, in a folder of its own.
func relayTo(t testing.TB, s *pgtest.Server, database string) *relay {
	t.Helper()
	dir, err := os.MkdirTemp("", "relay") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &relay{t: t, to: filepath.Join(s.Folder, ".s.PGSQL.5432"),
		url: strings.ReplaceAll(s.URL("postgres", database), strings.ReplaceAll(s.Folder, "/", "%2F"), strings.ReplaceAll(dir, "/", "%2F"))}
	if r.here, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.here.Close(); r.cut() })
	go func() {
		for {
			conn, err := r.here.Accept()
			if err != nil {
				return
			}
			go r.carry(conn)
		}
	}()
	return r
}

// carry carries one connection.
func (r *relay) carry(from net.Conn) {
	to, err := net.Dial("unix", r.to)
	r.mu.Lock()
	if err != nil || r.isCut {
		from.Close()
		r.mu.Unlock()
		return
	}
	r.open = append(r.open, from, to)
	r.mu.Unlock()
	lost := make(chan struct{})
	go func() {
		defer to.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("COMMIT\x00")) && r.loses() {
				close(lost)
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := to.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-lost: // the server has answered, and nobody hears it
			return
		default:
		}
		if _, err := from.Write(buf[:n]); err != nil {
			return
		}
	}
}

// loses counts a COMMIT, and reports whether its answer is to be lost.
func (r *relay) loses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	return r.commits == r.lose
}

// cut ends all connections, and lets no new one through until repair.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = true
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
}

func (r *relay) repair() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = false
}

// relayed puts a relay between node a and the database.
func (g *pair) relayed() *relay {
	r := relayTo(g.t, g.server, "waldur")
	g.check(os.WriteFile(filepath.Join(g.dir, "a.url"), []byte(r.url), 0o600))
	g.configure("state.url", "a.url", "a")
	return r
}

// TestCutOffAtEachPoint: node a loses the database at a point of its apply. It stops by itself, before
// b may start. b fences it and applies: the end is the same as without the cut, and each callback took
// effect once.
func TestCutOffAtEachPoint(t *testing.T) {
	points := []string{"make", "mode", "journal", "callback", "answer"}
	if os.Getenv("CSCS_TEST_LONG") != "" {
		points = append(points, "made", "closed", "own", "quota", "quota set", "synced", "record written", "callback noted")
	}
	const lease = 1500 * time.Millisecond
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			g := newPair(t)
			r := g.relayed()
			g.lasts(lease)
			g.create("one", 30500)
			g.create("two", 30501)
			a := g.stopAt("a", point, "apply", "--auto-approve")
			r.cut()
			ended := make(chan int, 1)
			g.check(a.Process.Signal(syscall.SIGCONT))
			go func() { ended <- exitOf(t, a.Wait()) }()
			g.until("b seeing that the lease of a is over", func() bool {
				return strings.Contains(g.must("b", "state", "nodes"), "did not release it")
			})
			tree, posts := g.ending().tree, g.posts()
			time.Sleep(lease)
			if now := g.ending().tree; now != tree || !slices.Equal(g.posts(), posts) {
				t.Errorf("a went on after b could have started:\n%s\nthen\n%s", tree, now)
			}
			g.must("b", "state", "fence", "--node", "a", "--reason", "the test says so")
			r.repair()
			if code := <-ended; code == exitDone {
				t.Error("a ended well without its database")
			}
			g.must("b", "apply", "--auto-approve")
			g.must("b", "callbacks", "retry")
			g.wantTwoOrdersDone()
		})
	}
}

// wantTwoOrdersDone checks that the orders of "one" and "two" were acted on, each once.
func (g *pair) wantTwoOrdersDone() {
	g.t.Helper()
	for _, p := range []string{"one", "two"} {
		g.becomes("capstor-"+p+"-store", "OK")
		if !g.exists("capstor/store/cscs/eth/" + p)() {
			g.t.Errorf("%s was not made", p)
		}
	}
	for _, verb := range []string{"approve_by_provider", "set_state_done"} {
		if n := g.told(verb); n != 2 {
			g.t.Errorf("%s took effect %d times, want once for each of 2 orders", verb, n)
		}
	}
	if out := g.must("b", "callbacks", "list"); !strings.Contains(out, "told everything") {
		g.t.Error(out)
	}
	if out := g.must("b", "state", "history", "--verify"); !strings.Contains(out, "The history is whole") {
		g.t.Error(out)
	}
}

// TestEachAnswerLost: the answer to a commit is lost, whichever it is. Nothing is written or told
// twice, and nothing is missing.
func TestEachAnswerLost(t *testing.T) {
	g := newPair(t)
	r := g.relayed()
	g.create("one", 30500)
	g.create("two", 30501)
	g.must("a", "apply", "--auto-approve")
	all := r.commits
	if all < 5 {
		t.Fatalf("an apply has only %d commits", all)
	}
	step := 3
	if os.Getenv("CSCS_TEST_LONG") != "" {
		step = 1
	}
	for lose := 1; lose <= all; lose += step {
		t.Run(fmt.Sprint(lose), func(t *testing.T) {
			g := newPair(t)
			r := g.relayed()
			r.lose = lose
			g.create("one", 30500)
			g.create("two", 30501)
			if code, out := g.run("a", "apply", "--auto-approve"); code != exitDone {
				t.Logf("exit %d\n%s", code, out)
				g.must("a", "apply", "--auto-approve")
			}
			if r.commits < lose {
				t.Fatalf("only %d commits, none was lost", r.commits)
			}
			g.wantTwoOrdersDone()
			history := g.must("a", "state", "history")
			if begun, ended := strings.Count(history, " begin"), strings.Count(history, " finish"); begun != ended || begun < 1 {
				t.Errorf("%d plans began, and %d ended:\n%s", begun, ended, history)
			}
		})
	}
}

// TestAFailOverOfTheDatabase: the primary dies while a plan runs, and its synchronous standby is
// promoted. What had begun has begun there, too, and is continued.
func TestAFailOverOfTheDatabase(t *testing.T) {
	g := newPair(t)
	g.server.Configure(t, "synchronous_standby_names = '*'", "synchronous_commit = local")
	g.server.Stop()
	g.server.Launch(t)
	standby := g.server.Standby(t, "synchronous_standby_names = ''")
	g.server.SQL(t, "postgres", "ALTER SYSTEM SET synchronous_commit = on")
	g.server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	g.check(os.WriteFile(filepath.Join(g.dir, "state.url"), fmt.Appendf(nil,
		"postgres://postgres@/waldur?host=%s,%s&port=5432,5432&target_session_attrs=read-write", g.server.Folder, standby.Folder), 0o600))
	g.trusted()
	g.create("two", 30600)
	cmd := g.on("a", []string{"CSCS_TEST_NOW=", "CSCS_TEST_STOP=journal"}, "run", "--once")
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	g.check(cmd.Start())
	g.until("the stop of a", func() bool { return isStopped(cmd.Process.Pid) })
	g.server.Kill()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	standby.Promote(t)
	var out string
	g.until("the loop on the new primary", func() bool {
		var code int
		code, out = g.run("a", "run", "--once")
		return code == exitDone
	})
	if !strings.Contains(out, "continuing a plan that has begun") {
		t.Errorf("the plan that had begun is not known to the new primary:\n%s", out)
	}
	g.becomes("capstor-two-store", "OK")
	for _, verb := range []string{"approve_by_provider", "set_state_done"} {
		if n := g.told(verb); n != 2 {
			t.Errorf("%s took effect %d times, want once for each of 2 orders", verb, n)
		}
	}
	if out := g.must("a", "state", "history", "--verify"); !strings.Contains(out, "The history is whole") {
		t.Error(out)
	}
}
