package posix

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestMount(t *testing.T) {
	s := newSite(t)
	conf := planner.System{Name: "capstor", Directory: "capstor", Filesystem: "tmpfs"}
	if m := s.root.Mount(conf); !strings.Contains(m.Problem, "needs tmpfs: mount it") ||
		m.Filesystem != "" {
		t.Errorf("not mounted: %+v", m)
	}
	s.mount("capstor", "tmpfs")
	m := s.root.Mount(conf)
	if m.Problem+m.Unknown != "" || !strings.HasPrefix(m.Filesystem, "tmpfs tmpfs 0:") ||
		m.Inode != s.inode("capstor") {
		t.Errorf("mounted: %+v", m)
	}
	for _, c := range []struct {
		name string
		spec planner.System
		want string
	}{
		{"another kind", planner.System{Directory: "capstor", Filesystem: "lustre"},
			"needs lustre: mount it"},
		{"absent", planner.System{Directory: "vast", Filesystem: "tmpfs"}, "does not exist: mount"},
		{"outside", planner.System{Directory: "..", Filesystem: anyFilesystem}, "not a directory below"},
		{"link", planner.System{Directory: "link", Filesystem: anyFilesystem}, "reached without links"},
		{"file", planner.System{Directory: "file", Filesystem: anyFilesystem}, "reached without links"},
	} {
		os.Symlink("capstor", s.real("link"))
		os.WriteFile(s.real("file"), nil, 0o600)
		if m := s.root.Mount(c.spec); !strings.Contains(m.Problem, c.want) || m.Unknown != "" {
			t.Errorf("%s: got %+v, want %q", c.name, m, c.want)
		}
	}
}

// Two systems on one mount share its identity. Two mounts of the same kind do not.
func TestMountIdentity(t *testing.T) {
	s := newSite(t)
	s.mkdir("a", 0o755)
	s.mount("a", "tmpfs")
	s.mkdir("a/one", 0o755)
	s.mkdir("a/two", 0o755)
	s.mkdir("b", 0o755)
	s.mount("b", "tmpfs")
	of := func(dir string) string {
		return s.root.Mount(planner.System{Name: dir, Directory: dir, Filesystem: "tmpfs"}).Filesystem
	}
	if one, two, other := of("a/one"), of("a/two"), of("b"); one == "" || one != two || one == other {
		t.Errorf("got %q, %q and %q", one, two, other)
	}
	for _, c := range []struct{ kind, source, want string }{
		{"lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/capstor", "lustre 10.0.0.1@tcp:10.0.0.2@tcp:/capstor"},
		{"lustre", "10.0.0.1@tcp:/capstor/store/part", "lustre 10.0.0.1@tcp:/capstor"},
		{"nfs4", "vast:/export", "nfs vast:/export"},
		{"xfs", "/dev/sda1", "xfs /dev/sda1"},
		{"zfs", "tank", "zfs tank"},
		{"overlay", "overlay", "overlay overlay 7:8"},
	} {
		if got := identity(&mountinfo.Info{FSType: c.kind, Source: c.source},
			place{major: 7, minor: 8}); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.kind, c.source, got, c.want)
		}
	}
}

