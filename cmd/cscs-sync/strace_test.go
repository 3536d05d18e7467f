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

// TestSyncsBeforeItTells traces the system calls of an apply. A kill loses nothing that was written, so only the order of
// syncs shows whether a power cut would: the state is synced before the first change, and the new directory, the one
// above and the state before the first callback leaves.
func TestSyncsBeforeItTells(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("strace is needed: apt-get install strace (%v)", err)
	}
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	trace := filepath.Join(s.dir, "trace")
	apply := s.fixed(nil, "apply", "--parallelism", "1", "p.plan")
	cmd := exec.Command(strace, append([]string{"-f", "-y", "-s", "256", "-o", trace, "-e", "trace=mkdirat,fchown,fchmod,fsync,fdatasync,write,sendto"}, apply.Args...)...)
	cmd.Dir, cmd.Env = apply.Dir, apply.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	calls := parseTrace(t, trace)
	first := func(what string, from int, name, text string) int {
		t.Helper()
		for i := from; i < len(calls); i++ {
			if strings.HasPrefix(calls[i].name, name) && strings.Contains(calls[i].text, text) {
				return i
			}
		}
		t.Fatalf("%s never happened after call %d of %d", what, from, len(calls))
		return 0
	}
	change := first("the first change", 0, "mkdirat", "/mnt/capstor")
	if begun := first("a sync of the state", 0, "fdatasync", "state.db"); begun > change {
		t.Errorf("the state is synced at call %d, after the first change at %d", begun, change)
	}
	bio := first("making the directory", change, "mkdirat", `"bio"`)
	mode := first("its mode", bio, "fchmod", "/eth/bio>")
	dir := first("a sync of the directory", mode, "fsync", "/eth/bio>")
	up := first("a sync of the directory above", mode, "fsync", "/cscs/eth>")
	told := first("the first callback", bio, "write", "approve_by_provider")
	noted := first("a sync of the state", mode, "fdatasync", "state.db")
	if dir > told || up > told || noted > told {
		t.Errorf("Waldur is told at call %d; synced are the directory at %d, the one above at %d, the state at %d: all have to come before", told, dir, up, noted)
	}
	next := first("the second callback", told, "write", "set_backend_id")
	if between := first("a sync of the state", told, "fdatasync", "state.db"); between > next {
		t.Errorf("the first answer is synced at call %d, after the second callback at %d", between, next)
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
