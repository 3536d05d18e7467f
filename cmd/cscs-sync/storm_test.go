package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// storm is a site on which everything happens that can: orders that come, change and are cancelled, people who work on the
// directories, answers that are lost, applies that are killed. After every command it looks whether a rule was broken that
// holds whatever happened before.
type storm struct {
	*service
	rnd *rand.Rand
	// said is what happened so far.
	said []string
	// made counts resources, so that each has a slug of its own.
	made int
	// marks are the files that people keep in managed directories: their text, which names the directory they were put in.
	marks []string
	// byHand are the directories that people made, or had restored.
	byHand map[string]bool
	// moved are the places that resources had before Waldur said another.
	moved map[string][]string
	// news counts the orders that were held against the storage.
	news int
	// plans are approved and not known to have ended.
	plans []string
}

// TestStorm draws what happens. Seeds that failed are run again with CSCS_TEST_SEEDS, "FIRST LAST".
func TestStorm(t *testing.T) {
	first, last := uint64(1), uint64(3)
	if os.Getenv("CSCS_TEST_LONG") != "" {
		last = 300
	}
	_, _ = fmt.Sscan(os.Getenv("CSCS_TEST_SEEDS"), &first, &last)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("reckoned seed ", seed), func(t *testing.T) {
			t.Parallel()
			reckon(t, seed)
		})
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &storm{service: newService(t, "auto_approve {\n  allow = [\"create\", \"quota_raise\", \"report\", \"mode\", \"archive\", \"drift_mode\"]\n  max_archives = 2\n}\n"), rnd: rand.New(rand.NewPCG(seed, 0)), byHand: map[string]bool{}, moved: map[string][]string{}}
			s.rage(150)
			if !t.Failed() {
				s.calm()
			}
			t.Logf("%d orders ended", s.news)
			t.Logf("it went so:\n%s", strings.Join(s.said, "\n"))
		})
	}
}

// rage lets n things happen.
func (s *storm) rage(n int) {
	outside := filepath.Join(s.dir, "outside")
	s.check(os.Mkdir(outside, 0o711))
	s.check(os.WriteFile(filepath.Join(outside, "file"), nil, 0o604))
	for range n {
		s.passed += time.Duration(s.rnd.IntN(600)) * time.Second
		if s.rnd.IntN(2) > 0 {
			s.happen()
			continue
		}
		told := s.told()
		s.act()
		s.look()
		s.lookAtNews(told)
		if s.t.Failed() {
			return
		}
	}
}

func (s *storm) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

// one draws one of a list.
func one[T any](s *storm, list ...T) T { return list[s.rnd.IntN(len(list))] }

// happen is one thing that somebody else does.
func (s *storm) happen() {
	r, known := s.resource()
	if !known || s.rnd.IntN(6) == 0 {
		s.order()
		return
	}
	dir := filepath.Join(s.dir, "mnt", r.Path)
	switch s.rnd.IntN(16) {
	case 0, 1:
		limits := map[string]any{"storage": 1 + s.rnd.IntN(4)}
		_, err := s.sim.UpdateResource(r.Slug, waldursim.UpdateSpec{Limits: limits, State: one(s, waldursim.PendingProvider, waldursim.PendingConsumer)})
		s.say("order %s: %v: %v", r.Slug, limits, err)
	case 2:
		_, err := s.sim.TerminateResource(r.Slug, one(s, waldursim.PendingProvider, waldursim.PendingProvider, waldursim.PendingConsumer))
		s.say("terminate %s: %v", r.Slug, err)
	case 3, 4:
		s.moveOrder(r)
	case 5:
		gid := one[int64](s, 0, 30, 30500, 30501+s.rnd.Int64N(12), 30501+s.rnd.Int64N(12))
		_, err := s.sim.ChangeResource(r.Slug, waldursim.ResourceChange{GID: &gid})
		s.say("gid of %s is now %d: %v", r.Slug, gid, err)
	case 6:
		s.meddle(dir)
	case 7, 8, 9:
		s.mark(dir)
	case 10:
		s.swap(dir)
	case 11:
		q := lfssim.Quota{}
		gid := one[uint32](s, 30500, 30501, 30502)
		s.say("limits of %d are set to nothing: %v", gid, lfssim.WriteQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, gid, q))
	case 12:
		s.moved[r.Slug] = append(s.moved[r.Slug], r.Path)
		other := strings.Replace(r.Path, "/p", "/q", 1)
		_, err := s.sim.ChangeResource(r.Slug, waldursim.ResourceChange{BackendID: &other})
		s.say("%s moves to %s: %v", r.Slug, other, err)
	default:
		f := waldursim.Fault{Path: one(s, "approve_by_provider", "set_backend_id", "set_state_done", "marketplace-orders", "storage-resources"),
			Kind: one(s, waldursim.FaultStatus, waldursim.FaultLost, waldursim.FaultDrop, waldursim.FaultTruncate, waldursim.FaultHTML), Status: one(s, 500, 503, 409, 400, 404, 401, 429)}
		s.say("fault %s %s %d: %v", f.Path, f.Kind, f.Status, s.sim.Inject(f))
	}
}

