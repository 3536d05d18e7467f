package main

import (
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
	t     *testing.T
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

// TestSyncsBeforeItTells traces the system calls of an apply. A kill loses nothing that was written, so only the order of
// syncs shows whether a power cut would: the state is synced before the first change, and the new directory, the one
// above and the state before the first callback leaves.
func TestSyncsBeforeItTells(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	x := s.trace()
	change := x.first("the first change", 0, "mkdirat", "/mnt/capstor")
	if begun := x.first("a sync of the state", 0, "fdatasync", "state.db"); begun > change {
		t.Errorf("the state is synced at call %d, after the first change at %d", begun, change)
	}
	bio := x.first("making the directory", change, "mkdirat", `"bio"`)
	mode := x.first("its mode", bio, "fchmod", "/eth/bio>")
	dir := x.first("a sync of the directory", mode, "fsync", "/eth/bio>")
	up := x.first("a sync of the directory above", mode, "fsync", "/cscs/eth>")
	told := x.first("the first callback", bio, "write", "approve_by_provider")
	noted := x.first("a sync of the state", mode, "fdatasync", "state.db")
	if dir > told || up > told || noted > told {
		t.Errorf("Waldur is told at call %d; synced are the directory at %d, the one above at %d, the state at %d: all have to come before", told, dir, up, noted)
	}
	next := x.first("the second callback", told, "write", "set_backend_id")
	if between := x.first("a sync of the state", told, "fdatasync", "state.db"); between > next {
		t.Errorf("the first answer is synced at call %d, after the second callback at %d", between, next)
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
	if filled > named || copied > renamed || kept > change {
		t.Errorf("the state is synced at call %d, has its name at %d; its copy is synced at %d, has its name at %d, durable at %d; the first change is at %d",
			filled, named, copied, renamed, kept, change)
	}
}

// TestSyncsAPlanFile: a plan file is whole and durable before it has its name, and its name before the command ends.
func TestSyncsAPlanFile(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	x := s.traceCommand("plan", "--out", filepath.Join(s.dir, "p.plan"))
	named := x.first("the file's name", 0, "renameat2", `/p.plan"`)
	if whole := x.first("a sync of the file", 0, "fsync", "/.p.plan."); whole > named {
		t.Errorf("it is synced at call %d, after it has its name at %d", whole, named)
	}
	x.first("a sync of its folder", named, "fsync", "<"+s.dir+">")
}

// TestSyncsARemoval: the state is synced before Waldur is asked, the manifest and its folder before the move, both folders
// and the state before Waldur is told that it is done; and Waldur is asked before anything is moved.
func TestSyncsARemoval(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("old", 30602)
	s.settle()
	s.terminate("old")
	x := s.trace()
	asked := x.first("the approve", 0, "write", "approve_by_provider")
	if begun := x.first("a sync of the state", 0, "fdatasync", "state.db"); begun > asked {
		t.Errorf("the state is synced at call %d, after the approve at %d", begun, asked)
	}
	moved := x.first("the move", asked, "renameat2", `"old"`)
	made := x.first("making the archive", asked, "mkdirat", `".trash"`)
	if up := x.first("a sync of the directory above the archive", made, "fsync", "/mnt/capstor>"); up > moved {
		t.Errorf("it is moved at call %d into an archive whose own name is synced at %d", moved, up)
	}
	manifest := x.first("a sync of the manifest", asked, "fsync", ".json.part>")
	named := x.first("the manifest's name", manifest, "renameat", ".json.part")
	folder := x.first("a sync of the archive", named, "fsync", "/.trash>")
	if manifest > moved || named > moved || folder > moved {
		t.Errorf("it is moved at call %d; the manifest is synced at %d, named at %d, its folder synced at %d: all have to come before", moved, manifest, named, folder)
	}
	told := x.first("the end of the order", moved, "write", "set_state_done")
	from := x.first("a sync of where it was", moved, "fsync", "/cscs/uzh>")
	to := x.first("a sync of where it is", moved, "fsync", "/.trash>")
	noted := x.first("a sync of the state", moved, "fdatasync", "state.db")
	if from > told || to > told || noted > told {
		t.Errorf("Waldur is told at call %d; synced are where it was at %d, where it is at %d, the state at %d: all have to come before", told, from, to, noted)
	}
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
	from, to := x.first("a sync of where it was", 0, "fsync", "/cscs/uzh>"), x.first("a sync of where it is", 0, "fsync", "/.trash>")
	if from > told || to > told {
		t.Errorf("Waldur is told at call %d; synced are where it was at %d, where it is at %d: both have to come before", told, from, to)
	}
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
		if m == nil || !slices.Contains(changing, c.name) || strings.Contains(m[1], "/.state.db") || slices.Contains(all, call{c.name, m[1]}) {
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

func parseTrace(t *testing.T, path string) []call {
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
