package posix

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestFind: a directory is found among its siblings, however many there are, but never by its inode
// alone.
func TestFind(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/eth", 0o755)
	for i := range 2000 {
		s.mkdir(fmt.Sprintf("capstor/eth/d%d", i), 0o755)
	}
	s.mkdir("capstor/eth/bio", 0o755)
	was := s.root.Observe(s.conf, "capstor/eth/bio")
	s.must(os.Rename(s.real("capstor/eth/bio"), s.real("capstor/eth/bio.old")))
	s.mkdir("capstor/eth/bio", 0o755)
	place := planner.Place{System: "capstor", Path: "capstor/eth/bio"}
	for _, c := range []struct {
		name   string
		lost   planner.Lost
		at     string
		looked bool
	}{
		{"beside", planner.Lost{Place: place, Inode: was.Inode, Born: was.Born}, "capstor/eth/bio.old",
			true},
		{"born unknown", planner.Lost{Place: place, Inode: was.Inode}, "capstor/eth/bio.old", true},
		{"the inode of another", planner.Lost{Place: place, Inode: was.Inode, Born: was.Born + 1}, "",
			true},
		{"nowhere", planner.Lost{Place: place, Inode: 1 << 60}, "", true},
		{"nothing above", planner.Lost{Place: planner.Place{System: "capstor", Path: "capstor/none/bio"},
			Inode: 1}, "", false},
	} {
		if c.name == "the inode of another" && was.Born == 0 {
			continue // this filesystem does not say when a directory was made
		}
		if at, looked := s.root.Find(s.conf, c.lost); at != c.at || looked != c.looked {
			t.Errorf("%s: %q, %t", c.name, at, looked)
		}
	}
}

// TestBorn: where the filesystem knows when a directory was created, a new directory with the same
// inode is another one.
func TestBorn(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/x", 0o755)
	first := s.root.Observe(s.conf, "capstor/x")
	s.must(os.Chmod(s.real("capstor/x"), 0o700))
	s.must(os.WriteFile(filepath.Join(s.real("capstor/x"), "f"), nil, 0o600))
	if again := s.root.Observe(s.conf, "capstor/x"); again.Born != first.Born {
		t.Errorf("born %d, and after changes %d", first.Born, again.Born)
	}
	if first.Born == 0 {
		t.Log("this filesystem does not say when a directory was made")
		return
	}
	s.must(os.RemoveAll(s.real("capstor/x")))
	s.mkdir("capstor/x", 0o755)
	if second := s.root.Observe(s.conf, "capstor/x"); second.Born <= first.Born {
		t.Errorf("born %d, and the next %d", first.Born, second.Born)
	}
}