// resource draws one of those that Waldur has.
func (s *storm) resource() (waldursim.ResourceView, bool) {
	all := s.sim.State()
	if len(all) == 0 {
		return waldursim.ResourceView{}, false
	}
	return one(s, all...), true
}

// order orders a resource; its path or its group may be taken.
func (s *storm) order() {
	s.made++
	spec := waldursim.ResourceSpec{Slug: fmt.Sprint("r", s.made), Offering: one(s, "capstor", "capstor", "iopsstor", "vast"), Customer: "eth", Project: fmt.Sprint("p", s.rnd.IntN(8)),
		DataType: "store", GID: 30500 + s.rnd.Int64N(12), Limits: map[string]any{"storage": 1 + s.rnd.IntN(3)}, Permissions: one(s, "2770", "2770", "750", "2775")}
	if s.rnd.IntN(5) > 0 {
		spec.Order = &waldursim.OrderSpec{State: one(s, waldursim.PendingProvider, waldursim.PendingProvider, waldursim.PendingConsumer, waldursim.Executing)}
	}
	_, err := s.sim.AddResource(spec)
	s.say("new %s: %s/%s gid %d, order %+v: %v", spec.Slug, spec.Offering, spec.Project, spec.GID, spec.Order, err)
}

// moveOrder moves the last order of a resource on as its customer or another agent does.
func (s *storm) moveOrder(r waldursim.ResourceView) {
	if len(r.Orders) == 0 {
		return
	}
	o := r.Orders[len(r.Orders)-1]
	next, ok := map[waldursim.OrderState][]waldursim.OrderState{
		waldursim.PendingConsumer: {waldursim.PendingProvider, waldursim.Canceled},
		waldursim.PendingProvider: {waldursim.Executing, waldursim.Canceled},
		waldursim.Executing:       {waldursim.Canceled},
	}[o.State]
	if ok {
		state := one(s, next...)
		_, err := s.sim.SetOrderState(o.UUID, state)
		s.say("last order of %s is now %s: %v", r.Slug, state, err)
	}
}

// meddle changes a directory as an administrator might, or makes it before anybody has.
func (s *storm) meddle(dir string) {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		s.byHand[dir] = true
		s.say("mkdir %s: %v", dir, os.MkdirAll(dir, 0o750))
	case !info.IsDir():
	case s.rnd.IntN(2) == 0:
		mode := one[os.FileMode](s, 0o700, 0o777, 0o750)
		s.say("chmod %s %o: %v", dir, mode, os.Chmod(dir, mode))
	default:
		s.say("chown %s: %v", dir, os.Lchown(dir, one(s, 0, 1234), one(s, 0, 30500, 4321)))
	}
}

// mark puts a file into a directory that must be found for ever.
func (s *storm) mark(dir string) {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return
	}
	text := fmt.Sprintf("%d in %s", len(s.marks), dir)
	s.check(os.WriteFile(filepath.Join(dir, fmt.Sprint("mark", len(s.marks))), []byte(text), 0o600))
	s.marks = append(s.marks, text)
	s.say("mark %s", text)
}

// swap puts a link to the outside in the place of a directory, or takes it away again.
func (s *storm) swap(dir string) {
	aside := dir + ".aside"
	info, err := os.Lstat(dir)
	switch {
	case err == nil && info.Mode()&os.ModeSymlink != 0:
		s.check(os.Remove(dir))
		err = os.Rename(aside, dir)
	case err == nil:
		if err = os.Rename(dir, aside); err == nil {
			err = os.Symlink(filepath.Join(s.dir, "outside"), dir)
		}
	}
	s.say("swap %s: %v", dir, err)
}

