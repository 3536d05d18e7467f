package lustre

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// rig is a client on its own filesystem, with control over its servers.
type rig struct {
	client client
	dir    string
	// via is how the client says that it read the quota. exact means that usage is in bytes,
	// saysDefault that the default quota can be distinguished from an own quota, and lists that the
	// release can list.
	via                       string
	exact, saysDefault, lists bool

	use func(by planner.QuotaBy, id uint32, space planner.Bytes, inodes planner.Inodes)
	// pass lets time pass. lose stops a server. fail makes every call fail with an errno, or none with
	// 0. covers sets the default quota's hard limit of space.
	pass func(time.Duration)
	lose func()
	// lost makes the answer to the next change an error, after the change took effect. It is nil if
	// that cannot be simulated.
	lost   func()
	fail   func(unix.Errno)
	covers func(planner.Bytes)
	// stored returns the limits on the servers, without using the client: soft and hard in KiB, soft
	// and hard inodes.
	stored func(by planner.QuotaBy, id uint32) [4]uint64
}

// TestConformance tests both clients, and the choice between them, against one set of rules. It
// tests both releases of lfs-sim against the same rules as the simulated kernel.
func TestConformance(t *testing.T) {
	for name, make := range everyRig(t) {
		for rule, holds := range map[string]func(*testing.T, *rig){
			"set and read back": setAndReadBack, "kinds are apart": kindsAreApart,
			"default": defaultQuota, "clocks": clocks, "usage": usageOf,
			"a server away": serverAway, "errors": errorsHelp, "refusals": refusals, "lists": lists,
		} {
			t.Run(name+"/"+rule, func(t *testing.T) { holds(t, make(t)) })
		}
	}
}

// everyRig makes rigs of each client, and of the choice between them.
func everyRig(t *testing.T) map[string]func(*testing.T) *rig {
	built := buildStandIn(t)
	return map[string]func(*testing.T) *rig{
		"ioctl, 2.17":      func(t *testing.T) *rig { return ioctlRig(true, "") },
		"ioctl, 2.12":      func(t *testing.T) *rig { return ioctlRig(false, "") },
		"auto, with ioctl": func(t *testing.T) *rig { return ioctlRig(true, "auto") },
		"lfs 2.15.8":       func(t *testing.T) *rig { return lfsRig(t, built, "2.15.8", false) },
		"lfs 2.17.57": func(t *testing.T) *rig {
			return lfsRig(t, built, "2.17.57",
				false)
		},
		"auto, without ioctl": func(t *testing.T) *rig { return lfsRig(t, built, "2.17.57", true) },
	}
}

func (r *rig) get(t *testing.T, id uint32) planner.QuotaState {
	t.Helper()
	return r.client.Get(t.Context(), r.dir, planner.ByGroup, id)
}

func (r *rig) set(t *testing.T, id uint32, q planner.Limits, keep planner.Grace) {
	t.Helper()
	if err := r.client.Set(t.Context(), r.dir, planner.ByGroup, id, q, keep); err != nil {
		t.Fatal(err)
	}
}

func setAndReadBack(t *testing.T, r *rig) {
	greatest := planner.Limits{planner.SpaceSoft: planner.LimitOf(maxBytes),
		planner.SpaceHard:  planner.LimitOf(maxBytes),
		planner.InodesSoft: planner.LimitOf(maxInodes),
		planner.InodesHard: planner.LimitOf(maxInodes)}
	least := planner.Limits{planner.SpaceSoft: planner.LimitOf[planner.Bytes](1024),
		planner.SpaceHard:  planner.LimitOf[planner.Bytes](1024),
		planner.InodesSoft: planner.LimitOf[planner.Inodes](1),
		planner.InodesHard: planner.LimitOf[planner.Inodes](1)}
	none := planner.NoLimits()
	for _, c := range []struct {
		quota  planner.Limits
		stored [4]uint64
	}{
		{wanted(), [4]uint64{9437184, 10485760, 0, 2000}}, {greatest, [4]uint64{1 << 50, 1 << 50,
			1 << 48, 1 << 48}},
		{least, [4]uint64{1, 1, 1, 1}}, {none, [4]uint64{}}, {wanted(), [4]uint64{9437184, 10485760,
			0, 2000}},
	} {
		r.set(t, 30500, c.quota, planner.Grace{})
		if got := r.stored(planner.ByGroup, 30500); got != c.stored {
			t.Errorf("stored %v, want %v", got, c.stored)
		}
		if got := r.get(t, 30500); got.Limits != c.quota || got.LimitsWhy() != "" ||
			got.DefaultSpace || got.DefaultInodes || got.Via() != r.via {
			t.Errorf("set %+v, read back %+v", c.quota, got)
		}
	}
}

