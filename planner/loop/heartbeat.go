package loop

import (
	"context"
	"sync"
	"time"
)

// stageWaiting is the stage between two rounds.
const stageWaiting = "waiting"

// heartbeat knows whether the loop makes progress: at each stage of a round the loop says when the
// next sign of life is due at the latest. Several goroutines use it.
type heartbeat struct {
	now   func() time.Time
	mu    sync.Mutex
	stage string
	// at is when the last sign of life was; due is when the next one has to come.
	at, due time.Time
}

// beat notes which stage begins now, and how long it may take.
func (p *heartbeat) beat(stage string, allowed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.at = stage, p.now()
	p.due = p.at.Add(allowed)
}

// stuck returns the stage that has taken longer than it may; empty if none has.
func (p *heartbeat) stuck() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due.IsZero() || !p.now().After(p.due) {
		return ""
	}
	return p.stage
}

// last returns the stage that began last.
func (p *heartbeat) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage
}

// silent returns how long ago the last sign of life was. It returns nothing between two rounds,
// when none is due.
func (p *heartbeat) silent() (stage string, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == "" || p.stage == stageWaiting {
		return p.stage, 0
	}
	return p.stage, p.now().Sub(p.at)
}

// watchdog keeps systemd's watchdog from restarting the process as long as the loop makes progress.
// It also does that while a hung mount holds the loop up, because a restart would not help. It
// stops only when the loop is stuck for another reason.
func (l *Loop) watchdog(ctx context.Context, every time.Duration) {
	said := ""
	for {
		if stage := l.heartbeat.stuck(); stage == "" || len(l.env.Hung()) > 0 {
			l.env.Supervise("WATCHDOG=1")
			said = ""
		} else if said != stage {
			said = stage
			l.log.Error("the loop is stuck although no mount hangs; the watchdog, if there is one, "+
				"restarts it", "stage", stage)
		}
		if !sleep(ctx, every) {
			return
		}
	}
}
