package posix

import (
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
)

var _ providers.DirectoryObserver = (*Root)(nil)

// The observer reads real directories in order, with one system mounted and another not.
func TestObserverOverRealDirectories(t *testing.T) {
	s := newSite(t)
	gone := planner.System{Name: "gone", Directory: "gone", Filesystem: "lustre"}
	o := providers.NewObserver(providers.Options{Systems: []planner.System{s.conf, gone},
		Directories: s.root})
	var targets []planner.Place
	for i := range 500 {
		p := fmt.Sprintf("capstor/d%d", i)
		if i%3 != 0 {
			s.mkdir(p, 0o700+uint32(i%8))
		}
		targets = append(targets, planner.Place{System: "capstor", Path: p},
			planner.Place{System: "gone", Path: "gone/x"})
	}
	for i, d := range o.Directories(t.Context(), planner.TargetsOf(targets...)) {
		n := i / 2
		switch {
		case i%2 == 1:
			if d.State != planner.DirUnknown || d.Why == "" {
				t.Errorf("%d: %+v", i, d)
			}
		case n%3 == 0:
			if d != (planner.Directory{State: planner.DirAbsent}) {
				t.Errorf("%d: %+v", i, d)
			}
		case d.State != planner.DirPresent || d.Mode != 0o700+planner.Mode(n%8):
			t.Errorf("%d: %+v", i, d)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	root, err := OpenRoot(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	conf := planner.System{Name: "capstor", Directory: ".", Filesystem: anyFilesystem}
	root.Mount(conf)
	for b.Loop() {
		root.Observe(conf, ".")
	}
}
