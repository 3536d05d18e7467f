package posix

import (
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestObserveAllocatesNothing: a plan looks at each directory, and almost all are as they should
// be. A path that is too long for the room on the stack is looked at all the same.
func TestObserveAllocatesNothing(t *testing.T) {
	s := newSite(t)
	path := "capstor"
	for range 8 {
		path += "/" + "a folder with a name of a usual length"
		s.mkdir(path, 0o2770)
		if d := s.sys.Observe(path); d.State != planner.DirPresent || d.Inode != s.inode(path) {
			t.Fatalf("%d bytes: %+v", len(path), d)
		}
	}
	usual := path[:len("capstor/")+38]
	if n := testing.AllocsPerRun(100, func() { s.sys.Observe(usual) }); n > 0 {
		t.Errorf("%v allocations for each directory", n)
	}
}
