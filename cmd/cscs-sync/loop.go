package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
	_ "time/tzdata" // windows name time zones, and a node may have none installed

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
)

// reason is how a round ended: exactly one for each, logged and counted.
type reason string

// The reasons; docs/loop.md says what to do with each.
const (
	applied           reason = "applied"
	noChanges         reason = "no_changes"
	allHeld           reason = "all_held"
	outsideWindow     reason = "outside_window"
	overLimit         reason = "over_limit"
	inBackoff         reason = "backoff"
	sourceUnreachable reason = "source_unreachable"
	sourceIncomplete  reason = "source_incomplete"
	sourceShrank      reason = "source_shrank"
	lockBusy          reason = "lock_busy"
	observeFailed     reason = "observe_failed"
	partialRound      reason = "partial"
	notConverged      reason = "not_converged"
	stopped           reason = "stopped"
	roundFailed       reason = "error"
)

// reasons lists all of them.
func reasons() []reason {
	return []reason{applied, noChanges, allHeld, outsideWindow, overLimit, inBackoff, sourceUnreachable, sourceIncomplete, sourceShrank,
		lockBusy, observeFailed, partialRound, notConverged, stopped, roundFailed}
}

// fine tells reasons of rounds that did all that they might. What waits for its next try or for a person does not make the
// loop less ready: each has a metric of its own.
func (r reason) fine() bool {
	return slices.Contains([]reason{applied, noChanges, allHeld, outsideWindow, overLimit, inBackoff, stopped}, r)
}

// How long a stop waits: for what is under way to get to a good place, and then for it to notice that its time is over.
const (
	stopGrace = 5 * time.Second
	stopNow   = 2 * time.Second
)

// loop is the unattended loop. One goroutine runs its rounds, one after the other: so there is never a second listing
// while one is under way.
type loop struct {
	s *session
	o runOptions
	// listed is when the last audit that listed everything began.
	listed time.Time
	// auditDue is when the next audit may begin; failedAudits counts those that failed since the last good one.
	auditDue     time.Time
	failedAudits int
	// archived are the resources that were archived since then: they stand in nobody's way any more.
	archived map[planner.Key]bool
	// quiet is until when the proxy is left alone.
	quiet quietError
	// isTrusted tells that a plan approved by a person has been applied on this state; then it stays so.
	isTrusted bool
	// memory is of resources, heldTries of held plans that could not be applied, by the name of their file.
	memory    memory
	heldTries map[string]pause
	// refused is Waldur's refusal of our token, and until when no callback is sent.
	refused pause

	notify *notifier
	log    *slog.Logger
	// metrics counts rounds and more, for /metrics; never nil.
	metrics *metrics
	pulse   *pulse
	lookout lookout
	// config is the session's, for other goroutines.
	config atomic.Pointer[config.Config]
}

// pause is how often something failed in a row, and until when it is left alone.
type pause struct {
	count int
	until time.Time
}

func newLoop(s *session, o runOptions) *loop {
	l := &loop{s: s, o: o, memory: newMemory(), archived: map[planner.Key]bool{}, heldTries: map[string]pause{}, notify: newNotifier(s.getenv),
		pulse: &pulse{now: s.now}, lookout: lookout{timeout: s.mountTimeout}}
	l.metrics = newMetrics(s.now, l.pulse)
	l.config.Store(s.cfg)
	s.beat = l.pulse.beat
	l.log = s.roundLog()
	l.recall()
	return l
}

// recall has the loop remember what the last one on this state has left.
func (l *loop) recall() {
	var err error
	if l.memory, err = l.s.recallMemory(); err != nil {
		l.log.Warn("start", "error", err.Error())
	}
}

// roundLog logs rounds: at least at level info, for a loop that says nothing cannot be trusted.
func (a *app) roundLog() *slog.Logger {
	if a.quietLog || a.log.Enabled(context.Background(), slog.LevelInfo) {
		return a.log
	}
	return a.logger(slog.LevelInfo)
}

// run runs the loop until it is asked to stop. Whatever hangs, it ends within 10 s: what was begun is in the journal.
func (l *loop) run(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	l.log.Info("start", "version", version(), "state", l.s.store.Dir(), "once", l.o.once, "dry_run", l.o.dryRun, "interval", l.interval(),
		"audit_interval", l.s.cfg.Run.AuditInterval)
	result := make(chan error, 1)
	go func() {
		if l.o.once {
			result <- l.once(work)
			return
		}
		result <- l.forever(work)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	case <-l.s.stop:
		l.log.Info("stop", "stage", l.pulse.last())
		l.notify.send("STOPPING=1\nSTATUS=stopping after what is under way")
	}
	for _, step := range []time.Duration{stopGrace, stopNow} {
		select {
		case err := <-result:
			return err
		case <-time.After(step):
			cancel()
		}
	}
	l.log.Error("stopped although something hangs; what was begun is in the journal, and the next run goes on with it", "stage",
		l.pulse.last())
	return nil
}

// forever runs rounds.
func (l *loop) forever(ctx context.Context) error {
	close, err := l.metrics.serve(l.s.cfg.Run.Listen, l.log)
	if err != nil {
		return err
	}
	defer func() { close() }()
	l.s.reloads.Store(true)
	hup := watchReload()
	l.notify.send("READY=1\nSTATUS=first round")
	if l.notify.watchdog > 0 {
		go l.watchdog(ctx, l.notify.watchdog)
	}
	go l.watchMounts(ctx, 3*l.s.mountTimeout)
	for {
		l.tick(ctx)
		wait := jitter(l.interval())
		l.pulse.beat(stageWaiting, wait+stageSlack)
		select {
		case <-ctx.Done():
			return nil
		case <-l.s.stop:
			return nil
		case <-hup:
			close = l.reload(close)
		case <-time.After(wait):
		}
	}
}