// act is one thing that an administrator, or the loop, does.
func (s *storm) act() {
	switch s.rnd.IntN(12) {
	case 0, 1, 2:
		s.plan("plan")
	case 3, 4:
		s.apply()
	case 5:
		s.kill()
	case 6:
		s.does("run", "--once")
	case 7:
		held, _ := filepath.Glob(filepath.Join(s.dir, "state/pending/*.plan"))
		if len(held) > 0 {
			rel, _ := filepath.Rel(s.dir, one(s, held...))
			s.does("approve", rel)
		}
		s.does("run", "--once")
	case 8:
		s.does(one(s, []string{"callbacks", "retry"}, []string{"archive", "rescan"}, []string{"validate"})...)
	case 10:
		if s.rnd.IntN(4) == 0 {
			s.say("the state is lost: %v", os.RemoveAll(filepath.Join(s.dir, "state")))
			s.takes()
		}
	case 11:
		if r, known := s.resource(); known {
			s.byHand[filepath.Join(s.dir, "mnt", r.Path)] = true // it may come back
			s.plan(one(s, []string{"archive", "restore", r.Path}, []string{"plan", "--reject", r.Path + "=no room"}, []string{"plan", "--fail", r.Path + "=no room"}, []string{"plan", "--target", r.Path})...)
		}
	default:
		if r, known := s.resource(); known {
			s.does(one(s, []string{"hold", "add", "--reason", "x", r.Path}, []string{"hold", "rm", r.Path}, []string{"state", "rm", r.Path}, []string{"explain", r.Path})...)
		}
	}
}

// does runs a command. Whatever it meets, it ends with one of the codes that there are.
func (s *storm) does(args ...string) int {
	code, out := s.here(slices.Clone(args)...)
	s.say("$ %s: exit %d\n%s", strings.Join(args, " "), code, out)
	if !slices.Contains([]int{exitDone, exitError, exitRefused, exitPartial}, code) || strings.Contains(out, "panic") {
		s.t.Errorf("%v: exit %d\n%s", args, code, out)
	}
	return code
}

// takes has the state manage every system: a person has seen to it that no other node applies.
func (s *storm) takes() {
	for _, system := range []string{"capstor", "iopsstor", "vast"} {
		s.does("state", "take", system, "--reason", "the state was lost, or put back")
	}
}

// plan makes a plan and approves it; applying may come much later.
func (s *storm) plan(args ...string) {
	name := fmt.Sprintf("%d.plan", len(s.said))
	if s.does(append(args, "--out", name)...) == exitError || s.does("approve", name) != exitDone {
		return
	}
	s.plans = append(s.plans, name)
	if s.rnd.IntN(2) == 0 {
		s.apply()
	}
}

// apply applies one of the plans that were made, new or begun.
func (s *storm) apply() {
	if len(s.plans) == 0 {
		return
	}
	args := []string{"apply", one(s, s.plans[max(0, len(s.plans)-2):]...)}
	if s.rnd.IntN(2) == 0 {
		args = append(args, "--skip-stale")
	}
	s.does(args...)
}

// kill applies the last plan in a process that is killed at some point.
func (s *storm) kill() {
	if len(s.plans) == 0 {
		return
	}
	name := s.plans[len(s.plans)-1]
	at := 1 + s.rnd.IntN(30)
	out, err := s.fixed([]string{fmt.Sprint("CSCS_TEST_KILL=", at)}, "apply", "--skip-stale", name).CombinedOutput()
	s.say("$ apply %s, killed at point %d: %v\n%s", name, at, err, out)
}

// look finds broken rules.
func (s *storm) look() {
	s.t.Helper()
	found := map[string][]string{}
	s.check(filepath.Walk(s.dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(info.Name(), "mark") {
			text, err := os.ReadFile(path)
			found[string(text)] = append(found[string(text)], path)
			return err
		}
		if gid := info.Sys().(*syscall.Stat_t).Gid; gid == 30 {
			s.t.Errorf("%s was given to group %d, below min_gid", path, gid)
		}
		return nil
	}))
	for _, m := range s.marks {
		switch at := found[m]; {
		case len(at) != 1:
			s.t.Errorf("mark %s is found at %q", m, at)
		case strings.Contains(at[0], "/.trash/") && !s.wasTerminated(m):
			s.t.Errorf("mark %s was archived, and nobody has asked for that: %s", m, at[0])
		}
	}
	outside, err := os.Lstat(filepath.Join(s.dir, "outside"))
	s.check(err)
	file, err := os.Lstat(filepath.Join(s.dir, "outside/file"))
	s.check(err)
	if st := outside.Sys().(*syscall.Stat_t); outside.Mode().Perm() != 0o711 || st.Gid != 0 || file.Mode().Perm() != 0o604 {
		s.t.Errorf("the outside was changed: %v %d, %v", outside.Mode(), st.Gid, file.Mode())
	}
	took := map[string]int{}
	for slug := range s.moved { // while its order is open, its path is set again after somebody else has changed it
		r, err := s.sim.Resource(slug)
		s.check(err)
		took["/api/marketplace-provider-resources/"+r.UUID+"/set_backend_id/"] -= len(s.moved[slug])
	}
	for _, q := range s.sim.Requests() {
		if q.Callback && q.TookEffect {
			if took[q.Path]++; took[q.Path] > 1 {
				s.t.Errorf("%s took effect %d times", q.Path, took[q.Path])
			}
		}
	}
	s.lookAtOrders()
}

