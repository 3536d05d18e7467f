package apply

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state"
)

var now = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)

// world is everything that an engine works on; all except the state is in memory. log has what was
// done to it, in order.
type world struct {
	t    *testing.T
	mu   sync.Mutex
	log  []string
	dirs map[string]*planner.Directory
	// full are the directories that are not empty.
	full map[string]bool
	// open counts the directories that are open.
	open int
	// noSetgid makes the filesystem drop setgid, as it does without CAP_FSETID.
	noSetgid bool
	// endless are trees whose tagging ends only when the apply is told to stop.
	endless bool
	next    uint64
	// inherits is an ACL that a new directory has, and that cannot be removed. noACLs makes it have
	// none; else it has one that can be removed.
	inherits *planner.ACL
	noACLs   bool
	// fail is the step, as it is in the log, that fails.
	fail   map[string]error
	limits planner.QuotaState
	// places has the quotas of directories.
	places map[string]planner.QuotaState
	// set, if it is not nil, is called instead of setting a quota.
	set func(planner.Limits)

	// orders has the states of orders by URL; the default is pending-provider. asking fails every
	// question. answers are the answers to callbacks, and the last is repeated. effect is what a
	// callback does.
	orders map[string]planner.OrderState
	asking error
	// moved are the orders whose state a callback has changed.
	moved map[string]bool
	// resources are Waldur's resources, by URL.
	resources map[string]Resource
	answers   map[string][]Answer
	effect    map[string]func()

	store *state.Store
	slept []time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dirs: map[string]*planner.Directory{}, full: map[string]bool{}, next: 100,
		fail: map[string]error{}, orders: map[string]planner.OrderState{},
		answers: map[string][]Answer{}, effect: map[string]func(){}, moved: map[string]bool{}}
	w.limits.Space, w.limits.Inodes = planner.UsageOf(planner.Bytes(0)),
		planner.UsageOf(planner.Inodes(0))
	w.limits.Limits = planner.NoLimits()
	w.put("capstor", 0, 0, 0o755)
	t.Cleanup(func() {
		if w.open != 0 {
			t.Errorf("%d directories are still open", w.open)
		}
	})
	var err error
	if w.store, err = state.Open(filepath.Join(t.TempDir(), "state"),
		state.Options{Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) put(at string, owner planner.UID, group planner.GID,
	mode planner.Mode) *planner.Directory {
	w.next++
	w.dirs[at] = &planner.Directory{State: planner.DirPresent, Owner: owner, Group: group,
		Mode: mode, Inode: w.next}
	return w.dirs[at]
}

// do logs a step, and fails if the test asks for that.
func (w *world) do(step string) error {
	w.log = append(w.log, step)
	return w.fail[step]
}

func (w *world) engine() *Engine {
	return &Engine{Storage: w, Orders: w, Journal: w.store, Now: func() time.Time { return now },
		Parallelism: 1, Host: "node", Who: "root",
		Sleep: func(ctx context.Context,
			d time.Duration) error {
			w.slept = append(w.slept, d)
			return ctx.Err()
		}}
}

// run applies the work and returns the results. The plan begins first, as a command does it.
func (w *world) run(job Job) []Result {
	w.t.Helper()
	w.begin(&job)
	results, err := w.engine().Run(context.Background(), nil, job)
	if err != nil {
		w.t.Fatal(err)
	}
	return results
}

func (w *world) begin(job *Job) {
	w.t.Helper()
	job.ID, job.Begun = "sha256:plan", now
	w.check(w.store.Update(func(tx ledger.Tx) error {
		_, err := tx.Begin(ledger.PlanStart{ID: job.ID, Made: now, Who: "root"})
		return err
	}))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// wantLog compares what was done.
func (w *world) wantLog(steps ...string) {
	w.t.Helper()
	if !slices.Equal(w.log, steps) {
		w.t.Errorf("done was\n  %s\nwant\n  %s", strings.Join(w.log, "\n  "),
			strings.Join(steps, "\n  "))
	}
}

// outbox returns what waits, one per line: the callback, then its state.
func (w *world) outbox() string {
	w.t.Helper()
	var lines []string
	w.check(w.store.View(func(tx ledger.Tx) error {
		waiting, err := tx.Outbox()
		for _, d := range waiting {
			how := "due"
			if d.Parked {
				how = "parked"
			} else if d.Next.After(now) {
				how = "in " + d.Next.Sub(now).String()
			}
			lines = append(lines, fmt.Sprintf("%s %s", d.Callback, how))
		}
		return err
	}))
	return strings.Join(lines, ", ")
}

func (w *world) records() []planner.Record {
	w.t.Helper()
	var found []planner.Record
	w.check(w.store.View(func(tx ledger.Tx) (err error) { found, err = tx.Records(); return err }))
	return found
}

func (w *world) register() []planner.Archived {
	w.t.Helper()
	var found []planner.Archived
	w.check(w.store.View(
		func(tx ledger.Tx) (err error) { found, err = tx.ArchiveRegister(); return err }))
	return found
}

// The storage.

func (w *world) Make(_, at string) (Directory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("make " + at); err != nil {
		return nil, err
	}
	if w.dirs[at] != nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, at)
	}
	if w.dirs[path.Dir(at)] == nil {
		return nil, errors.New("the directory above is missing")
	}
	d := w.put(at, 0, 0, 0o700)
	if d.ACL = w.inherits; d.ACL == nil && !w.noACLs {
		d.ACL = &planner.ACL{}
	}
	w.open++
	return &handle{w, at}, nil
}

