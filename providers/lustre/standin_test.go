package lustre

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// standIn is lfs-sim, which answers as the real lfs does, called as the configuration would.
type standIn struct {
	t    *testing.T
	path string
}

func (s standIn) sim(args ...string) {
	s.t.Helper()
	if out, err := exec.Command(s.path, append([]string{"sim"}, args...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("lfs sim %v: %v: %s", args, err, out)
	}
}

// The whole way, as it is on a node: what is set is read back, a running clock is kept when only the hard limit moves, and
// a server that is away takes the usage along but not the limits.
func TestAgainstTheStandIn(t *testing.T) {
	built := filepath.Join(t.TempDir(), "lfs-sim")
	if out, err := exec.Command("go", "build", "-o", built, "../../cmd/lfs-sim").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, release := range []string{"2.15.8", "2.17.57"} {
		t.Run(release, func(t *testing.T) { againstTheStandIn(t, built, release) })
	}
}

func againstTheStandIn(t *testing.T, built, release string) {
	root := t.TempDir()
	mount, s := filepath.Join(root, "capstor"), standIn{t, filepath.Join(root, "lfs")}
	for _, err := range []error{os.Mkdir(mount, 0o755), os.Symlink(built, s.path)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.sim("init", "--state", s.path+".json", "--release", release, "--mount", mount+"=capstor", "--as-root")
	s.sim("clock", "1800000000")
	conf := planner.System{Name: "capstor", Directory: "capstor", Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, Client: "auto", LFS: s.path}}
	clients, err := NewSystems([]planner.System{conf}, Options{Root: root, Now: func() time.Time { return time.Unix(1800000000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	id := planner.Identity{By: planner.ByGroup, ID: 30500}
	get := func() planner.QuotaState { t.Helper(); return clients.Get(t.Context(), conf, id) }
	set := func(q planner.Quota, keep Grace) {
		t.Helper()
		if err := clients.Set(t.Context(), conf, id, q, keep); err != nil {
			t.Fatal(err)
		}
	}

	if q := get(); q.Via != "lfs" || q.LimitsWhy != "" || !q.Limits.SpaceHard.IsUnlimited() {
		t.Errorf("never set: %+v", q)
	}
	s.sim("usage", "-g", "30500", "--space", "9.5G", "--inodes", "7", mount)
	want := wanted()
	set(want, Grace{})
	over := get()
	if over.Limits != want || over.Inodes.N != 7 || over.GraceSpace.IsZero() || !over.GraceInodes.IsZero() {
		t.Errorf("set and over soft: %+v", over)
	}
	s.sim("clock", "1800003600")
	want.SpaceHard = planner.LimitOf[planner.Bytes](20 << 30)
	set(want, Keep(over, want))
	// The client's own clock stands, so that what is left of the grace period is what lfs says.
	if q := get(); q.Limits != want || over.GraceSpace.Sub(q.GraceSpace) != time.Hour {
		t.Errorf("the clock started anew: %v before, %v after: %+v", over.GraceSpace, q.GraceSpace, q)
	}
	s.sim("lose-ost", mount)
	if q := get(); q.Limits != want || q.Space.Known || !q.Inodes.Known {
		t.Errorf("a server lost: %+v", q)
	}
	s.sim("fail", "--on", "quota", "--errno", "EIO")
	if q := get(); q.LimitsWhy == "" || q.Limits.Known() || q.Space.Known || q.Inodes.Known {
		t.Errorf("all lost: %+v", q)
	}
}
