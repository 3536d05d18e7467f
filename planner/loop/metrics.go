package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	vm "github.com/VictoriaMetrics/metrics"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// readyFor is how long the loop counts as ready after a good round of the orders lane: this long,
// or three intervals if that is longer.
const readyFor = 15 * time.Minute

// metrics is what the loop shows to monitoring. Times are in seconds.
type metrics struct {
	now       func() time.Time
	heartbeat *heartbeat
	registry  *registry
	// pages are served beside metrics; nil for none.
	pages http.Handler

	rounds, changes                               family // of counters
	last, took, listing, observing, resources     family // of gauges
	heldPlans, heldActions, outbox, hung, hanging *vm.Gauge
	quarantined, quietUntil, listed               *vm.Gauge
	blockedOrders, overdueOrders, leader          *vm.Gauge

	// good is the Unix time of the last good round of the orders lane or of an audit. readyFor is for
	// how many seconds the loop is ready after it. oldest is the Unix time of the oldest callback in
	// the outbox; 0 if there is none.
	good, readyFor, oldest atomic.Int64
	// heldUp names the mounts that a round waits for; nil or empty if there are none.
	heldUp atomic.Pointer[string]
	// standby says why this loop does not work; nil while it leads.
	standby atomic.Pointer[standsBy]
}

// standsBy says why a loop does not work. It is healthy if another loop works.
type standsBy struct {
	why    string
	isWell bool
}

func newMetrics(now func() time.Time, p *heartbeat) *metrics {
	r := newRegistry()
	m := &metrics{now: now, heartbeat: p, registry: r}
	gauge := func(name, help string) *vm.Gauge { return r.gauge(name, help, nil) }
	m.rounds = r.family("rounds_total",
		"Rounds by lane and by the reason in which they ended.", "lane", "reason")
	m.changes = r.family("changes_total",
		"Resources that the loop worked on, by action and by how that ended.", "action", "status")
	m.last = r.family("last_success_timestamp_seconds",
		"When a round of the lane last ended well; 0 before the first.", "lane")
	m.took = r.family("round_duration_seconds",
		"How long the last round of the lane took.", "lane")
	m.listing = r.family("listing_duration_seconds",
		"How long the last listing of the lane took.", "lane")
	m.observing = r.family("observing_duration_seconds",
		"How long the lane last took to look at the storage.", "lane")
	m.resources = r.family("resources",
		"Resources in the last audit, by what is to be done with them.", "action")
	m.heldPlans = gauge("held_plans", "Plans that wait for a person.")
	m.heldActions = gauge("held_actions", "Actions that the last audit held for a person.")
	m.outbox = gauge("outbox_callbacks", "Callbacks that Waldur has not got yet.")
	m.hung = gauge("hung_mounts", "Systems whose mount did not answer when it was last asked.")
	m.hanging = gauge("hanging_calls", "Calls to the storage that have not come back.")
	m.quarantined = gauge("quarantined_resources",
		"Resources that failed several times in a row and are tried once an hour.")
	m.blockedOrders = gauge("blocked_orders",
		"Open orders that are blocked: their customers wait until somebody corrects something.")
	m.overdueOrders = gauge("overdue_orders",
		"Open orders that have waited for more than a day, for any reason.")
	m.quietUntil = gauge("proxy_quiet_until_timestamp_seconds",
		"Until when the proxy asked to be left alone; 0 if it did not.")
	m.leader = gauge("leader",
		"1 while this node's loop works; 0 while it stands by for another node's.")
	m.listed = gauge("index_timestamp_seconds",
		"When the last complete listing began; 0 before the first.")
	r.gauge("outbox_age_seconds",
		"Age of the oldest callback that Waldur has not got yet; 0 without one.", m.outboxAge)
	m.begin()
	return m
}

// begin creates every series that an alert may use, because a series that does not exist cannot
// rise.
func (m *metrics) begin() {
	for _, which := range []Lane{LaneOrders, LaneAudit} {
		m.last.gauge(string(which))
		for _, why := range Reasons() {
			m.rounds.counter(string(which), string(why))
		}
	}
	for _, kind := range planner.ActionKinds()[:8] {
		for _, status := range []apply.Status{apply.Done, apply.Failed, apply.Skipped, apply.Undelivered,
			apply.Unrecorded} {
			m.changes.counter(string(kind), string(status))
		}
	}
}

// standsBy notes why this loop does not work; empty if it leads.
func (m *metrics) standsBy(why string, isWell bool) {
	if why == "" {
		m.standby.Store(nil)
		m.leader.Set(1)
		return
	}
	m.standby.Store(&standsBy{why, isWell})
	m.leader.Set(0)
}

func (m *metrics) outboxAge() float64 {
	oldest := m.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(0, m.now().Sub(time.Unix(oldest, 0)).Seconds())
}

// change counts what became of one resource.
func (m *metrics) change(res apply.Result) {
	m.changes.counter(string(res.Action.Kind), string(res.Status)).Inc()
}

