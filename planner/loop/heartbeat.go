package loop

import (
	"context"
	"sync"
	"time"
)

// stageWaiting is the stage between two rounds.
const stageWaiting = "waiting"

// heartbeat reports whether the loop gets on: each stage of a round says when the next sign of life
// is due at the latest. It is used from several goroutines.
type heartbeat struct {
	now   func() time.Time
	mu    sync.Mutex
	stage string
	// at is when the last sign of life was, due when the next one is.
	at, due time.Time
}

// beat says what begins now, and how long it may take.
func (p *heartbeat) beat(stage string, allowed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.at = stage, p.now()
	p.due = p.at.Add(allowed)
}

// stuck is the stage that has taken longer than it may; empty if none has.
func (p *heartbeat) stuck() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due.IsZero() || !p.now().After(p.due) {
		return ""
	}
	return p.stage
}

// last is the stage that began last.
func (p *heartbeat) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage
}

// silent is how long ago the last sign of life was; nothing between two rounds, when none is due.
func (p *heartbeat) silent() (stage string, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == "" || p.stage == stageWaiting {
		return p.stage, 0
	}
	return p.stage, p.now().Sub(p.at)
}

// watchdog asks systemd's watchdog for patience as long as the loop gets on: not when it is stuck,
// but also when it is held up by a mount that hangs, which a restart would not fix.
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
