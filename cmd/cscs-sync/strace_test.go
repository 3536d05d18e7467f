package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// call is one system call of a traced apply.
type call struct{ name, text string }

// traced is the system calls of an apply of p.plan.
type traced struct {
	t     *testing.T
	calls []call
}

func (s *service) trace() traced {
	t := s.t
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("strace is needed: apt-get install strace (%v)", err)
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	trace := filepath.Join(s.dir, "trace")
	apply := s.fixed(nil, "apply", "--parallelism", "1", "p.plan")
	cmd := exec.Command(strace, append([]string{"-f", "-y", "-s", "256", "-o", trace, "-e", "trace=mkdirat,fchown,fchmod,fsync,fdatasync,write,sendto,renameat2,renameat"}, apply.Args...)...)
	cmd.Dir, cmd.Env = apply.Dir, apply.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	return traced{t, parseTrace(t, trace)}
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
