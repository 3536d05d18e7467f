package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
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
	// timed tells that how many points it has depends on which of two comes first.
	timed bool
	// env is the environment of the apply that is killed.
	env []string
	// plan makes p.plan; nil: of everything.
	plan []string
	// then happens once the plan is approved.
	then func(*service)
}

// active adds a resource that Waldur has active; ordered one with an order to create it.
func (s *service) active(project string, gid int64) {
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "uzh", Project: project, DataType: "store", GID: gid, Limits: map[string]any{"storage": 1}})
	s.check(err)
}

func (s *service) terminate(projects ...string) {
	for _, p := range projects {
		_, err := s.sim.TerminateResource("capstor-"+p+"-store", "")
		s.check(err)
	}
}

// settle applies what is wanted so far.
func (s *service) settle() {
	s.ok("plan", "--out", "first.plan")
	s.ok("approve", "first.plan")
	s.ok("apply", "first.plan")
}

// basic makes capstor an offering whose orders are done at their approve.
func (s *service) basic() {
	s.check(s.sim.Load(waldursim.Scenario{Offerings: []waldursim.OfferingSpec{{Slug: "capstor", Type: "Marketplace.Basic"}}}))
}

func (s *service) edit(old, latest string) {
	path := filepath.Join(s.dir, "cscs-sync.hcl")
	text, err := os.ReadFile(path)
	s.check(err)
	if !bytes.Contains(text, []byte(old)) {
		s.t.Fatalf("the configuration does not say %q", old)
	}
	s.check(os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(latest)), 0o600))
}

func (s *service) real(project string) string {
	return filepath.Join(s.dir, "mnt/capstor/store/cscs/uzh", project)
}

// drift changes directories outside of cscs-sync, and leaves one that nobody has recorded.
func drift(s *service) {
	for i, p := range []string{"mode", "owner", "both"} {
		s.active(p, int64(30611+i))
	}
	s.settle()
	s.check(os.Chmod(s.real("mode"), 0o700))
	s.check(os.Chown(s.real("owner"), 5, 6))
	s.check(os.Chown(s.real("both"), 5, 6))
	s.check(os.Chmod(s.real("both"), 0o1755))
	s.active("adopt", 30614)
	s.check(os.Mkdir(s.real("adopt"), 0o755))
	// What is made in a directory with a default ACL inherits that.
	acl := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0xe8, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 0x10, 0, 7, 0, 255, 255, 255, 255, 0x20, 0, 5, 0, 255, 255, 255, 255}
	s.check(syscall.Setxattr(filepath.Join(s.dir, "mnt/capstor/store/cscs"), "system.posix_acl_default", acl, 0))
	s.create("acl", 30501)
}

// changed is a site with one resource to grow, one with new options and one to remove.
func changed(s *service) {
	s.active("grow", 30601)
	s.active("old", 30602)
	s.active("opts", 30603)
	s.settle()
	_, err := s.sim.UpdateResource("capstor-grow-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": 2}})
	s.check(err)
	_, err = s.sim.UpdateResource("capstor-opts-store", waldursim.UpdateSpec{Options: map[string]any{"hard_quota_space": 3}})
	s.check(err)
	s.terminate("old")
}

// restorable is a site whose archive has a directory with a frozen quota.
func restorable(s *service) {
	s.edit(`quota "lustre" {`, "quota \"lustre\" {\n    on_remove = \"freeze\"")
	s.active("back", 30604)
	s.settle()
	s.terminate("back")
	s.settle()
}

// orderedBack is a site with an order that restores what was archived, beside one that creates.
func orderedBack(s *service) {
	restorable(s)
	_, err := s.sim.RestoreResource("capstor-back-store", "")
	s.check(err)
	s.create("a", 30501)
}

