package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// endsAtOneSignal sends one signal and wants the process to end as interrupted within a time. It returns how long it took.
func (s *service) endsAtOneSignal(cmd *exec.Cmd, sig os.Signal, within time.Duration) {
	s.t.Helper()
	s.t.Cleanup(s.sim.Stop) // answers what still waits
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })
	begun := time.Now()
	s.check(cmd.Process.Signal(sig))
	select {
	case err := <-ended:
		if code := exitOf(s.t, err); code != exitInterrupted {
			s.t.Errorf("exit %d, want %d\n%s", code, exitInterrupted, s.log())
		}
		s.t.Logf("%v after %s:\n%s", sig, time.Since(begun).Round(time.Millisecond), s.log())
	case <-time.After(within):
		s.t.Fatalf("one %v did not end it within %s:\n%s", sig, within, s.log())
	}
}

// beforeChanges and withChanges are how long a command may take to end before its first change and after it: what is promised,
// and some for a busy machine. What the commands wait for here takes longer.
const (
	beforeChanges = 20 * time.Second
	withChanges   = 40 * time.Second
)

// TestOneSignalEndsEveryWait: whatever a command waits for before its first change, one signal ends it, and the message names
// the storage only where that was waited for.
func TestOneSignalEndsEveryWait(t *testing.T) {
	for _, c := range []struct {
		name string
		// start starts a command that waits, and says when it does.
		start func(s *service) (cmd *exec.Cmd, waits func() bool)
		// want and lacks are what the message says and does not.
		want, lacks string
	}{
		{"agent", waitForAgent, "the SSH agent", "call to the storage"},
		{"listing on standard input", func(s *service) (*exec.Cmd, func() bool) {
			cmd := s.fixed(nil, "plan", "--resources", "-")
			_, err := cmd.StdinPipe()
			s.check(err)
			return cmd, s.running(cmd)
		}, "the listing", "doctor"},
		{"listing of the proxy", func(s *service) (*exec.Cmd, func() bool) {
			s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "slow", Delay: waldursim.Duration(time.Minute), Count: -1}))
			s.sim.ClearRequests()
			return s.fixed(nil, "plan"), func() bool { time.Sleep(300 * time.Millisecond); return true }
		}, "interrupted", "doctor"},
		{"root of the storage", func(s *service) (*exec.Cmd, func() bool) {
			s.check(os.MkdirAll(filepath.Join(s.dir, "outer/mnt"), 0o755))
			s.edit(`root = "`+s.dir+`/mnt"`, `root = "`+s.dir+`/outer/mnt"`)
			s.hang(filepath.Join(s.dir, "outer"))
			cmd := s.fixed(nil, "plan")
			return cmd, s.running(cmd)
		}, "", "Waldur"},
		{"quotas", func(s *service) (*exec.Cmd, func() bool) {
			s.lfsFault(lfssim.Fault{On: lfssim.OnQuota, Hang: true})
			return s.fixed(nil, "apply", "p.plan"), func() bool { time.Sleep(time.Second); return true }
		}, "", "Waldur"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, "")
			s.create("bio", 30500)
			s.ok("plan", "--out", "p.plan")
			s.ok("approve", "p.plan")
			cmd, waits := c.start(s)
			cmd.Stdout, cmd.Stderr = s, s
			s.check(cmd.Start())
			s.until("waiting", waits)
			s.endsAtOneSignal(cmd, syscall.SIGTERM, beforeChanges)
			if c.want != "" && !strings.Contains(s.log(), c.want) || strings.Contains(s.log(), c.lacks) {
				t.Errorf("want %q and not %q:\n%s", c.want, c.lacks, s.log())
			}
		})
	}
}

// running reports whether a command has started for long enough to be waiting.
func (s *service) running(cmd *exec.Cmd) func() bool {
	return func() bool {
		time.Sleep(700 * time.Millisecond)
		return cmd.Process != nil
	}
}

