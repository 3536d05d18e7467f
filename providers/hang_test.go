package providers_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/lustre"
)

// deadline is how long the mounts of these tests may take to answer. patience is the time in which
// everything that does not hang must be done.
const deadline, patience = time.Second, 20 * time.Second

// mountHung mounts a filesystem that never answers: a FUSE filesystem whose server reads nothing.
// end releases the calls that wait for it.
func mountHung(t *testing.T, at string) (end func()) {
	t.Helper()
	const device = "/dev/fuse"
	if err := unix.Mknod(device, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))); err != nil &&
		err != unix.EEXIST {
		t.Logf("make %s: %v", device, err)
	}
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		t.Skipf("this kernel has no FUSE: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := unix.Mount("hung", at, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		unix.Close(fd)
		t.Fatalf("mount FUSE: %v", err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			unix.Unmount(at, unix.MNT_DETACH)
			unix.Close(fd) // aborts what waits
		}
	}
	t.Cleanup(end)
	return end
}

// scriptedLFS makes an lfs that runs the given lines of a shell; $4 is the directory of `quota -g ID
// DIR`.
func scriptedLFS(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lfs")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// site makes a root with a folder for each system, and an observer of it.
func site(t *testing.T, lfs map[string]string) (root string, systems []planner.System,
	o *providers.StorageObserver) {
	t.Helper()
	root = t.TempDir()
	for _, name := range []string{"bad", "good"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
		systems = append(systems, planner.System{Name: name, Directory: name, Filesystem: "any",
			Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByGroup, Client: "lfs",
				LFS: lfs[name]}})
	}
	// The folders are on one filesystem, but the observer must see two.
	if err := unix.Mount("good", filepath.Join(root, "good"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(filepath.Join(root, "good"), unix.MNT_DETACH) })
	opened, err := posix.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	quotas, err := quota.OpenSystems(systems, map[string]quota.Open{planner.QuotaLustre: lustre.Open},
		quota.Options{Root: root, Timeout: deadline, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return root, systems, providers.NewObserver(providers.Options{Systems: systems,
		Directories: opened, Quotas: quotas, Deadline: deadline, QuotaDeadline: deadline})
}

const answers = `[ "$3" = -a ] && exit 4; echo "$4 4 51200 61440 - 1 1000 0 -"`

// When a mount never answers, everything on it is unknown, the other system is read as usual, no
// further call is made on the mount, and nothing is left over when the mount is gone.
func TestMountNeverAnswers(t *testing.T) {
	root, systems, o := site(t, map[string]string{"bad": scriptedLFS(t, answers),
		"good": scriptedLFS(t, answers)})
	end := mountHung(t, filepath.Join(root, "bad"))
	for i := range 500 {
		if err := os.Mkdir(fmt.Sprintf("%s/good/%d", root, i), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	for range 3 {
		mounts := o.Mounts(t.Context(), systems)
		if m := mounts["bad"]; !strings.Contains(m.Unknown, "system bad") || m.Problem != "" {
			t.Errorf("the mount that hangs: %+v", m)
		}
		if m := mounts["good"]; m.Unknown+m.Problem != "" {
			t.Errorf("the other: %+v", m)
		}
		var targets []planner.Place
		for i := range 500 {
			targets = append(targets, planner.Place{System: "good", Path: fmt.Sprintf("good/%d", i)},
				planner.Place{System: "bad", Path: fmt.Sprintf("bad/%d", i)})
		}
		for i, d := range o.Directories(t.Context(), planner.TargetsOf(targets...)) {
			if good := targets[i].System == "good"; good && d.State != planner.DirPresent || !good &&
				(d.State != planner.DirUnknown || d.Why == "") {
				t.Fatalf("%+v: %+v", targets[i], d)
			}
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("took %s", took)
	}
	if o.Hanging() != 1 {
		t.Errorf("%d calls left behind, want one, the first", o.Hanging())
	}
	end()
	for until := time.Now().Add(patience); o.Hanging() > 0 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if o.Hanging() > 0 {
		t.Error("the call did not come back, although its mount is gone")
	}
}

// When an lfs hangs, its own quotas are unknown. Those of the other filesystem are all read without
// delay.
func TestLFSNeverAnswers(t *testing.T) {
	_, systems, o := site(t, map[string]string{"bad": scriptedLFS(t, "exec sleep 60"),
		"good": scriptedLFS(t, answers)})
	mounts := o.Mounts(t.Context(), systems)
	var targets []planner.QuotaTarget
	for i := range 200 {
		for _, name := range []string{"bad", "good"} {
			targets = append(targets, planner.QuotaTarget{System: name,
				Subject: planner.Subject{Filesystem: mounts[name].Filesystem, By: planner.ByGroup,
					ID: uint32(30000 + i)}})
		}
	}
	start := time.Now()
	for i, q := range o.Quotas(t.Context(), planner.TargetsOf(targets...)) {
		good := targets[i].System == "good"
		if n, known := q.Limits[planner.SpaceHard].Number(); good && n != 61440<<10 || !good &&
			(known || q.LimitsWhy() == "") {
			t.Fatalf("%+v: %+v", targets[i], q)
		}
	}
	if took := time.Since(start); took > 2*patience {
		t.Errorf("took %s", took)
	}
}
