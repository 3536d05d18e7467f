package loop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state"
)

// fakeSource answers listings by status.
type fakeSource struct {
	engine.Source
	items map[planner.Status][]planner.Item
	bad   map[planner.Status]bool
	asked []string
}

func (f *fakeSource) List(_ context.Context, statuses []planner.Status) (items []planner.Item,
	err error) {
	f.asked = append(f.asked, fmt.Sprint(statuses))
	for _, s := range statuses {
		if f.bad[s] {
			return nil, &engine.SourceError{Problem: engine.SourceFails,
				Err: errors.New("proxy answered 500")}
		}
		items = append(items, f.items[s]...)
	}
	return items, nil
}

// TestOneBadStatus: the other statuses are listed one by one, and an item in two of them is left to
// the next round.
func TestOneBadStatus(t *testing.T) {
	item := func(name string) planner.Item { return planner.Item{Key: planner.Key{Item: name}} }
	f := &fakeSource{bad: map[planner.Status]bool{planner.StatusUpdating: true},
		items: map[planner.Status][]planner.Item{
			planner.StatusPending: {item("a"), item("moved")}, planner.StatusRemoving: {item("b"),
				item("moved")}}}
	p := &perStatus{f, map[planner.Status]error{}}
	for _, want := range []int{2, 4} { // the second time the source itself would notice what moved
		if items, err := p.List(context.Background(), orderStatuses); err != nil ||
			len(items) != want {
			t.Fatalf("%d items, %v, want %d", len(items), err, want)
		}
	}
	want := []string{"[pending updating removing error]", "[pending]", "[updating]", "[removing]",
		"[error]", "[pending removing error]"}
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
	if err := p.problem(); err == nil || !strings.Contains(err.Error(),
		"what is updating could not be listed") {
		t.Errorf("the problem is %v", err)
	}
	for _, s := range orderStatuses {
		f.bad[s] = true
	}
	p, f.asked = &perStatus{f, map[planner.Status]error{}}, nil
	for range 2 {
		if _, err := p.List(context.Background(), orderStatuses); err == nil {
			t.Error("nothing could be listed, and that is no error")
		}
	}
	if slices.Contains(f.asked, "[]") {
		t.Errorf("asked for everything: %q", f.asked)
	}
}

// TestBranchless: without an order, only what the loop knows about or what is above a resource
// stays of the tenants and customers; with one, and where they are enforced, all stay.
func TestBranchless(t *testing.T) {
	item := func(name, parent string, target planner.Target) planner.Item {
		return planner.Item{Key: planner.Key{Item: name}, Parent: parent, Target: target}
	}
	l := &Loop{history: newHistory()}
	l.history.Failures[planner.Key{Item: "failed"}] = Failure{}
	l.history.did[planner.Key{Item: "repeated"}] = repeated{}
	items := []planner.Item{item("tenant", "", planner.TargetTenant),
		item("above", "tenant", planner.TargetCustomer), item("idle", "", planner.TargetCustomer),
		item("failed", "", planner.TargetCustomer), item("repeated", "", planner.TargetTenant),
		item("waits", "above", planner.TargetProject)}
	f := &fakeSource{items: map[planner.Status][]planner.Item{planner.StatusPending: items}}
	for _, c := range []struct {
		parents planner.ParentsPolicy
		url     string
		want    int
	}{{planner.ParentsCreate, "", 5}, {planner.ParentsCreate, "u", 6}, {planner.ParentsEnforce, "", 6}} {
		l.cfg.Engine = &engine.Engine{Settings: &planner.Settings{Parents: c.parents}}
		items[5].URLs = map[planner.Callback]string{planner.Approve: c.url}
		got, err := branchless{f, l}.List(context.Background(), orderStatuses)
		if err != nil || len(got) != c.want || got[len(got)-1].Key.Item != "waits" {
			t.Errorf("%+v: %d items, %v", c, len(got), err)
		}
	}
}

