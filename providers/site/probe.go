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

// MountProbe finds out which mounts hang, independently of the loop. A mount that hangs has one
// call on it, and gets no other until that one returns.
type MountProbe struct {
	// timeout is how long a mount may take to answer.
	timeout time.Duration
	mu      sync.Mutex
	// question is the current question, or nil.
	question *question
	// observer, below root, observes the storage of cfg. Only the current question uses the three.
	cfg      *config.Config
	root     *posix.Root
	observer *providers.StorageObserver
}

// NewMountProbe returns a probe of mounts. A mount that takes longer than timeout to answer hangs.
func NewMountProbe(timeout time.Duration) *MountProbe { return &MountProbe{timeout: timeout} }

// question has its answer in hung once done is closed.
type question struct {
	done chan struct{}
	hung []string
}

// Hung returns the names of the systems whose mounts do not answer.
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

// ask probes every system's mount. It keeps an observer with a hung call, and its root, because
// that observer knows of the call.
func (l *MountProbe) ask(cfg *config.Config) (hung []string) {
	if l.observer == nil || l.cfg != cfg {
		root, err := posix.OpenRoot(cfg.Storage.Root)
		if err != nil {
			return nil
		}
		l.cfg, l.root = cfg, root
		l.observer = providers.NewObserver(providers.Options{Systems: cfg.Settings.Systems,
			Directories: root, Deadline: l.timeout})
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
