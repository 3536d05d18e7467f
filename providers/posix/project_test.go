package posix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// projectSite is a system on a real filesystem with project ids, in a loop device: XFS, which keeps
// them with every kernel, or ext4, which needs a kernel with quotas.
func projectSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	image := filepath.Join(t.TempDir(), "image")
	why := "there is neither mkfs.xfs nor mkfs.ext4"
	for _, fs := range []struct {
		kind string
		size int64
		make []string
	}{{"xfs", 320 << 20, []string{"mkfs.xfs", "-q",
		image}}, {"ext4", 16 << 20, []string{"mkfs.ext4", "-q", "-O", "project,quota", "-E", "quotatype=prjquota", "-I", "256", image}}} {
		if _, err := exec.LookPath(fs.make[0]); err != nil {
			continue
		}
		s.must(os.RemoveAll(image))
		s.must(os.WriteFile(image, nil, 0o600))
		s.must(os.Truncate(image, fs.size))
		if out, err := exec.Command(fs.make[0], fs.make[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", fs.make[0], err, out)
		}
		if out, err := exec.Command("mount", "-o", "loop", image,
			s.real("capstor")).CombinedOutput(); err != nil {
			why = fmt.Sprintf("no loop devices, or no %s with project ids in this kernel: %v: %s", fs.kind,
				err, out)
			continue
		}
		s.conf.Filesystem, why = fs.kind, ""
		break
	}
	if why != "" {
		t.Skip(why)
	}
	t.Cleanup(func() { unix.Unmount(s.real("capstor"), unix.MNT_DETACH) })
	s.conf.Quota = planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByProject}
	s.sys.Close()
	s.root.Close()
	s.open()
	return s
}

func TestProject(t *testing.T) {
	s := projectSite(t)
	d, err := s.sys.Make("capstor/x")
	s.must(err)
	defer d.Close()
	if got := d.Observe(); !got.HasProject || got.Project != 0 || got.Inherit {
		t.Errorf("new: %+v", got)
	}
	s.must(d.SetProject(30500))
	got := s.root.Observe(s.conf, "capstor/x")
	if !got.HasProject || got.Project != 30500 || !got.Inherit {
		t.Errorf("set: %+v", got)
	}
	s.mkdir("capstor/x/sub", 0o755)
	if got := s.root.Observe(s.conf, "capstor/x/sub"); got.Project != 30500 || !got.Inherit {
		t.Errorf("inherited: %+v", got)
	}
	byGroup := s.conf
	byGroup.Quota.By = planner.ByGroup
	byGroup.Name = "bygroup"
	if got := s.root.Observe(byGroup, "capstor/x"); got.HasProject {
		t.Errorf("not asked for: %+v", got)
	}
}

// PrepareArchive finds an archive folder that gives its contents another project id. The kernel
// would answer the rename with EXDEV.
func TestArchiveFolderWithProject(t *testing.T) {
	s := projectSite(t)
	s.mkdir("capstor/x", 0o755)
	s.mkdir("capstor/.trash", 0o700)
	trash, err := s.sys.Open("capstor/.trash", 0)
	s.must(err)
	defer trash.Close()
	s.must(trash.SetProject(7))
	m := Move{From: "capstor/x", Inode: s.inode("capstor/x"), Folder: "capstor/.trash", Name: "x"}
	if _, err := s.sys.PrepareArchive(m, nil); err == nil ||
		!strings.Contains(err.Error(), "lfs project -C -d") {
		t.Errorf("%v", err)
	}
	if err := unix.Rename(s.real("capstor/x"), s.real("capstor/.trash/x")); err != unix.EXDEV {
		t.Errorf("the kernel says %v, so the check is for nothing", err)
	}
	x, err := s.sys.Open("capstor/x", 0)
	s.must(err)
	defer x.Close()
	s.must(x.SetProject(7))
	s.must(s.sys.archive(m, nil))
	if got := s.root.Observe(s.conf, m.Archived()); got.Project != 7 || !got.Inherit {
		t.Errorf("the project id did not move along: %+v", got)
	}
}