func kindsAreApart(t *testing.T, r *rig) {
	r.set(t, 30500, wanted(), planner.Grace{})
	if got := r.client.Get(t.Context(), r.dir, planner.ByProject,
		30500); !got.Limits[planner.SpaceHard].IsUnlimited() || got.LimitsWhy() != "" {
		t.Errorf("project: %+v", got)
	}
	if got := r.get(t, 30501); !got.Limits[planner.SpaceHard].IsUnlimited() {
		t.Errorf("another group: %+v", got)
	}
	if err := r.client.Set(t.Context(), r.dir, planner.ByProject, 7, wanted(),
		planner.Grace{}); err != nil || r.stored(planner.ByProject, 7)[1] != 10485760 {
		t.Errorf("project: %v", err)
	}
}

// The default applies to an id whose limits were never set. It does not apply if they were set to
// unlimited.
func defaultQuota(t *testing.T, r *rig) {
	r.covers(5 << 30)
	got := r.get(t, 30500)
	if n, _ := got.Limits[planner.SpaceHard].Number(); n != 5<<30 ||
		got.DefaultSpace != r.saysDefault {
		t.Errorf("never set: %+v", got)
	}
	r.set(t, 30500, planner.NoLimits(), planner.Grace{})
	if got := r.get(t, 30500); !got.Limits[planner.SpaceHard].IsUnlimited() || got.DefaultSpace {
		t.Errorf("set to unlimited: %+v", got)
	}
}

// A running clock continues if its soft limit stays the same, and starts over if it changes. Space
// and inodes are independent.
func clocks(t *testing.T, r *rig) {
	q := wanted()
	q[planner.InodesSoft] = planner.LimitOf[planner.Inodes](1000)
	r.use(planner.ByGroup, 30500, 9<<30+512<<20, 1500)
	r.set(t, 30500, q, planner.Grace{})
	first := r.get(t, 30500)
	if first.Ends().Space.IsZero() || first.Ends().Inodes.IsZero() {
		t.Fatalf("over both soft limits: %+v", first)
	}
	r.pass(time.Hour)
	before := r.get(t, 30500)
	q[planner.SpaceHard], q[planner.InodesSoft] = planner.LimitOf[planner.Bytes](20<<30),
		planner.LimitOf[planner.Inodes](1200)
	r.set(t, 30500, q, quota.Keep(&traits, before, q))
	after := r.get(t, 30500)
	if after.Limits != q || !near(after.Ends().Space, first.Ends().Space) ||
		!near(after.Ends().Inodes, first.Ends().Inodes.Add(time.Hour)) {
		t.Errorf("space ends %v, was %v; inodes end %v, were %v: %+v", after.Ends().Space,
			first.Ends().Space, after.Ends().Inodes, first.Ends().Inodes, after)
	}
	r.use(planner.ByGroup, 30500, 1<<30, 1500)
	r.set(t, 30500, q, quota.Keep(&traits, after, q))
	if got := r.get(t, 30500); !got.Ends().Space.IsZero() {
		t.Errorf("below soft again: %+v", got)
	}
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() < 2*time.Second }

func usageOf(t *testing.T, r *rig) {
	r.use(planner.ByGroup, 30500, 1<<30+1, 7)
	want := planner.Bytes(1<<30 + 1024)
	if r.exact {
		want = 1<<30 + 1
	}
	if got := r.get(t, 30500); got.Space != (planner.UsageOf(planner.Bytes(want))) ||
		got.Inodes != (planner.UsageOf(planner.Inodes(7))) {
		t.Errorf("got %+v", got)
	}
	q := wanted()
	q[planner.SpaceSoft], q[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1<<20),
		planner.LimitOf[planner.Bytes](1<<20)
	if r.set(t, 30500, q, planner.Grace{}); r.get(t, 30500).Limits != q {
		t.Error("a limit below what is used was not taken")
	}
}

// If a server does not answer, its part is unknown. The rest is known, and limits can be set.
func serverAway(t *testing.T, r *rig) {
	r.use(planner.ByGroup, 30500, 8<<30, 7)
	r.lose()
	r.set(t, 30500, wanted(), planner.Grace{})
	if got := r.get(t, 30500); got.Space.Known() || got.SpaceWhy() == "" || !got.Inodes.Known() ||
		got.LimitsWhy() != "" || got.Limits != wanted() {
		t.Errorf("got %+v", got)
	}
}

