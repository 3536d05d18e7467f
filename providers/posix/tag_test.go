package posix

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// tree creates capstor/x with files, directories and everything else that a tree may contain, and
// capstor/other next to it.
func (s *site) tree() {
	for _, dir := range []string{"capstor/x", "capstor/x/a", "capstor/x/a/b", "capstor/other"} {
		s.mkdir(dir, 0o755)
	}
	for _, file := range []string{"capstor/x/1", "capstor/x/a/2", "capstor/x/a/b/3",
		"capstor/other/4"} {
		s.must(os.WriteFile(s.real(file), nil, 0o600))
	}
	s.must(os.Link(s.real("capstor/x/1"), s.real("capstor/x/a/b/1 again")))
	s.must(os.Link(s.real("capstor/other/4"), s.real("capstor/x/a/4 again")))
	s.must(os.Symlink("../other", s.real("capstor/x/link")))
	s.must(unix.Mkfifo(s.real("capstor/x/fifo"), 0o600))
}

// projectOf returns the project id of a file or directory, and whether new entries inherit it.
func (s *site) projectOf(p string) (uint32, bool) {
	s.t.Helper()
	fd, err := unix.Open(s.real(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	s.must(err)
	defer unix.Close(fd)
	var a attributes
	s.must(attributesIoctl(fd, getAttributesIoctl, &a))
	return a.projectID, a.inherits()
}

func (s *site) tag(ctx context.Context, id planner.ProjectID) (int, error) {
	s.t.Helper()
	d, err := s.sys.Open("capstor/x", 0)
	s.must(err)
	defer d.Close()
	return d.Tag(ctx, id, func(int) {})
}

func TestTag(t *testing.T) {
	s := projectSite(t)
	s.tree()
	left, err := s.tag(t.Context(), 30500)
	if err != nil || left != 1 {
		t.Fatalf("%d left, %v", left, err)
	}
	for _, dir := range []string{"capstor/x", "capstor/x/a", "capstor/x/a/b"} {
		if id, inherit := s.projectOf(dir); id != 30500 || !inherit {
			t.Errorf("%s: %d, inherited %v", dir, id, inherit)
		}
	}
	for _, file := range []string{"capstor/x/1", "capstor/x/a/2", "capstor/x/a/b/3",
		"capstor/x/a/b/1 again"} {
		if id, _ := s.projectOf(file); id != 30500 {
			t.Errorf("%s: %d", file, id)
		}
	}
	// What can also be reached from outside keeps its id.
	for _, p := range []string{"capstor/other", "capstor/other/4", "capstor/x/a/4 again"} {
		if id, _ := s.projectOf(p); id != 0 {
			t.Errorf("%s: %d, but it lies outside too", p, id)
		}
	}
}

// The top directory comes last. After an interruption it still has its old id, and the next call
// does only what is missing.
func TestTagGoesOn(t *testing.T) {
	s := projectSite(t)
	s.tree()
	ctx, cancel := context.WithCancel(t.Context())
	sets := 0
	s.root.attributes = func(fd int, request uintptr, a *attributes) error {
		if request == setAttributesIoctl {
			if sets++; sets == 3 {
				cancel()
			}
		}
		return attributesIoctl(fd, request, a)
	}
	if _, err := s.tag(ctx, 30500); !errors.Is(err, context.Canceled) || sets != 3 {
		t.Fatalf("%v after %d", err, sets)
	}
	if id, inherit := s.projectOf("capstor/x"); id != 0 || inherit {
		t.Errorf("the top has %d already, so nobody would know that its tree is not done", id)
	}
	_, err := s.tag(t.Context(), 30500)
	// three directories, 1, 2 and 3: each once
	if s.must(err); sets != 6 {
		t.Errorf("%d changes in all, want 6", sets)
	}
	// SetProject always writes the top directory.
	if _, err := s.tag(t.Context(), 30500); err != nil || sets != 7 {
		t.Errorf("once more: %d changes, %v", sets, err)
	}
}

// What is created in the top directory while its tree is tagged inherits nothing yet, and is found
// in the end.
func TestTagMeanwhile(t *testing.T) {
	s := projectSite(t)
	s.tree()
	late := []string{"capstor/x/late", "capstor/x/late/deeper"}
	s.root.attributes = func(fd int, request uintptr, a *attributes) error {
		if request == setAttributesIoctl && len(late) > 0 {
			s.must(unix.Mkdir(s.real(late[0]), 0o755))
			late = late[1:]
		}
		return attributesIoctl(fd, request, a)
	}
	_, err := s.tag(t.Context(), 30500)
	s.must(err)
	for _, dir := range []string{"capstor/x/late", "capstor/x/late/deeper"} {
		if id, inherit := s.projectOf(dir); id != 30500 || !inherit {
			t.Errorf("%s: %d, inherited %v", dir, id, inherit)
		}
	}
}

func TestTagRefuses(t *testing.T) {
	s := projectSite(t)
	s.tree()
	s.mount("capstor/x/a/b", "tmpfs")
	if _, err := s.tag(t.Context(), 30500); err == nil ||
		!strings.Contains(err.Error(), "unmount it first") {
		t.Errorf("a mount below: %v", err)
	}
	s.must(unix.Unmount(s.real("capstor/x/a/b"), 0))
	if id, _ := s.projectOf("capstor/x/a"); id != 0 {
		t.Error("something was tagged before the mount was found")
	}
	s.root.attributes = func(fd int, request uintptr, a *attributes) error {
		if st, _ := fstat(fd); request == setAttributesIoctl && st.Ino == s.inode("capstor/x/a/2") {
			return unix.EPERM
		}
		return attributesIoctl(fd, request, a)
	}
	_, err := s.tag(t.Context(), 30500)
	if err == nil || !strings.Contains(err.Error(), "capstor/x/a/2") ||
		!strings.Contains(err.Error(), "1 of ") {
		t.Errorf("a file that cannot be tagged: %v", err)
	}
	if id, _ := s.projectOf("capstor/x/a/b/3"); id != 30500 {
		t.Errorf("one bad file stops the others: %d", id)
	}
	if id, _ := s.projectOf("capstor/x"); id != 0 {
		t.Errorf("the top has %d, so the rest is never seen as missing", id)
	}
	s.root.attributes = attributesIoctl
	deep := "capstor/x/deep"
	for range tagDepth {
		s.mkdir(deep, 0o755)
		deep += "/d"
	}
	if _, err := s.tag(t.Context(), 30500); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("a tree without end: %v", err)
	}
}
