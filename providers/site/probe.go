package site

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// MountProbe finds out which mounts hang, apart from the loop. A mount that hangs has one call on it, and no more until that
// one comes back.
type MountProbe struct {
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

// NewMountProbe returns a probe of mounts that may take timeout to answer.
func NewMountProbe(timeout time.Duration) *MountProbe { return &MountProbe{timeout: timeout} }

// question is answered when done is closed.
type question struct {
	done chan struct{}
	hung []string
}

// Hung are the systems whose mounts do not answer, by name.
func (l *MountProbe) Hung(cfg *config.Config) []string {
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
func (l *MountProbe) ask(cfg *config.Config) (hung []string) {
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
