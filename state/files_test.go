package state

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

func TestApprovalKey(t *testing.T) {
	s, _ := newStore(t)
	s.options.Random = bytes.NewReader(bytes.Repeat([]byte{7}, keySize))
	if _, err := s.ReadApprovalKey(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	update(t, s, putRecords(1))
	if _, err := s.ReadApprovalKey(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
	made, err := s.ApprovalKey()
	if err != nil || !bytes.Equal(made, bytes.Repeat([]byte{7}, keySize)) {
		t.Fatalf("%x, %v", made, err)
	}
	info, err := os.Lstat(s.keyPath())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	kept, err := reopen(t, s).ApprovalKey()
	if err != nil || !bytes.Equal(kept, made) {
		t.Errorf("made anew: %x, %v", kept, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestApprovalKeyRefuses(t *testing.T) {
	tests := map[string]func(path string) error{
		"readable by the group": func(p string) error { return os.Chmod(p, 0o640) },
		"readable by others":    func(p string) error { return os.Chmod(p, 0o604) },
		"too short":             func(p string) error { return os.WriteFile(p, make([]byte, 31), 0o600) },
		"too long":              func(p string) error { return os.WriteFile(p, make([]byte, 33), 0o600) },
		"empty":                 func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"a link":                func(p string) error { return firstError(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) },
		"a folder":              func(p string) error { return firstError(os.Remove(p), os.Mkdir(p, 0o700)) },
		"a fifo":                func(p string) error { return firstError(os.Remove(p), unix.Mkfifo(p, 0o600)) },
	}
	if os.Geteuid() == 0 {
		tests["of somebody else"] = func(p string) error { return os.Chown(p, 1234, 0) }
	}
	for name, change := range tests {
		s, _ := newStore(t)
		if _, err := s.ApprovalKey(); err != nil {
			t.Fatal(err)
		}
		if err := change(s.keyPath()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ApprovalKey(); err == nil || !strings.Contains(err.Error(), s.keyPath()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, _ := newStore(t)
	s.options.Random = iotest.ErrReader(errors.New("no entropy"))
	if _, err := s.ApprovalKey(); err == nil {
		t.Error("a key without randomness")
	}
	if _, err := os.Lstat(s.keyPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestOneKeyForAllWhoMakeIt(t *testing.T) {
	s, _ := newStore(t)
	keys := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() { keys[i], _ = s.ApprovalKey() })
	}
	group.Wait()
	for _, k := range keys {
		if len(k) != keySize || !bytes.Equal(k, keys[0]) {
			t.Fatalf("different keys: %x", keys)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.plan")
	content := func() string { return string(read(t, path)) }
	if err := WriteFile(path, []byte("one"), 0o600, nil); err != nil || content() != "one" {
		t.Fatalf("new: %v", err)
	}
	if err := WriteFile(path, []byte("two"), 0o600, nil); !errors.Is(err, fs.ErrExist) ||
		content() != "one" {
		t.Errorf("no replace: %v, %q", err, content())
	}
	boom := errors.New("no plan file")
	if err := WriteFile(path, []byte("two"), 0o600,
		func([]byte) error { return boom }); !errors.Is(err, boom) || content() != "one" {
		t.Errorf("replace refuses: %v, %q", err, content())
	}
	var seen string
	if err := WriteFile(path, []byte("two"), 0o640,
		func(b []byte) error { seen = string(b); return nil }); err != nil || content() != "two" ||
		seen != "one" {
		t.Errorf("replace: %v, %q, saw %q", err, content(), seen)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteFileDoesNotReplaceWhatAppearsOrChanges(t *testing.T) {
	dir := t.TempDir()
	for name, meddle := range map[string]func(path string) error{
		"changed":  func(p string) error { return os.WriteFile(p, []byte("theirs, longer"), 0o600) },
		"replaced": func(p string) error { return firstError(os.Remove(p), os.WriteFile(p, []byte("ours"), 0o600)) },
		"removed":  os.Remove,
		"a link":   func(p string) error { return firstError(os.Remove(p), os.Symlink("/etc/hostname", p)) },
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("ours"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("new"), 0o600,
			func([]byte) error { return meddle(path) }); err == nil {
			t.Errorf("%s: replaced", name)
		}
		if got, err := os.ReadFile(path); err == nil && string(got) == "new" {
			t.Errorf("%s: overwritten", name)
		}
	}
	temp, appeared := filepath.Join(dir, "temp"), filepath.Join(dir, "appeared")
	if err := firstError(os.WriteFile(temp, []byte("new"), 0o600), os.WriteFile(appeared, []byte("theirs"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := moveInto(temp, appeared, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("what appeared after it was looked for: %v", err)
	}
	if got, err := os.ReadFile(appeared); string(got) != "theirs" {
		t.Errorf("what appeared holds %q, %v", got, err)
	}
	replaceAll := func([]byte) error { return nil }
	for name, prepare := range map[string]func(path string) error{
		"link":   func(p string) error { return os.Symlink(filepath.Join(dir, "target"), p) },
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"fifo":   func(p string) error { return unix.Mkfifo(p, 0o600) },
		"device": func(p string) error { return os.Symlink("/dev/null", p) },
	} {
		path := filepath.Join(dir, "is-"+name)
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("new"), 0o600, replaceAll); err == nil ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	missing := filepath.Join(dir, "no", "such", "folder")
	if err := WriteFile(missing, nil, 0o600, nil); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), missing) {
		t.Errorf("missing folder: %v", err)
	}
}

func TestManyGoroutines(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "state"),
		Options{Now: time.Now, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 10 {
				if err := s.Update(func(tx ledger.Tx) error { return tx.PutRecord(record(i*10 + j)) }); err != nil {
					t.Error(err)
				}
				if _, err := s.Recorded(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got, err := s.Recorded(); err != nil || got.Records.Len() != 80 {
		t.Errorf("%d records, %v", got.Records.Len(), err)
	}
}

// If a file is truncated while it is mapped, its last pages no longer exist. Reading them is a
// fault, which kills a program that does not expect it.
func TestAFileCutOffWhileItIsRead(t *testing.T) {
	for name, reading := range map[string]func(tx ledger.Tx) error{
		"one by one":  func(tx ledger.Tx) error { return second(tx.Records()) },
		"in parallel": func(tx ledger.Tx) error { return second(tx.Recorded()) },
		"writing":     func(tx ledger.Tx) error { return putRecords(10)(tx) },
	} {
		s, _ := newStore(t)
		update(t, s, putRecords(2000))
		run := s.View
		if name == "writing" {
			run = s.Update
		}
		err := run(func(tx ledger.Tx) error {
			if err := os.Truncate(s.File(), 4096); err != nil {
				return err
			}
			return reading(tx)
		})
		if !errors.As(err, new(*DamagedError)) || !strings.Contains(err.Error(), s.File()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUpdatesOfOneFileWaitForEachOther: each of many updates sees what those before it have
// written, with the kernel's lock and with a lock file.
func TestUpdatesOfOneFileWaitForEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.plan")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const n = 40
	errs := make(chan error, n)
	for range n {
		go func() {
			errs <- UpdateFile(path, 0o600,
				func(b []byte) ([]byte, error) { return append(bytes.Clone(b), 'x'), nil })
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(read(t, path)); got != n {
		t.Errorf("%d of %d updates are there", got, n)
	}
	if err := UpdateFile(path+".none", 0o600, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestLockBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.plan")
	name, err := lockBeside(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockBeside(path, 120*time.Millisecond); err == nil ||
		!strings.Contains(err.Error(), "remove "+name) {
		t.Errorf("locked twice: %v", err)
	}
	e := &existing{file: os.NewFile(^uintptr(0), "none"), beside: name}
	e.release()
	if again, err := lockBeside(path, 0); err != nil || again != name {
		t.Errorf("after its release: %v", err)
	}
}
