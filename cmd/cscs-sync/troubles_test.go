package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// trouble is one kind of thing that goes wrong.
type trouble struct {
	name string
	do   func(*reckoned)
}

// troubles are all that there are. Each storm has some of them, so that a seed that fails says which.
var troubles = []trouble{
	{"a Waldur that fails", (*reckoned).waldurFails},
	{"a Waldur that lies", (*reckoned).waldurLies},
	{"a clock that jumps", (*reckoned).clockJumps},
	{"directories that change places", (*reckoned).directoriesChangePlaces},
	{"holds", (*reckoned).holds},
	{"orders that are cancelled", (*reckoned).cancels},
	{"a disk that is full", (*reckoned).diskFull},
	{"an older state put back", (*reckoned).olderState},
}

// waldurFails has requests fail in the ways in which a faithful Waldur does.
func (s *reckoned) waldurFails() {
	f := waldursim.Fault{
		Path:   one(s.storm, "approve_by_provider", "set_backend_id", "set_state_done", "marketplace-orders", "storage-resources"),
		Kind:   one(s.storm, waldursim.FaultStatus, waldursim.FaultLost, waldursim.FaultDrop, waldursim.FaultTruncate, waldursim.FaultSlow),
		Status: one(s.storm, 500, 503, 429), Count: 1 + s.rnd.IntN(3),
	}
	s.say("fault %s %s %d ×%d: %v", f.Path, f.Kind, f.Status, f.Count, s.sim.Inject(f))
}

// waldurLies has a callback answered 200 without any effect, or with a page of HTML, or refused for no reason.
func (s *reckoned) waldurLies() {
	f := waldursim.Fault{
		Method: "POST", Path: one(s.storm, "approve_by_provider", "set_backend_id", "set_state_done"),
		Kind: one(s.storm, waldursim.FaultStatus, waldursim.FaultStatus, waldursim.FaultHTML), Status: one(s.storm, 200, 200, 409, 404, 400), Body: "{}",
	}
	s.say("lie %s %s %d: %v", f.Path, f.Kind, f.Status, s.sim.Inject(f))
}

// clockJumps by years, and back later or at once.
func (s *reckoned) clockJumps() {
	if s.jumped == 0 {
		s.jumped = time.Duration(one(s.storm, -3, -1, 1, 10)) * 365 * 24 * time.Hour
		s.passed += s.jumped
		s.say("the clock jumps by %s", s.jumped)
		return
	}
	s.clockBack()
}

func (s *reckoned) clockBack() {
	s.passed -= s.jumped
	s.say("the clock is back by %s", s.jumped)
	s.jumped = 0
}

// directoriesChangePlaces as whoever can rename in a customer's directory may do (mv a x; mv b a; mv x b). While they have
// each other's place, the loop gives none of them to anybody and archives none.
func (s *reckoned) directoriesChangePlaces() {
	var all []string
	for _, r := range s.sim.State() {
		path := filepath.Join(s.dir, "mnt", r.Path)
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err == nil && s.recorded[path] == st.Ino {
			all = append(all, path)
		}
	}
	if len(all) < 2 {
		return
	}
	i, k := s.rnd.IntN(len(all)), s.rnd.IntN(len(all))
	if i == k {
		return
	}
	a, b := all[i], all[k]
	exchange := func() {
		x := filepath.Join(s.dir, "mnt", "x")
		s.check(os.Rename(a, x))
		s.check(os.Rename(b, a))
		s.check(os.Rename(x, b))
	}
	rights := func() string {
		var p, q syscall.Stat_t
		return fmt.Sprint(syscall.Lstat(a, &p), p.Ino, p.Mode, p.Uid, p.Gid, syscall.Lstat(b, &q), q.Ino, q.Mode, q.Uid, q.Gid)
	}
	exchange()
	s.say("%s and %s change places", a, b)
	before := rights()
	s.does("run", "--once")
	s.ordersRound()
	if after := rights(); after != before {
		s.t.Errorf("%s and %s have each other's place, and the loop made %s of %s", a, b, after, before)
		return
	}
	exchange()
	s.say("%s and %s are back", a, b)
}

