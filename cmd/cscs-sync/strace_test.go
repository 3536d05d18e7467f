package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// call is one system call of a traced apply.
type call struct{ name, text string }

// changing are the system calls that change the storage or the state, or make a change durable.
var changing = []string{"mkdirat", "fremovexattr", "fchown", "fchmod", "fsync", "fdatasync", "renameat2", "renameat", "unlinkat"}

// traced is the system calls of an apply of p.plan.
type traced struct {
	t     testing.TB
	calls []call
}

func (s *service) trace() traced {
	s.t.Helper()
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	return s.traceApply()
}

// traceApply applies p.plan.
func (s *service) traceApply() traced { return s.traceCommand("apply", "--parallelism", "1", "p.plan") }

func (s *service) traceCommand(args ...string) traced {
	s.t.Helper()
	trace := filepath.Join(s.dir, "trace")
	cmd := s.strace([]string{"-y", "-s", "256", "-o", trace, "-e", "trace=" + strings.Join(append(changing, "linkat", "write", "sendto"), ",")}, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("strace: %v\n%s", err, out)
	}
	return traced{s.t, parseTrace(s.t, trace)}
}

// strace is a command under strace.
func (s *service) strace(options []string, args ...string) *exec.Cmd {
	s.t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		s.t.Fatalf("strace is needed: apt-get install strace (%v)", err)
	}
	ours := s.fixed(nil, args...)
	cmd := exec.Command(strace, slices.Concat([]string{"-f"}, options, ours.Args)...)
	cmd.Dir, cmd.Env = ours.Dir, ours.Env
	return cmd
}

// killedAt is an apply of p.plan that is killed just before its first system call of a name on a path.
func (s *service) killedAt(name, path string) {
	s.t.Helper()
	cmd := s.strace([]string{"-qq", "-P", path, "-e", "trace=" + name, "-e", "inject=" + name + ":signal=KILL:when=1"}, "apply", "--parallelism", "1", "p.plan")
	if out, err := cmd.CombinedOutput(); err == nil {
		s.t.Fatalf("it was not killed:\n%s", out)
	}
}

// first is the number of the first call from one on, of a name and with a text.
func (x traced) first(what string, from int, name, text string) int {
	x.t.Helper()
	for i := from; i < len(x.calls); i++ {
		if strings.HasPrefix(x.calls[i].name, name) && strings.Contains(x.calls[i].text, text) {
			return i
		}
	}
	x.t.Fatalf("%s never happened after call %d of %d", what, from, len(x.calls))
	return 0
}

// before wants calls to come before the one at a number: what they do, each with its own number.
func (x traced) before(what string, at int, earlier map[string]int) {
	x.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(earlier)) {
		if n := earlier[name]; n > at {
			x.t.Errorf("%s at call %d, before %s at call %d", what, at, name, n)
		}
	}
}

// TestSyncsBeforeItTells traces the system calls of an apply. A kill loses nothing that was written, so only the order of
// syncs shows whether a power cut would: the state is synced before the first change, and the new directory, the one
// above and the state before the first callback leaves.
func TestSyncsBeforeItTells(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	x := s.trace()
	change := x.first("the first change", 0, "mkdirat", "/mnt/capstor")
	x.before("the first change", change, map[string]int{"a sync of the state": x.first("a sync of the state", 0, "fdatasync", "state.db")})
	bio := x.first("making the directory", change, "mkdirat", `"bio"`)
	mode := x.first("its mode", bio, "fchmod", "/eth/bio>")
	told := x.first("the first callback", bio, "write", "approve_by_provider")
	x.before("Waldur is told", told, map[string]int{
		"a sync of the directory":       x.first("a sync of the directory", mode, "fsync", "/eth/bio>"),
		"a sync of the directory above": x.first("a sync of the directory above", mode, "fsync", "/cscs/eth>"),
		"a sync of the state":           x.first("a sync of the state", mode, "fdatasync", "state.db"),
	})
	next := x.first("the second callback", told, "write", "set_backend_id")
	x.before("the second callback", next, map[string]int{"a sync of the first answer": x.first("a sync of the state", told, "fdatasync", "state.db")})
}

