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

// How long a stop waits: for running changes to finish, and then for the round to notice that its
// time is over.
const (
	stopGrace = 5 * time.Second
	stopNow   = 2 * time.Second
)

// Config is a loop's configuration. A reload replaces it.
type Config struct {
	Engine *engine.Engine
	// State names the state. With another state, nothing that the loop remembers is valid.
	State string
	// Interval is the time between two rounds, and AuditInterval the time between two audits.
	Interval, AuditInterval time.Duration
	// Listen is the address for metrics and health; empty for none.
	Listen string
	// Leader decides whether this loop works. If it is nil, the loop always works.
	Leader Leader
	// Channels are the configured ways to tell people: "exec", "webhook".
	Channels []string
	// Feedback says what is reported to Waldur in addition to callbacks.
	Feedback Feedback
}

// Env is what a loop needs from its process.
type Env struct {
	Files Files
	// Send sends one notice, as JSON, through one of the channels.
	Send func(ctx context.Context, channel string, notice []byte) error
	// Supervise sends one message to the service manager. WatchdogInterval is how often the service
	// manager wants a sign of life; 0 for never.
	Supervise        func(message string)
	WatchdogInterval time.Duration
	// Reloads asks for another configuration, Load reads it, and Reloading reports to the service
	// manager that a reload begins.
	Reloads   <-chan os.Signal
	Load      func(log *slog.Logger) (Config, Files, error)
	Reloading func()
	// Hung names the systems whose mounts do not answer. It may be called at any time by several
	// goroutines.
	Hung func() []string
	// Hanging returns how many calls to the storage have not come back.
	Hanging func() int
	// MountTimeout is how long a mount may take to answer.
	MountTimeout time.Duration
	// Pages are served beside metrics and health; nil for none. Ended is called after each round, and
	// Seen with what an audit saw.
	Pages http.Handler
	Ended func(lane Lane, why Reason, took time.Duration)
	Seen  func(*engine.Planned)
	// Print prints what a dry run would do.
	Print func(string) error
	Log   *slog.Logger
}

// Files keeps plan files and what the loop remembers. A path in a folder below the state's folder
// is in the state, where all nodes see it. A file in the state's folder itself belongs to this node
// alone.
type Files interface {
	// Dir returns the folder of the state. All paths are below it.
	Dir() string
	// Plans returns the names of the plan files in a folder, sorted. A folder that does not exist has
	// none.
	Plans(folder string) ([]string, error)
	// Read reads a regular file of at most limit bytes.
	Read(path string, limit int64) ([]byte, error)
	// Write writes a file, readable by root alone, completely or not at all. If the file exists,
	// replace must accept its content; a nil replace accepts any.
	Write(path string, data []byte, replace func(existing []byte) error) error
	// Remove removes a file. It is no error if the file does not exist.
	Remove(path string) error
	// Exists reports whether the state has something with this path.
	Exists(path string) (bool, error)
	// Tidy removes what killed writes have left in a folder, and updates its copies of plans.
	Tidy(folder string) error
}

// Options say how a loop runs.
type Options struct {
	// Once runs one round of both lanes. DryRun shows what would be done and changes nothing.
	// AcceptShrunk continues although the listing suddenly lacks many of the recorded resources.
	Once, DryRun, AcceptShrunk bool
	// Interval is the time between two rounds, instead of the configuration's; 0 for none.
	Interval time.Duration
}

// Loop is the unattended loop. One goroutine runs its rounds one after the other, so that a listing
// never begins before the one before has ended.
type Loop struct {
	// Options may be changed between two rounds.
	Options Options

	cfg Config
	env Env
	// clock and stopping are those of the process. Other goroutines use them, so they are not read
	// from cfg.
	clock    func() time.Time
	stopping <-chan struct{}
	// listed is when the last complete audit began.
	listed time.Time
	// auditDue is when the next audit may begin. failedAudits counts the audits that failed since the
	// last good one.
	auditDue     time.Time
	failedAudits int
	// toldOld is the time of the last index that the log has called too old.
	toldOld time.Time
	// quiet says until when the loop asks the proxy nothing.
	quiet quietError
	// isTrusted reports whether a plan that a person approved has been applied on this state. Once
	// set, it stays set.
	isTrusted bool
	// history is about resources. heldTries is about held plans that could not be applied, by the name
	// of their file.
	history   FailureHistory
	heldTries map[string]pause
	// kept says why this version can't use a plan file, by path.
	kept map[string]string
	// refused says that Waldur refused our token, and until when no callback is sent.
	refused pause
	// feedback sends to Waldur what Feedback asks for. tellAgain makes it forget what it has sent.
	feedback  *feedbackSender
	tellAgain bool

	log *slog.Logger
	// metrics counts rounds and more, for /metrics; never nil.
	metrics *metrics
	// stopServing stops the server of metrics; nil if there is none.
	stopServing func()
	heartbeat   *heartbeat
	standby     standby
}

