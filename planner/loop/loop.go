package loop

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"
	_ "time/tzdata" // windows name time zones, and a node may have none installed

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// How long a stop waits: for what is running to get to a good place, and then for it to notice that
// its time is over.
const (
	stopGrace = 5 * time.Second
	stopNow   = 2 * time.Second
)

// Config is what a loop works under. A reload gives it another one.
type Config struct {
	Engine *engine.Engine
	// State names the state: with another one nothing that is remembered holds.
	State string
	// Interval is the time between two rounds, AuditInterval that between two audits.
	Interval, AuditInterval time.Duration
	// Listen is the address for metrics and health; empty for none.
	Listen string
	// Leader decides whether this loop works; nil: it always does.
	Leader Leader
	// Channels are the ways of telling people that are configured: "exec", "webhook".
	Channels []string
	// Feedback is what Waldur is told beside callbacks.
	Feedback Feedback
}

// Env is what a loop needs of the process that it runs in.
type Env struct {
	Files Files
	// Send sends one notice, as JSON, by one of the channels.
	Send func(ctx context.Context, channel string, notice []byte) error
	// Supervise sends one message to the service manager; WatchdogInterval is how often that wants a
	// sign of life, 0 for never.
	Supervise        func(message string)
	WatchdogInterval time.Duration
	// Reloads asks for another configuration, Load reads it, and Reloading tells the service manager
	// that this begins.
	Reloads   <-chan os.Signal
	Load      func(log *slog.Logger) (Config, Files, error)
	Reloading func()
	// Hung names the systems whose mounts do not answer; it may be called at any time, and by several.
	Hung func() []string
	// Hanging counts the calls to the storage that have not come back.
	Hanging func() int
	// MountTimeout is how long a mount may take to answer.
	MountTimeout time.Duration
	// Pages are served beside metrics and health; nil for none. Ended is told of each round, and Seen
	// of what an audit saw.
	Pages http.Handler
	Ended func(lane Lane, why Reason, took time.Duration)
	Seen  func(*engine.Planned)
	// Print prints what a dry run would do.
	Print func(string) error
	Log   *slog.Logger
}

// Files keeps plan files, and what the loop remembers. What has a path in a folder below the
// state's is in the state, and all nodes see it. A file in the state's folder itself is this node's
// alone.
type Files interface {
	// Dir is the folder of the state. All paths are below it.
	Dir() string
	// Plans are the names of the plan files in a folder, sorted; a folder that does not exist has
	// none.
	Plans(folder string) ([]string, error)
	// Read reads a regular file of at most limit bytes.
	Read(path string, limit int64) ([]byte, error)
	// Write writes a file for root alone, all of it or nothing, if replace accepts the one that is
	// there; nil refuses none.
	Write(path string, data []byte, replace func(existing []byte) error) error
	// Remove removes a file; one that is not there is no error.
	Remove(path string) error
	// Exists reports whether the state has something with this path.
	Exists(path string) (bool, error)
	// Tidy removes what killed writes have left in a folder, and corrects its copies of plans.
	Tidy(folder string) error
}

// Options are how a loop runs.
type Options struct {
	// Once is one round of both lanes; DryRun shows what would be done and changes nothing;
	// AcceptShrunk goes on although the listing suddenly lacks much of what is recorded.
	Once, DryRun, AcceptShrunk bool
	// Interval is the time between two rounds, in place of the configuration's; 0 for none.
	Interval time.Duration
}

// Loop is the unattended loop. One goroutine runs its rounds, one after the other: so there is
// never a second listing while one has not ended.
type Loop struct {
	// Options may be changed between two rounds.
	Options Options

	cfg Config
	env Env
	// clock and stopping are those of the process. Other goroutines use them, so they do not come from
	// cfg.
	clock    func() time.Time
	stopping <-chan struct{}
	// listed is when the last audit that listed everything began.
	listed time.Time
	// auditDue is when the next audit may begin; failedAudits counts those that failed since the last
	// good one.
	auditDue     time.Time
	failedAudits int
	// toldOld is the time of the index of which was said that it is too old.
	toldOld time.Time
	// quiet is until when the proxy is left alone.
	quiet quietError
	// isTrusted reports whether a plan approved by a person has been applied on this state; then it
	// stays so.
	isTrusted bool
	// history is of resources, heldTries of held plans that could not be applied, by the name of their
	// file.
	history   FailureHistory
	heldTries map[string]pause
	// kept says of plan files why this version can't use them, by path.
	kept map[string]string
	// refused is Waldur's refusal of our token, and until when no callback is sent.
	refused pause
	// wordBack tells Waldur what Feedback asks for; tellAgain has it forget what it told.
	wordBack  *wordBack
	tellAgain bool

	log *slog.Logger
	// metrics counts rounds and more, for /metrics; never nil.
	metrics *metrics
	// stopServing ends the server of metrics, where there is one.
	stopServing func()
	heartbeat   *heartbeat
	standby     standby
}

