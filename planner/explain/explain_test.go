package explain_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/explain"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

var now = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)

// key returns the key of a resource on capstor.
func key(name string) planner.Key {
	return planner.Key{Item: strings.Repeat("0", 32-len(name)) + name, System: "capstor",
		DataType: "store"}
}

// bio returns a listed resource with a group.
func bio(change ...func(*planner.Item)) planner.Item {
	it := planner.Item{Key: key("b10"), Status: planner.StatusActive, GID: 30500, HasGID: true,
		MountPath: "/capstor/store/eth/bio", Permission: "2770", Name: "bio",
		Target: planner.TargetProject}
	for _, c := range change {
		c(&it)
	}
	return it
}

// site is a site in memory: a listing, a state, Waldur and a storage.
type site struct {
	items []planner.Item
	dir   planner.Directory
	quota planner.QuotaState
	tx
	// asked counts the orders about which Waldur was asked.
	asked int
}

// tx is a state with these contents.
type tx struct {
	ledger.Tx
	recorded planner.Recorded
	history  []ledger.Entry
	plans    map[string]ledger.Plan
}

func (t *tx) Head() (uint64, string)                  { return 0, "" }
func (t *tx) Recorded() (planner.Recorded, error)     { return t.recorded, nil }
func (t *tx) RecordCount() uint64                     { return uint64(t.recorded.Records.Len()) }
func (t *tx) Holds(time.Time) ([]planner.Hold, error) { return nil, nil }
func (t *tx) Plan(id string) (p ledger.Plan, ok bool, e error) {
	p, ok = t.plans[id]
	return p, ok, nil
}
func (t *tx) History(_ uint64, f func(ledger.Entry) error) error {
	for _, e := range t.history {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) View(f func(ledger.Tx) error) error { return f(&s.tx) }
func (s *site) Update(func(ledger.Tx) error) error { panic("an explanation writes nothing") }

func (s *site) HoldsInForce(time.Time) ([]planner.Hold, error) { panic("nothing is changed") }

func (s *site) Name() string { return "test" }
func (s *site) List(context.Context, []planner.Status) ([]planner.Item, error) {
	return s.items, nil
}

func (s *site) Ask(_ context.Context, qs []planner.Question,
	_ bool) map[string]planner.OrderAnswer {
	s.asked += len(qs)
	answers := map[string]planner.OrderAnswer{}
	for _, q := range qs {
		answers[q.ID] = planner.OrderAnswer{Order: planner.Order{ID: q.ID, Type: "Update",
			State: "executing"}}
	}
	return answers
}

// storage shows the site's directory and quota for every question.
type storage struct {
	engine.Storage
	*site
}

func (storage) Wake(context.Context, int) error { return nil }
func (s storage) Observer(context.Context, int) (engine.Observer, func(), error) {
	return observer{s.site}, func() {}, nil
}

type observer struct{ *site }

func (observer) Mounts(context.Context, []planner.System) map[string]planner.Mount {
	return map[string]planner.Mount{"capstor": {Filesystem: "lustre:capstor", Inode: 1}}
}

func (o observer) Directories(_ context.Context,
	at planner.Targets[planner.Place]) []planner.Directory {
	dirs := make([]planner.Directory, at.Len())
	for i := range dirs {
		dirs[i] = o.dir
	}
	return dirs
}

func (o observer) Quotas(_ context.Context,
	of planner.Targets[planner.QuotaTarget]) []planner.QuotaState {
	states := make([]planner.QuotaState, of.Len())
	for i := range states {
		states[i] = o.quota
	}
	return states
}

func (observer) Find(context.Context, []planner.Lost) map[planner.Place]string { return nil }

// input makes a plan for everything that the site lists.
func (s *site) input(t *testing.T) *explain.Input {
	t.Helper()
	settings := &planner.Settings{Tera: 1 << 40, MinGID: 1000, MaxMode: 0o2775,
		Parents: planner.ParentsCreate,
		Waldur:  planner.WaldurSettings{URL: "https://waldur.example.com/api/"},
		Systems: []planner.System{{Name: "capstor", Directory: "capstor", Filesystem: "lustre",
			Archive: "capstor/.trash",
			Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByGroup,
				Shared: planner.SharedRefuse, OnRemove: "keep"},
			Traits: planner.Traits{Unit: 1 << 10, Soft: true, Grace: true, MaxSpace: 1 << 60,
				MaxInodes: 1 << 48}}}}
	e := &engine.Engine{Settings: settings, Store: s, Storage: storage{site: s},
		Now: func() time.Time { return now }}
	p, err := e.Plan(t.Context(), engine.Request{Source: s})
	if err != nil {
		t.Fatal(err)
	}
	return &explain.Input{Planned: p, Settings: settings, Root: "/srv", Policy: e.AskPolicy(p),
		Trusted: true,
		Ledger:  s, Waldur: s, Storage: e.Storage, Now: now, Width: 200}
}

