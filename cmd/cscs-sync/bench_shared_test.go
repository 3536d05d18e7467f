package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// shared has a site's state in a database, as one node of several sees it.
func (s *benchSite) shared(b testing.TB, url, node string) {
	b.Helper()
	secret, signers := filepath.Join(s.dir, "url-"+node), filepath.Join(s.dir, "signers")
	text, err := os.ReadFile(s.config)
	if err == nil {
		err = errors.Join(os.WriteFile(secret, []byte(url), 0o600), os.WriteFile(signers, nil, 0o600))
	}
	if err != nil {
		b.Fatal(err)
	}
	block := fmt.Sprintf("state \"postgres\" {\n  url = file(%q)\n  name = \"alps\"\n  node = %q\n  path = %q\n}\n"+
		"approval { allowed_signers = %q }\nauto_approve {\n  allow = [\"create\"]\n  max_changes = 1000000\n}\n",
		secret, node, filepath.Join(s.dir, "state-"+node), signers)
	own := fmt.Sprintf("state { path = %q }\n", filepath.Join(s.dir, "state"))
	s.config = filepath.Join(s.dir, node+".hcl")
	if err := os.WriteFile(s.config, []byte(strings.Replace(string(text), own, block, 1)), 0o600); err != nil {
		b.Fatal(err)
	}
}

// store is the state of the site's configuration.
func (s *benchSite) store(b testing.TB) *state.Store {
	b.Helper()
	a := system()
	a.configPath, a.host = s.config, "bench"
	ses, err := a.open(config.Skip)
	if err != nil {
		b.Fatal(err)
	}
	return ses.Store
}

// BenchmarkPlanShared is a plan without changes over 100,000 recorded resources whose state is in PostgreSQL, against the same
// with a state in a file, in pairs.
func BenchmarkPlanShared(b *testing.B) {
	server := pgtest.Start(b)
	site := newBenchSite(b, 100_000, true)
	site.record(b, site.store(b))
	own := *site
	site.shared(b, server.Database(b, "waldur"), "mgmt1")
	site.record(b, site.store(b))
	measure(b, "cscs-sync", site.planArgs()...) // what the next ones find in the cache
	var p pairs
	for b.Loop() {
		for range 3 {
			theirs := measure(b, "cscs-sync", own.planArgs()...)
			ours := measure(b, "cscs-sync", site.planArgs()...)
			if !strings.Contains(ours.out, "No changes.") {
				b.Fatalf("the plan is not empty:\n%.2000s", ours.out)
			}
			p.add(theirs, ours)
		}
	}
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.wall }), "x-file")
	b.ReportMetric(p.best(func(u usage) time.Duration { return u.wall }).Seconds(), "s/plan")
	b.ReportMetric(float64(p.memory())/1024, "MiB-peak")
}

// BenchmarkOrdersIdleShared is [BenchmarkOrdersIdle] with a state in PostgreSQL.
func BenchmarkOrdersIdleShared(b *testing.B) {
	server := pgtest.Start(b)
	const n = 100_000
	site := newBenchSite(b, n, false)
	site.serveFrom(b, benchProxy(b, n).URL)
	site.shared(b, server.Database(b, "waldur"), "mgmt1")
	l, ses := site.loop(b)
	site.record(b, ses.Store)
	reportIdle(b, l)
}

// BenchmarkGuard is an apply of 2,000 creates with the state in PostgreSQL, against the same apply that asks no guard before its
// changes and callbacks, in pairs.
func BenchmarkGuard(b *testing.B) {
	const n = 2_000
	server := pgtest.Start(b)
	site := newBenchSite(b, n, false)
	site.serveFrom(b, site.serve(b).URL)
	own := *site
	made := 0
	apply := func(env string) usage {
		if err := os.RemoveAll(filepath.Join(site.dir, "mnt/capstor")); err != nil {
			b.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(site.root, "capstor/store/cscs"), 0o755); err != nil {
			b.Fatal(err)
		}
		made++
		fresh := own
		fresh.shared(b, server.Database(b, fmt.Sprintf("guard%d", made)), fmt.Sprintf("node%d", made))
		b.Setenv("CSCS_TEST_UNGUARDED", env)
		u := measure(b, "cscs-sync", "apply", "--auto-approve", "--config", fresh.config)
		if !strings.Contains(u.out, "Apply complete! 2000 done (") {
			b.Fatalf("the apply is not complete:\n%s", u.out[max(0, len(u.out)-2000):])
		}
		return u
	}
	var p pairs
	for b.Loop() {
		for i := range 6 {
			if i%2 == 0 { // whichever comes second finds the machine as the first one left it
				theirs := apply("1")
				p.add(theirs, apply(""))
			} else {
				ours := apply("")
				p.add(apply("1"), ours)
			}
		}
	}
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.wall }), "x-unguarded")
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.cpu }), "x-unguarded-cpu")
}

// benchLoop is the loop of a node, as a process.
type benchLoop struct {
	cmd *exec.Cmd
	// leads is closed when the loop says that it leads, and waits when it says that it stands by.
	leads, waits chan struct{}
}

// startLoop starts a loop under the site's configuration.
func (s *benchSite) startLoop(b *testing.B) *benchLoop {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	l := &benchLoop{cmd: exec.Command(self, "run", "--config", s.config), leads: make(chan struct{}), waits: make(chan struct{})}
	l.cmd.Args[0] = "cscs-sync"
	l.cmd.Env = append(os.Environ(), "CSCS_TEST_KERNEL=1")
	out, err := l.cmd.StderrPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.cmd.Process.Kill(); _ = l.cmd.Wait() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch {
			case strings.Contains(lines.Text(), "this node leads"):
				close(l.leads)
			case strings.Contains(lines.Text(), "standing by"):
				close(l.waits)
			}
		}
	}()
	return l
}

// soon waits for what has to happen within a minute.
func soon(b *testing.B, what string, happens <-chan struct{}) {
	b.Helper()
	select {
	case <-happens:
	case <-time.After(time.Minute):
		b.Fatal(what + " did not happen")
	}
}

// BenchmarkTakeOver is how long a standby takes until it leads, with the usual lease: after the leader was killed, and after the
// leader was asked to end.
func BenchmarkTakeOver(b *testing.B) {
	server := pgtest.Start(b)
	one := newBenchSite(b, 10, true)
	one.serveFrom(b, one.serve(b).URL)
	two, url := *one, server.Database(b, "waldur")
	one.shared(b, url, "mgmt1")
	two.shared(b, url, "mgmt2")
	worst := map[syscall.Signal]time.Duration{}
	for b.Loop() {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			a := one.startLoop(b)
			soon(b, "the lead", a.leads)
			standby := two.startLoop(b)
			soon(b, "the standby", standby.waits)
			begun := time.Now()
			_ = a.cmd.Process.Signal(signal)
			soon(b, "the take-over", standby.leads)
			worst[signal] = max(worst[signal], time.Since(begun))
			_ = standby.cmd.Process.Signal(syscall.SIGTERM)
			_, _ = standby.cmd.Process.Wait()
			server.SQL(b, "waldur", "DELETE FROM cscs_sync.nodes")
		}
	}
	b.ReportMetric(worst[syscall.SIGTERM].Seconds(), "s/hand-over")
	b.ReportMetric(worst[syscall.SIGKILL].Seconds(), "s/fail-over")
}