// holds puts one on a resource, or on everything, lets the loop run, and lifts it: meanwhile nothing there has changed.
func (s *reckoned) holds() {
	r, known := s.resource()
	if !known {
		return
	}
	look := func() string {
		var st syscall.Stat_t
		err := syscall.Lstat(filepath.Join(s.dir, "mnt", r.Path), &st)
		return fmt.Sprint(err, st.Ino, st.Mode, st.Uid, st.Gid)
	}
	pattern := one(s.storm, r.Path, "/**")
	var running *exec.Cmd
	if len(s.plans) > 0 && s.rnd.IntN(2) == 0 {
		running = s.fixed(nil, "apply", "--skip-stale", s.plans[len(s.plans)-1])
		s.check(running.Start())
		s.say("an apply of %s runs while", s.plans[len(s.plans)-1])
	}
	s.does("hold", "add", "--force", "--reason", "storm", pattern)
	if running != nil {
		_ = running.Wait()
	}
	before := look()
	s.does("run", "--once")
	s.ordersRound()
	if after := look(); after != before {
		s.t.Errorf("%s is held by %s, and the loop made %s of %s", r.Path, pattern, after, before)
	}
	s.does("hold", "rm", pattern)
}

// cancels ends an open order as its customer may, at once or when its next callback comes.
func (s *reckoned) cancels() {
	if s.rnd.IntN(2) == 0 {
		f := waldursim.Fault{Method: "POST", Kind: waldursim.FaultCancel, Path: one(s.storm, "approve_by_provider", "set_state_done")}
		s.say("the next order is cancelled before its %s: %v", f.Path, s.sim.Inject(f))
		return
	}
	for _, r := range s.sim.State() {
		if len(r.Orders) == 0 {
			continue
		}
		switch o := r.Orders[len(r.Orders)-1]; o.State {
		case waldursim.PendingConsumer, waldursim.PendingProvider, waldursim.Executing:
			_, err := s.sim.SetOrderState(o.UUID, waldursim.Canceled)
			s.say("%s: its customer cancels the %s order: %v", r.Slug, o.Type, err)
			return
		}
	}
}

// smallState puts the state on a filesystem of its own, which can be full.
func (s *reckoned) smallState() {
	path := filepath.Join(s.dir, "state")
	s.check(os.MkdirAll(path, 0o700))
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		s.say("no small filesystem for the state: %v", err)
		return
	}
	s.small = true
	s.t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
}

// diskFull fills the disk of the state but for a few pages, lets something be done, and frees it.
func (s *reckoned) diskFull() {
	if !s.small {
		return
	}
	path := filepath.Join(s.dir, "state/filler")
	var st syscall.Statfs_t
	s.check(syscall.Statfs(filepath.Dir(path), &st))
	free := int(st.Bavail) - s.rnd.IntN(24)
	if free <= 0 {
		return
	}
	s.say("the disk of the state is full: %v", os.WriteFile(path, make([]byte, free*int(st.Bsize)), 0o600))
	s.administrator()
	s.check(os.Remove(path))
}

// olderState copies the state, or puts the copy back, with its outbox, as a restore from a backup does.
func (s *reckoned) olderState() {
	state, copied := filepath.Join(s.dir, "state"), filepath.Join(s.dir, "state.copy")
	from, to := state, copied
	if _, err := os.Lstat(copied); err == nil {
		from, to = copied, state
	}
	if _, err := os.Lstat(from); err != nil {
		return
	}
	s.check(exec.Command("mkdir", "-p", to).Run())
	s.check(exec.Command("find", to, "-mindepth", "1", "-delete").Run())
	s.check(exec.Command("cp", "-a", from+"/.", to).Run())
	s.say("the state is copied from %s to %s", from, to)
	if to == state {
		s.check(os.RemoveAll(copied))
		s.restored = true
		s.does("archive", "rescan")
		s.takes()               // an older state may not know yet that these systems are its own
		s.does("run", "--once") // its audit corrects what the older state claims
	}
}

// ordersRound has a loop that goes on from event to event do a round of orders, between audits.
func (s *reckoned) ordersRound() {
	if s.going == nil {
		s.going = s.inProcess(func() time.Time { return testTime.Add(s.passed) })
	}
	lane := one(s.storm, loop.LaneOrders, loop.LaneOrders, loop.LaneOrders, loop.LaneAudit)
	s.say("a round of the loop, %s: %s", lane, s.going.Round(context.Background(), lane))
}
