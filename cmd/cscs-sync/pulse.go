package main

import (
	"context"
	"slices"
	"strings"
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

// stageWaiting is the stage between two rounds.
const stageWaiting = "waiting"

// pulse tells whether the loop gets on: each stage of a round says when the next sign of life is due at the latest. A pulse
// is used from several goroutines.
type pulse struct {
	now   func() time.Time
	mu    sync.Mutex
	stage string
	// at is when the last sign of life was, due when the next one is.
	at, due time.Time
}

// beat says what begins now, and how long it may take.
func (p *pulse) beat(stage string, allowed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.at = stage, p.now()
	p.due = p.at.Add(allowed)
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

// silent is how long ago the last sign of life was; nothing between two rounds, when none is due.
func (p *pulse) silent() (stage string, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == "" || p.stage == stageWaiting {
		return p.stage, 0
	}
	return p.stage, p.now().Sub(p.at)
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
		if stage := l.pulse.stuck(); stage == "" || len(l.lookout.hung(l.config.Load())) > 0 {
			l.notify.send("WATCHDOG=1")
			said = ""
		} else if said != stage {
			said = stage
			l.log.Error("the loop is stuck, and no mount hangs: the watchdog, if there is one, restarts it", "stage", stage)
		}
		if !sleep(ctx, every) {
			return
		}
	}
}

// watchMounts tells of a mount that hangs under a round's hands: it died after it was looked at, so that the call which
// changes something on it does not come back, and the round with it. Mounts are asked only while a round gives no sign of
// life, so it takes at most three times every until this is seen.
func (l *loop) watchMounts(ctx context.Context, every time.Duration) {
	for sleep(ctx, every) {
		stage, since := l.pulse.silent()
		var hung []string
		if since > every {
			hung = l.lookout.hung(l.config.Load())
		}
		switch was := l.metrics.heldUpBy(hung); {
		case len(hung) > 0 && was == "":
			l.log.Error("a round waits for a mount that does not answer, and nothing else is done meanwhile: mend the mount, or unmount it by force",
				"systems", strings.Join(hung, ", "), "stage", stage)
			l.notify.send("STATUS=" + stage + ": waits for a mount that does not answer: " + strings.Join(hung, ", "))
		case len(hung) == 0 && was != "":
			l.log.Info("the round goes on: the mount answers, or its call has ended", "systems", was)
		}
	}
}

// sleep tells whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lookout finds out which mounts hang, apart from the loop. A mount that hangs has one call on it, and no more until that
// one comes back.
type lookout struct {
	// timeout is how long a mount may take to answer.
	timeout time.Duration
	mu      sync.Mutex
	// question is the one under way; nil if none is.
	question *question
	// observer, below root, is that of cfg. Only the question under way uses them.
	cfg      *config.Config
	root     *posix.Root
	observer *providers.StorageObserver
}

// question is answered when done is closed.
type question struct {
	done chan struct{}
	hung []string
}

// hung are the systems whose mounts do not answer, by name.
func (l *lookout) hung(cfg *config.Config) []string {
	l.mu.Lock()
	q := l.question
	if q == nil {
		q = &question{done: make(chan struct{})}
		l.question = q
		go func() {
			q.hung = l.ask(cfg)
			l.mu.Lock()
			l.question = nil
			l.mu.Unlock()
			close(q.done)
		}()
	}
	l.mu.Unlock()
	select {
	case <-q.done:
		return q.hung
	case <-time.After(2 * l.timeout): // not even the root can be opened
		return []string{"storage.root"}
	}
}

// ask asks every system's mount. An observer with a call that hangs is kept, with its root, as it knows of that call.
func (l *lookout) ask(cfg *config.Config) (hung []string) {
	if l.observer == nil || l.cfg != cfg {
		root, err := posix.OpenRoot(cfg.Storage.Root)
		if err != nil {
			return nil
		}
		l.cfg, l.root = cfg, root
		l.observer = providers.NewObserver(providers.Options{Systems: cfg.Settings.Systems, Directories: root, Deadline: l.timeout})
	}
	for name, m := range l.observer.Mounts(context.Background(), cfg.Settings.Systems) {
		if m.Unknown != "" {
			hung = append(hung, name)
		}
	}
	slices.Sort(hung)
	if l.observer.Hanging() == 0 {
		l.root.Close()
		l.observer, l.root = nil, nil
	}
	return hung
}