// says checks an answer. A word with a ! in front must not be in it.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		bare, not := strings.CutPrefix(w, "!")
		if strings.Contains(text, bare) == not {
			t.Errorf("%q in the answer: %t\n%s", bare, !not, text)
		}
	}
}

func listed(t *testing.T, in *explain.Input, what string) string {
	t.Helper()
	text, err := explain.Listed(t.Context(), in, what)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func known(limit planner.Bytes) planner.QuotaState {
	q := planner.QuotaState{Source: &planner.QuotaSource{Via: "ioctl"}, Limits: planner.NoLimits()}
	if limit > 0 {
		q.Limits[planner.SpaceHard] = planner.LimitOf(limit)
	}
	q.Space, q.Inodes = planner.UsageOf(planner.Bytes(0)), planner.UsageOf(planner.Inodes(0))
	return q
}

// TestListed: a resource is found by its address, its group and its item. The answer says what is
// wanted, what exists, which limits apply, and what is next.
func TestListed(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}, quota: known(1 << 40)}
	s.dir = planner.Directory{State: planner.DirPresent, Inode: 7, Group: 30500, Mode: 0o2750}
	s.quota.SetEnds(planner.Grace{Space: now.Add(time.Hour)})
	in := s.input(t)
	text := listed(t, in, "/capstor/store/eth/bio")
	says(t, text, "wanted     owner 0", "group 30500 (proxy)", "there      "+
		"capstor/store/eth/bio: owner 0, group 30500, mode 2750",
		"quota      of group 30500, asked by ioctl",
		"space unlimited soft, 1 TiB hard, 0 bytes used; its grace period ends 2026-11-22 22:40 UTC",
		"inodes unlimited soft, unlimited hard, 0 used\n", "recorded   never seen as wanted",
		"next       adopt",
		"policy     the loop holds it")
	for _, what := range []string{"30500", key("b10").Item,
		"00000000-0000-0000-0000-000000000b10"} {
		if again := listed(t, in, what); again != text {
			t.Errorf("%s means something else:\n%s", what, again)
		}
	}
	s.dir = planner.Directory{State: planner.DirAbsent}
	if _, err := explain.Listed(t.Context(), in, "/capstor/store/eth/boi"); err == nil ||
		!strings.HasSuffix(err.Error(), "; it lists /capstor/store/eth/bio") {
		t.Errorf("a typing error: %v", err)
	}
}

// TestLoop: the answer says what the loop does, where its plan is, and that it failed.
func TestLoop(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}, quota: known(0)}
	s.dir = planner.Directory{State: planner.DirAbsent}
	in := s.input(t)
	in.Policy[0].Approved, in.Policy[0].Rule = true, "auto_approve allows create"
	says(t, listed(t, in, "30500"), "policy     auto_approve allows create: the loop does it by "+
		"itself")
	in.Trusted = false
	says(t, listed(t, in, "30500"), "!by itself", "holds everything until one plan")
	in.Held = map[planner.Key]string{key("b10"): "/state/pending/1.plan"}
	in.Failures = map[planner.Key]loop.Failure{key("b10"): {Action: planner.Create,
		Count: loop.Quarantine,
		Until: now.Add(time.Minute), Error: "no space"}}
	says(t, listed(t, in, "30500"), "held in    /state/pending/1.plan",
		"times in a row; the loop has it in quarantine",
		"The last time: no space")
	in.Begun = map[planner.Key]string{key("b10"): "/state/begun/1.plan"}
	says(t, listed(t, in, "30500"), "the loop has begun a plan for it", "/state/begun/1.plan")
}

