//go:build kernel

package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota/linux"
)

// These tests run in the machine that cmd/internal/kerneltest starts: make test-kernel. They run the
// whole program on real XFS and ext4 quotas.

const mib = 1 << 20

// disks are the machine's disks, by filesystem.
var disks = map[string]string{"xfs": "/dev/vda", "ext4": "/dev/vdb"}

func init() { // there is no Go in the machine that could build a smaller one
	lfsBinary = func(t testing.TB) string {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return exe
	}
}

// kernelSite is a site whose capstor is a disk with quotas of the kernel.
type kernelSite struct {
	*service
	fs   string
	by   planner.QuotaBy
	disk *linux.Client
}

// onKernel makes a site on an empty disk without limits.
func onKernel(t *testing.T, fs string, by planner.QuotaBy) *kernelSite {
	t.Helper()
	s := &kernelSite{newService(t, ""), fs, by, linux.New(time.Minute)}
	at := s.mount()
	s.check(unix.Mount(disks[fs], at, fs, 0, "grpquota,prjquota"))
	t.Cleanup(func() { s.wipe(); s.check(unix.Unmount(at, unix.MNT_DETACH)) })
	s.wipe()
	ids := ""
	if by == planner.ByProject {
		ids = "    project_ids = \"70000-79999\"\n"
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "cscs-sync.hcl"))
	s.check(err)
	lfs := "  filesystem = \"any\"\n" + fmt.Sprintf(
		"  quota \"lustre\" {\n    client = \"lfs\"\n    lfs    = \"%s/lfs\"\n  }", s.dir)
	kernel := fmt.Sprintf("  filesystem = %q\n  quota \"linux\" {\n    by = %q\n%s"+
		"    on_remove = \"freeze\"\n  }", fs, by, ids)
	config := strings.Replace(string(text), lfs, kernel, 1) // the first is capstor's
	config = strings.Replace(config, lfs, "  filesystem = \"any\"\n  quota \"none\" {}", 1)
	s.check(os.WriteFile(filepath.Join(s.dir, "cscs-sync.hcl"), []byte(config), 0o600))
	return s
}

func (s *kernelSite) mount() string { return filepath.Join(s.dir, "mnt/capstor") }

// ids are the group or project ids that these tests use.
func (s *kernelSite) ids() []uint32 {
	if s.by == planner.ByProject {
		return []uint32{70000, 70001, 70002, 70003}
	}
	return []uint32{30501, 30601, 30602, 30603}
}

// wipe empties the disk and lifts all limits.
func (s *kernelSite) wipe() {
	s.t.Helper()
	entries, err := os.ReadDir(s.mount())
	s.check(err)
	for _, e := range entries {
		if e.Name() != "lost+found" {
			s.check(os.RemoveAll(filepath.Join(s.mount(), e.Name())))
		}
	}
	for _, id := range s.ids() {
		s.check(s.disk.Set(s.t.Context(), s.mount(), s.by, id, planner.NoLimits(), planner.Grace{}))
	}
}

// quotas are the limits that the kernel has, one line for each id.
func (s *kernelSite) quotas() string {
	var b strings.Builder
	for _, id := range s.ids() {
		q := s.read(id)
		fmt.Fprintf(&b, "%d: %v, %d inodes used\n", id, q.Limits, q.Inodes.N())
	}
	return b.String()
}

func (s *kernelSite) read(id uint32) planner.QuotaState {
	s.t.Helper()
	q := s.disk.Get(s.t.Context(), s.mount(), s.by, id)
	if q.LimitsWhy() != "" {
		s.t.Fatal(q.LimitsWhy())
	}
	return q
}

// wantHard fails unless the kernel has this hard limit for space, and a plan finds nothing to do.
func (s *kernelSite) wantHard(when string, id uint32, want planner.Limit) {
	s.t.Helper()
	if got := s.read(id).Limits[planner.SpaceHard]; got != want {
		s.t.Errorf("%s: the hard limit of %d is %v, want %v", when, id, got, want)
	}
	if out := s.ok("plan"); !strings.Contains(out, "No changes") {
		s.t.Errorf("%s: a second plan has changes:\n%s", when, out)
	}
}

// change plans, approves and applies, and wants these words in the plan.
func (s *kernelSite) change(words string, args ...string) {
	s.t.Helper()
	if args == nil {
		args = []string{"plan"}
	}
	s.passed += time.Minute
	out := s.ok(append(args, "--out", "p.plan")...)
	if !strings.Contains(out, words) {
		s.t.Errorf("the plan does not say %q:\n%s", words, out)
	}
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
}

// terabytes is a size as Waldur's limits count it.
func terabytes(n planner.Bytes) map[string]any {
	return map[string]any{"storage": float64(n) / (1 << 40)}
}

func (s *kernelSite) resize(project string, n planner.Bytes) {
	s.t.Helper()
	_, err := s.sim.UpdateResource("capstor-"+project+"-store", waldursim.UpdateSpec{Limits: terabytes(n)})
	s.check(err)
}

// eachDisk runs a test on both filesystems, for both kinds of quota.
func eachDisk(t *testing.T, test func(*testing.T, *kernelSite)) {
	for _, fs := range []string{"xfs", "ext4"} {
		for _, by := range []planner.QuotaBy{planner.ByGroup, planner.ByProject} {
			t.Run(fs+" "+string(by), func(t *testing.T) { test(t, onKernel(t, fs, by)) })
		}
	}
}

