package posix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// projectSite is a system on an ext4 with project ids, in a loop device.
func projectSite(t *testing.T) *site {
	t.Helper()
	mkfs, err := exec.LookPath("mkfs.ext4")
	if _, missing := os.Stat("/dev/loop-control"); err != nil || missing != nil {
		t.Skip("needs mkfs.ext4 and loop devices, which a container may lack")
	}
	s := newSite(t)
	image := filepath.Join(t.TempDir(), "image")
	s.must(os.WriteFile(image, nil, 0o600))
	s.must(os.Truncate(image, 16<<20))
	if out, err := exec.Command(mkfs, "-q", "-O", "project,quota", "-E", "quotatype=prjquota", "-I", "256", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, s.real("capstor")).CombinedOutput(); err != nil {
		t.Skipf("no loop devices: %v: %s", err, out)
	}
	t.Cleanup(func() { unix.Unmount(s.real("capstor"), unix.MNT_DETACH) })
	s.conf.Filesystem = "ext4"
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

// An archive folder that hands on a project id is found by the check; and what the kernel says to the rename is EXDEV.
func TestArchiveFolderWithProject(t *testing.T) {
	s := projectSite(t)
	s.mkdir("capstor/x", 0o755)
	s.mkdir("capstor/.trash", 0o700)
	trash, err := s.sys.Open("capstor/.trash", 0)
	s.must(err)
	defer trash.Close()
	s.must(trash.SetProject(7))
	m := Move{From: "capstor/x", Inode: s.inode("capstor/x"), Folder: "capstor/.trash", Name: "x"}
	for what, err := range map[string]error{"check": s.sys.CheckArchive(m), "archive": s.sys.Archive(m, nil)} {
		if err == nil || !strings.Contains(err.Error(), "lfs project -C -d") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := unix.Rename(s.real("capstor/x"), s.real("capstor/.trash/x")); err != unix.EXDEV {
		t.Errorf("the kernel says %v, so the check is for nothing", err)
	}
	x, err := s.sys.Open("capstor/x", 0)
	s.must(err)
	defer x.Close()
	s.must(x.SetProject(7))
	s.must(s.sys.Archive(m, nil))
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
