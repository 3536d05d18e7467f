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
