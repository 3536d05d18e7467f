package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// projects mounts a filesystem with project ids for the site's capstor: XFS, in a loop device. Quotas go by project from
// there on, each resource with an id of its own.
func (s *service) projects() {
	s.t.Helper()
	image, at := filepath.Join(s.dir, "xfs"), filepath.Join(s.dir, "mnt/capstor")
	s.check(os.WriteFile(image, nil, 0o600))
	s.check(os.Truncate(image, 320<<20))
	for _, c := range [][]string{{"mkfs.xfs", "-q", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			s.t.Skipf("no XFS, or no loop devices: %v: %s", err, out)
		}
	}
	s.t.Cleanup(func() { s.check(unix.Unmount(at, unix.MNT_DETACH)) })
	s.edit(`quota "lustre" {`, "quota \"lustre\" {\n    by = \"project\"\n    project_ids = \"70000-79999\"")
}

// projectOf is the project id of a file or directory, and whether it is inherited: what lsattr -p shows.
func projectOf(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var a [7]uint32 // struct fsxattr, 28 bytes
	const getAttributes = 0x801C581F
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getAttributes, uintptr(unsafe.Pointer(&a))); errno != 0 || a[3] == 0 && a[0]&0x200 == 0 {
		return ""
	}
	return fmt.Sprintf(" project %d, inherited %t", a[3], a[0]&0x200 != 0)
}

// grown is a site with a directory that has content and no project id, beside one that is to be made.
func grown(s *service) {
	s.projects()
	s.active("grown", 30601)
	s.active("made", 30602)
	for _, dir := range []string{"", "a", "a/b"} {
		s.check(os.MkdirAll(filepath.Join(s.real("grown"), dir), 0o755))
		s.check(os.WriteFile(filepath.Join(s.real("grown"), dir, "file"), nil, 0o644))
	}
	s.check(os.Chown(s.real("grown"), 0, 30601))
	s.check(syscall.Chmod(s.real("grown"), 0o2770))
}

// A directory with content gets its quota, then its project id with everything below it; a new one gets it when it is made.
// What the plan shows, and what comes of it.
func TestProjectQuotas(t *testing.T) {
	s := newService(t, "")
	grown(s)
	out := s.ok("plan", "--out", "p.plan")
	for _, want := range []string{"project_id = 70000", "project_id = 70001", "everything below is tagged, once the quota is set", "quota project 70000 {", "its project id is 0, not inherited by new files: once the quota is set"} {
		if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(out, "\n  #", "\n")), " "), want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
	tree := s.tree()
	for _, want := range []string{"uzh/grown dgrwxrwx--- 0:30601 -1 -1 project 70000, inherited true", "uzh/grown/a/b drwxr-xr-x 0:0 -1 -1 project 70000, inherited true",
		"uzh/grown/a/b/file -rw-r--r-- 0:0 -1 -1 project 70000, inherited false", "uzh/made dgrwxrwx--- 0:30602 -1 -1 project 70001, inherited true"} {
		if !strings.Contains(tree, want) {
			t.Errorf("no %q in\n%s", want, tree)
		}
	}
	if out := s.ok("plan"); !strings.Contains(out, "No changes.") {
		t.Errorf("afterwards:\n%s", out)
	}
	// by the real clock, which it compares with the other side's
	if out, err := s.command("doctor").CombinedOutput(); err != nil || !strings.Contains(string(out), "the filesystem has project ids") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	trash := filepath.Join(s.dir, "mnt/capstor/.trash")
	s.check(os.MkdirAll(trash, 0o700))
	if out, err := exec.Command("xfs_io", "-c", "chproj 9", "-c", "chattr +P", trash).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	told, err := s.command("doctor").CombinedOutput()
	if out := strings.Join(strings.Fields(string(told)), " "); err == nil || !strings.Contains(out, "gives project id 9") {
		t.Errorf("an archive that hands on a project id: %v\n%s", err, out)
	}
	// What is taken away from outside is drift, and put back.
	for _, c := range []string{"chproj 9", "chattr -P"} {
		if out, err := exec.Command("xfs_io", "-c", c, s.real("made")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		out := s.ok("plan", "--out", "p.plan")
		if !strings.Contains(out, "undoes drift") || !strings.Contains(out, "project_id") {
			t.Errorf("%s is no drift:\n%s", c, out)
		}
		s.ok("approve", "p.plan")
		s.ok("apply", "p.plan")
		if !strings.Contains(s.tree(), "uzh/made dgrwxrwx--- 0:30602 -1 -1 project 70001, inherited true") {
			t.Errorf("%s was not undone:\n%s", c, s.tree())
		}
	}
}