func TestWrongMount(t *testing.T) {
	node := &mountinfo.Info{FSType: "ext4", Mountpoint: "/", Root: "/", Major: 8, Minor: 1}
	for name, c := range map[string]struct {
		m     mountinfo.Info
		want  string
		magic int64
		ok    bool
	}{
		"lustre":             {mountinfo.Info{FSType: "lustre", Mountpoint: "/mnt"}, "lustre", 0x0BD00BD0, true},
		"not really lustre":  {mountinfo.Info{FSType: "lustre", Mountpoint: "/mnt"}, "lustre", 0xEF53, false},
		"nfs4 is nfs":        {mountinfo.Info{FSType: "nfs4", Mountpoint: "/mnt"}, "nfs", 0x6969, true},
		"ext4":               {mountinfo.Info{FSType: "ext4", Mountpoint: "/mnt"}, "ext4", 0xEF53, true},
		"ext3 is not ext4":   {mountinfo.Info{FSType: "ext3", Mountpoint: "/mnt"}, "ext4", 0xEF53, false},
		"the node's root":    {mountinfo.Info{FSType: "ext4", Mountpoint: "/"}, "ext4", 0xEF53, false},
		"bound onto itself":  {mountinfo.Info{FSType: "ext4", Mountpoint: "/mnt", Root: "/mnt", Major: 8, Minor: 1}, "ext4", 0xEF53, false},
		"bound elsewhere":    {mountinfo.Info{FSType: "ext4", Mountpoint: "/mnt", Root: "/srv", Major: 8, Minor: 1}, "ext4", 0xEF53, true},
		"another disk":       {mountinfo.Info{FSType: "ext4", Mountpoint: "/mnt", Root: "/mnt", Major: 8, Minor: 2}, "ext4", 0xEF53, true},
		"a kind without one": {mountinfo.Info{FSType: "daos", Mountpoint: "/mnt"}, "daos", 1, true},
		"32 bits negative":   {mountinfo.Info{FSType: "btrfs", Mountpoint: "/mnt"}, "btrfs", -0x6EDC97C2, true},
		"any":                {mountinfo.Info{FSType: "ext4", Mountpoint: "/"}, "any", 0xEF53, true},
	} {
		got := wrongMount(planner.System{Filesystem: c.want}, "/mnt/x", &c.m, node, c.magic)
		if (got == "") != c.ok {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// A systemd service sees each directory that it may write to as a mount, even if nothing is mounted
// there.
func TestBoundOntoItself(t *testing.T) {
	s := newSite(t)
	node, err := mounts(func(i *mountinfo.Info) bool { return i.Mountpoint != "/" })
	s.must(err)
	conf := planner.System{Name: "capstor", Directory: "capstor", Filesystem: node[len(node)-1].FSType}
	before := s.root.Mount(conf)
	if !strings.Contains(before.Problem, "own root filesystem") {
		t.Skipf("temporary files are not on the node's root filesystem: %+v", before)
	}
	s.must(unix.Mount(s.path, s.path, "", unix.MS_BIND, ""))
	defer unix.Unmount(s.path, unix.MNT_DETACH)
	s.sys.Close()
	s.must(s.root.Close())
	s.root, err = OpenRoot(s.path)
	s.must(err)
	if m := s.root.Mount(conf); !strings.Contains(m.Problem, "own root filesystem") {
		t.Errorf("a directory of the node, bound onto itself, is taken for a mount: %+v", m)
	}
}

// A filesystem is mounted at storage.root, with the system in a folder of it. The folders of
// `paths` may be next to that.
func TestFoldersBesideTheSystem(t *testing.T) {
	s := newSite(t)
	s.mkdir("fs", 0o755)
	s.mount("fs", "tmpfs")
	s.mkdir("fs/capstor", 0o755)
	s.mkdir("fs/legacy", 0o755)
	s.mkdir("fs/legacy/x", 0o2770)
	s.mkdir("elsewhere", 0o755)
	conf := planner.System{Name: "capstor", Directory: "fs/capstor", Filesystem: "tmpfs",
		Paths: []planner.PathMapping{{Prefix: "/scratch", Folder: "fs/legacy"}}}
	if d := s.root.Observe(conf, "fs/legacy/x"); d.State != planner.DirPresent || d.Mode != 0o2770 {
		t.Errorf("beside: %+v", d)
	}
	if d := s.root.Observe(conf, "fs/legacy/y/z"); d.State != planner.DirAbsent ||
		d.MissingAbove != 1 {
		t.Errorf("absent: %+v", d)
	}
	if d := s.root.Observe(conf, "elsewhere"); d.State != planner.DirObstructed ||
		!strings.Contains(d.Why, "is not on the mount") {
		t.Errorf("on another mount: %+v", d)
	}
	inner, err := OpenRoot(s.real("fs"))
	s.must(err)
	defer inner.Close()
	conf.Directory = "capstor"
	if d := inner.Observe(conf, "legacy/x"); d.State != planner.DirPresent {
		t.Errorf("storage.root on the mount: %+v", d)
	}
}

// Nothing is changed on a system that is unmounted, covered, or not the recorded one.
func TestSystemIsStillThere(t *testing.T) {
	s := newSite(t)
	s.mount("capstor", "tmpfs")
	conf := planner.System{Name: "capstor", Directory: "capstor", Filesystem: "tmpfs"}
	m := s.root.Mount(conf)
	recorded := planner.RootIdentity{Filesystem: m.Filesystem, Inode: m.Inode}
	sys, err := s.root.System(conf, recorded)
	s.must(err)
	defer sys.Close()
	other := recorded
	other.Filesystem = "tmpfs other"
	if _, err := s.root.System(conf, other); !errors.Is(err, ErrNotMounted) {
		t.Errorf("recorded as another: %v", err)
	}
	s.mkdir("capstor/x", 0o755)
	inode := s.inode("capstor/x")
	s.mount("capstor", "tmpfs")
	move := Move{From: "capstor/x", Inode: inode, Folder: "capstor/.trash", Name: "x"}
	_, made := sys.Make("capstor/y")
	_, opened := sys.Open("capstor/x", inode)
	for what, err := range map[string]error{"make": made, "open": opened,
		"archive": sys.archive(move, nil), "restore": sys.Restore(move, "capstor/z")} {
		if !errors.Is(err, ErrNotMounted) {
			t.Errorf("%s on a covered mount: %v", what, err)
		}
	}
	s.must(unix.Unmount(s.real("capstor"), 0))
	if d, err := sys.Make("capstor/y"); err != nil {
		t.Errorf("uncovered again: %v", err)
	} else {
		d.Close()
	}
	s.must(unix.Unmount(s.real("capstor"), unix.MNT_DETACH))
	if _, err := sys.Make("capstor/w"); !errors.Is(err, ErrNotMounted) {
		t.Errorf("unmounted: %v", err)
	}
	if s.exists("capstor/w") {
		t.Error("a directory was made below the empty mount point")
	}
}

// Nothing is called absent below a directory that is itself gone.
func TestNothingIsAbsentBelowWhatIsGone(t *testing.T) {
	s := newSite(t)
	s.must(os.Remove(s.real("capstor")))
	for _, p := range []string{"capstor/x", "capstor/x/y"} {
		if d := s.sys.Observe(p); d.State != planner.DirUnknown ||
			!strings.Contains(d.Why, "removed or unmounted") {
			t.Errorf("%s: %+v, want unknown", p, d)
		}
	}
}

// TestMountTellsOfTheArchive: a problem that would make every archive action fail is known when
// planning.
func TestMountTellsOfTheArchive(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/.closed", 0o700)
	s.mkdir("capstor/.open", 0o755)
	s.mkdir("capstor/.theirs", 0o700)
	s.must(os.Chown(s.real("capstor/.theirs"), 1001, 0))
	s.must(os.Symlink("/tmp", s.real("capstor/.link")))
	s.mkdir("capstor/.tmp", 0o700)
	s.mount("capstor/.tmp", "tmpfs")
	for archive, want := range map[string]string{
		"capstor/.trash": "", "capstor/.closed": "", "": "",
		"capstor/.open":       "with mode 0755, but must belong to 0 with mode 0700",
		"capstor/.theirs":     "belongs to user 1001",
		"capstor/none/.trash": "the directory above the archive folder",
		"capstor/.link":       "a symbolic link is at",
		"capstor/.tmp":        "another mount is at",
		"capstor/.tmp/trash":  "it must be on the same filesystem as what is archived",
	} {
		m := s.root.Mount(planner.System{Name: "capstor", Directory: "capstor", Filesystem: anyFilesystem,
			Archive: archive})
		if m.Problem+m.Unknown != "" || (want == "") != (m.Archive == "") ||
			!strings.Contains(m.Archive, want) {
			t.Errorf("%s: %+v, want %q", archive, m, want)
		}
	}
}