// pause is how often something failed in a row, and until when it is left alone.
type pause struct {
	count int
	until time.Time
}

// New returns a loop, which remembers what the last one on this state has left.
func New(cfg Config, env Env, o Options) *Loop {
	l := &Loop{cfg: cfg, env: env, clock: cfg.Engine.Now, stopping: cfg.Engine.Hooks.Stop, Options: o,
		history: newHistory(), heldTries: map[string]pause{}, kept: map[string]string{}, log: env.Log,
		stopServing: func() {}}
	l.wordBack = newWordBack()
	l.heartbeat = &heartbeat{now: l.now}
	l.metrics = newMetrics(l.now, l.heartbeat)
	l.metrics.pages = env.Pages
	l.cfg.Engine.Hooks.Stage = l.heartbeat.beat
	l.recall()
	return l
}

// recall has the loop remember what the last one on this state has left.
func (l *Loop) recall() {
	var err error
	if l.history, err = ReadHistory(l.env.Files); err != nil {
		l.log.Warn("start", "error", err.Error())
	}
}

func (l *Loop) now() time.Time { return l.clock() }

// stop is closed when the process is asked to stop.
func (l *Loop) stop() <-chan struct{} { return l.stopping }

// Handler answers /metrics, /healthz and /readyz.
func (l *Loop) Handler() http.Handler { return l.metrics.handler() }

// History is what the loop remembers of what failed.
func (l *Loop) History() *FailureHistory { return &l.history }

// Audits says when the next audit may begin, and how many have failed since the last good one.
func (l *Loop) Audits() (due time.Time, failed int) { return l.auditDue, l.failedAudits }

// Beat gives a sign of life from outside: a stage has begun, or still goes on, and may take that
// long.
func (l *Loop) Beat(stage string, allowed time.Duration) { l.heartbeat.beat(stage, allowed) }

// stage gives a sign of life.
func (l *Loop) stage(name string, allowed time.Duration) { l.heartbeat.beat(name, allowed) }

// pendingFolder is where held plans wait for people.
func (l *Loop) pendingFolder() string { return PendingFolder(l.env.Files.Dir()) }

// begunFolder is where the plans lie that the policy has approved, while they run: after a kill the
// next run continues with them. Planning them again would take a directory that was left unfinished
// for somebody's own, and hold it for a person.
func (l *Loop) begunFolder() string { return BegunFolder(l.env.Files.Dir()) }

// Run runs the loop until it is asked to stop, or, once, for one round of both lanes: then partial
// is how that ended. Whatever hangs, it ends within 10 s: what was begun is in the journal.
func (l *Loop) Run(ctx context.Context) (ledger.Result, error) {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	l.log.Info("start", "version", l.cfg.Engine.Version, "state", l.env.Files.Dir(), "once",
		l.Options.Once, "dry_run", l.Options.DryRun, "interval", l.interval(),
		"audit_interval", l.cfg.AuditInterval)
	if n, last, err := FromFuture(l.cfg.Engine.Store, l.now()); err == nil && n > 0 {
		l.log.Warn("clock", "error", FutureText(n, last))
	}
	go l.watchMounts(work, 3*l.env.MountTimeout)
	type end struct {
		result ledger.Result
		err    error
	}
	result := make(chan end, 1)
	go func() {
		if l.Options.Once {
			how, err := l.once(work)
			result <- end{how, err}
			return
		}
		result <- end{ledger.Done, l.forever(work)}
	}()
	select {
	case e := <-result:
		return e.result, e.err
	case <-ctx.Done():
	case <-l.stop():
		l.log.Info("stop", "stage", l.heartbeat.last())
		l.env.Supervise("STOPPING=1\nSTATUS=stopping after the running changes")
	}
	for _, step := range []time.Duration{stopGrace, stopNow} {
		select {
		case e := <-result:
			return e.result, e.err
		case <-time.After(step):
			cancel()
		}
	}
	l.log.Error("stopped although a call hangs; the journal knows what has begun, and the next "+
		"run continues it", "stage",
		l.heartbeat.last())
	return ledger.Done, nil
}

