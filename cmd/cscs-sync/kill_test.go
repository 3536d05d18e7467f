package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// killScene is one scenario in which an apply is killed.
type killScene struct {
	name string
	// prepare brings the site to where the plan is made.
	prepare func(*service)
	// faults are injected before each apply: answers that are lost, refusals that pass.
	faults []waldursim.Fault
}

func killScenes() []killScene {
	create := func(s *service, project string, gid int64, offering string) {
		_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: offering, Customer: "eth", Project: project, DataType: "store", GID: gid,
			Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create"}})
		s.check(err)
	}
	active := func(s *service, project string, gid int64) {
		_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "uzh", Project: project, DataType: "store", GID: gid, Limits: map[string]any{"storage": 1}})
		s.check(err)
	}
	settled := func(s *service, changes ...func()) {
		active(s, "grow", 30601)
		active(s, "old", 30602)
		active(s, "opts", 30603)
		s.ok("plan", "--out", "first.plan")
		s.ok("approve", "first.plan")
		s.ok("apply", "first.plan")
		_, err := s.sim.UpdateResource("capstor-grow-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": 2}})
		s.check(err)
		_, err = s.sim.UpdateResource("capstor-opts-store", waldursim.UpdateSpec{Options: map[string]any{"hard_quota_space": 3}})
		s.check(err)
		_, err = s.sim.TerminateResource("capstor-old-store", "")
		s.check(err)
	}
	lost := []waldursim.Fault{{Path: "approve_by_provider", Kind: "lost", Count: 1}, {Path: "set_state_done", Kind: "lost", Count: 1}}
	return []killScene{
		{"creates", func(s *service) {
			create(s, "a", 30501, "capstor")
			create(s, "b", 30502, "capstor")
			active(s, "c", 30503)
		}, nil},
		{"changes", func(s *service) { settled(s); create(s, "d", 30504, "capstor") }, nil},
		{"changes, answers lost", func(s *service) { settled(s) }, lost},
		{"creates, Waldur fails at first", func(s *service) { create(s, "a", 30501, "capstor") },
			[]waldursim.Fault{{Path: "set_backend_id", Kind: "status", Status: 500, Count: 1}, {Path: "set_state_done", Kind: "status", Status: 503, Count: 1}}},
		{"many creates", func(s *service) {
			s.withoutQuotas() // many points, few processes
			for i := range 22 {
				create(s, fmt.Sprint("m", i), int64(30700+i), "capstor")
			}
		}, nil},
	}
}

// ok runs a command that must succeed, in this process.
func (s *service) ok(args ...string) string {
	s.t.Helper()
	code, out := s.here(args...)
	if code != exitDone {
		s.t.Fatalf("%v: exit %d\n%s", args, code, out)
	}
	return out
}

// here runs a command in this process: its exit code and output.
func (s *service) here(args ...string) (int, string) {
	var out bytes.Buffer
	a := system()
	a.user, a.host, a.color = "root", "testhost", "never"
	a.now = func() time.Time { return time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC) }
	a.stdin, a.stdout, a.stderr = strings.NewReader(""), &out, &out
	for i, arg := range args {
		if strings.HasSuffix(arg, ".plan") {
			args[i] = filepath.Join(s.dir, arg)
		}
	}
	code := run(context.Background(), a, append([]string{"--config", filepath.Join(s.dir, "cscs-sync.hcl")}, args...))
	if c, ok := a.transport().(*http.Transport); ok {
		c.CloseIdleConnections()
	}
	return code, out.String()
}

// fixed is a command whose clock stands still, so that two runs leave the same names.
func (s *service) fixed(env []string, args ...string) *exec.Cmd {
	cmd := s.command(args...)
	cmd.Env = append(append(cmd.Env, "CSCS_TEST_NOW=2026-11-22T21:40:03Z"), env...)
	return cmd
}

// ending is everything that an apply leaves.
type ending struct{ tree, limits, state, waldur string }

// TestKilledAnywhere kills an apply at each point that it reaches, applies again, and wants the same end as without the
// kill: on the storage, in lfs, in the state and at Waldur, where each callback took effect exactly once.
func TestKilledAnywhere(t *testing.T) {
	step := 1
	if slowdown > 1 {
		step = 12 // all points are for the run without the race detector
	}
	if s := os.Getenv("CSCS_TEST_KILL_STEP"); s != "" {
		_, _ = fmt.Sscan(s, &step)
	}
	for _, scene := range killScenes() {
		t.Run(scene.name, func(t *testing.T) {
			whole := scene.site(t)
			points := filepath.Join(whole.dir, "points")
			whole.inject(scene)
			whole.applyUntilDone([]string{"CSCS_TEST_POINTS=" + points})
			want := whole.ending()
			data, err := os.ReadFile(points)
			whole.check(err)
			n := strings.Count(string(data), "\n")
			t.Logf("%d points", n)
			var wg sync.WaitGroup
			slots := make(chan struct{}, 3)
			for at := 1; at <= n; at += step {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					t.Run(fmt.Sprint("point ", at), func(t *testing.T) { scene.killAt(t, at, want) })
				})
			}
			wg.Wait()
		})
	}
}