// TestOrderIsAskedAbout: Waldur is asked about the order of the resource in question, and no other.
func TestOrderIsAskedAbout(t *testing.T) {
	t.Parallel()
	order := strings.Repeat("a", 32)
	other := bio(func(it *planner.Item) {
		it.Key, it.MountPath, it.GID = key("c"),
			"/capstor/store/eth/chem", 30501
	})
	s := &site{quota: known(0), items: []planner.Item{other, bio(func(it *planner.Item) {
		it.Status = planner.StatusUpdating
		it.URLs = map[planner.Callback]string{
			planner.SetStateDone: "https://waldur.example.com/api/marketplace-orders/" + order +
				"/set_state_done/"}
	})}}
	s.dir = planner.Directory{State: planner.DirPresent, Inode: 7, Group: 30500, Mode: 0o2770}
	text := listed(t, s.input(t), order[:8])
	says(t, text, "/capstor/store/eth/bio\n", "!chem", order)
	if s.asked != 1 {
		t.Errorf("Waldur was asked %d times", s.asked)
	}
}

// TestRecorded: without a listing, the answer is what the state knows. If the state knows nothing,
// there is none.
func TestRecorded(t *testing.T) {
	t.Parallel()
	s := &site{}
	s.history = []ledger.Entry{{Time: now, Plan: "sha256:0123456789abcdef",
		Steps: []ledger.Step{{Key: key("b10")}}},
		{Time: now.Add(time.Hour), Plan: "sha256:9999", Steps: []ledger.Step{{Key: key("c")}}}}
	s.plans = map[string]ledger.Plan{"sha256:0123456789abcdef": {By: "root", Result: ledger.Done,
		Approvals: []ledger.Approval{{Name: "anna", Ticket: "CHG-7"}}}}
	gone := planner.Archived{Key: key("b10"), Address: "/capstor/store/eth/\x1bbio", Group: 30500,
		At: now, Until: now, Archive: "capstor/.trash/bio"}
	p := &engine.Planned{}
	p.Recorded.Archived = map[planner.Key]planner.Archived{gone.Key: gone}
	in := &explain.Input{Planned: p, Root: "/srv", Ledger: s, Now: now, Width: 200}
	text, err := explain.Recorded(in, "30500")
	if err != nil {
		t.Fatal(err)
	}
	says(t, text, "the proxy gave no listing", "/srv/capstor/.trash/bio", "archive restore",
		"!\x1b",
		"last       2026-11-22 21:40 UTC: plan 0123456789ab, done, by root, approved by anna "+
			"(CHG-7)")
	if text, err := explain.Recorded(in, "30501"); text != "" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUnclaimed: files that an earlier group left behind are shown. An id without any is not
// mentioned.
func TestUnclaimed(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}, quota: known(0)}
	s.dir = planner.Directory{State: planner.DirAbsent}
	in := s.input(t)
	if text, err := explain.Listed(t.Context(), in, "30999"); err == nil {
		t.Errorf("nothing is there, and this is said:\n%s", text)
	}
	s.quota.Space = planner.UsageOf(planner.Bytes(1 << 30))
	says(t, listed(t, in, "30999"), "group 30999 on capstor\n", "no listed resource claims it now",
		"1 GiB used")
	says(t, listed(t, in, "30500"), "!no listed resource claims")
}

// byDirectory has capstor's quotas set on directories.
func (s *site) byDirectory(t *testing.T) *explain.Input {
	in := s.input(t)
	in.Settings.Systems[0].Quota.By = planner.ByDirectory
	return in
}