func killScenes() []killScene {
	fault := func(path string, kind waldursim.FaultKind, status int) waldursim.Fault {
		return waldursim.Fault{Path: path, Kind: kind, Status: status, Count: 1, Delay: waldursim.Duration(1500 * time.Millisecond)}
	}
	two := func(s *service) { s.create("a", 30501); s.create("b", 30502) }
	one := func(s *service) { s.create("a", 30501) }
	return append(vastScenes(), []killScene{
		{name: "creates", prepare: func(s *service) { two(s); s.active("c", 30503) }},
		{name: "changes", prepare: func(s *service) { changed(s); s.create("d", 30504) }},
		{name: "changes, answers lost", prepare: changed, faults: []waldursim.Fault{fault("approve_by_provider", "lost", 0), fault("set_state_done", "lost", 0)}},
		{name: "creates, Waldur fails at first", prepare: one, faults: []waldursim.Fault{fault("set_backend_id", "status", 500), fault("set_state_done", "status", 503)}},
		{name: "conflicts", prepare: two, faults: []waldursim.Fault{fault("approve_by_provider", "status", 409), fault("set_state_done", "status", 409)}},
		{name: "time-outs", prepare: one, timed: true, env: []string{"CSCS_TEST_CALLBACK_TIMEOUT=1s"}, faults: []waldursim.Fault{fault("approve_by_provider", "slow", 0), fault("set_state_done", "slow", 0)}},
		{name: "approved meanwhile", prepare: two, then: func(s *service) {
			r, err := s.sim.Resource("capstor-b-store")
			s.check(err)
			_, err = s.sim.SetOrderState(r.Orders[0].UUID, waldursim.Executing)
			s.check(err)
		}},
		{name: "Basic offering, creates", prepare: func(s *service) { s.basic(); two(s) }},
		{name: "Basic offering, removals", prepare: func(s *service) {
			s.basic()
			s.active("old", 30601)
			s.active("older", 30602)
			s.settle()
			s.terminate("old", "older")
		}},
		{name: "drift and adoption", prepare: drift},
		{name: "project ids", prepare: grown},
		{name: "frozen removals", prepare: func(s *service) {
			s.edit(`quota "lustre" {`, "quota \"lustre\" {\n    on_remove = \"freeze\"")
			s.active("old", 30601)
			s.active("older", 30602)
			s.settle()
			s.terminate("old", "older")
		}},
		{name: "restore", prepare: restorable, plan: []string{"archive", "restore", "/capstor/store/cscs/uzh/back"}},
		{name: "restore orders", prepare: orderedBack},
		{name: "restore orders, answers lost", prepare: orderedBack, faults: []waldursim.Fault{fault("approve_by_provider", "lost", 0), fault("set_state_done", "lost", 0)}},
		{name: "verdicts", prepare: func(s *service) {
			two(s)
			r, err := s.sim.Resource("capstor-b-store")
			s.check(err)
			_, err = s.sim.SetOrderState(r.Orders[0].UUID, waldursim.Executing)
			s.check(err)
		}, plan: []string{"plan", "--reject", "/capstor/store/cscs/eth/a=no room", "--fail", "/capstor/store/cscs/eth/b=no room"}},
		{name: "many creates", prepare: func(s *service) {
			s.withoutQuotas() // many points, few processes
			for i := range 22 {
				s.create(fmt.Sprint("m", i), int64(30700+i))
			}
		}},
	}...)
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

// testTime is when tests begin that need a clock; it stands still unless a test moves it.
var testTime = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)

// here runs a command in this process: its exit code and output.
func (s *service) here(args ...string) (int, string) {
	var out bytes.Buffer
	a := system()
	a.user, a.host, a.term.Color = "root", "testhost", "never"
	a.now = func() time.Time { return testTime.Add(s.passed) }
	a.term.In, a.term.Out, a.term.Err = strings.NewReader(""), &out, &out
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
	cmd.Env = append(append(cmd.Env, "CSCS_TEST_NOW="+testTime.Add(s.passed).Format(time.RFC3339)), env...)
	return cmd
}

// ending is everything that an apply leaves.
type ending struct{ tree, limits, state, waldur string }

