package main

import (
	"context"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// How long the stages of a round may go without a sign of life, beyond what their own time limits allow.
const (
	stageSlack   = time.Minute
	planningTime = 10 * time.Minute
	applyingTime = 15 * time.Minute
)

// pulse tells whether the loop gets on: each stage of a round says when the next sign of life is due at the latest. A pulse
// is used from several goroutines.
type pulse struct {
	now   func() time.Time
	mu    sync.Mutex
	stage string
	due   time.Time
}

// beat says what begins now, and how long it may take.
func (p *pulse) beat(stage string, allowed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.due = stage, p.now().Add(allowed)
}

// stuck is the stage that has taken longer than it may; empty if none has.
func (p *pulse) stuck() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due.IsZero() || !p.now().After(p.due) {
		return ""
	}
	return p.stage
}

// last is the stage that began last.
func (p *pulse) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage
}

// stage is where a command that is watched gives a sign of life.
func (a *app) stage(name string, allowed time.Duration) {
	if a.beat != nil {
		a.beat(name, allowed)
	}
}

// watchdog asks systemd's watchdog for patience as long as the loop gets on: not when it is stuck, but also when it is held
// up by a mount that hangs, which a restart would not mend.
func (l *loop) watchdog(ctx context.Context, every time.Duration) {
	said := ""
	for {
		if stage := l.pulse.stuck(); stage == "" || l.canary.hangs(l.config.Load()) {
			l.notify.send("WATCHDOG=1")
			said = ""
		} else if said != stage {
			said = stage
			l.log.Error("the loop is stuck", "stage", stage)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// canary finds out whether a mount hangs, apart from the loop. While one call hangs it makes no other.
type canary struct {
	// timeout is how long a mount may take to answer.
	timeout time.Duration
	mu      sync.Mutex
	out     bool
}

// hangs asks every system's mount.
func (c *canary) hangs(cfg *config.Config) bool {
	c.mu.Lock()
	if c.out {
		c.mu.Unlock()
		return true
	}
	c.out = true
	c.mu.Unlock()
	answer := make(chan bool, 1)
	go func() {
		answer <- anyMountHangs(cfg, c.timeout)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out = false
	}()
	select {
	case hangs := <-answer:
		return hangs
	case <-time.After(2 * c.timeout):
		return true
	}
}

func anyMountHangs(cfg *config.Config, timeout time.Duration) bool {
	root, err := posix.OpenRoot(cfg.Storage.Root)
	if err != nil {
		return false
	}
	observer := providers.NewObserver(providers.Options{Systems: cfg.Settings.Systems, Directories: root, Deadline: timeout})
	for _, m := range observer.Mounts(context.Background(), cfg.Settings.Systems) {
		if m.Unknown != "" {
			return true // the root stays open for the call that hangs
		}
	}
	root.Close()
	return false
}