// TestKernelCycle takes a directory through its whole life: created, raised, lowered below what is
// used, changed by hand, archived with its quota frozen, and restored.
func TestKernelCycle(t *testing.T) {
	eachDisk(t, func(t *testing.T, s *kernelSite) {
		id := s.ids()[0]
		_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth",
			Project: "bio", DataType: "store", GID: 30501, Limits: terabytes(64 * mib),
			Order: &waldursim.OrderSpec{Type: "Create"}})
		s.check(err)
		s.change("3 to create")
		s.wantHard("created", id, planner.LimitOf[planner.Bytes](64*mib))
		s.resize("bio", 128*mib)
		s.change("128 MiB")
		s.wantHard("raised", id, planner.LimitOf[planner.Bytes](128*mib))

		dir := filepath.Join(s.mount(), "store/cscs/eth/bio")
		s.check(os.WriteFile(filepath.Join(dir, "data"), make([]byte, 40*mib), 0o644))
		s.check(os.Chown(filepath.Join(dir, "data"), 1000, 30501))
		unix.Sync()
		s.resize("bio", 32*mib)
		s.change("below")
		s.wantHard("lowered", id, planner.LimitOf[planner.Bytes](32*mib))

		s.byHand(id, dir)
		s.change("outside")
		s.wantHard("put right", id, planner.LimitOf[planner.Bytes](32*mib))
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o770 {
			t.Errorf("the directory: %v, %v", info, err)
		}

		s.terminate("bio")
		s.change("will be archived")
		used := s.read(id)
		hard, _ := used.Limits[planner.SpaceHard].Number()
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) ||
			used.Space.N() < 40*mib || hard > uint64(used.Space.N()) || hard == 0 {
			t.Errorf("archived: %v, quota %+v", err, used)
		}
		s.change("will be restored", "archive", "restore", "/capstor/store/cscs/eth/bio")
		if got, err := os.ReadFile(filepath.Join(dir, "data")); err != nil || len(got) != 40*mib {
			t.Errorf("restored: %d bytes, %v", len(got), err)
		}
	})
}

// byHand changes mode and limits outside of cscs-sync.
func (s *kernelSite) byHand(id uint32, dir string) {
	s.t.Helper()
	s.check(os.Chmod(dir, 0o700))
	other := planner.NoLimits()
	other[planner.SpaceHard] = planner.LimitOf[planner.Bytes](math.MaxUint32 &^ 4095)
	s.check(s.disk.Set(s.t.Context(), s.mount(), s.by, id, other, planner.Grace{}))
}

// TestKernelKilled kills an apply at the first point of each kind, applies again, and wants the same
// storage, limits, state and callbacks as without the kill.
func TestKernelKilled(t *testing.T) {
	for _, fs := range []string{"xfs", "ext4"} {
		t.Run(fs, func(t *testing.T) {
			by := planner.ByGroup
			if fs == "ext4" {
				by = planner.ByProject
			}
			whole := killSite(t, fs, by)
			file := filepath.Join(whole.dir, "points")
			whole.applyUntilDone([]string{"CSCS_TEST_POINTS=" + file})
			want := whole.ending()
			want.limits = whole.quotas()
			data, err := os.ReadFile(file)
			whole.check(err)
			var kinds []string
			for i, point := range strings.Fields(strings.ReplaceAll(string(data), " ", "-")) {
				if !slices.Contains(kinds, point) && aboutStorage(point) {
					kinds = append(kinds, point)
					t.Run(point, func(t *testing.T) { killedOnKernel(t, fs, by, i+1, want) })
				}
			}
			if len(kinds) < 5 {
				t.Errorf("an apply was killed at %d kinds of points only: %v", len(kinds), kinds)
			}
		})
	}
}

// aboutStorage reports whether a point lies at a change of the storage. The others are the same on
// every filesystem.
func aboutStorage(point string) bool {
	return slices.Contains([]string{"made", "project", "quota", "quota-set", "own", "tag", "tagged",
		"renamed", "callback"}, point)
}

// killSite has a directory to make, one whose limits change and one to archive, with an approved plan.
func killSite(t *testing.T, fs string, by planner.QuotaBy) *kernelSite {
	t.Helper()
	s := onKernel(t, fs, by)
	s.active("grow", 30601)
	s.active("old", 30602)
	s.settle()
	s.resize("grow", 64*mib)
	s.terminate("old")
	s.create("bio", 30501)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.sim.ClearRequests()
	return s
}

func killedOnKernel(t *testing.T, fs string, by planner.QuotaBy, at int, want ending) {
	s := killSite(t, fs, by)
	out, err := s.fixed([]string{fmt.Sprint("CSCS_TEST_KILL=", at)},
		"apply", "--parallelism", "1", "p.plan").CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it was not killed: %v\n%s", err, out)
	}
	s.applyUntilDone(nil)
	s.wantOrderly()
	got := s.ending()
	got.limits = s.quotas()
	if got != want {
		t.Errorf("the storage ends as\n%s\n%s%s\n%s\nwant\n%s\n%s%s\n%s\nthe log: %s", got.tree,
			got.limits, got.state, got.waldur, want.tree, want.limits, want.state, want.waldur, s.log())
	}
}