// TestKilledAnywhere kills an apply at each point that it reaches, applies again, and wants the same end as without the
// kill: on the storage, in lfs, in the state and at Waldur, where each callback took effect exactly once.
func TestKilledAnywhere(t *testing.T) {
	step := 1
	if slowdown > 1 {
		step = 40 // all points are for the run without the race detector
	}
	if s := os.Getenv("CSCS_TEST_KILL_STEP"); s != "" {
		_, _ = fmt.Sscan(s, &step)
	}
	killed, ran, met := 0, 0, map[string]bool{}
	for _, scene := range killScenes() {
		t.Run(scene.name, func(t *testing.T) {
			killed += scene.killAnywhere(t, step, met)
			ran++
		})
	}
	if ran < len(killScenes()) {
		return // somebody wants to see one of them
	}
	for _, point := range []string{"make parent", "made parent", "make", "made", "project", "quota", "quota set", "quota removal", "quota removed", "acl", "own", "mode", "tag", "tagged", "synced", "synced above",
		"manifest", "manifest written", "rename", "renamed", "journal", "record written", "callback", "answer", "callback noted"} {
		if !met[point] {
			t.Errorf("no scene reaches the point %q", point)
		}
	}
	if step == 1 && killed < 500 {
		t.Errorf("an apply was killed at %d points, fewer than 500", killed)
	}
}

// killAnywhere kills at every step-th point of a scene. It returns at how many, and adds the points that it has met.
func (k killScene) killAnywhere(t *testing.T, step int, met map[string]bool) (killed int) {
	whole := k.site(t)
	file := filepath.Join(whole.dir, "points")
	whole.inject(k)
	whole.applyUntilDone(append([]string{"CSCS_TEST_POINTS=" + file}, k.env...))
	want := whole.ending()
	for call, n := range whole.effective() {
		if n != 1 {
			t.Errorf("without a kill %s took effect %d times", call, n)
		}
	}
	data, err := os.ReadFile(file)
	whole.check(err)
	points := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, p := range points {
		met[p] = true
	}
	if len(points) > 100 && step == 1 && os.Getenv("CSCS_TEST_LONG") == "" {
		step = 2 // much of the same
	}
	t.Logf("%d points, every %d is killed at", len(points), step)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 3)
	for at := 1; at <= len(points); at += step {
		killed++
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(fmt.Sprint("point ", at), func(t *testing.T) { k.killAt(t, at, want) })
		})
	}
	wg.Wait()
	return killed
}

// site makes a site with an approved plan.
func (k killScene) site(t *testing.T) *service {
	s := newService(t, "")
	k.prepare(s)
	if k.plan == nil {
		k.plan = []string{"plan"}
	}
	s.ok(append(slices.Clone(k.plan), "--out", "p.plan")...)
	s.ok("approve", "p.plan")
	if k.then != nil {
		k.then(s)
	}
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
	cmd := s.fixed(append([]string{fmt.Sprint("CSCS_TEST_KILL=", at)}, k.env...), "apply", "--parallelism", "1", "p.plan")
	err := cmd.Run()
	if err == nil && k.timed {
		t.Skip("this time it had fewer points")
	}
	if err == nil || !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("it was not killed: %v", err)
	}
	s.wantLimitedIfOpen()
	s.sim.ClearFaults()
	s.applyUntilDone(nil)
	s.wantEnding(fmt.Sprint("killed at point ", at), want)
}