func (w *world) Open(_, at string, inode uint64) (Directory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("open " + at); err != nil {
		return nil, err
	}
	if d := w.dirs[at]; d == nil || inode != 0 && d.Inode != inode {
		return nil, errors.New("not there")
	}
	w.open++
	return &handle{w, at}, nil
}

func (w *world) Look(_, at string) planner.Directory {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.dirs[at]; d != nil {
		return *d
	}
	return planner.Directory{State: planner.DirAbsent}
}

func (w *world) PrepareArchive(m Move) (Archiving, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("prepare " + m.Path); err != nil {
		return nil, err
	}
	return archiving{w, m}, nil
}

func (w *world) SyncArchived(m Move) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.do("sync archived " + m.Path)
}

// archiving is a directory whose manifest is written.
type archiving struct {
	w *world
	m Move
}

func (a archiving) Move() error { return a.w.move("archive", a.m.Path, a.m.Archived()) }

func (a archiving) Discard() error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	return a.w.do("discard " + a.m.Path)
}

func (w *world) Restore(m Move) error { return w.move("restore", m.Archived(), m.Path) }

func (w *world) move(what, from, to string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.do(what + " " + from)
	if d := w.dirs[from]; d != nil && (err == nil || errors.Is(err, errAfter)) {
		w.dirs[to] = d
		delete(w.dirs, from)
	}
	return err
}

// errAfter means that the move was made and something failed after it.
var errAfter = errors.New("could not be made durable")

func (w *world) Quota(_ context.Context, _ string, id planner.QuotaID) planner.QuotaState {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id.By != planner.ByDirectory {
		return w.limits
	}
	if q, ok := w.places[id.Path]; ok {
		return q
	}
	return planner.QuotaState{Absent: true, Limits: planner.NoLimits()}
}

func (w *world) SetQuota(_ context.Context, _ string, id planner.QuotaID, want planner.Limits,
	_ planner.QuotaState) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id.By == planner.ByDirectory {
		q := w.places[id.Path]
		q.Limits = want
		w.places[id.Path] = q
		return w.do("quota of " + id.Path)
	}
	if err := w.do(fmt.Sprintf("quota of %d", id.ID)); err != nil {
		return err
	}
	if w.set != nil {
		w.set(want)
		return nil
	}
	w.limits.Limits = want
	return nil
}

func (w *world) RemoveQuota(_ context.Context, _ string, id planner.QuotaID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("remove quota of " + id.Path); err != nil {
		return err
	}
	delete(w.places, id.Path)
	return nil
}

// handle is one open directory.
type handle struct {
	w  *world
	at string
}

func (h *handle) Observe() planner.Directory { return h.w.Look("", h.at) }
func (h *handle) Empty() (bool, error)       { return !h.w.full[h.at], nil }
func (h *handle) DropACLs() error {
	return h.step("acl", func(d *planner.Directory) { d.ACL = h.w.inherits })
}
func (h *handle) Sync() error { return h.step("sync", func(*planner.Directory) {}) }

func (h *handle) Above() (Above, error) {
	above := crc32.ChecksumIEEE([]byte(path.Dir(h.at)))
	return Above{Inode: uint64(above)}, nil
}

func (h *handle) SyncAbove() error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.w.do("sync names in " + path.Base(path.Dir(h.at)))
}

func (h *handle) Close() error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.open--
	return nil
}

func (h *handle) Own(owner planner.UID, group planner.GID) error {
	return h.step(fmt.Sprintf("own %d:%d", owner, group),
		func(d *planner.Directory) { d.Owner, d.Group = owner, group })
}

func (h *handle) Chmod(mode planner.Mode) error {
	if h.w.noSetgid && mode&0o2000 != 0 {
		_ = h.step("mode "+mode.String(), func(d *planner.Directory) { d.Mode = mode &^ 0o2000 })
		return errors.New("the filesystem made it " + (mode &^ 0o2000).String())
	}
	return h.step("mode "+mode.String(), func(d *planner.Directory) { d.Mode = mode })
}

func (h *handle) SetProject(id planner.ProjectID) error {
	return h.step(fmt.Sprintf("project %d", id),
		func(d *planner.Directory) { d.Project, d.Inherit, d.HasProject = id, true, true })
}

