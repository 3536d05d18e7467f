package posix

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// site is storage.root in a temporary directory with one system, on any filesystem.
type site struct {
	t    *testing.T
	path string
	root *Root
	conf planner.System
	sys  *System
}

func newSite(t *testing.T) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests change owners and mount: run them as root")
	}
	s := &site{t: t, path: t.TempDir(),
		conf: planner.System{Name: "capstor", Directory: "capstor", Filesystem: anyFilesystem}}
	s.mkdir("capstor", 0o755)
	s.open()
	return s
}

func (s *site) open() {
	s.t.Helper()
	var err error
	if s.root, err = OpenRoot(s.path); err != nil {
		s.t.Fatal(err)
	}
	if s.sys, err = s.root.System(s.conf, planner.RootIdentity{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.sys.Close(); s.root.Close() })
}

func (s *site) real(p string) string { return filepath.Join(s.path, p) }

func (s *site) mkdir(p string, mode uint32) {
	s.t.Helper()
	s.must(unix.Mkdir(s.real(p), mode))
	s.must(unix.Chmod(s.real(p), mode))
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mount(p, fstype string) {
	s.t.Helper()
	s.must(unix.Mount(fstype, s.real(p), fstype, 0, ""))
	s.t.Cleanup(func() { unix.Unmount(s.real(p), unix.MNT_DETACH) })
}

func (s *site) inode(p string) uint64 {
	s.t.Helper()
	var st unix.Stat_t
	s.must(unix.Lstat(s.real(p), &st))
	return st.Ino
}

// setACL writes an ACL that gives one more user read, write and search.
func (s *site) setACL(p, name string) {
	s.t.Helper()
	acl := []byte{2, 0, 0, 0}
	for _, e := range [][3]byte{{0x01, 7, 0xff}, {0x02, 7, 0}, {0x04, 5, 0xff}, {0x10, 7, 0xff},
		{0x20, 5, 0xff}} {
		id := []byte{e[2], e[2], e[2], e[2]}
		if e[0] == 0x02 {
			id = []byte{0xe8, 3, 0, 0}
		}
		acl = append(append(acl, e[0], 0, e[1], 0), id...)
	}
	s.must(unix.Setxattr(s.real(p), name, acl, 0))
}

func TestObserve(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/store", 0o755)
	s.mkdir("capstor/store/x", 0o2770)
	s.must(os.Chown(s.real("capstor/store/x"), 1001, 30500))
	s.must(unix.Chmod(s.real("capstor/store/x"), 0o3770))
	s.must(os.Symlink("/etc", s.real("capstor/link")))
	s.must(os.Symlink("nowhere", s.real("capstor/dangling")))
	s.must(os.WriteFile(s.real("capstor/file"), nil, 0o644))
	s.must(unix.Mkfifo(s.real("capstor/fifo"), 0o644))
	s.mkdir("capstor/sub", 0o755)
	s.mount("capstor/sub", "tmpfs")
	s.mkdir("outside", 0o755)

	got := s.root.Observe(s.conf, "capstor/store/x")
	want := planner.Directory{State: planner.DirPresent, Owner: 1001, Group: 30500, Mode: 0o3770,
		Inode: s.inode("capstor/store/x")}
	if want.Born = got.Born; got != want {
		t.Errorf("present: got %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		path  string
		state planner.DirState
		above uint16
		why   string
	}{
		{"capstor/store/y", planner.DirAbsent, 0, ""},
		{"capstor/y", planner.DirAbsent, 0, ""},
		{"capstor/store/a/b/c", planner.DirAbsent, 2, ""},
		{"capstor/link", planner.DirObstructed, 0, "a symbolic link is at " + s.real("capstor/link")},
		{"capstor/link/ssh", planner.DirObstructed, 0, "a symbolic link is at " +
			s.real("capstor/link")},
		{"capstor/dangling/a/b", planner.DirObstructed, 0, "a symbolic link is at " +
			s.real("capstor/dangling")},
		{"capstor/file", planner.DirObstructed, 0, "a file is at"},
		{"capstor/file/a", planner.DirObstructed, 0, "a file is at"},
		{"capstor/fifo", planner.DirObstructed, 0, "a fifo is at"},
		{"capstor/sub", planner.DirObstructed, 0, "another mount is at " + s.real("capstor/sub")},
		{"capstor/sub/a/b", planner.DirObstructed, 0, "another mount is at"},
		{"capstor/../outside", planner.DirObstructed, 0, "not a clean path"},
		{"/etc", planner.DirObstructed, 0, "not a clean path"},
		{"outside", planner.DirPresent, 0, ""},
		{"capstor/" + strings.Repeat("a", 256), planner.DirUnknown, 0, "file name too long"},
	} {
		got := s.root.Observe(s.conf, c.path)
		if got.State != c.state || got.MissingAbove != c.above || !strings.Contains(got.Why, c.why) ||
			c.why == "" && got.Why != "" {
			t.Errorf("%s: got state %d, %d missing above, why %q; want %d, %d, %q", c.path, got.State,
				got.MissingAbove, got.Why, c.state, c.above, c.why)
		}
	}
}

func TestObserveACLs(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{accessACL, defaultACL} {
		s.mkdir("capstor/"+name, 0o755)
		if s.root.Observe(s.conf, "capstor/"+name).ACL != nil {
			t.Errorf("%s: no ACL was set, but one is seen", name)
		}
		s.setACL("capstor/"+name, name)
		if s.root.Observe(s.conf, "capstor/"+name).ACL == nil {
			t.Errorf("%s: not seen", name)
		}
	}
	minimal := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 0x20,
		0, 5, 0, 255, 255, 255, 255}
	if !isMinimal(minimal) || isMinimal(minimal[:27]) {
		t.Error("an ACL of owner, group and others is the mode; a torn one is not")
	}
}

func TestMakeOwnChmod(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/p", 0o2775)
	s.must(os.Chown(s.real("capstor/p"), 0, 4242))
	s.must(unix.Chmod(s.real("capstor/p"), 0o2775))
	s.setACL("capstor/p", defaultACL)
	for _, umask := range []int{0, 0o077, 0o027} {
		old := unix.Umask(umask)
		d, err := s.sys.Make("capstor/p/x")
		unix.Umask(old)
		if err != nil {
			t.Fatalf("umask %04o: %v", umask, err)
		}
		if got := d.Observe(); got.Mode&^private != 0 || got.Mode&0o2000 == 0 || got.Group != 4242 ||
			got.ACL == nil {
			t.Errorf("umask %04o: too early, the directory is %+v, want closed, setgid and ACL inherited",
				umask, got)
		}
		s.must(errors.Join(d.DropACLs(), d.Own(1001, 30500), d.Chmod(0o2770), d.Sync(), d.SyncParent()))
		want := planner.Directory{State: planner.DirPresent, Owner: 1001, Group: 30500, Mode: 0o2770,
			Inode: d.inode}
		got := s.root.Observe(s.conf, "capstor/p/x")
		if want.Born = got.Born; got != want {
			t.Errorf("umask %04o: got %+v, want %+v", umask, got, want)
		}
		s.must(d.Close())
		s.must(os.Remove(s.real("capstor/p/x")))
	}
}

func TestMakeRefuses(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/x", 0o700)
	s.must(os.Symlink(t.TempDir(), s.real("capstor/link")))
	s.mkdir("capstor/sub", 0o755)
	s.mount("capstor/sub", "tmpfs")
	for _, c := range []struct {
		path string
		kind error
	}{
		{"capstor/x", ErrExists},
		{"capstor/link", ErrExists},
		{"capstor/link/y", ErrObstructed},
		{"capstor/a/b", ErrAbsent},
		{"capstor/sub/y", ErrObstructed},
		{"capstor", ErrObstructed},
		{"../x", ErrObstructed},
	} {
		d, err := s.sys.Make(c.path)
		if d != nil || !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", c.path, err, c.kind)
		}
	}
	if _, err := os.Lstat(s.real("capstor/sub/y")); err == nil {
		t.Error("something was made on the other mount")
	}
}

