package site_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// cycle is a site with one system of the toy backend, planned and applied without a command line.
type cycle struct {
	t     *testing.T
	dir   string
	cfg   *config.Config
	site  *site.Site
	store *state.Store
	item  planner.Item
	order planner.OrderState
	plans int
	now   time.Time
	// killAt is the point at which the next apply is killed, counted from 1; 0 means never. points are
	// the points that were reached.
	killAt int
	points []string
	// opens means that the directory is new: it may be opened only after it is limited.
	opens bool
}

const (
	bioItem  = "00000000000000000000000000000b10"
	bioOrder = "0000000000000000000000000000000d"
	bioAt    = "toy/store/cscs/eth/bio"
	waldur   = "https://waldur.example.com/api/"
)

func newCycle(t *testing.T, kind string, onRemove planner.RemovePolicy) *cycle {
	t.Helper()
	c := &cycle{t: t, dir: t.TempDir(), cfg: &config.Config{},
		now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	must(t, os.MkdirAll(filepath.Join(c.dir, "toy"), 0o755))
	s := &c.cfg.Settings
	s.Tera, s.MinGID, s.MaxMode, s.Parents = 1<<40, 1, 0o2775, planner.ParentsCreate
	s.Root.UID, s.Root.GID = planner.UID(os.Getuid()), planner.GID(os.Getgid())
	s.Waldur.URL, s.Fingerprint = waldur, "toy"
	s.Systems = []planner.System{{Name: "toy", Directory: "toy", Filesystem: "any", Archive: "toy/.trash", ArchiveRetention: time.Hour, Traits: toyTraits[kind],
		Quota: planner.QuotaSettings{Kind: kind, By: planner.ByDirectory, Shared: planner.SharedRefuse,
			OnRemove: onRemove}}}
	c.cfg.Storage.Root = c.dir
	clock := func() time.Time { return c.now }
	c.site = site.New(c.cfg, site.Options{Now: clock, Waits: func(string) func() { return func() {} },
		Progress:  func(string, int, int) {},
		Observing: func(string, int, int) {}, MountTimeout: time.Minute, Backends: map[string]quota.Open{kind: openToy}})
	var err error
	c.store, err = state.Open(filepath.Join(c.dir, "state"), state.Options{Now: clock})
	must(t, err)
	c.item = planner.Item{Key: planner.Key{Item: bioItem, System: "toy", DataType: "store"},
		Status: planner.StatusActive, MountPath: "/toy/store/cscs/eth/bio",
		Permission: "2770", Target: planner.TargetProject, Name: "bio", GID: 30500, HasGID: true}
	if os.Getuid() != 0 {
		c.item.GID = int64(os.Getgid())
	}
	c.requestHardLimit("2")
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// requestHardLimit makes the proxy ask for a hard limit in tera.
func (c *cycle) requestHardLimit(tera string) {
	space, err := planner.ParseDecimal(tera)
	must(c.t, err)
	inodes, err := planner.ParseDecimal("1000")
	must(c.t, err)
	c.item.Quotas = &planner.ProxyQuotas{planner.SpaceSoft: space, planner.SpaceHard: space,
		planner.InodesHard: inodes}
}

// ordered makes an order wait in Waldur, for what the status says.
func (c *cycle) ordered(status planner.Status) {
	c.item.Status, c.order = status, planner.OrderPendingProvider
	url := waldur + "marketplace-orders/" + bioOrder + "/"
	c.item.URLs = map[planner.Callback]string{planner.Approve: url + "approve_by_provider/",
		planner.SetStateDone: url + "set_state_done/"}
}

// active is the item's state when there is no order.
func (c *cycle) active() { c.item.Status, c.item.URLs = planner.StatusActive, nil }

// plan compares what is wanted with what there is.
func (c *cycle) plan(watch map[planner.Key]bool) (*planner.Plan, *planner.Graph, planner.Recorded) {
	c.t.Helper()
	recorded, err := c.store.Recorded()
	must(c.t, err)
	if watch != nil {
		recorded.Undelivered = nil // the plan's own
	}
	g := planner.Desire(&planner.Input{Settings: &c.cfg.Settings, Items: []planner.Item{c.item},
		Recorded: recorded, Now: c.now, Complete: watch == nil, Watch: watch})
	o, done, err := c.site.Observer(c.t.Context(), 1)
	must(c.t, err)
	defer done()
	ctx := c.t.Context()
	seen := planner.Observed{Mounts: o.Mounts(ctx, c.cfg.Settings.Systems)}
	seen.Directories = o.Directories(ctx, g.Targets())
	seen.Quotas = o.Quotas(ctx, g.QuotaTargets(seen))
	seen.Found = o.Find(ctx, g.Lost(seen.Directories))
	return planner.Compare(g, seen, planner.Context{Made: c.now}), g, recorded
}

// errKilled is the answer to every call after the process was killed.
var errKilled = errors.New("killed")

// apply runs a plan and kills it at killAt. Then it resumes the plan and runs it to its end.
func (c *cycle) apply(p *planner.Plan) {
	c.t.Helper()
	c.plans++
	id := fmt.Sprintf("sha256:%064d", c.plans)
	if !c.run(p, id) {
		c.killAt = 0
		c.run(p, id)
	}
	must(c.t, c.store.Update(func(tx ledger.Tx) error { return tx.Finish(id, ledger.Done, "root", nil) }))
}

// run runs a plan once, and reports whether it reached the end.
func (c *cycle) run(p *planner.Plan, id string) (lived bool) {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	watch := map[planner.Key]bool{c.item.Key: true}
	var steps []ledger.Step
	var begun ledger.Plan
	resumed := false
	must(c.t, c.store.Update(func(tx ledger.Tx) (err error) {
		if resumed, err = tx.Begin(ledger.PlanStart{ID: id, Made: c.now, Keys: []planner.Key{c.item.Key},
			Who: "root"}); err != nil {
			return err
		}
		if steps, err = tx.Steps(id); err != nil {
			return err
		}
		begun, _, err = tx.Plan(id)
		return err
	}))
	_, g, recorded := c.plan(watch)
	job, stale := apply.Prepare(p, id,
		apply.Now{Settings: &c.cfg.Settings, Items: []planner.Item{c.item}, Graph: g, Recorded: recorded,
			Orders: map[string]planner.OrderAnswer{bioOrder: {Order: c.asOrdered()}}, Resumed: resumed, Steps: steps})
	if len(stale) > 0 {
		c.t.Fatalf("stale (resumed %t): %v", resumed, stale)
	}
	job.Begun = begun.Begun
	storage, done, err := c.site.Storage(c.t.Context(), recorded.Roots)
	must(c.t, err)
	defer done()
	dead, reached := false, 0
	alive := func() error {
		if dead {
			return errKilled
		}
		return nil
	}
	e := &apply.Engine{Storage: storage, Orders: oneOrderWaldur{c, alive},
		Journal: journalOf{c.store, alive}, Now: func() time.Time { return c.now }, Guard: alive,
		Sleep: func(context.Context, time.Duration) error { return alive() }, Notify: func(apply.Event) {}, Parallelism: 1, Host: "node", Who: "root",
		RootUID: c.cfg.Settings.Root.UID, RootGID: c.cfg.Settings.Root.GID,
		Reached: func(point string) {
			if reached++; !dead && (c.killAt == 0 || reached <= c.killAt) {
				c.points = append(c.points, point)
			}
			c.closedUntilLimited(point)
			dead = dead || reached == c.killAt
		}}
	results, err := e.Run(c.t.Context(), nil, job)
	if dead {
		return false
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != apply.Done {
			c.t.Fatalf("%s %s: %s: %v (resumed %t)", r.Action.Kind, r.Action.Storage, r.Status, r.Err,
				resumed)
		}
	}
	return true
}

// oneOrderWaldur is a Waldur with one order.
type oneOrderWaldur struct {
	c     *cycle
	alive func() error
}

func (c *cycle) asOrdered() planner.Order {
	return planner.Order{ID: bioOrder, Type: planner.OrderTerminate, State: c.order, Resource: bioItem}
}

func (w oneOrderWaldur) Get(context.Context, string) (planner.Order, error) {
	return w.c.asOrdered(), w.alive()
}
func (w oneOrderWaldur) Resource(context.Context, string) (apply.Resource, error) {
	return apply.Resource{}, w.alive()
}

func (w oneOrderWaldur) Send(_ context.Context, call apply.Call) apply.Answer {
	if err := w.alive(); err != nil {
		return apply.Answer{Err: err}
	}
	w.c.order = planner.OrderExecuting
	if call.Callback == planner.SetStateDone {
		w.c.order = planner.OrderDone
	}
	return apply.Answer{Status: 200}
}

// journalOf is the state, until the process is killed.
type journalOf struct {
	*state.Store
	alive func() error
}

func (j journalOf) Update(f func(ledger.Tx) error) error {
	if err := j.alive(); err != nil {
		return err
	}
	return j.Store.Update(f)
}

// quotas returns the hard limits of all directories, by path.
func (c *cycle) quotas() map[string]string {
	all := map[string]string{}
	t := toy{c.dir, filepath.Join(c.dir, "toy.json"), c.cfg.Settings.Systems[0].Traits}
	for key, q := range t.read() {
		if t.traits.FollowsRename {
			if key == t.key(planner.Subject{Path: bioAt}) {
				key = bioAt
			} else {
				key = "archived"
			}
		}
		all[key] = q.Limits.Show(planner.SpaceHard)
	}
	return all
}

// do plans, expects one action of a kind on bio, applies it, and expects nothing left to do.
func (c *cycle) do(kind planner.ActionKind) {
	c.t.Helper()
	p, _, _ := c.plan(nil)
	i := slices.IndexFunc(p.Core.Actions, func(a planner.Action) bool { return a.Key == c.item.Key })
	if i < 0 || p.Core.Actions[i].Kind != kind || len(p.Context.Blocked) > 0 {
		c.t.Fatalf("want %s, got %+v, blocked %v", kind, p.Core.Actions, p.Context.Blocked)
	}
	c.apply(p)
	if kind == planner.Archive {
		return // Waldur no longer lists it
	}
	c.active()
	if p, _, _ := c.plan(nil); len(p.Core.Actions)+len(p.Context.Blocked)+len(p.Context.Waiting) > 0 {
		c.t.Fatalf("after %s there is left: %+v, %v", kind, p.Core.Actions, p.Context.Blocked)
	}
}

// wantQuotas compares the quotas that exist.
func (c *cycle) wantQuotas(want map[string]string) {
	c.t.Helper()
	if got := c.quotas(); !maps.Equal(got, want) {
		c.t.Errorf("quotas %v, want %v", got, want)
	}
}

// scene is one step of the cycle: how the site gets there, what is done, and the result.
type scene struct {
	name     string
	onRemove planner.RemovePolicy
	prepare  func(*cycle)
	kind     planner.ActionKind
	// want are the quotas if they stay at their path. follows are the quotas if they move with the
	// directory, where these differ.
	want, follows map[string]string
}

func made(c *cycle) { c.do(planner.Create) }

func archived(c *cycle) {
	made(c)
	c.ordered(planner.StatusRemoving)
	c.do(planner.Archive)
}

func scenes() []scene {
	two := map[string]string{bioAt: "2 TiB"}
	return []scene{
		{name: "create", prepare: func(*cycle) {}, kind: planner.Create, want: two},
		{name: "raise", prepare: func(c *cycle) { made(c); c.requestHardLimit("3") },
			kind: planner.Update,
			want: map[string]string{bioAt: "3 TiB"}},
		{name: "drift", prepare: func(c *cycle) {
			made(c)
			must(c.t, os.Remove(filepath.Join(c.dir, "toy.json")))
		}, kind: planner.Update, want: two},
		{name: "archive and keep", prepare: func(c *cycle) { made(c); c.ordered(planner.StatusRemoving) },
			kind: planner.Archive, want: two,
			follows: map[string]string{"archived": "2 TiB"}},
		{name: "archive and freeze", onRemove: planner.OnRemoveFreeze,
			prepare: func(c *cycle) { made(c); c.ordered(planner.StatusRemoving) },
			kind:    planner.Archive, want: two, follows: map[string]string{"archived": "1 MiB"}},
		{name: "archive and remove", onRemove: planner.OnRemoveRemove,
			prepare: func(c *cycle) { made(c); c.ordered(planner.StatusRemoving) },
			kind:    planner.Archive, want: map[string]string{}},
		{name: "restore", prepare: func(c *cycle) { archived(c); c.active() }, kind: planner.Restore,
			want: two},
		{name: "restore with its quota frozen", onRemove: planner.OnRemoveFreeze,
			prepare: func(c *cycle) { archived(c); c.active() },
			kind:    planner.Restore, want: two},
		{name: "restore with its quota gone", onRemove: planner.OnRemoveRemove,
			prepare: func(c *cycle) { archived(c); c.active() },
			kind:    planner.Restore, want: two},
	}
}

// TestToyBackend: a backend that is known only to its own file and the registry goes through the
// whole cycle. Whatever is killed at any point continues to the same end. A directory is never open
// before it is limited.
func TestToyBackend(t *testing.T) {
	for kind := range toyTraits {
		for _, s := range scenes() {
			t.Run(kind+"/"+s.name, func(t *testing.T) { s.run(t, kind) })
		}
	}
}

// run runs the scene without a kill, and then once with a kill at each point.
func (s scene) run(t *testing.T, kind string) {
	want := s.want
	if kind == "follows" && s.follows != nil {
		want = s.follows
	}
	for kill := 0; ; kill++ {
		c := newCycle(t, kind, s.onRemove)
		s.prepare(c)
		c.killAt, c.points, c.opens = kill, nil, s.kind == planner.Create
		c.do(s.kind)
		c.wantQuotas(want)
		if s.kind == planner.Create {
			c.limitedFirst()
		}
		if t.Failed() {
			t.Fatalf("killed at point %d of %s", kill, strings.Join(c.points, ", "))
		}
		if kill > 0 && c.killAt != 0 { // it was reached no more
			if kill < 4 {
				t.Errorf("only %d points: %q", kill, c.points)
			}
			return
		}
	}
}

// closedUntilLimited checks that nobody has access to the directory, if it exists, as long as it
// has no quota.
func (c *cycle) closedUntilLimited(point string) {
	info, err := os.Stat(filepath.Join(c.dir, bioAt))
	if err == nil && info.Mode().Perm()&0o077 != 0 && c.opens && c.quotas()[bioAt] == "" {
		c.t.Errorf("at %s it is open (%s), and has no quota", point, info.Mode())
	}
}

// limitedFirst checks that the quota is set before the directory gets its owner and mode.
func (c *cycle) limitedFirst() {
	c.t.Helper()
	made := slices.Index(c.points, "made")
	if made < 0 {
		return // killed before
	}
	points := c.points[made:]
	set, own, mode := slices.Index(points, "quota set"), slices.Index(points,
		"own"), slices.Index(points, "mode")
	if own >= 0 && (set < 0 || set > own) || mode >= 0 && (set < 0 || set > mode) {
		c.t.Errorf("opened before it was limited: %q", c.points)
	}
}
