package posix

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestLeaseKeepsTheRootOfACall: a call that continues after its look keeps that look's root open.
// The next look has its own root. Between looks nothing is open.
func TestLeaseKeepsTheRootOfACall(t *testing.T) {
	var l Lease
	open := func() *Root {
		t.Helper()
		root, err := OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	closed := func(r *Root) bool { return r.fd < 0 }
	first, second := open(), open()
	end := l.Begin(first)
	hanging := l.take()
	end()
	if closed(first) {
		t.Error("the root of a call that has not come back is closed")
	}
	end = l.Begin(second)
	l.giveBack(hanging)
	if !closed(first) || closed(second) {
		t.Errorf("first closed: %v, second: %v", closed(first), closed(second))
	}
	if m := l.Mount(planner.System{Name: "x", Directory: ".",
		Filesystem: anyFilesystem}); m.Unknown == lookEnded {
		t.Errorf("during a look: %+v", m)
	}
	end()
	if !closed(second) {
		t.Error("a root that nobody uses is open")
	}
	if m := l.Mount(planner.System{}); m.Unknown != lookEnded {
		t.Errorf("between looks: %+v", m)
	}
	if d := l.Observe(planner.System{}, "x"); d.Why != lookEnded {
		t.Errorf("between looks: %+v", d)
	}
	if _, looked := l.Find(planner.System{}, planner.Lost{}); looked {
		t.Error("found between looks")
	}
}

func TestOpener(t *testing.T) {
	var o Opener
	dir := t.TempDir()
	root, err := o.Open(t.Context(), dir, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	root.Close()
	if _, err := o.Open(t.Context(), filepath.Join(dir, "none"), time.Minute); !errors.Is(err,
		os.ErrNotExist) {
		t.Error(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	// The call may be faster than the context, and then returns the root.
	if root, err := o.Open(stopped, dir, time.Minute); err == nil {
		root.Close()
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