// Every error says what to do. After it nothing is known, and nothing was set.
func errorsHelp(t *testing.T, r *rig) {
	r.set(t, 30500, wanted(), planner.Grace{})
	stored := r.stored(planner.ByGroup, 30500)
	other := wanted()
	other[planner.SpaceHard] = planner.Unlimited()
	for errno, way := range map[unix.Errno]string{
		unix.EINVAL: "soft above hard", unix.EPERM: "run cscs-sync as " +
			"root", unix.EDQUOT: "raise that limit",
		unix.EOPNOTSUPP: "project feature",
		unix.ENODEV:     "mounted Lustre", unix.EIO: "servers failed",
		unix.ETIMEDOUT: "try again later",
	} {
		r.fail(errno)
		if got := r.get(t, 30500); !strings.Contains(got.LimitsWhy(), way) || got.Limits.Known() ||
			got.Space.Known() || got.Inodes.Known() {
			t.Errorf("%v: get: %+v", errno, got)
		}
		err := r.client.Set(t.Context(), r.dir, planner.ByGroup, 30500, other, planner.Grace{})
		if err == nil || !strings.Contains(err.Error(), way) || !strings.Contains(err.Error(),
			"set quota of group 30500 at "+r.dir) {
			t.Errorf("%v: set: %v", errno, err)
		}
	}
	r.fail(0)
	if got := r.stored(planner.ByGroup, 30500); got != stored {
		t.Errorf("a failed call set %v", got)
	}
}