// tick runs the audit when it is due, and the orders lane unless that audit has looked at everything.
func (l *loop) tick(ctx context.Context) {
	if !l.s.now().Before(l.auditDue) {
		before := l.listed
		why := l.round(ctx, laneAudit)
		if l.listed != before && why != sourceShrank {
			l.failedAudits, l.auditDue = 0, l.listed.Add(l.s.cfg.Run.AuditInterval)
			return
		}
		l.failedAudits++
		l.auditDue = l.s.now().Add(min(l.interval()<<min(l.failedAudits, 10), l.s.cfg.Run.AuditInterval))
	}
	if !stoppedNow(l.s.stop) {
		l.round(ctx, laneOrders)
	}
}

// interval is the time between two rounds.
func (l *loop) interval() time.Duration {
	if l.o.interval > 0 {
		return l.o.interval
	}
	return l.s.cfg.Run.Interval
}

// jitter spreads the rounds of several nodes: up to a tenth more.
func jitter(d time.Duration) time.Duration { return d + time.Duration(rand.Float64()*float64(d)/10) }

// once is one round of both lanes, audit first.
func (l *loop) once(ctx context.Context) error {
	rounds := []reason{l.round(ctx, laneAudit)}
	if !stoppedNow(l.s.stop) {
		rounds = append(rounds, l.round(ctx, laneOrders))
	}
	code := exitDone
	for _, r := range rounds {
		switch r {
		case applied, noChanges, allHeld, outsideWindow, overLimit, inBackoff, stopped:
		case partialRound, observeFailed, notConverged:
			code = exitPartial
		default:
			return &outcome{exitError, errors.New("the round ended with " + string(r) + "; see the log above")}
		}
	}
	if code == exitDone {
		return nil
	}
	return ended(code)
}

func stoppedNow(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// round is one round of one lane: it never ends the loop, whatever happens.
func (l *loop) round(ctx context.Context, which lane) reason {
	start := l.s.now()
	l.notify.send("STATUS=" + string(which) + " round under way")
	l.memory.forget(start, 2*l.s.cfg.Run.AuditInterval)
	r := &round{loop: l, lane: which, open: map[planner.Key]bool{}}
	why, err := r.do(ctx)
	took := l.s.now().Sub(start)
	attrs := []any{"lane", which, "reason", why, "applied", r.applied, "held", r.held, "failed", r.failed,
		"took", took.Round(time.Millisecond)}
	level, because := slog.LevelInfo, "because"
	if !why.fine() {
		level, because = slog.LevelWarn, "error"
	}
	if err != nil {
		attrs = append(attrs, because, err.Error())
	}
	if l.o.dryRun {
		attrs = append(attrs, "dry_run", true)
	}
	l.log.Log(ctx, level, "round", attrs...)
	if !l.o.dryRun {
		if err := l.s.keepMemory(&l.memory); err != nil {
			l.log.Warn("round", "lane", which, "error", err.Error())
		}
	}
	l.metrics.round(r, why, took)
	l.notify.send("STATUS=last " + string(which) + " round: " + string(why))
	return why
}

// reload reads the configuration again, and goes on with the old one if the new one is not valid. It gives the function
// that stops serving metrics.
func (l *loop) reload(stopServing func()) func() {
	l.notify.reloading()
	defer l.notify.send("READY=1")
	stop, err := l.change(stopServing)
	if err != nil {
		l.log.Error("reload: going on with the old configuration; mend the new one, and reload again", "error", err.Error())
		return stopServing
	}
	l.log.Info("reload: the configuration was read again")
	return stop
}

// change takes over a new configuration, all of it or nothing.
func (l *loop) change(stopServing func()) (func(), error) {
	path, err := l.s.configuration()
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Read})
	l.s.showDiagnostics(diags, cfg.Sources)
	if diags.HasErrors() {
		return nil, fmt.Errorf("configuration %s is not valid: what is wrong stands above", path)
	}
	if cfg.Proxy == nil || cfg.Waldur == nil {
		return nil, fmt.Errorf("configuration %s has no proxy or no waldur block any more; the loop needs both", path)
	}
	store, err := state.Open(cfg.State, state.Options{Now: l.s.now})
	if err != nil {
		return nil, err
	}
	if cfg.Run.Listen != l.s.cfg.Run.Listen {
		stop, err := l.metrics.serve(cfg.Run.Listen, l.log)
		if err != nil {
			return nil, err
		}
		stopServing()
		stopServing = stop
	}
	l.adopt(cfg, store)
	return stopServing, nil
}

// adopt goes on with another configuration: it begins with an audit, and tries at once what failed before.
func (l *loop) adopt(cfg *config.Config, store *state.Store) {
	elsewhere := cfg.State != l.s.cfg.State
	if cfg.Settings.Fingerprint != l.s.cfg.Settings.Fingerprint {
		l.s.eyes = nil // else it stays: it knows which mounts hang
	}
	l.s.cfg, l.s.store, l.auditDue, l.failedAudits, l.refused = cfg, store, time.Time{}, 0, pause{}
	l.config.Store(cfg)
	if elsewhere {
		l.isTrusted = false
		l.recall()
	}
	l.memory.retry(l.s.now())
	clear(l.heldTries)
}
