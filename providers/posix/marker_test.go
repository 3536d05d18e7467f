package posix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

func markedSite(t *testing.T) *site {
	s := newSite(t)
	s.conf.Archive = "capstor/.trash"
	s.sys.Close()
	var err error
	if s.sys, err = s.root.System(s.conf, planner.RootIdentity{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func marker(state, node string) Marker {
	return Marker{State: state, Node: node, Boot: "b1",
		At: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)}
}

// markerFile returns the path of the only marker.
func (s *site) markerFile() string {
	s.t.Helper()
	found, err := filepath.Glob(s.real("capstor/.trash/.*"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("want the marker and nothing else: %v, %v", found, err)
	}
	return found[0]
}

func TestMark(t *testing.T) {
	s := markedSite(t)
	if _, there, err := s.sys.Marker(); there || err != nil {
		t.Fatalf("a new system is marked: %v", err)
	}
	if _, err := os.Lstat(s.real("capstor/.trash")); err == nil {
		t.Error("looking for a marker made the archive folder")
	}
	if _, err := s.sys.Mark(marker("state1", "node1"), false); err != nil {
		t.Fatal(err)
	}
	file := s.markerFile()
	info, err := os.Lstat(file)
	s.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	inode := s.inode(strings.TrimPrefix(file, s.path+"/"))
	if _, err := s.sys.Mark(marker("state1", "node1"), false); err != nil ||
		s.inode(strings.TrimPrefix(file, s.path+"/")) != inode {
		t.Errorf("the same marker was written again: %v", err)
	}
	before := readMarkerFile(t, file)
	_, err = s.sys.Mark(marker("state2", "node2"), false)
	var other *OtherStateError
	if !errors.As(err, &other) || other.Found.Node != "node1" ||
		!strings.Contains(err.Error(), `"node1"`) ||
		!strings.Contains(err.Error(), "cscs-sync state take capstor --reason") {
		t.Errorf("another state: %v", err)
	}
	if readMarkerFile(t, file) != before {
		t.Error("a refused state has changed the marker")
	}
	// After a fail-over the same state is on another node: from now on the marker names that node.
	if _, err := s.sys.Mark(marker("state1", "node3"), false); err != nil {
		t.Fatal(err)
	}
	if m, there, err := s.sys.Marker(); !there || err != nil || m.Node != "node3" ||
		m.System != "capstor" {
		t.Errorf("%+v, %t, %v", m, there, err)
	}
	was, err := s.sys.Mark(marker("state2", "node2"), true)
	if err != nil || was.State != "state1" {
		t.Errorf("taken from %+v, %v", was, err)
	}
	if _, err := s.sys.Mark(marker("state1", "node3"), false); !errors.As(err, &other) ||
		other.Found.State != "state2" {
		t.Errorf("the state that it was taken from: %v", err)
	}
	s.markerFile()
}

func readMarkerFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A file that may belong to somebody else is never read as "no marker" and never replaced, not even
// to take the system.
func TestMarkersThatCannotBeTrusted(t *testing.T) {
	for name, spoil := range map[string]func(*site, string) error{
		"a link": func(s *site,
			f string) error {
			return errors.Join(os.Remove(f), os.Symlink("/etc/passwd", f))
		},
		"of somebody else": func(_ *site, f string) error { return os.Chown(f, 1234, 0) },
		"a second name": func(s *site,
			f string) error {
			return os.Link(f, s.real("capstor/second"))
		},
		"a directory": func(s *site,
			f string) error {
			return errors.Join(os.Remove(f), os.Mkdir(f, 0o700))
		},
		"a fifo": func(s *site,
			f string) error {
			return errors.Join(os.Remove(f), unix.Mkfifo(f, 0o600))
		},
		"cut off": func(_ *site,
			f string) error {
			return os.WriteFile(f, []byte(`{"format":1,"sta`), 0o600)
		},
		"empty": func(_ *site, f string) error { return os.WriteFile(f, nil, 0o600) },
		"without a state": func(_ *site,
			f string) error {
			return os.WriteFile(f, []byte(`{"format":1}`), 0o600)
		},
		"newer": func(_ *site,
			f string) error {
			return os.WriteFile(f, []byte(`{"format":2,"state":"x"}`), 0o600)
		},
		"in an open folder": func(s *site,
			_ string) error {
			return os.Chmod(s.real("capstor/.trash"), 0o770)
		},
		"in another's folder": func(s *site,
			_ string) error {
			return os.Chown(s.real("capstor/.trash"), 1234, 0)
		},
	} {
		s := markedSite(t)
		if _, err := s.sys.Mark(marker("state1", "node1"), false); err != nil {
			t.Fatal(err)
		}
		file := s.markerFile()
		s.must(spoil(s, file))
		for _, take := range []bool{false, true} {
			if _, err := s.sys.Mark(marker("state1", "node1"), take); err == nil {
				t.Errorf("%s: accepted, take %t", name, take)
			} else if !strings.Contains(err.Error(), "capstor") {
				t.Errorf("%s: the error names nothing: %v", name, err)
			}
		}
		if _, _, err := s.sys.Marker(); err == nil {
			t.Errorf("%s: read", name)
		}
		if _, err := os.Lstat(file); err != nil {
			t.Errorf("%s: it was removed", name)
		}
	}
}

// When many states mark a system at the same time, one wins.
func TestOneStateMarks(t *testing.T) {
	s := markedSite(t)
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() { _, errs[i] = s.sys.Mark(marker(strings.Repeat("s", i+1), "n"), false) })
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		var other *OtherStateError
		switch {
		case err == nil:
			won++
		case !errors.As(err, &other):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d states won, want 1", won)
	}
	s.markerFile()
}

// TestMarkKilledWhileItIsWritten leaves the marker with the name under which it was written: it
// counts like any other.
func TestMarkKilledWhileItIsWritten(t *testing.T) {
	s := markedSite(t)
	if _, err := s.sys.Mark(marker("ours", "n"), false); err != nil {
		t.Fatal(err)
	}
	file := s.markerFile()
	s.must(os.Link(file, file+".0123456789abcdef.part"))
	if before, err := s.sys.Mark(marker("ours", "n"), false); err != nil || before.State != "ours" {
		t.Errorf("marked again: before %+v, %v", before, err)
	}
	var other *OtherStateError
	if _, err := s.sys.Mark(marker("theirs", "n"), false); !errors.As(err, &other) {
		t.Errorf("another state: %v", err)
	}
}

// Two systems with one archive folder have their own markers.
func TestMarkersInACommonArchive(t *testing.T) {
	s := markedSite(t)
	s.mkdir("other", 0o755)
	s.mkdir("trash", 0o700)
	for i, name := range []string{"capstor", "other"} {
		conf := planner.System{Name: name, Directory: name, Filesystem: anyFilesystem, Archive: "trash"}
		sys, err := s.root.System(conf, planner.RootIdentity{})
		s.must(err)
		defer sys.Close()
		if _, err := sys.Mark(marker(strings.Repeat("s", i+1), "n"), false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if found, _ := filepath.Glob(s.real("trash/.managed-by.*")); len(found) != 2 {
		t.Errorf("%v", found)
	}
}
