package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
	_ "time/tzdata" // windows name time zones, and a node may have none installed

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/state"
)

// reason is how a round ended: exactly one for each, logged and counted.
type reason string

// The reasons, in the order of what a person would look at first.
const (
	applied           reason = "applied"
	noChanges         reason = "no_changes"
	allHeld           reason = "all_held"
	sourceUnreachable reason = "source_unreachable"
	sourceIncomplete  reason = "source_incomplete"
	sourceShrank      reason = "source_shrank"
	lockBusy          reason = "lock_busy"
	observeFailed     reason = "observe_failed"
	partialRound      reason = "partial"
	inBackoff         reason = "backoff"
	outsideWindow     reason = "outside_window"
	overLimit         reason = "over_limit"
	notConverged      reason = "not_converged"
	roundFailed       reason = "error"
)

// fine tells reasons that need nobody's attention.
func (r reason) fine() bool {
	return r == applied || r == noChanges || r == allHeld || r == outsideWindow
}

// lane is one of the loop's two ways of looking.
type lane string

const (
	laneOrders lane = "orders"
	laneAudit  lane = "audit"
)

// loop is the unattended loop.
type loop struct {
	s *session
	o runOptions
	// audited is when the last audit that listed everything began.
	audited time.Time
	// failures are the resources that failed, with how often in a row and when to try again.
	failures map[planner.Key]failure
	// refused is Waldur's refusal of our token, and until when no callback is sent.
	refused failure
	// did is what was done with each resource lately: the same again and again tells that it does not stay.
	did map[planner.Key]repeated

	// retryAfter is how long the proxy asked to be left alone.
	retryAfter time.Duration
	notify     *notifier
	log        *slog.Logger
	// metrics counts rounds and more, for /metrics; never nil.
	metrics *metrics
}

// repeated is one action that was done, and how often in a row.
type repeated struct {
	action string
	count  int
	last   time.Time
}

// failure is one resource's bad luck.
type failure struct {
	count int
	until time.Time
}

func newLoop(s *session, o runOptions) *loop {
	l := &loop{s: s, o: o, failures: map[planner.Key]failure{}, did: map[planner.Key]repeated{}, notify: newNotifier(s.getenv), metrics: newMetrics(s.now)}
	l.log = s.roundLog()
	return l
}

// roundLog logs rounds: at least at level info, for a loop that says nothing cannot be trusted.
func (a *app) roundLog() *slog.Logger {
	if a.log.Enabled(context.Background(), slog.LevelInfo) || a.quietLog {
		return a.log
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (l *loop) run(ctx context.Context) error {
	if l.o.once {
		return l.once(ctx)
	}
	stopServer, err := l.metrics.serve(l.s.cfg.Run.Listen, l.log)
	if err != nil {
		return err
	}
	defer stopServer()
	l.s.reloads.Store(true)
	hup := watchReload()
	l.notify.send("READY=1")
	defer l.notify.send("STOPPING=1")
	for {
		which := laneOrders
		if l.s.now().Sub(l.audited) >= l.s.cfg.Run.AuditInterval {
			which = laneAudit
		}
		l.round(ctx, which)
		wait := jitter(max(l.interval(), l.retryAfter))
		l.retryAfter = 0
		select {
		case <-ctx.Done():
			return nil
		case <-l.s.stop:
			return nil
		case <-hup:
			l.reload()
		case <-time.After(wait):
		}
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
	first := l.round(ctx, laneAudit)
	second := first
	if !stoppedNow(l.s.stop) {
		second = l.round(ctx, laneOrders)
	}
	for _, r := range []reason{first, second} {
		switch r {
		case applied, noChanges, allHeld, outsideWindow, overLimit, inBackoff:
		case partialRound, observeFailed, notConverged:
			return ended(exitPartial)
		default:
			return &outcome{exitError, errors.New("the round ended with " + string(r) + "; see the log above")}
		}
	}
	return nil
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
	r := &round{loop: l, lane: which}
	why, err := r.do(ctx)
	took := l.s.now().Sub(start)
	attrs := []any{"lane", which, "reason", why, "applied", r.applied, "held", r.held, "failed", r.failed, "took", took.Round(time.Millisecond)}
	if err != nil {
		attrs = append(attrs, "error", err.Error())
	}
	var status *waldur.StatusError
	if errors.As(err, &status) {
		l.retryAfter = min(status.RetryAfter, time.Hour)
	}
	level := slog.LevelInfo
	if !why.fine() {
		level = slog.LevelWarn
	}
	l.log.Log(ctx, level, "round", attrs...)
	l.metrics.round(r, why, took)
	l.notify.send("WATCHDOG=1\nSTATUS=last " + string(which) + " round: " + string(why))
	return why
}

// reload reads the configuration again, and goes on with the old one if the new one is not valid.
func (l *loop) reload() {
	path, err := l.s.configuration()
	if err != nil {
		l.log.Error("reload", "error", err.Error())
		return
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Read})
	if diags.HasErrors() {
		l.s.showDiagnostics(diags, cfg.Sources)
		l.log.Error("reload: the configuration is not valid; going on with the old one")
		return
	}
	store, err := state.Open(cfg.State, state.Options{Now: l.s.now})
	if err != nil {
		l.log.Error("reload", "error", err.Error())
		return
	}
	l.s.cfg, l.s.store, l.s.eyes, l.audited, l.refused = cfg, store, nil, time.Time{}, failure{}
	l.log.Info("reload: the configuration was read again")
}