// told are the orders that Waldur was told anything of.
func (s *storm) told() map[string]bool {
	orders := map[string]bool{}
	for _, q := range s.sim.Requests() {
		if q.Callback {
			orders[strings.Split(strings.TrimPrefix(q.Path, "/api/marketplace-orders/"), "/")[0]] = true
		}
	}
	return orders
}

// lookAtNews holds the orders that the last command ended against the storage. An order that Waldur was told of before may
// have ended by a callback that waited, while people went on.
func (s *storm) lookAtNews(told map[string]bool) {
	now := s.told()
	claims := map[int64]int{}
	for _, r := range s.sim.State() {
		if r.GID != nil && r.Offering != "vast" && r.State != waldursim.Terminated {
			claims[*r.GID]++
		}
	}
	for _, r := range s.sim.State() {
		if len(r.Orders) == 0 || r.GID == nil || r.State != waldursim.OK {
			continue
		}
		o := r.Orders[len(r.Orders)-1]
		id := strings.ReplaceAll(o.UUID, "-", "")
		if o.State != waldursim.Done || o.Type == waldursim.Terminate || told[id] || !now[id] {
			continue
		}
		s.news++
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(s.dir, "mnt", r.Path), &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFDIR || int64(st.Gid) != *r.GID {
			s.t.Errorf("Waldur was told that %s is done: %v, mode %o, group %d, want group %d", r.Path, err, st.Mode, st.Gid, *r.GID)
		}
		if claims[*r.GID] > 1 || r.Offering == "vast" {
			continue
		}
		q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, uint32(*r.GID))
		s.check(err)
		if want := fmt.Sprint(r.Limits["storage"]); fmt.Sprint(q.BlockHard>>30) != want {
			s.t.Errorf("Waldur was told that %s is done, with %+v as limits of group %d, want %s TiB", r.Path, q, *r.GID, want)
		}
	}
}

// wasTerminated tells whether a resource at the place where a mark was put has an order to end it that was approved.
func (s *storm) wasTerminated(mark string) bool {
	return slices.ContainsFunc(s.sim.State(), func(r waldursim.ResourceView) bool {
		here := func(path string) bool { return strings.HasSuffix(mark, path) }
		return (here(r.Path) || slices.ContainsFunc(s.moved[r.Slug], here)) && slices.ContainsFunc(r.Orders, func(o waldursim.OrderView) bool {
			return o.Type == waldursim.Terminate && (o.State == waldursim.Executing || o.State == waldursim.Done || o.State == waldursim.Canceled)
		})
	})
}

// lookAtOrders compares what Waldur was told with what stands.
func (s *storm) lookAtOrders() {
	paths := map[string]int{}
	for _, r := range s.sim.State() {
		paths[r.Path]++
	}
	for _, r := range s.sim.State() {
		if len(r.Orders) == 0 || paths[r.Path] > 1 || s.moved[r.Slug] != nil {
			continue
		}
		dir := filepath.Join(s.dir, "mnt", r.Path)
		_, err := os.Lstat(dir)
		_, aside := os.Lstat(dir + ".aside")
		switch o := r.Orders[len(r.Orders)-1]; {
		case o.State != waldursim.Done:
		case o.Type == waldursim.Terminate && err == nil && !s.byHand[dir]:
			s.t.Errorf("Waldur was told that %s is gone, and it stands", r.Path)
		case o.Type != waldursim.Terminate && err != nil && aside != nil:
			s.t.Errorf("Waldur was told that %s is there, and it is not", r.Path)
		}
	}
}

// calm lets the storm end, and then everything must come to rest.
func (s *storm) calm() {
	s.sim.ClearFaults()
	for _, r := range s.sim.State() {
		if _, err := os.Lstat(filepath.Join(s.dir, "mnt", r.Path+".aside")); err == nil {
			s.swap(filepath.Join(s.dir, "mnt", r.Path))
		}
		s.does("hold", "rm", r.Path)
	}
	for range 6 {
		s.passed += 2 * time.Hour
		s.does("callbacks", "retry")
		s.does("plan", "--out", "last.plan")
		s.does("approve", "last.plan")
		s.does("apply", "last.plan")
		s.look()
	}
	if code := s.does("plan", "--detailed-exitcode"); code != exitDone {
		s.t.Errorf("it does not come to rest: exit %d", code)
	}
}