// forever runs rounds.
func (l *Loop) forever(ctx context.Context) error {
	var err error
	if l.stopServing, err = l.metrics.serve(l.cfg.Listen, l.log); err != nil {
		return err
	}
	defer func() { l.stopServing() }()
	defer l.release()
	l.env.Supervise("READY=1\nSTATUS=first round")
	if l.env.WatchdogInterval > 0 {
		go l.watchdog(ctx, l.env.WatchdogInterval)
	}
	go l.wordBack.run(ctx)
	for {
		leads, _ := l.leads(ctx)
		if leads {
			l.Tick(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.stop():
			return nil
		case <-l.env.Reloads:
			l.Reload()
		case <-time.After(l.wait(leads)):
		}
	}
}

// Tick runs the audit when it is due, and the orders lane unless that audit has looked at
// everything.
func (l *Loop) Tick(ctx context.Context) {
	if !waitsUntil(l.now(), l.auditDue, l.cfg.AuditInterval) {
		before := l.listed
		why := l.Round(ctx, LaneAudit)
		if l.listed != before && why != SourceShrank {
			l.failedAudits, l.auditDue = 0, l.listed.Add(l.cfg.AuditInterval)
			return
		}
		l.failedAudits++
		l.auditDue = l.now().Add(backoff.Wait(2*l.interval(), l.cfg.AuditInterval, l.failedAudits))
	}
	if !stoppedNow(l.stop()) {
		l.Round(ctx, LaneOrders)
	}
}

// interval is the time between two rounds.
func (l *Loop) interval() time.Duration {
	if l.Options.Interval > 0 {
		return l.Options.Interval
	}
	return l.cfg.Interval
}

// jitter spreads the rounds of several nodes: up to a tenth more.
func jitter(d time.Duration) time.Duration {
	return d +
		time.Duration(rand.Float64()*float64(d)/10)
}

// once is one round of both lanes, audit first.
func (l *Loop) once(ctx context.Context) (ledger.Result, error) {
	defer l.release()
	if leads, err := l.leads(ctx); !leads {
		return ledger.Done, err
	}
	rounds := []Reason{l.Round(ctx, LaneAudit)}
	if !stoppedNow(l.stop()) {
		rounds = append(rounds, l.Round(ctx, LaneOrders))
	}
	if !stoppedNow(l.stop()) {
		telling, end := context.WithTimeout(ctx, feedbackPatience)
		l.wordBack.tellAll(telling)
		end()
	}
	result := ledger.Done
	for _, r := range rounds {
		switch {
		case r.fine():
		case slices.Contains([]Reason{PartialRound, ObserveFailed, NotConverged}, r):
			result = ledger.Partial
		default:
			return "", fmt.Errorf("the round ended with %s; see the log above", r)
		}
	}
	return result, nil
}

func stoppedNow(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// Round is one round of one lane: it never ends the loop, whatever happens.
func (l *Loop) Round(ctx context.Context, which Lane) Reason {
	start := l.now()
	l.env.Supervise("STATUS=" + string(which) + " round is running")
	l.history.forget(start, 2*l.cfg.AuditInterval)
	r := &round{loop: l, lane: which, open: map[planner.Key]bool{},
		rejectedNow: map[string]bool{}}
	why, err := r.do(ctx)
	took := l.now().Sub(start)
	r.logEnd(ctx, why, err, took)
	if !l.Options.DryRun {
		if err := l.history.write(l.env.Files); err != nil {
			l.log.Warn("round", "lane", which, "error", err.Error())
		}
	}
	l.metrics.round(r, why, took)
	l.env.Supervise("STATUS=last " + string(which) + " round: " + string(why))
	return why
}

// logEnd logs how the round ended, in one line.
func (r *round) logEnd(ctx context.Context, why Reason, err error, took time.Duration) {
	attrs := []any{"lane", r.lane, "reason", why, "applied", r.applied, "held", r.held, "failed",
		r.failed,
		"took", took.Round(time.Millisecond)}
	level, because := slog.LevelInfo, "because"
	if !why.fine() {
		level, because = slog.LevelWarn, "error"
	}
	if err != nil {
		attrs = append(attrs, because, err.Error())
	}
	if r.loop.Options.DryRun {
		attrs = append(attrs, "dry_run", true)
	}
	r.loop.log.Log(ctx, level, "round", attrs...)
}