// TestSyncsADirectoryOnceForAllInIt: what is made in one directory by one apply is durable by one sync of it, after the last
// of them is made and before Waldur is told of the first.
func TestSyncsADirectoryOnceForAllInIt(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	for i, name := range []string{"bio", "chem", "phys"} {
		s.create(name, int64(30500+i))
	}
	x := s.trace()
	told := x.first("the first callback", 0, "write", "approve_by_provider")
	last := 0
	for _, name := range []string{"bio", "chem", "phys"} {
		made := x.first("making a directory", 0, "mkdirat", `"`+name+`"`)
		x.before("Waldur is told", told, map[string]int{"a sync of it": x.first("a sync of it", made, "fsync", "/eth/"+name+">")})
		last = max(last, made)
	}
	var syncs []int
	for i, c := range x.calls[:told] {
		if c.name == "fsync" && strings.Contains(c.text, "/cscs/eth>") && i > x.first("making a directory", 0, "mkdirat", `"bio"`) {
			syncs = append(syncs, i)
		}
	}
	if len(syncs) != 1 || syncs[0] < last {
		t.Errorf("the directory above is synced at %v; want once, after call %d and before call %d", syncs, last, told)
	}
}

// TestSyncsTheState: a new state and the copy of one are whole and durable before they have their names, and the names are
// durable before the first change.
func TestSyncsTheState(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	x := s.trace()
	filled := x.first("a sync of the new state", 0, "fdatasync", "/state/.state.db.")
	named := x.first("the name of the new state", 0, "linkat", `/state/state.db"`)
	durable := x.first("a sync of the folder", named, "fsync", "/state>")
	copied := x.first("a sync of the copy", durable, "fsync", "/state/.state.db.bak.")
	renamed := x.first("the name of the copy", durable, "renameat", `/state/state.db.bak"`)
	kept := x.first("a sync of the folder", renamed, "fsync", "/state>")
	change := x.first("the first change", 0, "mkdirat", "/mnt/capstor")
	x.before("the state has its name", named, map[string]int{"its sync": filled})
	x.before("the copy has its name", renamed, map[string]int{"its sync": copied})
	x.before("the first change", change, map[string]int{"a sync of the names": kept})
}

// TestSyncsAPlanFile: a plan file is whole and durable before it has its name, and its name before the command ends.
func TestSyncsAPlanFile(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	x := s.traceCommand("plan", "--out", filepath.Join(s.dir, "p.plan"))
	named := x.first("the file's name", 0, "renameat2", `/p.plan"`)
	x.before("the file has its name", named, map[string]int{"its sync": x.first("a sync of the file", 0, "fsync", "/.p.plan.")})
	x.first("a sync of its folder", named, "fsync", "<"+s.dir+">")
}

// TestSyncsARemoval: the state, the manifest and its folder are synced before Waldur is asked, both folders
// and the state before Waldur is told that it is done; and Waldur is asked before anything is moved.
func TestSyncsARemoval(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("old", 30602)
	s.settle()
	s.check(os.RemoveAll(filepath.Join(s.dir, "mnt/capstor/.trash"))) // the first apply has made it, for its marker
	s.terminate("old")
	x := s.trace()
	asked := x.first("the approve", 0, "write", "approve_by_provider")
	x.before("Waldur is asked", asked, map[string]int{"a sync of the state": x.first("a sync of the state", 0, "fdatasync", "state.db")})
	moved := x.first("the move", asked, "renameat2", `"old"`)
	made := x.first("making the archive", 0, "mkdirat", `".trash"`)
	manifest := x.first("a sync of the manifest", made, "fsync", ".json.part>")
	named := x.first("the manifest's name", manifest, "renameat", ".json.part")
	x.before("Waldur is asked", asked, map[string]int{
		"a sync of the archive's name": x.first("a sync of the directory above the archive", made, "fsync", "/mnt/capstor>"),
		"a sync of the manifest":       manifest,
		"its name":                     named,
		"a sync of the archive":        x.first("a sync of the archive", named, "fsync", "/.trash>"),
	})
	told := x.first("the end of the order", moved, "write", "set_state_done")
	x.before("Waldur is told", told, map[string]int{
		"a sync of where it was": x.first("a sync of where it was", moved, "fsync", "/cscs/uzh>"),
		"a sync of where it is":  x.first("a sync of where it is", moved, "fsync", "/.trash>"),
		"a sync of the state":    x.first("a sync of the state", moved, "fdatasync", "state.db"),
	})
}

