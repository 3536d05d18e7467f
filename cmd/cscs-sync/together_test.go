package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// approvals counts the approvals in a plan file, by name.
func (s *service) approvals(path string) (names []string) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, path))
	s.check(err)
	file, err := planfile.Parse(data)
	s.check(err)
	for _, block := range file.Approvals {
		payload, err := planfile.DecodeApproval(block)
		s.check(err)
		_, name, _ := strings.Cut(string(payload), `\nname `)
		name, _, _ = strings.Cut(name, `\n`)
		names = append(names, name)
	}
	return names
}

// TestTwoApproveAtOnce: Ben approves while Anna reads. Both were told that they approved, and both approvals are there.
func TestTwoApproveAtOnce(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	x := newPseudo(t)
	anna := s.fixed(nil, "approve", "--as", "anna", "p.plan")
	ended := make(chan int, 1)
	go func() { ended <- x.converse(t, anna, "Do you approve this plan?", "") }()
	s.until("the question", func() bool { return strings.Contains(x.text(), "Enter a value:") })
	if out, err := s.fixed(nil, "approve", "--as", "ben", "p.plan").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, err := x.master.WriteString("yes\n")
	s.check(err)
	if code := <-ended; code != exitDone || !strings.Contains(x.text(), "Approved plan") {
		t.Errorf("exit %d\n%s", code, x.text())
	}
	if got := s.approvals("p.plan"); fmt.Sprint(got) != "[ben anna]" {
		t.Errorf("approvals of %q", got)
	}
}

// TestManyApproveAtOnce: of many processes that approve one file at the same time, none is lost.
func TestManyApproveAtOnce(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "--as", "first", "p.plan") // makes the key
	const n = 12
	var all []*exec.Cmd
	for i := range n {
		cmd := s.fixed(nil, "approve", "--as", fmt.Sprint("p", i), "p.plan")
		cmd.Stderr = s
		s.check(cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, s.log())
		}
	}
	if got := s.approvals("p.plan"); len(got) != n+1 {
		t.Errorf("%d approvals, want %d: %q", len(got), n+1, got)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, ".p.plan*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAnotherPlanIsNotApproved: the plan is made again while somebody reads it, and is not what they said yes to.
func TestAnotherPlanIsNotApproved(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	for what, change := range map[string]func(){
		"another plan":      func() { s.create("more", 30501); s.ok("plan", "--out", "p.plan") },
		"the same, renewed": func() { s.passed += time.Minute; s.ok("plan", "--out", "p.plan") },
		"no plan":           func() { s.check(os.WriteFile(filepath.Join(s.dir, "p.plan"), []byte("cscs-sync plan v1\n"), 0o600)) },
	} {
		s.ok("plan", "--out", "p.plan")
		x := newPseudo(t)
		cmd := s.fixed(nil, "approve", "--as", "anna", "p.plan")
		ended := make(chan int, 1)
		go func() { ended <- x.converse(t, cmd, "Do you approve this plan?", "") }()
		s.until("the question", func() bool { return strings.Contains(x.text(), "Enter a value:") })
		change()
		before, err := os.ReadFile(filepath.Join(s.dir, "p.plan"))
		s.check(err)
		_, err = x.master.WriteString("yes\n")
		s.check(err)
		if code := <-ended; code != exitRefused || strings.Contains(x.text(), "Approved plan") {
			t.Errorf("%s: exit %d\n%s", what, code, x.text())
		}
		if after, err := os.ReadFile(filepath.Join(s.dir, "p.plan")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed, %v", what, err)
		}
	}
}

// TestNoMoreApprovalsThanAreLookedAt: the 101st is refused, and the file stays as it is.
func TestNoMoreApprovalsThanAreLookedAt(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	for i := range 100 {
		s.ok("approve", "--as", fmt.Sprint("p", i), "p.plan")
	}
	code, out := s.here("approve", "--as", "late", "p.plan")
	if code != exitRefused || !strings.Contains(out, "it has 100 approvals") || len(s.approvals("p.plan")) != 100 {
		t.Errorf("exit %d, %d approvals\n%.2000s", code, len(s.approvals("p.plan")), out)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "p.plan"))
	s.check(err)
	block := data[bytes.LastIndex(data, []byte("-----BEGIN")):]
	s.check(os.WriteFile(filepath.Join(s.dir, "p.plan"), append(data, block...), 0o600))
	for _, command := range []string{"apply", "verify"} {
		if code, out := s.here(command, "p.plan"); code != exitRefused {
			t.Errorf("%s of a file with 101: exit %d\n%.2000s", command, code, out)
		}
	}
	s.check(os.WriteFile(filepath.Join(s.dir, "p.plan"), data, 0o600))
	s.ok("apply", "p.plan")
}
