package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
	_ "time/tzdata" // windows name time zones, and a node may have none installed

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

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
	// toldOld is the time of the index of which was said that it is too old.
	toldOld time.Time
	// quiet is until when the proxy is left alone.
	quiet quietError
	// isTrusted tells that a plan approved by a person has been applied on this state; then it stays so.
	isTrusted bool
	// memory is of resources, heldTries of held plans that could not be applied, by the name of their file.
	memory    memory
	heldTries map[string]pause
	// kept says of plan files why this version can't use them, by path.
	kept map[string]string
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
	l := &loop{s: s, o: o, memory: newMemory(), heldTries: map[string]pause{}, kept: map[string]string{}, notify: newNotifier(),
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
	if n, last, err := l.s.fromFuture(); err == nil && n > 0 {
		l.log.Warn("clock", "error", futureText(n, last))
	}
	go l.watchMounts(work, 3*l.s.mountTimeout)
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
	stopServing, err := l.metrics.serve(l.s.cfg.Run.Listen, l.log)
	if err != nil {
		return err
	}
	defer func() { stopServing() }()
	l.s.reloads.Store(true)
	hup := watchReload()
	l.notify.send("READY=1\nSTATUS=first round")
	if l.notify.watchdog > 0 {
		go l.watchdog(ctx, l.notify.watchdog)
	}
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
			stopServing = l.reload(stopServing)
		case <-time.After(wait):
		}
	}
}

// tick runs the audit when it is due, and the orders lane unless that audit has looked at everything.
func (l *loop) tick(ctx context.Context) {
	if !waitsUntil(l.s.now(), l.auditDue, l.s.cfg.Run.AuditInterval) {
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
		case applied, wouldApply, noChanges, allHeld, ordersBlocked, outsideWindow, overLimit, inBackoff, stopped:
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
	r.logEnd(ctx, why, err, took)
	if !l.o.dryRun {
		if err := l.s.keepMemory(&l.memory); err != nil {
			l.log.Warn("round", "lane", which, "error", err.Error())
		}
	}
	l.metrics.round(r, why, took)
	l.notify.send("STATUS=last " + string(which) + " round: " + string(why))
	return why
}

// logEnd logs how the round ended, in one line.
func (r *round) logEnd(ctx context.Context, why reason, err error, took time.Duration) {
	attrs := []any{"lane", r.lane, "reason", why, "applied", r.applied, "held", r.held, "failed", r.failed,
		"took", took.Round(time.Millisecond)}
	level, because := slog.LevelInfo, "because"
	if !why.fine() {
		level, because = slog.LevelWarn, "error"
	}
	if err != nil {
		attrs = append(attrs, because, err.Error())
	}
	if r.o.dryRun {
		attrs = append(attrs, "dry_run", true)
	}
	r.log.Log(ctx, level, "round", attrs...)
}