// TestSyncsWhatAKilledApplyMoved: a kill between a move and its sync leaves the sync to the next apply, before Waldur is told.
func TestSyncsWhatAKilledApplyMoved(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("old", 30602)
	s.settle()
	s.terminate("old")
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.killedAt("fsync", filepath.Join(s.dir, "mnt/capstor/store/cscs/uzh"))
	if s.exists("capstor/store/cscs/uzh/old")() {
		t.Fatal("it was killed before the move")
	}
	x := s.traceApply()
	told := x.first("the end of the order", 0, "write", "set_state_done")
	x.before("Waldur is told", told, map[string]int{
		"a sync of where it was": x.first("a sync of where it was", 0, "fsync", "/cscs/uzh>"),
		"a sync of where it is":  x.first("a sync of where it is", 0, "fsync", "/.trash>"),
	})
}

// TestSyncsARestore: both directories are synced after the move, and before the register forgets where it was.
func TestSyncsARestore(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("back", 30604)
	s.settle()
	s.terminate("back")
	s.settle()
	s.ok("archive", "restore", "/capstor/store/cscs/uzh/back", "--out", "p.plan")
	s.ok("approve", "p.plan")
	x := s.traceApply()
	moved := x.first("the move", 0, "renameat2", `"back"`)
	if begun := x.first("a sync of the state", 0, "fdatasync", "state.db"); begun > moved {
		t.Errorf("it is moved at call %d, before the state is synced at %d", moved, begun)
	}
	to := x.first("a sync of where it is", moved, "fsync", "/cscs/uzh>")
	from := x.first("a sync of where it was", moved, "fsync", "/.trash>")
	if noted := x.first("a sync of the state", moved, "fdatasync", "state.db"); to > noted || from > noted {
		t.Errorf("the register forgets it at call %d; synced are where it is at %d, where it was at %d: both have to come before", noted, to, from)
	}
}

// TestKilledAnywhereAtASystemCall kills an apply just before the first system call of each kind on each place, and not only
// between two steps, applies again, and wants the same end as without the kill.
func TestKilledAnywhereAtASystemCall(t *testing.T) {
	step := 1
	if slowdown > 1 {
		step = 6 // all of them are for the run without the race detector
	}
	for _, scene := range []killScene{
		{name: "create and removal", prepare: func(s *service) {
			s.active("old", 30602)
			s.settle()
			s.terminate("old")
			s.create("a", 30501)
		}},
		{name: "drift and adoption", prepare: drift},
		{name: "restore", prepare: restorable, plan: []string{"archive", "restore", "/capstor/store/cscs/uzh/back"}},
	} {
		t.Run(scene.name, func(t *testing.T) {
			whole := scene.site(t)
			places := whole.traceApply().places(whole.dir)
			whole.ok("callbacks", "retry")
			want := whole.ending()
			t.Logf("%d places, every %d is killed at", len(places), step)
			for i := 0; i < len(places); i += step {
				t.Run(places[i].name+" "+places[i].text, func(t *testing.T) { scene.killAtCall(t, places[i], want) })
			}
		})
	}
}

// places are the kinds of system calls that an apply made, each with the file or directory below root that it worked on. What
// has a new name each time is left out.
func (x traced) places(root string) []call {
	at := regexp.MustCompile(`^\d+<` + regexp.QuoteMeta(root) + `/([^>]*)>`)
	var all []call
	for _, c := range x.calls {
		m := at.FindStringSubmatch(c.text)
		if m == nil || !slices.Contains(changing, c.name) || strings.Contains(m[1], "/.state.db") || attempts.MatchString(m[1]) || slices.Contains(all, call{c.name, m[1]}) {
			continue
		}
		all = append(all, call{c.name, m[1]})
	}
	return all
}

func (k killScene) killAtCall(t *testing.T, at call, want ending) {
	s := k.site(t)
	s.killedAt(at.name, filepath.Join(s.dir, at.text))
	s.applyUntilDone(nil)
	s.wantEnding("killed before "+at.name+" of "+at.text, want)
}

func parseTrace(t testing.TB, path string) []call {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^\d+\s+(\w+)\((.*)$`)
	var calls []call
	for l := range strings.SplitSeq(string(data), "\n") {
		if m := line.FindStringSubmatch(l); m != nil {
			calls = append(calls, call{m[1], m[2]})
		}
	}
	return calls
}