func refusals(t *testing.T, r *rig) {
	r.set(t, 30500, wanted(), planner.Grace{})
	for name, change := range map[string]func(*planner.Limits){
		"wraps":      func(q *planner.Limits) { q[planner.SpaceHard] = planner.LimitOf[planner.Bytes](1 << 63) },
		"rounds":     func(q *planner.Limits) { q[planner.SpaceHard] = planner.LimitOf[planner.Bytes](10<<30 + 1) },
		"zero":       func(q *planner.Limits) { q[planner.InodesHard] = planner.LimitOf[planner.Inodes](0) },
		"unknown":    func(q *planner.Limits) { q[planner.InodesSoft] = planner.Limit{} },
		"soft above": func(q *planner.Limits) { q[planner.SpaceSoft] = planner.LimitOf[planner.Bytes](11 << 30) },
	} {
		q := wanted()
		change(&q)
		if err := r.client.Set(t.Context(), r.dir, planner.ByGroup, 30500, q,
			planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []uint32{0, 1 << 31} {
		if err := r.client.Set(t.Context(), r.dir, planner.ByGroup, id, wanted(),
			planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("id %d: %v", id, err)
		}
		if got := r.get(t, id); got.LimitsWhy() == "" {
			t.Errorf("id %d: %+v", id, got)
		}
	}
	if got := r.stored(planner.ByGroup, 30500); got != [4]uint64{9437184, 10485760, 0, 2000} {
		t.Errorf("stored %v", got)
	}
}

// A list returns what Get returns, for the requested range and kind, or says that it cannot list.
func lists(t *testing.T, r *rig) {
	r.use(planner.ByGroup, 30501, 8<<30, 7)
	for _, id := range []uint32{30499, 30500, 30501, 30502} {
		r.set(t, id, wanted(), planner.Grace{})
	}
	one := r.get(t, 30501)
	if err := r.client.Set(t.Context(), r.dir, planner.ByProject, 30501, wanted(),
		planner.Grace{}); err != nil {
		t.Fatal(err)
	}
	got, err := r.client.List(t.Context(), r.dir, planner.ByGroup, 30500, 30501)
	if !r.lists {
		if !errors.Is(err, providers.ErrNoList) {
			t.Errorf("a release that cannot: %v", err)
		}
		return
	}
	if err != nil || len(got) != 2 || got[30501] != one || got[30500].Limits != wanted() {
		t.Errorf("got %+v, %v, want also %+v", got, err, one)
	}
	if got, err := r.client.List(t.Context(), r.dir, planner.ByGroup, 40000, 40001); err != nil ||
		len(got) != 0 {
		t.Errorf("an empty range: %+v, %v", got, err)
	}
	r.fail(unix.EIO)
	if got, err := r.client.List(t.Context(), r.dir, planner.ByGroup, 30500, 30501); err == nil ||
		errors.Is(err, providers.ErrNoList) || got != nil {
		t.Errorf("EIO: %+v, %v", got, err)
	}
}

// ioctlRig is the ioctl, or the choice that selects it, on a simulated kernel.
func ioctlRig(canList bool, client string) *rig {
	s := newServer()
	s.lists = canList
	r := &rig{client: s.client(), dir: "/mnt/l", via: "ioctl", exact: true, saysDefault: true,
		lists: canList}
	if client == "auto" {
		r.client = newAuto(s.client(), nil)
	}
	kind := func(by planner.QuotaBy) uint32 { return request(0, by, 0).u32(atType) }
	r.use = func(by planner.QuotaBy, id uint32, space planner.Bytes, inodes planner.Inodes) {
		rec := s.record(kind(by), id)
		rec.put64(atCurSpace, uint64(space))
		rec.put64(atCurInodes, uint64(inodes))
	}
	r.pass = func(d time.Duration) { s.now += uint64(d.Seconds()) }
	r.lose = func() { s.hide = validSpace }
	r.lost = func() { s.lost = unix.EIO }
	r.fail = func(e unix.Errno) {
		if s.fail = e; e == 0 {
			s.fail = nil
		}
	}
	r.covers = func(b planner.Bytes) { s.hard = uint64(b) / 1024 }
	r.stored = func(by planner.QuotaBy, id uint32) [4]uint64 {
		rec := s.record(kind(by), id)
		return [4]uint64{rec.u64(56), rec.u64(48), rec.u64(80), rec.u64(72)}
	}
	return r
}

// lfsRig is lfs, or the choice that selects it, with lfs-sim in a release.
func lfsRig(t *testing.T, built, release string, auto bool) *rig {
	root := t.TempDir()
	mount, s := filepath.Join(root, "capstor"), standIn{t, filepath.Join(root, "lfs")}
	if err := errors.Join(os.Mkdir(mount, 0o755), os.Symlink(built, s.path)); err != nil {
		t.Fatal(err)
	}
	clock := time.Unix(1800000000, 0)
	s.sim("init", "--state", s.path+".json", "--release", release, "--mount", mount+"=capstor",
		"--as-root")
	s.sim("clock", "1800000000")
	lfs, err := newLFS(s.path, 0, func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{client: lfs, dir: mount, via: "lfs", saysDefault: release == "2.15.8",
		lists: release != "2.15.8"}
	if auto {
		r.client = newAuto(newIOCTL(0), lfs)
	}
	r.use = func(by planner.QuotaBy, id uint32, space planner.Bytes, inodes planner.Inodes) {
		s.sim("usage", flagOf(by), fmt.Sprint(id), "--space", fmt.Sprint(uint64(space)), "--inodes",
			fmt.Sprint(uint64(inodes)), mount)
	}
	r.pass = func(d time.Duration) {
		clock = clock.Add(d)
		s.sim("clock",
			fmt.Sprint(clock.Unix()))
	}
	r.lose = func() { s.sim("lose-ost", mount) }
	r.fail = func(e unix.Errno) {
		s.sim("clear")
		for _, on := range []string{"quota", "setquota"} {
			if e != 0 {
				s.sim("fail", "--on", on, "--errno", strconv.Itoa(int(e)))
			}
		}
	}
	r.covers = func(b planner.Bytes) {
		s.lfs("setquota", "-G", "-b", "0", "-B", fmt.Sprint(uint64(b)/1024), "-i", "0", "-I", "0",
			mount)
	}
	r.stored = func(by planner.QuotaBy, id uint32) (l [4]uint64) {
		fields := strings.Fields(s.lfs("quota", "-q", flagOf(by), fmt.Sprint(id), mount))
		for i, at := range []int{2, 3, 6, 7} {
			l[i], _ = strconv.ParseUint(fields[at], 10, 64)
		}
		return l
	}
	return r
}

func buildStandIn(t *testing.T) string {
	built := filepath.Join(t.TempDir(), "lfs-sim")
	if out, err := exec.Command("go", "build", "-o", built,
		"../../../cmd/lfs-sim").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return built
}

// standIn is lfs-sim, called like in a configuration.
type standIn struct {
	t    *testing.T
	path string
}

func (s standIn) sim(args ...string) { s.t.Helper(); s.lfs(append([]string{"sim"}, args...)...) }

func (s standIn) lfs(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(s.path, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("lfs %v: %v: %s", args, err, out)
	}
	return string(out)
}