func TestProjectsNotSupported(t *testing.T) {
	s := newSite(t)
	s.conf.Quota = planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByProject}
	s.mkdir("capstor/sub", 0o755)
	s.mount("capstor/sub", "proc")
	s.conf.Name, s.conf.Directory = "proc", "capstor/sub"
	if d := s.root.Observe(s.conf, "capstor/sub"); d.State != planner.DirPresent || d.HasProject {
		t.Errorf("got %+v", d)
	}
}

// projects simulates a filesystem with project ids, by inode. Of the writes that set an id together
// with the inheritance flag, it loses the id of the first lose writes, as some filesystems do.
type projects struct {
	of   map[uint64]attributes
	lose int
	fail error
}

func (p *projects) ioctl(fd int, request uintptr, a *attributes) error {
	if p.fail != nil {
		return p.fail
	}
	st, err := fstat(fd)
	if err != nil {
		return err
	}
	if request == getAttributesIoctl {
		*a = p.of[st.Ino]
		return nil
	}
	now := *a
	if p.lose > 0 {
		p.lose--
		now.projectID = 0
	}
	p.of[st.Ino] = now
	return nil
}

func TestProjectSimulated(t *testing.T) {
	s := newSite(t)
	s.conf.Quota = planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByProject}
	s.sys.settings = s.conf
	s.mkdir("capstor/x", 0o755)
	s.mkdir("capstor/.trash", 0o700)
	const otherFlags = 0x80 // noatime: what is set besides must stay
	for name, c := range map[string]struct {
		lose int
		fail error
		want string
	}{
		"kept":         {},
		"lost once":    {lose: 1},
		"never kept":   {lose: 9, want: "did not keep it"},
		"no right":     {fail: unix.EPERM, want: "run cscs-sync as root"},
		"none at all":  {fail: unix.ENOTTY, want: "inappropriate ioctl"},
		"server fails": {fail: unix.EIO, want: "read the kernel's log"},
	} {
		sim := &projects{of: map[uint64]attributes{s.inode("capstor/x"): {flags: otherFlags}},
			lose: c.lose, fail: c.fail}
		s.root.attributes = sim.ioctl
		d, err := s.sys.Open("capstor/x", 0)
		s.must(err)
		err = d.SetProject(30500)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		seen := s.root.Observe(s.conf, "capstor/x")
		switch {
		case c.fail == unix.EIO || c.fail == unix.EPERM:
			if seen.State != planner.DirUnknown || !strings.Contains(seen.Why, "project id") {
				t.Errorf("%s: an id that cannot be read is not unknown: %+v", name, seen)
			}
		case c.fail != nil:
			if seen.State != planner.DirPresent || seen.HasProject {
				t.Errorf("%s: %+v", name, seen)
			}
		case err == nil:
			if seen.Project != 30500 || !seen.Inherit || sim.of[d.inode].flags != otherFlags|inheritFlag {
				t.Errorf("%s: %+v, %+v", name, seen, sim.of)
			}
		}
		d.Close()
	}
	sim := &projects{of: map[uint64]attributes{s.inode("capstor/.trash"): {flags: inheritFlag, projectID: 7}}}
	s.root.attributes = sim.ioctl
	m := Move{From: "capstor/x", Inode: s.inode("capstor/x"), Folder: "capstor/.trash", Name: "x"}
	if _, err := s.sys.PrepareArchive(m, nil); err == nil ||
		!strings.Contains(err.Error(), "lfs project -C -d") {
		t.Errorf("a folder that hands on another project id: %v", err)
	}
	sim.of[m.Inode] = attributes{projectID: 7}
	_, err := s.sys.PrepareArchive(m, nil)
	s.must(err)
}