// TestStillCounts: what an item of the index counts as if a complete listing of orders lacks it.
func TestStillCounts(t *testing.T) {
	key := planner.Key{Item: "a", System: "capstor", DataType: "store"}
	quota := &planner.ProxyQuotas{}
	item := func(status planner.Status, ordered bool) planner.Item {
		it := planner.Item{Key: key, Status: status, Target: planner.TargetProject, Quotas: quota}
		if ordered {
			it.URLs = map[planner.Callback]string{planner.Approve: "u"}
		}
		return it
	}
	recorded := func(seq uint64) planner.Recorded {
		records, err := planner.PackRecords(planner.Record{Key: key, Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		return planner.Recorded{Records: records}
	}
	archived := planner.Recorded{Archived: map[planner.Key]planner.Archived{key: {Key: key,
		Seq: 8}}}
	earlier := planner.Recorded{Archived: map[planner.Key]planner.Archived{key: {Key: key, Seq: 7}}}
	failed := map[planner.Status]error{planner.StatusError: os.ErrClosed}
	for name, c := range map[string]struct {
		item     planner.Item
		recorded planner.Recorded
		failed   map[planner.Status]error
		counts   bool
		unknown  bool
	}{
		"active": {item: item(planner.StatusActive, false), counts: true},
		"active, recorded": {item: item(planner.StatusActive, false),
			recorded: recorded(7), counts: true},
		"active, applied since": {item: item(planner.StatusActive, false),
			recorded: recorded(8)},
		"active, archived since": {item: item(planner.StatusActive, false),
			recorded: archived},
		"active, archived before": {item: item(planner.StatusActive, false),
			recorded: earlier, counts: true},
		"updating, recorded": {item: item(planner.StatusUpdating, true),
			recorded: recorded(3)},
		"updating, never recorded": {item: item(planner.StatusUpdating, true), counts: true,
			unknown: true},
		"removing, never recorded": {item: item(planner.StatusRemoving, true), counts: true,
			unknown: true},
		"pending, never recorded": {item: item(planner.StatusPending, true)},
		"error without an order":  {item: item(planner.StatusError, false), counts: true},
		"error with an order": {item: item(planner.StatusError, true),
			recorded: recorded(3)},
		"pending, not all are listed": {item: item(planner.StatusPending, true), failed: failed,
			counts: true},
		"updating, not all are listed": {item: item(planner.StatusUpdating, true), failed: failed,
			recorded: recorded(3), counts: true},
		"updating, applied, not all so": {item: item(planner.StatusUpdating, true), failed: failed,
			recorded: recorded(9)},
	} {
		t.Run(name, func(t *testing.T) {
			r := &round{orders: &perStatus{failed: c.failed}}
			it := c.item
			if got := r.stillCounts(7, &it, &c.recorded); got != c.counts {
				t.Fatalf("it counts: %v, want %v", got, c.counts)
			}
			if isUnknown := it.Quotas == nil && it.Status == planner.StatusActive; c.counts &&
				isUnknown != c.unknown {
				t.Errorf("its limits are unknown: %v, want %v", isUnknown, c.unknown)
			}
		})
	}
}

// TestMetricsFollowTheCustom: names, units and help follow Prometheus' conventions.
func TestMetricsFollowTheCustom(t *testing.T) {
	problems, err := promlint.New(bytes.NewReader(served(t))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) { // the others are the library's
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestHealth: /healthz follows the loop's pulse, /readyz the last good round.
func TestHealth(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	p := &heartbeat{now: clock}
	m := newMetrics(clock, p)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		m.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "yet") {
		t.Errorf("before the first round: %d %s", code, text)
	}
	p.beat("listing", time.Minute)
	m.good.Store(now.Unix())
	m.readyFor.Store(900)
	now = now.Add(time.Minute)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := ask(path); code != 200 {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	now = now.Add(time.Second)
	if code, text := ask("/healthz"); code != 503 || !strings.Contains(text, "listing") {
		t.Errorf("/healthz of a loop that is stuck: %d %s", code, text)
	}
	now = now.Add(15 * time.Minute)
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "16m1s") {
		t.Errorf("/readyz long after the last good round: %d %s", code, text)
	}
}

// TestJitter: the rounds of several nodes are spread, by at most a tenth more.
func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := jitter(time.Minute)
		if d < time.Minute || d > 66*time.Second {
			t.Fatalf("a minute becomes %s", d)
		}
		seen[d.Round(time.Second)] = true
	}
	if len(seen) < 6 {
		t.Errorf("only %d different waits", len(seen))
	}
}

func hasLabel(m *dto.Metric, name string) bool {
	return slices.ContainsFunc(m.GetLabel(),
		func(l *dto.LabelPair) bool { return l.GetName() == name })
}

// TestExamplesUseRealMetrics: the example alert rules and dashboard use only metrics and labels
// that exist.
func TestExamplesUseRealMetrics(t *testing.T) {
	known := described(t)
	used := map[string]bool{}
	for _, f := range []string{"../../examples/prometheus/alerts.yml",
		"../../examples/prometheus/dashboard.json"} {
		for _, m := range regexp.MustCompile(
			`(cscs_sync_\w+)(?:\{\\?(\w*))?`).FindAllStringSubmatch(readFile(t, f), -1) {
			metric := known[m[1]].GetMetric()
			if len(metric) == 0 || m[2] != "" && !hasLabel(metric[0], m[2]) {
				t.Errorf("%s uses %s, which does not exist: %v", f, m[0], metric)
			}
			used[m[1]] = true
		}
	}
	if len(used) < 12 {
		t.Errorf("the examples use only %d metrics: the test reads them wrongly", len(used))
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../../examples/prometheus/alerts.yml")),
		&rules); err != nil || len(rules.Groups) != 1 {
		t.Fatalf("alerts.yml: %v", err)
	}
	for _, r := range rules.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" ||
			r.Annotations["summary"] == "" {
			t.Errorf("alerts.yml: a rule without a name, an expression, a severity or a "+
				"summary: %+v", r)
		}
	}
	var dashboard struct{ Panels []struct{ ID int } }
	if err := json.Unmarshal([]byte(readFile(t, "../../examples/prometheus/dashboard.json")),
		&dashboard); err != nil || len(dashboard.Panels) < 8 {
		t.Errorf("dashboard.json: %v, %d panels", err, len(dashboard.Panels))
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestWatchdogBites: a loop that is stuck gives no sign of life, and one that waits for a mount
// does.
func TestWatchdogBites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var signs atomic.Int64
		var hung atomic.Pointer[[]string]
		l := &Loop{heartbeat: &heartbeat{now: time.Now}, log: slog.New(slog.NewTextHandler(&log, nil)),
			env: Env{
				Supervise: func(message string) {
					if message == "WATCHDOG=1" {
						signs.Add(1)
					}
				}, Hung: func() []string {
					if at := hung.Load(); at != nil {
						return *at
					}
					return nil
				}}}
		ctx, cancel := context.WithCancel(t.Context())
		go l.watchdog(ctx, time.Second)
		l.Beat("listing", time.Minute)
		time.Sleep(10*time.Second + time.Millisecond)
		if synctest.Wait(); signs.Load() < 9 {
			t.Errorf("%d signs of life of a loop that gets on", signs.Load())
		}
		l.Beat("listing", -time.Second)
		synctest.Wait()
		before := signs.Load()
		time.Sleep(10 * time.Second)
		if synctest.Wait(); signs.Load() != before ||
			strings.Count(log.String(), "the loop is stuck") != 1 {
			t.Errorf("%d signs of life of a loop that is stuck; the log:\n%s", signs.Load()-before,
				log.String())
		}
		hung.Store(&[]string{"capstor"})
		time.Sleep(10 * time.Second)
		if synctest.Wait(); signs.Load() <= before {
			t.Error("no patience with a mount that hangs")
		}
		cancel()
		synctest.Wait()
	})
}