// site makes a site with an approved plan.
func (k killScene) site(t *testing.T) *service {
	s := newService(t, "")
	k.prepare(s)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.sim.ClearRequests()
	return s
}

func (s *service) inject(k killScene) {
	for _, f := range k.faults {
		s.sim.Inject(f)
	}
}

func (k killScene) killAt(t *testing.T, at int, want ending) {
	s := k.site(t)
	s.inject(k)
	_ = s.fixed([]string{fmt.Sprint("CSCS_TEST_KILL=", at), "CSCS_TEST_WORKERS=1"}, "apply", "--parallelism", "1", "p.plan").Run()
	s.sim.ClearFaults()
	s.applyUntilDone(nil)
	got := s.ending()
	for _, d := range []struct{ what, got, want string }{{"storage", got.tree, want.tree}, {"limits", got.limits, want.limits}, {"state", got.state, want.state}, {"Waldur", got.waldur, want.waldur}} {
		if d.got != d.want {
			t.Errorf("killed at point %d, the %s ends as\n%s\nwant\n%s\nthe log: %s", at, d.what, d.got, d.want, s.log())
		}
	}
}

// applyUntilDone applies, and delivers what waits.
func (s *service) applyUntilDone(env []string) {
	s.t.Helper()
	if env != nil {
		out, err := s.fixed(env, "apply", "--parallelism", "1", "p.plan").CombinedOutput()
		_, _ = s.Write(out)
		if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != exitPartial) {
			s.t.Fatalf("apply: %v\n%s", err, out)
		}
	} else {
		code, out := s.here("apply", "--parallelism", "1", "p.plan")
		_, _ = s.Write([]byte(out))
		usedUp := code == exitRefused && strings.Contains(out, "was applied")
		if code != exitDone && code != exitPartial && !usedUp {
			s.t.Fatalf("apply: exit %d\n%s", code, out)
		}
	}
	s.ok("callbacks", "retry")
}

var (
	inodes = regexp.MustCompile(`"inode": \d+`)
	hashes = regexp.MustCompile(`"(seq|head|prev|hash|queued|plan)": ("[0-9a-f:sh]*"|\d+)`)
)

// ending looks at everything.
func (s *service) ending() ending {
	s.t.Helper()
	var e ending
	e.tree = s.tree()
	for _, gid := range []uint32{30501, 30502, 30503, 30504, 30601, 30602, 30603} {
		q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, gid)
		s.check(err)
		e.limits += fmt.Sprintf("%d %+v\n", gid, q)
	}
	e.state = s.pulled()
	var lines []string
	for _, r := range s.sim.State() {
		lines = append(lines, fmt.Sprintf("%s %s %v %v %s", r.Slug, r.State, r.Limits, r.Options, r.BackendID))
		for _, o := range r.Orders {
			lines = append(lines, fmt.Sprintf("  %s %s", o.Type, o.State))
		}
	}
	var calls []string
	for _, q := range s.sim.Requests() {
		if q.Callback && q.TookEffect {
			calls = append(calls, q.Path)
		}
	}
	slices.Sort(calls)
	e.waldur = strings.Join(append(lines, calls...), "\n")
	return e
}

func (s *service) tree() string {
	var lines []string
	s.check(filepath.Walk(filepath.Join(s.dir, "mnt"), func(path string, info os.FileInfo, err error) error {
		if err == nil {
			rel, _ := filepath.Rel(s.dir, path)
			lines = append(lines, fmt.Sprintf("%s %v", rel, info.Mode()))
		}
		return err
	}))
	return strings.Join(lines, "\n")
}

// pulled is the state without what must differ from run to run: the history, and inode numbers.
func (s *service) pulled() string {
	var doc map[string]any
	s.check(json.Unmarshal([]byte(s.ok("state", "pull")), &doc))
	for _, name := range []string{"history", "plans", "head", "roots", "approvals", "index", "made", "at"} {
		delete(doc, name)
	}
	text, err := json.MarshalIndent(doc, "", " ")
	s.check(err)
	return hashes.ReplaceAllString(inodes.ReplaceAllString(string(text), `"inode": 0`), "")
}