// round counts one round.
func (m *metrics) round(r *round, why Reason, took time.Duration) {
	if r.loop.env.Ended != nil {
		r.loop.env.Ended(r.lane, why, took)
	}
	m.rounds.counter(string(r.lane), string(why)).Inc()
	m.took.gauge(string(r.lane)).Set(took.Seconds())
	if why.fine() && why != Stopped {
		now := m.now().Unix()
		m.last.gauge(string(r.lane)).Set(float64(now))
		if r.lane == LaneAudit { // an audit looks at the orders too
			m.last.gauge(string(LaneOrders)).Set(float64(now))
		}
		m.readyFor.Store(int64(max(readyFor, 3*r.loop.interval()).Seconds()))
		m.good.Store(now)
	}
	m.quarantined.Set(float64(r.loop.history.InQuarantine()))
	blocked, overdue := r.loop.history.BlockedOrders(m.now())
	m.blockedOrders.Set(float64(blocked))
	m.overdueOrders.Set(float64(overdue))
	m.quietUntil.Set(unixOrZero(r.loop.quiet.until))
	m.listed.Set(unixOrZero(r.loop.listed))
	m.backlog(r.loop.cfg.Engine.Store)
	if names, err := r.loop.env.Files.Plans(r.loop.pendingFolder()); err == nil {
		m.heldPlans.Set(float64(len(names)))
	}
	m.hanging.Set(float64(r.loop.env.Hanging()))
	if r.planned != nil {
		m.looked(r)
	}
}

func unixOrZero(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

// backlog counts the callbacks that Waldur has not got yet, also while the proxy is not reachable.
func (m *metrics) backlog(store ledger.Store) {
	var waiting []ledger.Delivery
	err := store.View(func(tx ledger.Tx) (err error) {
		waiting, err = tx.Outbox()
		return err
	})
	if err != nil {
		return
	}
	m.outbox.Set(float64(len(waiting)))
	oldest := int64(0)
	for i := range waiting {
		if since := waiting[i].Undelivered().Since.Unix(); oldest == 0 || since < oldest {
			oldest = since
		}
	}
	m.oldest.Store(oldest)
}

// looked shows what a round saw.
func (m *metrics) looked(r *round) {
	p := r.planned
	m.listing.gauge(string(r.lane)).Set(p.Listing.Seconds())
	m.observing.gauge(string(r.lane)).Set(p.Observing.Seconds())
	hung := 0
	for _, mount := range p.Mounts {
		if mount.Unknown != "" {
			hung++
		}
	}
	m.hung.Set(float64(hung))
	if r.lane != LaneAudit {
		return
	}
	m.heldActions.Set(float64(r.held))
	c := p.Plan.Context.Counts
	for name, n := range map[planner.ActionKind]int{planner.Create: c.Create, planner.Adopt: c.Adopt,
		planner.Update:  c.Update,
		planner.Archive: c.Archive, planner.Restore: c.Restore,
		planner.RejectOrder: c.Reject, planner.FailOrder: c.Fail, planner.Report: c.Report,
		planner.Blocked: c.Blocked, planner.Waiting: c.Waiting,
		planner.NothingToDo: c.Unchanged, "unobserved": p.Plan.Context.Unobserved} {
		m.resources.gauge(string(name)).Set(float64(n))
	}
}

// serve serves /metrics, /healthz (the loop makes progress) and /readyz (its last good round is
// recent). Without an address it serves nothing.
func (m *metrics) serve(address string, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: run.listen: %w; another loop may run here already: "+
			"end it, or name another address", err)
	}
	server := &http.Server{Handler: m.handler(), ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout: 30 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "error", err.Error())
		}
	}()
	log.Info("metrics", "listen", listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}, nil
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.registry)
	mux.HandleFunc("GET /healthz", m.healthy)
	mux.HandleFunc("GET /readyz", m.ready)
	if m.pages != nil {
		mux.Handle("/", m.pages)
	}
	return mux
}

// heldUpBy notes for which mounts a round waits, and returns those that it waited for before.
func (m *metrics) heldUpBy(systems []string) (before string) {
	now := strings.Join(systems, ", ")
	if was := m.heldUp.Swap(&now); was != nil {
		before = *was
	}
	if now != "" {
		m.hung.Set(float64(len(systems)))
	} else if before != "" {
		m.hung.Set(0)
	}
	return before
}

func (m *metrics) healthy(w http.ResponseWriter, _ *http.Request) {
	if mounts := m.heldUp.Load(); mounts != nil && *mounts != "" {
		http.Error(w, "the loop waits for a mount that does not answer: "+*mounts,
			http.StatusServiceUnavailable)
		return
	}
	if stage := m.heartbeat.stuck(); stage != "" {
		http.Error(w, "the loop is held up: "+stage, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (m *metrics) ready(w http.ResponseWriter, _ *http.Request) {
	if s := m.standby.Load(); s != nil {
		if !s.isWell {
			http.Error(w, "standing by: "+s.why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "standing by: "+s.why)
		return
	}
	good := m.good.Load()
	age := m.now().Sub(time.Unix(good, 0)).Round(time.Second)
	switch limit := time.Duration(m.readyFor.Load()) * time.Second; {
	case good == 0:
		http.Error(w, "no round has ended well yet", http.StatusServiceUnavailable)
	case age < -clockSlack:
		http.Error(w, "the clock was set back since the last good round", http.StatusServiceUnavailable)
	case age > limit:
		http.Error(w, fmt.Sprintf("the last good round was %s ago, more than %s", age, limit),
			http.StatusServiceUnavailable)
	default:
		fmt.Fprintf(w, "last good round %s ago\n", age)
	}
}
