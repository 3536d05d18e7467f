package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// midway starts an apply of p.plan whose first approve takes two seconds, and returns when what stands just before it on the
// storage is there.
func (s *service) midway(pattern string) *exec.Cmd {
	s.t.Helper()
	s.sim.ClearRequests()
	s.check(s.sim.Inject(waldursim.Fault{Path: "approve_by_provider", Kind: waldursim.FaultSlow, Count: 1, Delay: waldursim.Duration(2 * time.Second)}))
	cmd := s.fixed([]string{"CSCS_TEST_CALLBACK_TIMEOUT=1m"}, "apply", "--parallelism", "1", "p.plan")
	cmd.Stdout, cmd.Stderr = s, s
	s.check(cmd.Start())
	s.until(pattern, func() bool {
		found, err := filepath.Glob(filepath.Join(s.dir, "mnt/capstor", pattern))
		return err == nil && len(found) > 0
	})
	return cmd
}

// wantLog wants the log to say all of this.
func (s *service) wantLog(texts ...string) {
	s.t.Helper()
	for _, want := range texts {
		if !strings.Contains(s.log(), want) {
			s.t.Errorf("the account lacks %q:\n%s", want, s.log())
		}
	}
}

// made counts the directories of projects.
func (s *service) made() int {
	found, err := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/store/cscs/*/*"))
	s.check(err)
	return len(found)
}

// TestHoldMidway: a hold that comes while an apply runs is told which one runs. What is not done yet is skipped, with words,
// and what Waldur is not told yet waits; once the hold is lifted the rest is done.
func TestHoldMidway(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	s.withoutQuotas()
	for i := range 90 {
		s.create(fmt.Sprintf("p%02d", i), int64(31000+i))
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	apply := s.midway("store/cscs/eth/p63") // the last of the first batch
	said, err := s.fixed(nil, "hold", "add", "/**", "--reason", "the file servers fail").CombinedOutput()
	s.check(err)
	if pid := fmt.Sprintf("pid %d", apply.Process.Pid); !strings.Contains(string(said), "applies plan") || !strings.Contains(string(said), pid) {
		t.Errorf("hold add says nothing of %s:\n%s", pid, said)
	}
	made := s.made()
	if code := exitOf(t, apply.Wait()); code != exitPartial || made == 90 || s.made() != made {
		t.Errorf("exit %d; %d directories when the hold came, %d at the end\n%s", code, made, s.made(), s.log())
	}
	s.wantLog("skipped: /capstor/store/cscs/eth/p89 is held by root: the file servers fail", "cscs-sync hold rm '/**'", "Waldur was told: 1 approve.")
	if n := s.effects()["approve_by_provider"]; n > 1 {
		t.Errorf("%d orders were approved, one of them before the hold", n)
	}
	if code, out := s.here("callbacks", "retry"); code == 0 || !strings.Contains(out, "is held by root") || s.effects()["approve_by_provider"] > 1 {
		t.Errorf("callbacks retry under the hold: exit %d\n%s", code, out)
	}
	s.ok("hold", "rm", "/**")
	if said, err := s.fixed(nil, "hold", "add", "/none", "--force", "--reason", "x").CombinedOutput(); err != nil || strings.Contains(string(said), "applies plan") {
		t.Errorf("nothing is running now: %v\n%s", err, said)
	}
	s.ok("callbacks", "retry")
	s.settle()
	if s.made() != 90 {
		t.Errorf("%d directories after the hold, want 90", s.made())
	}
}

// TestHoldBeforeAMove: a removal that is prepared is not approved once somebody holds it, and leaves no manifest.
func TestHoldBeforeAMove(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.active("old", 30602)
	s.active("other", 30603)
	s.settle()
	s.terminate("old", "other")
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	apply := s.midway(".trash/*-old~*.json")
	s.ok("hold", "add", "/capstor/**/other", "--reason", "incident")
	if code := exitOf(t, apply.Wait()); code != exitPartial {
		t.Errorf("exit %d\n%s", code, s.log())
	}
	s.wantLog("uzh/old: archived", "uzh/other: skipped", "held by root: incident", "Waldur was told: 1 approve, 1 set_state_done.")
	if left, _ := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/.trash/*other*")); len(left) > 0 || !s.exists("capstor/store/cscs/uzh/other")() {
		t.Errorf("in the archive: %s", left)
	}
}

// TestAFullStateDiskMidway: the state cannot be written in the middle of an apply. The account says what happened on the
// storage and what Waldur was told; with room again the same plan ends as it should.
func TestAFullStateDiskMidway(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	state := filepath.Join(s.dir, "state")
	s.check(os.Mkdir(state, 0o700))
	s.check(syscall.Mount("state", state, "tmpfs", 0, "size=4m,mode=0700"))
	t.Cleanup(func() { _ = syscall.Unmount(state, syscall.MNT_DETACH) })
	s.active("old", 30602)
	s.active("older", 30603)
	s.settle()
	s.terminate("old", "older")
	for i := range 5 {
		s.create(fmt.Sprint("p", i), int64(31000+i))
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	apply := s.midway(".trash/*-old~*.json")
	fill := filepath.Join(state, "fill")
	f, err := os.OpenFile(fill, os.O_CREATE|os.O_WRONLY, 0o600)
	s.check(err)
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if code := exitOf(t, apply.Wait()); code != exitError {
		t.Errorf("exit %d\n%s", code, s.log())
	}
	s.wantLog("Apply incomplete!", "7 done but not recorded", "Waldur was told: 2 approve.", "To continue where it stopped: cscs-sync apply p.plan", "the disk is full")
	for _, wrong := range []string{"nothing was changed", "7 not begun", "0 done, 7", "p0: created\n"} {
		if strings.Contains(s.log(), wrong) {
			t.Errorf("it says %q:\n%s", wrong, s.log())
		}
	}
	s.check(os.Remove(fill))
	s.ok("apply", "p.plan")
	if n := s.made(); n != 5 {
		t.Errorf("%d directories stand, want 5\n%s", n, s.tree())
	}
	for call, n := range s.effective() {
		if n != 1 {
			t.Errorf("%s took effect %d times", call, n)
		}
	}
	if out := s.ok("archive", "list"); strings.Count(out, "kept until") != 2 {
		t.Errorf("the register: %s", out)
	}
}

// TestTwoNodesArchive: two processes with states of their own, as on two nodes, archive the same directories at the same time.
// Each directory is archived once, and each keeps a manifest from which the register can be rebuilt.
func TestTwoNodesArchive(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	const n = 20
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("p%02d", i))
		s.active(names[i], int64(31000+i))
	}
	s.settle()
	s.terminate(names...)
	config := filepath.Join(s.dir, "cscs-sync.hcl")
	text, err := os.ReadFile(config)
	s.check(err)
	var applies []*exec.Cmd
	for _, node := range []string{"one", "two"} {
		other := filepath.Join(s.dir, node+".hcl")
		s.check(os.WriteFile(other, []byte(strings.Replace(string(text), s.dir+"/state", s.dir+"/state-"+node, 1)), 0o600))
		// The second node has a copy of the state: another state would not get this far.
		s.check(exec.Command("cp", "-a", s.dir+"/state", s.dir+"/state-"+node).Run())
		s.ok("-c", other, "plan", "--out", node+".plan")
		s.ok("-c", other, "approve", node+".plan")
		applies = append(applies, s.fixed(nil, "-c", other, "apply", node+".plan"))
	}
	outs := make([]bytes.Buffer, len(applies))
	for i, cmd := range applies {
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		s.check(cmd.Start())
	}
	for _, cmd := range applies {
		_ = cmd.Wait() // one of the two fails for each directory, or finds it archived
	}
	if left, _ := filepath.Glob(s.real("p*")); len(left) > 0 {
		t.Errorf("not archived: %s", left)
	}
	for _, name := range names {
		dirs, _ := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/.trash/*-"+name))
		manifests, _ := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/.trash/*-"+name+"~*.json"))
		if len(dirs) != 1 || len(manifests) == 0 || !strings.HasPrefix(manifests[0], dirs[0]) {
			t.Errorf("%s: archived %s, manifests %s", name, dirs, manifests)
		}
	}
	if out := s.ok("archive", "rescan"); !strings.Contains(out, fmt.Sprintf("%d archived directories are in the register", n)) {
		t.Errorf("rescan: %s\n%s\n%s", out, outs[0].String(), outs[1].String())
	}
}
