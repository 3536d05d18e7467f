package lfssim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A grace time continues when only the hard limit changes, and starts over when both are given.
func TestGraceTime(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, SetUsage(s.state, "tfs", Group, 1000, 2<<30, 0))
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "10G", s.mount)
	s.clock(24 * time.Hour)
	if out := s.ok("quota", "-q", "-g", "1000", s.mount); !strings.Contains(out, " 6d ") {
		t.Errorf("after a day: %q", out)
	}
	s.ok("setquota", "-g", "1000", "-B", "11G", s.mount)
	if q := s.group(1000); q.BlockGraceEnd != start+week {
		t.Errorf("the hard limit alone moved the end to %d", q.BlockGraceEnd)
	}
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "12G", s.mount)
	if q := s.group(1000); q.BlockGraceEnd != start+24*3600+week {
		t.Errorf("both limits left the end at %d", q.BlockGraceEnd)
	}
	s.clock(30 * 24 * time.Hour)
	if out := s.ok("quota", "-q", "-g", "1000", s.mount); !strings.Contains(out, "none") {
		t.Errorf("after a month: %q", out)
	}
	must(t, SetUsage(s.state, "tfs", Group, 1000, 1<<30, 0))
	if q := s.group(1000); q.BlockGraceEnd != 0 {
		t.Errorf("at the soft limit a grace time runs until %d", q.BlockGraceEnd)
	}
}

// "notify" is so long that the sum reaches the flags: the time reads as expired immediately.
func TestNotifyGrace(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, SetUsage(s.state, "tfs", Group, 1000, 2<<30, 0))
	s.ok("setquota", "-t", "-g", "-b", "notify", s.mount)
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "10G", s.mount)
	out := s.ok("quota", "-q", "-g", "1000", s.mount)
	if !strings.Contains(out, "none") || !strings.Contains(out, "gid 1000 is using default block") {
		t.Errorf("%q", out)
	}
}

// If only one limit is set on an identity that uses the default, the default's other limit becomes
// its own.
func TestPartialSetFreezesTheDefault(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	s.ok("setquota", "-G", "-b", "3G", "-B", "4G", s.mount)
	s.ok("setquota", "-g", "1000", "-B", "9G", s.mount)
	s.ok("setquota", "-G", "-b", "1G", "-B", "4G", s.mount)
	if q := s.group(1000); q.BlockSoft != 3<<20 || q.BlockHard != 9<<20 || q.BlockDefault {
		t.Errorf("%+v", q)
	}
	if q := s.group(1001); q.BlockSoft != 1<<20 || !q.BlockDefault || q.Known() {
		t.Errorf("an id never seen: %+v", q)
	}
}

// A deleted id reads as 0 although there is a default, and is not listed, as measured on a real
// Lustre.
func TestDelete(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	s.ok("setquota", "-G", "-b", "3G", "-B", "4G", s.mount)
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "2G", s.mount)
	s.ok("setquota", "-g", "1000", "--delete", s.mount)
	if q := s.group(1000); q.BlockSoft != 0 || q.BlockHard != 0 || q.Known() {
		t.Errorf("%+v", q)
	}
	if out := s.ok("quota", "-a", "-q", "-g", s.mount); out != "" {
		t.Errorf("listed: %q", out)
	}
	s.ok("setquota", "-g", "1000", "-D", s.mount)
	if q := s.group(1000); q.BlockHard != 4<<20 || !q.Known() {
		t.Errorf("after -D: %+v", q)
	}
}

// Two mounts of one file system share their quotas; another file system has its own.
func TestFilesystems(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	second, other := filepath.Join(s.mount, "second"), filepath.Join(s.mount, "other")
	must(t, os.Mkdir(second, 0o755))
	must(t, os.Mkdir(other, 0o755))
	must(t, Update(s.state, func(st *State) error {
		st.Mounts = append(st.Mounts, Mount{second, "tfs"}, Mount{other, "ofs"})
		return nil
	}))
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "2G", second)
	if out := s.ok("quota", "-q", "-g", "1000", s.mount); !strings.Contains(out, "2097152") {
		t.Errorf("by the first mount: %q", out)
	}
	if out := s.ok("quota", "-q", "-g", "1000", other); strings.Contains(out, "2097152") {
		t.Errorf("on another file system: %q", out)
	}
}

// The part on a lost OST is missing from the usage. Limits can still be set.
func TestLostOST(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	must(t, SetUsage(s.state, "tfs", Group, 1000, 10<<20+5, 1))
	s.ok("sim", "lose-ost", s.mount)
	r := s.run("quota", "-q", "-g", "1000", s.mount)
	if r.exit != 5 || !strings.Contains(r.stdout, "[5121]") || !strings.Contains(r.stdout,
		"1 Some errors happened") {
		t.Errorf("%+v", r)
	}
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "2G", s.mount)
	s.ok("sim", "clear")
	if out := s.ok("quota", "-q", "-g", "1000", s.mount); !strings.Contains(out, " 10241 ") {
		t.Errorf("after clear: %q", out)
	}
}

// Faults apply by what they are on, and by id.
func TestFaults(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	s.ok("sim", "fail", "--on", "quota", "--errno", "ETIMEDOUT", "--id", "1000")
	s.ok("sim", "fail", "--on", "project", "--errno", "EIO", "--count", "1")
	for _, c := range []struct {
		args   []string
		exit   int
		stderr string
	}{
		{[]string{"quota", "-q", "-g", "1000", s.mount}, 110,
			"Unexpected quotactl error: Connection timed out\n"},
		{[]string{"quota", "-q", "-g", "1001", s.mount}, 0, ""},
		{[]string{"setquota", "-g", "1000", "-b", "1G", "-B", "2G", s.mount}, 0, ""},
		{[]string{"setquota", "-g", "1000", "-B", "3G", s.mount}, 110,
			"setquota failed: Connection timed out\n"},
		{[]string{"project", "-p", "7", "-s", "-d", s.mount}, 1, "lfs: failed to set xattr for '" +
			s.mount + "': Input/output error\n"},
		{[]string{"project", "-p", "7", "-s", "-d", s.mount}, 0, ""},
	} {
		if r := s.run(c.args...); r.exit != c.exit || r.stderr != c.stderr {
			t.Errorf("lfs %q: %+v", c.args, r)
		}
	}
}

// Without as_root the caller's own rights count.
func TestRights(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, Update(s.state, func(st *State) error { st.AsRoot = false; return nil }))
	st, err := openStore(s.state)
	must(t, err)
	defer st.close()
	srv := &server{store: st, caller: caller{uid: 1, gids: []int{5}}}
	for _, c := range []struct {
		typ Type
		id  uint32
		may bool
	}{{User, 1, true}, {User, 2, false}, {Group, 5, true}, {Group, 1, false}, {Project, 9, true}} {
		if srv.mayRead(c.typ, c.id) != c.may {
			t.Errorf("%s %d: may read is not %v", c.typ, c.id, c.may)
		}
	}
	errno, err := srv.set(query{fs: "tfs", typ: Group, id: 5}, change{block: &limits{hard: 1}})
	if errno != 1 || err != nil {
		t.Errorf("set by nobody: %v, %v", errno, err)
	}
}