// TestUnlisted: for a path that nobody claims, the answer says what is there, for an address and
// for a full path. A path with nothing on it, or outside every system, is a typing error.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}, quota: known(5 << 40)}
	s.dir = planner.Directory{State: planner.DirPresent, Owner: 7, Group: 30900, Mode: 0o755}
	in := s.byDirectory(t)
	for _, what := range []string{"/capstor/store/old", "/srv/capstor/store/old",
		"/capstor/store//x/../old"} {
		says(t, listed(t, in, what), "no listed resource claims this path", "owner 7, group 30900",
			"capstor/store/old", "of directory capstor/store/old, asked by ioctl", "5 TiB")
	}
	says(t, listed(t, s.input(t), "/capstor/store/old"), "of group 30900, asked by ioctl")
	s.dir = planner.Directory{State: planner.DirAbsent}
	says(t, listed(t, in, "/capstor/store/old"), "capstor/store/old does not exist", "5 TiB")
	for _, what := range []string{"/capstor", "/etc/passwd", "/capstor/../etc", "capstor/store/old"} {
		if text, err := explain.Listed(t.Context(), in, what); err == nil {
			t.Errorf("%s is answered with\n%s", what, text)
		}
	}
	s.quota.Absent = true
	if text, err := explain.Listed(t.Context(), in, "/capstor/store/old"); err == nil {
		t.Errorf("nothing is there, and this is said:\n%s", text)
	}
}

// TestQuotaLeftByAnArchivedDirectory: the quota of an archived directory is shown as long as it
// exists.
func TestQuotaLeftByAnArchivedDirectory(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}, quota: known(5 << 40)}
	gone := key("901")
	s.recorded.Archived = map[planner.Key]planner.Archived{gone: {Key: gone, System: "capstor",
		Address: "/capstor/store/eth/gone", Storage: "capstor/store/eth/gone",
		Archive: "capstor/.trash/gone", QuotaBy: planner.ByDirectory, At: now, Until: now}}
	in := s.byDirectory(t)
	says(t, listed(t, in, "/capstor/store/eth/gone"), "archived", "of directory capstor/.trash/gone",
		"of directory capstor/store/eth/gone", "5 TiB")
	s.quota = planner.UnknownQuota("503")
	says(t, listed(t, in, "/capstor/store/eth/gone"), "is not known: 503")
	s.quota = planner.QuotaState{Absent: true}
	says(t, listed(t, in, "/capstor/store/eth/gone"), "no quota limits it any more")
	text, err := explain.Recorded(in, "/capstor/store/eth/gone")
	if err != nil {
		t.Fatal(err)
	}
	says(t, text, "archived", "!no quota limits it")
}

// TestNearest: for a typing error, the answer names the nearest address, and not just the first
// ones.
func TestNearest(t *testing.T) {
	t.Parallel()
	var views []planner.View
	for _, address := range []string{"/capstor/store/cscs/eth/aaa", "/capstor/store/cscs/eth/bbb",
		"/capstor/store/cscs/eth/bio", "/vast/store/uzh/climate"} {
		views = append(views, planner.View{Address: address})
	}
	for what, want := range map[string]string{
		"/capstor/store/cscs/eht/bio":  "; it lists /capstor/store/cscs/eth/bio",
		"/capstor/store/cscs/eth/biio": "; it lists /capstor/store/cscs/eth/bio",
		"climate":                      "; it lists /vast/store/uzh/climate",
		"/other/place/entirely/zzzz": "; it may have no group id at the proxy, which then " +
			"leaves it out",
	} {
		if got := explain.Nearest(views, what); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
}

// TestUpstream: overrides see what the proxy says, and what an order asks for. For a typing error,
// the answer names the nearest address.
func TestUpstream(t *testing.T) {
	t.Parallel()
	s := &site{items: []planner.Item{bio()}}
	in := func() *planner.Input { return &planner.Input{Settings: s.input(t).Settings, Now: now} }
	u, err := explain.Upstream(t.Context(), in(), s, nil, "/capstor/store/eth/bio")
	if err != nil || u.Mode != "2770" {
		t.Errorf("%+v, %v", u, err)
	}
	_, err = explain.Upstream(t.Context(), in(), s, nil, "/capstor/store/eth/bia")
	if err == nil || !strings.HasSuffix(err.Error(), "; it lists /capstor/store/eth/bio") {
		t.Error(err)
	}
	if s.asked != 0 {
		t.Errorf("Waldur was asked %d times", s.asked)
	}
}
