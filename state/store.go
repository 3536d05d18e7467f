package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"
)

// The names of the files in state.path.
const (
	FileName     = "state.db"
	CopyName     = "state.db.bak"
	LockName     = "apply.lock"
	KeyName      = "approval.key"
	defaultWait  = 5 * time.Second
	copyLifetime = 24 * time.Hour
)

// Options are what a [Store] needs of the world.
type Options struct {
	// Now tells the time; required.
	Now func() time.Time
	// Random is where the approval key comes from; nil: the kernel.
	Random io.Reader
	// Timeout is how long a batch waits for others to finish theirs; 0: 5 seconds.
	Timeout time.Duration
}

// Store is the state in one folder. It may be used by several goroutines at once; a batch inside a batch of the same
// store waits for itself and ends with [ErrBusy].
type Store struct {
	dir     string
	options Options

	mu sync.Mutex
	// seen is the file as this store's last batch found or left it; the zero value: never.
	seen fileIdentity
	// copied is when this store last made the copy.
	copied time.Time
}

// Open names the folder of the state. It reads and writes nothing yet.
func Open(dir string, o Options) (*Store, error) {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
		return nil, fmt.Errorf("state.path %q: want a clean absolute path, such as /var/lib/cscs-sync", dir)
	}
	if o.Now == nil {
		return nil, errors.New("open state: no clock")
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultWait
	}
	return &Store{dir: dir, options: o}, nil
}

// Dir is the folder of the state, and File the state file in it.
func (s *Store) Dir() string { return s.dir }

// File is the path of the state file.
func (s *Store) File() string { return filepath.Join(s.dir, FileName) }

// View calls fn with the state as it is now; fn cannot change it. Nobody can write until fn returns, so fn must not
// wait for anything. A state that does not exist is empty.
func (s *Store) View(fn func(*Tx) error) error { return s.batch(false, fn) }

// Update calls fn and then writes all of its changes, in one transaction with one sync. When fn or the writing fails,
// nothing is changed. A state that does not exist is made.
func (s *Store) Update(fn func(*Tx) error) error { return s.batch(true, fn) }

func (s *Store) batch(write bool, fn func(*Tx) error) error {
	dir, err := openFolder(s.dir, write)
	if err != nil {
		return err
	}
	if dir != nil {
		defer dir.Close()
	}
	if dir != nil && write {
		if err := s.ensureFile(dir); err != nil {
			return err
		}
	}
	if there, err := exists(dir, FileName); err != nil {
		return explain("open state", s.File(), err)
	} else if !there {
		return fn(&Tx{file: s.File(), now: s.now(), meta: newMeta()})
	}
	b := &batch{store: s, dir: dir, write: write}
	return b.run(fn)
}

func (s *Store) now() time.Time { return s.options.Now().UTC() }

// known tells whether the file is exactly as this store's last batch found or left it.
func (s *Store) known(id fileIdentity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return id == s.seen
}

func (s *Store) remember(id fileIdentity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = id
}

// copyDue tells whether the last good copy is to be made: once for each store, and daily if that lives for long.
func (s *Store) copyDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.options.Now().Sub(s.copied)
	return s.copied.IsZero() || age > copyLifetime || age < 0
}

func (s *Store) hasCopied() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copied = s.options.Now()
}
