package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pseudo is a pseudo-terminal: what the program writes to it, and what a person types.
type pseudo struct {
	master, slave *os.File
	mu            sync.Mutex
	out           strings.Builder
}

func newPseudo(t *testing.T) *pseudo {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	x := &pseudo{master: master, slave: slave}
	go x.copy()
	return x
}

func (x *pseudo) copy() {
	buffer := make([]byte, 4096)
	for {
		n, err := x.master.Read(buffer)
		x.mu.Lock()
		x.out.Write(buffer[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *pseudo) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

// converse runs a command on the terminal, types an answer when it is asked, and returns the exit code.
func (x *pseudo) converse(t *testing.T, cmd *exec.Cmd, asked, answer string) int {
	t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.slave, x.slave, x.slave
	cmd.Env = append(cmd.Env, "NO_COLOR=", "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(x.text(), asked); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("never asked %q:\n%s", asked, x.text())
		}
	}
	if _, err := io.WriteString(x.master, answer); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	x.readAll()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// TestApplyAsksOnATerminal: apply without a plan file shows the plan, coloured, and takes nothing but yes.
func TestApplyAsksOnATerminal(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	const question = "Only 'yes' will be accepted to approve."
	for _, answer := range []string{"no\n", "y\n", "\n"} {
		x := newPseudo(t)
		if code := x.converse(t, s.command("apply"), question, answer); code != exitRefused || s.exists("capstor/store")() {
			t.Errorf("answer %q: exit %d, want 3 and nothing done\n%s", answer, code, x.text())
		}
	}
	x := newPseudo(t)
	if code := x.converse(t, s.command("apply"), question, "yes\n"); code != exitDone || !s.exists("capstor/store/cscs/eth/bio")() {
		t.Errorf("answer yes: exit %d\n%s", code, x.text())
	}
	for _, want := range []string{"will be created", "Apply complete!", "\x1b["} {
		if !strings.Contains(x.text(), want) {
			t.Errorf("the terminal shows no %q:\n%s", want, x.text())
		}
	}
	cmd := s.command("apply")
	cmd.Stdin = strings.NewReader("yes\n")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "asks on a terminal") {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}
}

// TestSignals: one signal finishes what is running and stops; apply goes on where it stopped.
func TestSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			s := newService(t, "")
			for i := range 70 { // more than one batch
				s.create(fmt.Sprint("p", i), int64(31000+i))
			}
			s.ok("plan", "--out", "p.plan")
			s.ok("approve", "p.plan")
			cmd := s.fixed(nil, "apply", "--parallelism", "1", "p.plan")
			cmd.Stdout, cmd.Stderr = s, s
			s.check(cmd.Start())
			s.until("the first change", s.exists("capstor/store/cscs/eth"))
			s.check(cmd.Process.Signal(sig))
			err := cmd.Wait()
			if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != exitInterrupted {
				t.Fatalf("ended with %v, want exit 130\n%s", err, s.log())
			}
			for _, want := range []string{"not begun", "To continue where it stopped: cscs-sync apply"} {
				if !strings.Contains(s.log(), want) {
					t.Errorf("the account lacks %q:\n%s", want, s.log())
				}
			}
			s.ok("apply", "p.plan")
			if code, out := s.here("plan", "--detailed-exitcode"); code != exitDone {
				t.Errorf("after the resumed apply: exit %d\n%s", code, out)
			}
		})
	}
}

// readAll waits until everything that was written to the terminal has been read.
func (x *pseudo) readAll() {
	for last := -1; last != len(x.text()); time.Sleep(50 * time.Millisecond) {
		last = len(x.text())
	}
}
