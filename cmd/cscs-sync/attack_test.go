package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestAttackOnARunningApply: somebody who owns the directory above swaps a managed directory for a link, a file, a fifo and
// a mount as fast as possible, while applies change it. Nothing outside is ever changed, and nothing hangs.
func TestAttackOnARunningApply(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	s.ok("plan", "--out", "first.plan")
	s.ok("approve", "first.plan")
	s.ok("apply", "first.plan")
	outside := filepath.Join(s.dir, "outside")
	s.check(os.MkdirAll(filepath.Join(outside, "bio"), 0o700))
	before := describe(t, outside)
	victim := filepath.Join(s.dir, "mnt/capstor/store/cscs/eth/bio")
	applied := 0
	for round := range 200 / slowdown {
		s.check(os.Lchown(victim, 5000+round, 30500)) // another owner each time, so that each plan is another
		s.check(syscall.Chmod(victim, 0o750))
		plan := fmt.Sprint("r", round, ".plan")
		s.ok("plan", "--out", plan)
		s.ok("approve", plan)
		stop := swap(victim, outside)
		cmd := s.fixed(nil, "apply", plan)
		hung := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		stop()
		if !hung.Stop() {
			t.Fatalf("round %d hangs:\n%s", round, out)
		}
		code := 0
		if exit, ok := err.(*exec.ExitError); ok {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		switch code {
		case exitDone:
			applied++
		case exitRefused, exitPartial:
		default:
			t.Fatalf("round %d: exit %d\n%s", round, code, out)
		}
		if after := describe(t, outside); after != before {
			t.Fatalf("round %d changed what is outside:\n%s\nwas\n%s\n%s", round, after, before, out)
		}
	}
	t.Logf("%d applies got through between the swaps", applied)
	if applied < 10 && slowdown == 1 {
		t.Error("no apply got through: the swaps never met a change")
	}
}

// swap replaces a directory by other things and puts it back, over and over, until it is told to stop.
func swap(victim, outside string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		aside := victim + ".aside"
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if os.Rename(victim, aside) != nil {
				continue
			}
			switch i % 5 {
			case 0:
				_ = os.Symlink(outside, victim)
			case 1:
				_ = os.Symlink(filepath.Join(outside, "bio"), victim)
			case 2:
				_ = syscall.Mkfifo(victim, 0o666)
			case 3:
				_ = os.WriteFile(victim, nil, 0o666)
			case 4:
				_ = os.Mkdir(victim, 0o755)
				_ = syscall.Mount(filepath.Join(outside, "bio"), victim, "", syscall.MS_BIND, "")
			}
			time.Sleep(time.Duration(i%6) * time.Millisecond)
			_ = syscall.Unmount(victim, syscall.MNT_DETACH)
			_ = os.Remove(victim)
			_ = os.Rename(aside, victim)
			time.Sleep(time.Duration(i%9) * 2 * time.Millisecond) // now and then an apply must get as far as its changes
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// describe is everything about a tree that an apply could change.
func describe(t *testing.T, root string) string {
	t.Helper()
	var text string
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			st := info.Sys().(*syscall.Stat_t)
			text += fmt.Sprintf("%s %o %d:%d\n", path, st.Mode, st.Uid, st.Gid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