// wantEnding compares everything that was left with what should be.
func (s *service) wantEnding(what string, want ending) {
	s.t.Helper()
	s.wantOrderly()
	got := s.ending()
	for _, d := range []struct{ part, got, want string }{{"storage", got.tree, want.tree}, {"limits", got.limits, want.limits}, {"state", got.state, want.state}, {"Waldur", got.waldur, want.waldur}} {
		if d.got != d.want {
			s.t.Errorf("%s, the %s ends as\n%s\nwant\n%s\nthe log: %s", what, d.part, d.got, d.want, s.log())
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
		usedUp := code == exitRefused && strings.Contains(out, "was already applied")
		if code != exitDone && code != exitPartial && !usedUp {
			s.t.Fatalf("apply: exit %d\n%s", code, out)
		}
		if !usedUp {
			s.wantSaid("after a resume", code, out)
		}
	}
	s.ok("callbacks", "retry")
}

var (
	inodes = regexp.MustCompile(`"(inode|born)": \d+`)
	hashes = regexp.MustCompile(`"(seq|head|prev|hash|queued|plan)": ("[0-9a-f:sh]*"|\d+)`)
)

// ending looks at everything.
func (s *service) ending() ending {
	s.t.Helper()
	var e ending
	e.tree = s.tree()
	for _, gid := range []uint32{30501, 30502, 30503, 30504, 30601, 30602, 30603, 30604, 30611, 30612, 30613, 30614} {
		q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, gid)
		s.check(err)
		e.limits += fmt.Sprintf("%d %+v\n", gid, q)
	}
	for _, id := range []uint32{70000, 70001, 70002} {
		q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Project, id)
		s.check(err)
		e.limits += fmt.Sprintf("project %d %+v\n", id, q)
	}
	e.limits += s.vastQuotas()
	e.state = s.pulled()
	var lines []string
	for _, r := range s.sim.State() {
		lines = append(lines, fmt.Sprintf("%s %s %v %v %s", r.Slug, r.State, r.Limits, r.Options, r.BackendID))
		for _, o := range r.Orders {
			lines = append(lines, fmt.Sprintf("  %s %s", o.Type, o.State))
		}
	}
	effective := s.effective()
	for _, call := range slices.Sorted(maps.Keys(effective)) {
		lines = append(lines, fmt.Sprint(call, " ", effective[call]))
	}
	e.waldur = strings.Join(lines, "\n")
	return e
}

// effective counts how often each callback took effect.
func (s *service) effective() map[string]int {
	calls := map[string]int{}
	for _, q := range s.sim.Requests() {
		if q.Callback && q.TookEffect {
			calls[q.Path]++
		}
	}
	return calls
}

// tree is the storage: modes, owners, the sizes of ACLs, and project ids.
func (s *service) tree() string {
	var lines []string
	s.check(filepath.Walk(filepath.Join(s.dir, "mnt"), func(path string, info os.FileInfo, err error) error {
		if err == nil {
			rel, _ := filepath.Rel(s.dir, path)
			if strings.Contains(rel, "/.managed-by.") {
				return nil // the state's marker is named by an inode, and a killed attempt leaves its part
			}
			if attempts.MatchString(rel) {
				rel = attempts.ReplaceAllString(rel, "")
				if _, err := os.Lstat(strings.TrimSuffix(filepath.Join(s.dir, rel), ".json")); err != nil {
					return nil // a killed attempt left it
				}
			}
			st := info.Sys().(*syscall.Stat_t)
			access, _ := syscall.Getxattr(path, "system.posix_acl_access", nil)
			inherited, _ := syscall.Getxattr(path, "system.posix_acl_default", nil)
			lines = append(lines, fmt.Sprintf("%s %v %d:%d %d %d%s", rel, info.Mode(), st.Uid, st.Gid, access, inherited, projectOf(path)))
		}
		return err
	}))
	return strings.Join(slices.Compact(lines), "\n")
}

// attempts are what tells manifests of the same directory apart: killed attempts leave theirs.
var attempts = regexp.MustCompile(`~[0-9a-f]{16}\b`)

// pulled is the state without what must differ from run to run: the history, inode numbers, times of birth, and what was
// written how often.
func (s *service) pulled() string {
	var doc map[string]any
	s.check(json.Unmarshal([]byte(s.ok("state", "pull")), &doc))
	for _, name := range []string{"history", "plans", "head", "roots", "approvals", "index", "made", "at", "written"} {
		delete(doc, name)
	}
	text, err := json.MarshalIndent(doc, "", " ")
	s.check(err)
	return hashes.ReplaceAllString(inodes.ReplaceAllString(string(text), `"$1": 0`), "")
}