// waitForAgent starts an approve whose SSH agent takes the connection and never answers.
func waitForAgent(s *service) (*exec.Cmd, func() bool) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	s.check(err)
	key, err := ssh.NewPublicKey(public)
	s.check(err)
	s.check(os.WriteFile(filepath.Join(s.dir, "key.pub"), ssh.MarshalAuthorizedKey(key), 0o600))
	socket := filepath.Join(s.dir, "agent")
	l, err := net.Listen("unix", socket)
	s.check(err)
	s.t.Cleanup(func() { l.Close() })
	asked := make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1))
		close(asked)
		_, _ = io.Copy(io.Discard, conn)
	}()
	return s.fixed([]string{"SSH_AUTH_SOCK=" + socket}, "approve", "--key", "key.pub", "--as", "ada", "p.plan"), func() bool {
		select {
		case <-asked:
			return true
		default:
			return false
		}
	}
}

// TestPassphraseInterrupted: Ctrl-C at the prompt ends the command at once, with the terminal as it was.
func TestPassphraseInterrupted(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	s.check(err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	s.check(err)
	s.check(os.WriteFile(filepath.Join(s.dir, "key"), pem.EncodeToMemory(block), 0o600))
	x := newPseudo(t)
	cmd := s.fixed(nil, "approve", "--key", "key", "--as", "ada", "p.plan")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.slave, x.slave, x.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.check(cmd.Start())
	s.until("the prompt", func() bool { return strings.Contains(x.text(), "Passphrase for") && !echoes(t, x) })
	begun := time.Now()
	_, err = io.WriteString(x.master, "\x03")
	s.check(err)
	code := exitOf(t, cmd.Wait())
	x.readAll()
	if took := time.Since(begun); code != exitInterrupted || took > beforeChanges {
		t.Errorf("exit %d after %s\n%s", code, took, x.text())
	}
	if !echoes(t, x) {
		t.Error("the terminal is left without echo")
	}
	if !strings.Contains(x.text(), "passphrase") || strings.Contains(x.text(), "storage hangs") {
		t.Errorf("the message is not true:\n%s", x.text())
	}
}

func echoes(t *testing.T, x *pseudo) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestOneSignalEndsAnApplyOnADeadMount: a mount dies under a change. One signal is enough to end the apply within ten seconds;
// what was done is noted, and the next apply goes on.
func TestOneSignalEndsAnApplyOnADeadMount(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	m := newDeadMount(t, filepath.Join(s.dir, "mnt/vast"))
	m.dies(0, fuseMkdir)
	for i := range 3 {
		s.createOn("vast", fmt.Sprint("p", i), int64(30520+i))
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	cmd := s.fixed(nil, "apply", "p.plan")
	cmd.Stdout, cmd.Stderr = s, s
	s.check(cmd.Start())
	s.until("the mount's death", m.isDead)
	s.endsAtOneSignal(cmd, syscall.SIGTERM, withChanges)
	if !strings.Contains(s.log(), "apply the same plan again") {
		t.Errorf("it does not say how to go on:\n%s", s.log())
	}
	m.bury()
}

// TestOneSignalEndsAnApplyWhoseWaldurHangs: calls to Waldur end after the time that changes get; the account is given.
func TestOneSignalEndsAnApplyWhoseWaldurHangs(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Path: "approve_by_provider", Kind: waldursim.FaultSlow, Delay: waldursim.Duration(time.Minute), Count: 1}))
	cmd := s.fixed([]string{"CSCS_TEST_CALLBACK_TIMEOUT=1m"}, "apply", "p.plan")
	cmd.Stdout, cmd.Stderr = s, s
	s.check(cmd.Start())
	s.until("the directory", s.exists("capstor/store/cscs/eth/bio"))
	time.Sleep(500 * time.Millisecond)
	s.endsAtOneSignal(cmd, syscall.SIGTERM, withChanges)
	if !strings.Contains(s.log(), "1 done but not reported") {
		t.Errorf("no account:\n%s", s.log())
	}
}