// TestTheIndexAgesOut: a complete listing older than three audit intervals is not planned against.
func TestTheIndexAgesOut(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	store, err := state.Open(filepath.Join(t.TempDir(), "state"),
		state.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var listed []planner.Item
	for i := range 3 {
		listed = append(listed,
			planner.Item{Key: planner.Key{Item: fmt.Sprint(i), System: "capstor",
				DataType: "store"}, Status: planner.StatusActive})
	}
	chunks := index.Make(&planner.Settings{}, listed, nil)
	err = store.Update(func(tx ledger.Tx) error { return tx.SetIndex(now, 0, chunks) })
	if err != nil {
		t.Fatal(err)
	}
	l := &Loop{clock: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&log, nil)),
		cfg: Config{AuditInterval: time.Hour,
			Engine: &engine.Engine{Store: store, Now: func() time.Time { return now }}}}
	some := []planner.Item{listed[2]}
	some[0].URLs = map[planner.Callback]string{planner.Approve: "…"}
	now = now.Add(3*time.Hour - time.Second)
	r := &round{loop: l, lane: LaneOrders}
	if all, err := r.indexed(some, &planner.Recorded{}); err != nil || len(all) != len(listed) {
		t.Errorf("an index of three audits: %d of %d items, %v", len(all), len(listed), err)
	}
	now = now.Add(2 * time.Second)
	if all, err := r.indexed(some, &planner.Recorded{}); err != nil || len(all) != 1 ||
		!strings.Contains(log.String(), "too old") {
		t.Errorf("an older one: %d items, %v", len(all), err)
	}
}
