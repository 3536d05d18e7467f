package lfssim

import (
	"os"
	"path/filepath"
	"testing"
)

func (s *sandbox) wantProject(path string, id uint32, inherit bool) {
	s.t.Helper()
	gotID, gotInherit, err := ProjectOf(s.state, path)
	must(s.t, err)
	if gotID != id || gotInherit != inherit {
		s.t.Errorf("%s: project %d, inherit %v; want %d, %v", filepath.Base(path), gotID,
			gotInherit, id, inherit)
	}
}

func (s *sandbox) mkdir(elements ...string) string {
	s.t.Helper()
	path := filepath.Join(append([]string{s.mount}, elements...)...)
	must(s.t, os.MkdirAll(path, 0o755))
	return path
}

// What is created in a directory with the flag inherits the project. What was there before does
// not.
func TestInheritance(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	top := s.mkdir("p")
	old := s.mkdir("p", "old")
	s.ok("project", "-p", "7", "-s", "-d", top)
	made, below := s.mkdir("p", "made"), s.mkdir("p", "made", "below")
	inOld := s.mkdir("p", "old", "in")
	s.wantProject(top, 7, true)
	s.wantProject(old, 0, false)
	s.wantProject(inOld, 0, false)
	s.wantProject(made, 7, true)
	s.wantProject(below, 7, true)
	s.ok("project", "-p", "8", "-d", top)
	s.wantProject(made, 7, true)
	s.wantProject(s.mkdir("p", "later"), 8, true)
}

// A project id stays with a renamed directory, and not with its inode number when that is used
// again.
func TestProjectGoesWithTheInode(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	dir, moved := s.mkdir("a"), filepath.Join(s.mount, "trash")
	s.ok("project", "-p", "7", "-s", "-d", dir)
	must(t, os.Rename(dir, moved))
	s.wantProject(moved, 7, true)
	s.wantProject(s.mkdir("a"), 0, false)
	must(t, os.Remove(moved))
	for range 20 { // the file system likes to give the number out again
		again := s.mkdir("again")
		s.wantProject(again, 0, false)
		must(t, os.Remove(again))
	}
}

// A link has its own inode.
func TestProjectOfALink(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	dir, link := s.mkdir("a"), filepath.Join(s.mount, "link")
	must(t, os.Symlink("a", link))
	s.ok("project", "-p", "7", "-d", link)
	s.wantProject(link, 7, false)
	s.wantProject(dir, 0, false)
}