// A directory that was just created may be replaced before it is opened. What is not ours, closed
// and empty, or is on another mount, is left alone.
func TestWhatWasMadeIsOurs(t *testing.T) {
	s := newSite(t)
	for _, p := range []string{"capstor/p", "capstor/q"} {
		s.mkdir(p, 0o755)
	}
	above := func(p string) int {
		fd, err := s.sys.openDir(p)
		s.must(err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	p, q := above("capstor/p"), above("capstor/q")
	for name, c := range map[string]struct {
		mode   uint32
		owner  int
		full   bool
		parent int
		ok     bool
	}{
		"ours":              {0o700, 0, false, p, true},
		"in a setgid place": {0o2700, 0, false, p, true},
		"theirs":            {0o700, 4711, false, p, false},
		"open":              {0o710, 0, false, p, false},
		"sticky":            {0o1700, 0, false, p, false},
		"full":              {0o700, 0, true, p, false},
		"elsewhere":         {0o700, 0, false, q, false},
	} {
		path := "capstor/p/" + name
		s.mkdir(path, c.mode)
		s.must(os.Chown(s.real(path), c.owner, 0))
		s.must(unix.Chmod(s.real(path), c.mode))
		if c.full {
			s.mkdir(path+"/x", 0o755)
		}
		d, err := s.sys.openWithParent(path)
		s.must(err)
		if err := d.isNew(c.parent); (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		d.Close()
	}
}

func TestChangesCompareFirst(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/x", 0o755)
	s.mkdir("capstor/y", 0o755)
	if _, err := s.sys.Open("capstor/x", s.inode("capstor/y")); !errors.Is(err, ErrChanged) {
		t.Errorf("open with another inode: got %v", err)
	}
	d, err := s.sys.Open("capstor/x", s.inode("capstor/x"))
	s.must(err)
	defer d.Close()
	s.must(d.Own(0, 0))
	s.must(os.Rename(s.real("capstor/x"), s.real("capstor/z")))
	s.must(os.Rename(s.real("capstor/y"), s.real("capstor/x")))
	for what, err := range map[string]error{
		"own": d.Own(1, 1), "own the same": d.Own(0,
			0), "chmod": d.Chmod(0o777), "acl": d.DropACLs(), "project": d.SetProject(7),
	} {
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s after a swap: got %v, want ErrChanged", what, err)
		}
	}
	for _, p := range []string{"capstor/x", "capstor/z"} {
		if got := s.root.Observe(s.conf, p); got.Mode != 0o755 || got.Owner != 0 {
			t.Errorf("%s was changed: %+v", p, got)
		}
	}
}

// FuzzACL: only a complete ACL of owner, group and others counts as equal to the mode.
func FuzzACL(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 0x20, 0,
		5, 0, 255, 255, 255, 255})
	f.Add([]byte{2, 0, 0, 0, 2, 0, 7, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, acl []byte) {
		if isMinimal(acl) && len(acl) > 0 && (len(acl)-4)%8 != 0 {
			t.Fatalf("torn: %x", acl)
		}
		if len(acl) >= 12 && isMinimal(acl) && acl[4] != 1 && acl[4] != 4 && acl[4] != 0x20 {
			t.Fatalf("an entry for somebody else: %x", acl)
		}
	})
}