func (h *handle) Tag(ctx context.Context, id planner.ProjectID, tell func(int)) (int, error) {
	tell(10_000)
	if h.w.endless {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 2, h.step(fmt.Sprintf("tag %d", id),
		func(d *planner.Directory) { d.Project, d.Inherit, d.HasProject = id, true, true })
}

func (h *handle) step(what string, change func(*planner.Directory)) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if err := h.w.do(what + " " + path.Base(h.at)); err != nil {
		return err
	}
	change(h.w.dirs[h.at])
	return nil
}

// Waldur.

// whole returns the whole URL of one in the outbox.
func (w *world) whole(url string) string {
	whole, err := planner.WholeURL("https://w/api/", url)
	w.check(err)
	return whole
}

func (w *world) Get(_ context.Context, url string) (planner.Order, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	url = w.whole(url)
	_ = w.do("ask " + path.Base(url))
	if w.asking != nil {
		return planner.Order{}, w.asking
	}
	if s, ok := w.orders[url]; ok {
		return fakeOrder(url, s), nil
	}
	return fakeOrder(url, planner.OrderPendingProvider), nil
}

func (w *world) Resource(_ context.Context, url string) (Resource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	url = w.whole(url)
	_ = w.do("ask resource " + path.Base(url))
	return w.resources[url], w.asking
}

func (w *world) Send(_ context.Context, c Call) Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.URL = w.whole(c.URL)
	step := fmt.Sprintf("%s %s", c.Callback, path.Base(path.Dir(c.URL)))
	_ = w.do(step)
	order := strings.TrimSuffix(c.URL, "/"+string(c.Callback))
	before, queue := w.orders[order], w.answers[string(c.Callback)]
	if f := w.effect[step]; f != nil {
		f()
	}
	answer := Answer{Status: 200}
	if len(queue) > 0 {
		answer = queue[0]
	}
	if len(queue) > 1 {
		w.answers[string(c.Callback)] = queue[1:]
	}
	// A scripted answer leaves the order in the state that the test has set.
	said := before != "" && !w.moved[order] && len(queue) > 0 || w.orders[order] != before
	if after, ok := effects[c.Callback]; ok && answer.Status/100 == 2 && !said {
		w.orders[order], w.moved[order] = after, true
	}
	return answer
}

// effects are the states in which Waldur's callbacks leave an order.
var effects = map[planner.Callback]planner.OrderState{planner.Approve: planner.OrderExecuting,
	planner.SetStateDone:  planner.OrderDone,
	planner.SetStateErred: planner.OrderErred, planner.Reject: planner.OrderRejected}

// fakeOrder returns the order that [work] gives its action.
func fakeOrder(url string, s planner.OrderState) planner.Order {
	return planner.Order{ID: "0123456789abcdef", State: s, Resource: key(path.Base(url)).Item}
}

// Actions.

func key(name string) planner.Key {
	return planner.Key{Item: fmt.Sprintf("%032x", name), System: "capstor", DataType: "store"}
}

// work returns an action on capstor/NAME, with an order of that name and its callbacks.
func work(kind planner.ActionKind, name string, calls ...planner.Callback) Work {
	at := "capstor/" + name
	w := Work{Action: &planner.Action{Key: key(name), Address: "/" + at, Kind: kind,
		Target: planner.TargetProject, System: "capstor", Storage: at, Callbacks: calls},
		URLs: map[planner.Callback]string{},
		Record: planner.Record{Key: key(name), Address: "/" + at, System: "capstor", Storage: at,
			Target: planner.TargetProject}}
	if len(calls) > 0 {
		w.Action.Order, w.Order = "0123456789abcdef", "https://w/api/marketplace-orders/"+name
	}
	for _, c := range calls {
		w.URLs[c] = w.Order + "/" + string(c)
	}
	return w
}

// creation returns the work to make capstor/NAME for a group, with all four limits and all
// callbacks of a create.
func creation(name string) Work {
	w := work(planner.Create, name, planner.Approve, planner.SetBackendID, planner.SetStateDone)
	w.Action.Changes = []planner.Change{{Attribute: planner.Owner, After: planner.Number(0)},
		{Attribute: planner.Group, After: planner.Number(30500)},
		{Attribute: planner.ModeAttr, After: planner.ModeValue(0o2770)}}
	return w
}

func withQuota(w Work, hard planner.Bytes) Work {
	w.Action.Quota = &planner.QuotaID{By: planner.ByGroup, ID: 30500}
	w.Action.Changes = append(w.Action.Changes, planner.Change{Attribute: planner.SpaceHard,
		After: planner.Number(uint64(hard))})
	return w
}

// statuses returns the statuses of the results by the last part of the address.
func statuses(results []Result) map[string]Status {
	all := map[string]Status{}
	for _, r := range results {
		all[path.Base(r.Action.Address)] = r.Status
	}
	return all
}

func wantStatuses(t *testing.T, results []Result, want map[string]Status) {
	t.Helper()
	if got := statuses(results); !maps.Equal(got, want) {
		t.Errorf("the results are %v, want %v", got, want)
	}
}

// mentions reports whether an error says all of this.
func mentions(err error, texts ...string) bool {
	if err == nil {
		return false
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			return false
		}
	}
	return true
}