// pause counts how often something failed in a row, and says until when it is not tried.
type pause struct {
	count int
	until time.Time
}

// New returns a loop that remembers what the last loop on this state remembered.
func New(cfg Config, env Env, o Options) *Loop {
	l := &Loop{cfg: cfg, env: env, clock: cfg.Engine.Now, stopping: cfg.Engine.Hooks.Stop, Options: o,
		history: newHistory(), heldTries: map[string]pause{}, kept: map[string]string{}, log: env.Log,
		stopServing: func() {}}
	l.feedback = newFeedbackSender()
	l.heartbeat = &heartbeat{now: l.now}
	l.metrics = newMetrics(l.now, l.heartbeat)
	l.metrics.pages = env.Pages
	l.cfg.Engine.Hooks.Stage = l.heartbeat.beat
	l.recall()
	return l
}

// recall reads what the last loop on this state remembered.
func (l *Loop) recall() {
	var err error
	if l.history, err = ReadHistory(l.env.Files); err != nil {
		l.log.Warn("start", "error", err.Error())
	}
}

func (l *Loop) now() time.Time { return l.clock() }

// stop returns a channel that is closed when the process is asked to stop.
func (l *Loop) stop() <-chan struct{} { return l.stopping }

// Handler serves /metrics, /healthz and /readyz.
func (l *Loop) Handler() http.Handler { return l.metrics.handler() }

// History returns what the loop remembers about failures.
func (l *Loop) History() *FailureHistory { return &l.history }

// Audits returns when the next audit may begin, and how many audits have failed since the last good
// one.
func (l *Loop) Audits() (due time.Time, failed int) { return l.auditDue, l.failedAudits }

// Beat gives a sign of life from outside: a stage has begun or continues, and may take this long.
func (l *Loop) Beat(stage string, allowed time.Duration) { l.heartbeat.beat(stage, allowed) }

// stage gives a sign of life.
func (l *Loop) stage(name string, allowed time.Duration) { l.heartbeat.beat(name, allowed) }

// pendingFolder returns the folder of held plans, which wait for people.
func (l *Loop) pendingFolder() string { return PendingFolder(l.env.Files.Dir()) }

// begunFolder returns the folder of the plans that the policy has approved, while they run. After a
// kill the next run continues them. If they were planned again instead, an unfinished directory
// would look like somebody else's and be held for a person.
func (l *Loop) begunFolder() string { return BegunFolder(l.env.Files.Dir()) }

// Run runs the loop until it is asked to stop or, with Once, for one round of both lanes; the
// result partial says how that ended. Run ends within 10 s even if something hangs. What was begun
// is in the journal.
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

// forever runs rounds until the loop is asked to stop.
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
	go l.feedback.run(ctx)
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

// Tick runs the audit if it is due, and the orders lane unless that audit has looked at everything.
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

// interval returns the time between two rounds.
func (l *Loop) interval() time.Duration {
	if l.Options.Interval > 0 {
		return l.Options.Interval
	}
	return l.cfg.Interval
}

// jitter adds up to a tenth, so that the rounds of several nodes do not coincide.
func jitter(d time.Duration) time.Duration {
	return d +
		time.Duration(rand.Float64()*float64(d)/10)
}

// once runs one round of both lanes, the audit first.
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
		l.feedback.tellAll(telling)
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

// Round runs one round of one lane. It never ends the loop, whatever happens.
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

// logEnd logs in one line how the round ended.
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
