package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// helperVariable makes the test binary be another process. Its value says what to do, and its
// arguments follow.
const helperVariable = "STATE_TEST_HELPER"

func TestMain(m *testing.M) {
	if what := os.Getenv(helperVariable); what != "" {
		os.Exit(helper(what, os.Args[1]))
	}
	os.Exit(m.Run())
}

// helper is what the other process does: it prints a line, and then waits for its stdin to end.
func helper(what, dir string) int {
	s, err := Open(dir, Options{Now: time.Now, Timeout: 5 * time.Second})
	if err != nil {
		return 1
	}
	var lock *Lock
	defer func() { runtime.KeepAlive(lock) }()
	switch what {
	case "lock":
		lock, err = AcquireLock(context.Background(), dir,
			ledger.Holder{Who: "other", Host: "node2", PID: os.Getpid(), Plan: "sha256:abc",
				Since: time.Unix(1e9, 0)}, 0)
	case "batch":
		s.Update(func(ledger.Tx) error {
			os.Stdout.WriteString("ready\n")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		})
		return 0
	case "read":
		_, err = s.Recorded()
	case "write":
		err = s.Update(putRecords(50))
	case "count":
		for i := range 200 {
			if err = s.Update(func(tx ledger.Tx) error { return tx.PutRecord(record(i + os.Getpid()*1000)) }); err != nil {
				break
			}
		}
	}
	text := "ready\n"
	if err != nil {
		text = strings.ReplaceAll(err.Error(), "\n", " ") + "\n"
	}
	os.Stdout.WriteString(text)
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// startHelper starts the other process and returns the line that it printed.
func startHelper(t *testing.T, cmd *exec.Cmd, what string) (line string) {
	t.Helper()
	cmd.Env = append(os.Environ(), helperVariable+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := firstError(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func self(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(exe, dir)
}

func TestLockOfAStoppedAndOfAKilledProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	cmd := self(t, dir)
	if line := startHelper(t, cmd, "lock"); line != "ready" {
		t.Fatal(line)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := AcquireLock(context.Background(), dir, ledger.Holder{Who: "me"}, 120*time.Millisecond)
	var locked *ledger.LockedError
	if !errors.As(err, &locked) || locked.Holder.Who != "other" ||
		locked.Holder.PID != cmd.Process.Pid || locked.Holder.Plan != "sha256:abc" {
		t.Fatalf("a stopped holder: %v", err)
	}
	for _, want := range []string{"other", "node2", "sha256:abc", "2001-09-09T01:46:40Z",
		filepath.Join(dir, lockName)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l, err := AcquireLock(context.Background(), dir, ledger.Holder{Who: "me"}, 5*time.Second)
	if err != nil {
		t.Fatalf("the holder is dead: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

// A process that was killed while one of its threads hangs in a call looks gone, but its open files
// are not. A second process with the same open file takes the place of that thread.
func TestNobodyTakesALockOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l, err := AcquireLock(context.Background(), dir,
		ledger.Holder{Who: "dead", Host: "node1", PID: 1 << 22}, 0)
	if err != nil {
		t.Fatal(err)
	}
	hanging := self(t, dir)
	hanging.ExtraFiles = []*os.File{l.file}
	if line := startHelper(t, hanging, "read"); line != "ready" {
		t.Fatal(line)
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = AcquireLock(context.Background(), dir, ledger.Holder{Who: "me"}, 100*time.Millisecond)
	var locked *ledger.LockedError
	if !errors.As(err, &locked) || locked.Holder.Who != "dead" {
		t.Errorf("taken over from a process that still hangs: %v", err)
	}
	hanging.Process.Kill()
	l, err = AcquireLock(context.Background(), dir, ledger.Holder{Who: "me"}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
}

func TestLockWaitsAndIsReleased(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := AcquireLock(context.Background(), dir, ledger.Holder{Who: "one"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := AcquireLock(ctx, dir, ledger.Holder{}, time.Hour); !errors.Is(err,
		context.DeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
	released := make(chan error)
	go func() {
		time.Sleep(100 * time.Millisecond)
		released <- first.Release()
	}()
	next, err := AcquireLock(context.Background(), dir, ledger.Holder{Who: "two"}, 10*time.Second)
	if err := firstError(err, <-released, next.Check()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if err := next.Check(); err == nil {
		t.Error("the file is gone, but the lock says that it protects")
	}
	next.Release()
}

func TestLockMessageOfAStrangeFile(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "garbage": "{",
		"escape": `{"who":"a\u001b[31mb","host":"h"}`} {
		dir := filepath.Join(t.TempDir(), "state")
		l, err := AcquireLock(context.Background(), dir, ledger.Holder{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, lockName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = AcquireLock(context.Background(), dir, ledger.Holder{}, 0)
		if !errors.As(err, new(*ledger.LockedError)) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: %q", name, err)
		}
		l.Release()
	}
}

func TestBatchesOfTwoProcesses(t *testing.T) {
	s, _ := newStore(t)
	update(t, s, putRecords(1))
	cmd := self(t, s.dir)
	if line := startHelper(t, cmd, "batch"); line != "ready" {
		t.Fatal(line)
	}
	for name, err := range map[string]error{"update": s.Update(putRecords(2)),
		"view": second(s.Recorded())} {
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), s.File()) {
			t.Errorf("%s while another writes: %v, want busy", name, err)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	update(t, s, putRecords(2))
}

// A state is restored (state.db.bak is renamed to state.db) while a batch waits for the old one.
// The batch goes into the new state, and not into a file that no longer has a name.
func TestAStateReplacedWhileABatchWaits(t *testing.T) {
	first, c := newStore(t)
	update(t, first, putRecords(1))
	s, err := Open(first.dir, Options{Now: c.now, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(s.File())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := unix.Flock(int(old.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Update(putRecords(2)) }()
	time.Sleep(300 * time.Millisecond) // it waits now
	body, err := os.ReadFile(s.File())
	back := s.File() + ".back"
	if err := errors.Join(err, os.WriteFile(back, body, 0o600), os.Rename(back, s.File()),
		unix.Flock(int(old.Fd()), unix.LOCK_UN), <-done); err != nil {
		t.Fatal(err)
	}
	view(t, reopen(t, s), func(tx ledger.Tx) error {
		records, err := tx.Records()
		if len(records) != 2 {
			t.Errorf("%d records, want 2: the update is in the file that was replaced", len(records))
		}
		return err
	})
}

func TestTwoProcessesLoseNothing(t *testing.T) {
	s, _ := newStore(t)
	var cmds []*exec.Cmd
	lines := make(chan string)
	for range 2 {
		cmd := self(t, s.dir)
		cmds = append(cmds, cmd)
		cmd.Env = append(os.Environ(), helperVariable+"=count")
		go func() {
			out, err := cmd.Output()
			if err != nil {
				out = []byte(err.Error())
			}
			lines <- string(out)
		}()
	}
	for range cmds {
		if line := <-lines; line != "ready\n" {
			t.Error(line)
		}
	}
	got, err := s.Recorded()
	if err != nil || got.Records.Len() != 400 {
		t.Errorf("%d records, %v, want 400", got.Records.Len(), err)
	}
}

// asNobody is the test binary as an unprivileged user, who cannot read the folder in which go test
// keeps it.
func asNobody(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	place := t.TempDir()
	if err := firstError(os.Chmod(filepath.Dir(place), 0o755), os.WriteFile(filepath.Join(place, "helper"), read(t, exe), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(place, "helper"), dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

func TestAStateThatMayNotBeWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	s, _ := newStore(t)
	update(t, s, putRecords(3))
	if err := firstError(os.Chmod(filepath.Dir(filepath.Dir(s.dir)), 0o755), os.Chmod(s.dir, 0o755),
		os.Chmod(s.File(), 0o644)); err != nil {
		t.Fatal(err)
	}
	before := read(t, s.File())
	if line := startHelper(t, asNobody(t, s.dir), "read"); line != "ready" {
		t.Errorf("reading root's state: %s", line)
	}
	for _, what := range []string{"write", "lock"} {
		line := startHelper(t, asNobody(t, s.dir), what)
		if !strings.Contains(line, s.dir) || !strings.Contains(line, "not permitted") {
			t.Errorf("%s: %s", what, line)
		}
	}
	if !bytes.Equal(before, read(t, s.File())) {
		t.Error("changed")
	}
	if err := os.Chmod(s.File(), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(putRecords(9)); !errors.Is(err, ErrReadOnly) ||
		!strings.Contains(err.Error(), s.File()) {
		t.Errorf("mode 0400, as root: %v", err)
	}
	if _, err := s.Recorded(); err != nil {
		t.Errorf("mode 0400, reading: %v", err)
	}
}

func TestForeignAndStrangeFilesAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	tests := map[string]func(s *Store) error{
		"folder of somebody else":      func(s *Store) error { return os.Chown(s.dir, 1234, 0) },
		"folder that others may write": func(s *Store) error { return os.Chmod(s.dir, 0o770) },
		"file of somebody else":        func(s *Store) error { return os.Chown(s.File(), 1234, 0) },
		"file that others may write":   func(s *Store) error { return os.Chmod(s.File(), 0o602) },
		"file is a link": func(s *Store) error {
			return firstError(os.Rename(s.File(), s.File()+"2"), os.Symlink(s.File()+"2", s.File()))
		},
		"file is a dangling link": func(s *Store) error { return firstError(os.Remove(s.File()), os.Symlink("/nowhere", s.File())) },
		"file is a fifo":          func(s *Store) error { return firstError(os.Remove(s.File()), unix.Mkfifo(s.File(), 0o600)) },
		"file is a folder":        func(s *Store) error { return firstError(os.Remove(s.File()), os.Mkdir(s.File(), 0o700)) },
		"folder is a link":        func(s *Store) error { return firstError(os.Rename(s.dir, s.dir+"2"), os.Symlink(s.dir+"2", s.dir)) },
		"folder is a file":        func(s *Store) error { return firstError(os.RemoveAll(s.dir), os.WriteFile(s.dir, nil, 0o600)) },
	}
	for name, change := range tests {
		s, _ := newStore(t)
		update(t, s, putRecords(1))
		if err := change(s); err != nil {
			t.Fatal(err)
		}
		for op, err := range map[string]error{"view": second(s.Recorded()),
			"update": s.Update(putRecords(2))} {
			if err == nil || !strings.Contains(err.Error(), s.dir) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
	}
}

func TestAFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=600k"); errors.Is(err, fs.ErrPermission) {
		t.Skip("this container must not mount anything")
	} else if err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(mount, unix.MNT_DETACH)
	s := openStore(t, filepath.Join(mount, "state"), newClock())
	update(t, s, putRecords(50))
	update(t, s, putRecords(51))
	copied := read(t, s.File()+".bak")
	want, _ := dump(t, s)
	full := func(name string, s *Store) {
		t.Helper()
		err := s.Update(putRecords(5000))
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.File()) {
			t.Errorf("%s: %v, want a full disk", name, err)
		}
		if got, err := dump(t, reopen(t, s)); err != nil || got != want {
			t.Errorf("%s: the state changed, or cannot be read: %v", name, err)
		}
		if !bytes.Equal(copied, read(t, s.File()+".bak")) {
			t.Errorf("%s: the copy changed", name)
		}
	}
	full("while writing", s)
	ballast, err := os.Create(filepath.Join(mount, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	ballast.Close()
	full("while copying", reopen(t, s))
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	os.Remove(ballast.Name())
	if err := reopen(t, s).Update(putRecords(52)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	other := openStore(t, filepath.Join(mount, "fresh"), newClock())
	ballast, err = os.Create(filepath.Join(mount, "ballast"))
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	ballast.Close()
	if err := other.Update(putRecords(1)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a new state on a full disk: %v", err)
	}
	if _, err := os.Lstat(other.File()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a state file: %v", err)
	}
}

// TestLockedAfterWaiting: the message does not suggest what was just done.
func TestLockedAfterWaiting(t *testing.T) {
	dir := t.TempDir()
	held, err := AcquireLock(t.Context(), dir, ledger.Holder{Who: "ada"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	for wait, want := range map[time.Duration]string{0: "wait with --lock-timeout",
		60 * time.Millisecond: "still held after 60ms"} {
		_, err := AcquireLock(t.Context(), dir, ledger.Holder{Who: "bob"}, wait)
		if err == nil || !strings.Contains(err.Error(), want) || wait > 0 &&
			strings.Contains(err.Error(), "--lock-timeout") {
			t.Errorf("after %s: %v", wait, err)
		}
	}
}
