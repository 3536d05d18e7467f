package posix

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestEntries: only directories are returned, whatever their names. Links are not returned, and not
// followed on the way.
func TestEntries(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/eth", 0o755)
	for _, name := range []string{"b", "a", ".hidden", "new\nline", "\xff"} {
		s.mkdir("capstor/eth/"+name, 0o755)
	}
	s.must(os.WriteFile(s.real("capstor/eth/file"), nil, 0o600))
	s.must(os.Symlink("/etc", s.real("capstor/eth/link")))
	s.must(os.Symlink("eth", s.real("capstor/alias")))
	f := s.root.Entries(s.conf, "capstor/eth")
	want := []string{".hidden", "a", "b", "new\nline", "\xff"}
	if f.State != planner.DirPresent || f.Cut || !slices.Equal(f.Names, want) {
		t.Errorf("%+v", f)
	}
	for path, state := range map[string]planner.DirState{"capstor/none": planner.DirAbsent,
		"capstor/alias": planner.DirObstructed, "capstor/eth/file": planner.DirObstructed,
		"capstor/../x": planner.DirObstructed} {
		if f := s.root.Entries(s.conf, path); f.State != state || len(f.Names) > 0 {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

// TestEntriesAreBounded: the result says that there are more entries than the bound.
func TestEntriesAreBounded(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/many", 0o755)
	for i := range 10 {
		s.mkdir(fmt.Sprintf("capstor/many/%d", i), 0o755)
	}
	s.root.Observe(s.conf, "capstor/many")
	f := s.root.seen("capstor").entries("capstor/many", 7)
	if !f.Cut || f.State != planner.DirPresent || len(f.Names) < 5 || len(f.Names) > 7 {
		t.Errorf("%+v", f)
	}
}

// TestAged: Aged returns what Observe returns, and when the directory was modified.
func TestAged(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/x", 0o750)
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	s.must(os.Chtimes(s.real("capstor/x"), then, then))
	if d := s.root.Aged(s.conf, "capstor/x"); d.State != planner.DirPresent ||
		!d.Modified.Equal(then) || d.Mode != 0o750 {
		t.Errorf("%+v", d)
	}
	if d := s.root.Aged(s.conf, "capstor/none"); d.State != planner.DirAbsent {
		t.Errorf("%+v", d)
	}
	s.must(os.Symlink("x", s.real("capstor/link")))
	if d := s.root.Aged(s.conf, "capstor/link"); d.State != planner.DirObstructed ||
		!strings.Contains(d.Why, "link") {
		t.Errorf("%+v", d)
	}
}
