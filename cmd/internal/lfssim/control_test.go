package lfssim

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// This is the way from nothing to a quota, as in the manual, with real processes and the
// environment of cscs-sync.
func TestManual(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, os.RemoveAll(s.state+".d"))
	must(t, os.Remove(s.state))
	for _, args := range [][]string{
		{"sim", "init", "--release", "2.15.8", "--mount", s.mount + "=capstor", "--as-root",
			"--group", "proj=30500"},
		{"sim", "clock", "1800000000"},
		{"setquota", "-g", "proj", "-b", "1T", "-B", "2T", "-i", "0", "-I", "1M", s.mount},
		{"sim", "usage", "-g", "30500", "--space", "1.5T", "--inodes", "12000", s.mount},
	} {
		if out, err := s.process(args...).CombinedOutput(); err != nil || len(out) != 0 {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	out, err := s.process("quota", "-q", "-g", "30500", s.mount).Output()
	must(t, err)
	want := []string{s.mount, "1610612736*", "1073741824", "2147483648", "1w", "12000", "0",
		"1048576", "-"}
	if got := strings.Fields(string(out)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	calls, err := ReadLog(s.state)
	must(t, err)
	if len(calls) != 2 || calls[0].Args[0] != "setquota" || calls[1].Args[0] != "quota" {
		t.Errorf("log: %+v", calls)
	}
}

func TestControlRefuses(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	for _, c := range []struct {
		exit int
		args string
	}{
		{1, "init --release 2.15.8 --mount /x"}, // there is one already
		{1, "init --force --release 2.16.1 --mount /x"},
		{1, "init --force --release 2.15.8 --mount /x=../../etc"},
		{2, "init --force --release 2.15.8"},
		{1, "init --force --release 2.15.8 --mount /x --osts 2 --pool flash=2"},
		{2, "usage -g 1 --space lots MOUNT"},
		{2, "usage -g name --space 1 MOUNT"},
		{2, "usage --space 1 MOUNT"},
		{1, "usage -g 1 --space 1 /"},
		{1, "fail --on quota --errno ENOSUCH"},
		{1, "fail --on weather --errno EIO"},
		{1, "fail --on quota"},
		{1, "lose-ost --index 2 MOUNT"},
		{2, "clock yesterday"},
		{2, "frobnicate"},
		{2, "log --nosuch"},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "MOUNT", s.mount))
		r := s.run(append([]string{"sim"}, args...)...)
		if r.exit != c.exit || !strings.HasPrefix(r.stderr, "lfs-sim: ") {
			t.Errorf("sim %s: exit %d, stderr %q", c.args, r.exit, r.stderr)
		}
	}
	if st, err := Load(s.state); err != nil || st.Release != "2.15.8" || len(st.Faults) != 0 ||
		st.Mounts[0].Path != s.mount {
		t.Errorf("what was refused has changed the state: %+v, %v", st, err)
	}
}

// The simulation's own failures have exit codes that lfs does not have.
func TestBroken(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, os.WriteFile(s.state, []byte(`{"release":"2.15.8","mountz":[]}`), 0o644))
	if r := s.run("quota", "-g", "1", s.mount); r.exit != exitBroken || !strings.Contains(r.stderr,
		"mountz") {
		t.Errorf("a state with an unknown member: %+v", r)
	}
	s.lfs = filepath.Join(t.TempDir(), "lfs")
	if r := s.run("--version"); r.exit != exitBroken || !strings.Contains(r.stderr, "sim init") {
		t.Errorf("no state: %+v", r)
	}
	s.lfs = "lfs"
	if r := s.run("--version"); r.exit != exitBroken || !strings.Contains(r.stderr,
		"LFS_SIM_STATE") {
		t.Errorf("called by name: %+v", r)
	}
}

func TestStatePath(t *testing.T) {
	env := func(value string) func(string) string { return func(string) string { return value } }
	for _, c := range []struct{ called, env, want string }{
		{"/a/lfs", "", "/a/lfs.json"},
		{"./lfs", "", "./lfs.json"},
		{"lfs", "", ""},
		{"/a/lfs", "/b/state", "/b/state"},
	} {
		if got := statePath([]string{c.called}, env(c.env)); got != c.want {
			t.Errorf("called %s, LFS_SIM_STATE %q: %q, want %q", c.called, c.env, got, c.want)
		}
	}
}

// The manual lists exactly the steps in which the simulation differs.
func TestManualListsDeviations(t *testing.T) {
	data, err := os.ReadFile("../../lfs-sim/doc.go")
	must(t, err)
	_, list, _ := strings.Cut(string(data), "except for these steps:\n")
	list, _, _ = strings.Cut(list, "These differences are not in the transcripts")
	var listed, played []string
	for line := range strings.Lines(list) {
		if item, ok := strings.CutPrefix(line, "//   - "); ok {
			note, _, _ := strings.Cut(item, ":")
			listed = append(listed, note)
		}
	}
	for note := range deviations() {
		played = append(played, note)
	}
	slices.Sort(listed)
	slices.Sort(played)
	if !slices.Equal(listed, played) {
		t.Errorf("the manual lists %q, the test knows %q", listed, played)
	}
}