// FuzzStoragePath: whatever path is asked for, only paths below storage.root are opened, and only
// in their canonical form.
func FuzzStoragePath(f *testing.F) {
	for _, p := range []string{"capstor", "capstor/x", "..", "/etc", "capstor/../..", "capstor//x",
		".", "", "capstor/\x00", "capstor/./x", "x/", "./x", "...", "a/..b", "a/.", "/"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		clean := filepath.IsLocal(p) && filepath.Clean(p) == p && !strings.Contains(p, "\x00")
		if isClean(p) != clean {
			t.Fatalf("clean: %v, want %v: %q", !clean, clean, p)
		}
	})
}

// A user who is not root can try things out with directories of their own, and with nothing else.
func TestWithoutRoot(t *testing.T) {
	if os.Getenv("CSCS_SYNC_TEST_ROOT") != "" {
		withoutRoot(t, os.Getenv("CSCS_SYNC_TEST_ROOT"))
		return
	}
	s := newSite(t)
	s.must(os.Chown(s.real("capstor"), 4711, 4711))
	s.mkdir("capstor/foreign", 0o750)
	s.must(os.Chown(s.real("capstor/foreign"), 4711, 4712))
	s.mkdir("capstor/closed", 0o700)
	s.mkdir("capstor/closed/x", 0o755)
	for p := s.path; p != "/tmp" && p != "/"; p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
	self, err := os.Executable()
	s.must(err)
	copied := filepath.Join(s.path, "posix.test")
	data, err := os.ReadFile(self)
	s.must(err)
	s.must(os.WriteFile(copied, data, 0o755))
	cmd := exec.Command(copied, "-test.run=^TestWithoutRoot$")
	cmd.Env = []string{"CSCS_SYNC_TEST_ROOT=" + s.path}
	cmd.Dir = s.path
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4711, Gid: 4711}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func withoutRoot(t *testing.T, path string) {
	root, err := OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	sys, err := root.System(planner.System{Name: "capstor", Directory: "capstor",
		Filesystem: anyFilesystem}, planner.RootIdentity{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := sys.Make("capstor/x")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.DropACLs(), d.Own(4711, 4711), d.Chmod(0o2770), d.Sync(),
		d.SyncParent()); err != nil {
		t.Error(err)
	}
	if got := sys.Observe("capstor/x"); got.Owner != 4711 || got.Mode != 0o2770 {
		t.Errorf("got %+v", got)
	}
	if err := d.Own(0, 0); err == nil || !strings.Contains(err.Error(), "run cscs-sync as root") {
		t.Errorf("given to root: %v", err)
	}
	for _, p := range []string{"capstor/closed/x", "capstor/closed/y"} {
		if got := sys.Observe(p); got.State != planner.DirUnknown ||
			!strings.Contains(got.Why, "permission denied") {
			t.Errorf("%s, where we may not look: %+v, want unknown", p, got)
		}
	}
	foreign, err := sys.Open("capstor/foreign", 0)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel drops the setgid bit of a group that is not ours, and reports success.
	if err := foreign.Chmod(0o2770); err == nil ||
		!strings.Contains(err.Error(), "the filesystem set 0770") {
		t.Errorf("setgid that was not kept: %v", err)
	}
	m := Move{From: "capstor/x", Inode: d.inode, Folder: "capstor/.trash", Name: "x"}
	if err := errors.Join(sys.archive(m, []byte("{}")), sys.Restore(m, "capstor/x")); err != nil {
		t.Error(err)
	}
}

// TestParent: two directories in one directory have the same parent. A directory that replaced the
// parent is another one.
func TestParent(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/store", 0o755)
	parent := func(name string) [2]uint64 {
		s.mkdir("capstor/store/"+name, 0o755)
		d, err := s.sys.Open("capstor/store/"+name, 0)
		s.must(err)
		defer d.Close()
		device, inode, err := d.Parent()
		s.must(err)
		return [2]uint64{device, inode}
	}
	x, y := parent("x"), parent("y")
	if x != y || x[1] != s.inode("capstor/store") {
		t.Errorf("they lie in %v and %v", x, y)
	}
	s.must(os.Rename(s.real("capstor/store"), s.real("capstor/old")))
	s.mkdir("capstor/store", 0o755)
	if z := parent("z"); z == x {
		t.Errorf("two directories are taken for one: %v", z)
	}
}
