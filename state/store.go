package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/bolt"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// The names of the files in state.path.
const (
	lockName = "apply.lock"
	keyName  = "approval.key"
)

// Options are what a [Store] needs from its caller.
type Options struct {
	// Now tells the time; required.
	Now func() time.Time
	// Random is the source of the approval key and of ids; nil means the kernel.
	Random io.Reader
	// Timeout is how long a batch waits for others to finish theirs; 0 means 5 seconds.
	Timeout time.Duration
	// Node and Boot are this node's name and boot id, for a state that nodes share. Fence makes sure
	// that another node is down; if it is nil, only a person can do that.
	Node, Boot string
	Fence      func(ctx context.Context, node string) error
}

// Store is the state: its values, and the folder of its files on this node. It is safe for
// concurrent use. A batch inside a batch of the same store waits for itself, and fails with
// [ErrBusy].
type Store struct {
	dir     string
	options Options
	engine  kv.Engine
	holds   knownHolds
}

// Open returns the store of a state in one file. It reads and writes nothing yet.
func Open(dir string, o Options) (*Store, error) {
	return OpenOn(dir, o, func(c Contents) kv.Engine {
		return bolt.New(dir, bolt.Options{Now: o.Now, Timeout: o.Timeout, Buckets: c.Buckets,
			Initial: c.Initial, Verify: c.Verify})
	})
}

// Contents is what an engine must know about the state: its buckets, the values of a new state, and
// how to verify the values of a whole state.
type Contents struct {
	Buckets []string
	Initial []kv.Value
	Verify  kv.Verify
}

// OpenOn returns the store of a state in another engine. The state's other files are in the folder.
func OpenOn(dir string, o Options, engine func(Contents) kv.Engine) (*Store, error) {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
		return nil, fmt.Errorf("state.path %q: want a clean absolute path, such as /var/lib/cscs-sync",
			dir)
	}
	if o.Now == nil {
		return nil, errors.New("open state: no clock")
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Store{dir: dir, options: o}
	initial, err := s.initialValues()
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	s.engine = engine(Contents{Buckets: append(buckets(), bucketMeta), Initial: initial,
		Verify: s.verify})
	return s, nil
}

// initialValues returns the values of a new state.
func (s *Store) initialValues() ([]kv.Value, error) {
	m := newMeta()
	var err error
	if m.ID, err = s.newID(); err != nil {
		return nil, err
	}
	raw, err := seal(bucketMeta, []byte(metaKey), m)
	return []kv.Value{{Bucket: bucketMeta, Key: []byte(metaKey), Value: raw}}, err
}

// newID returns a random id, which no other state has.
func (s *Store) newID() (string, error) {
	id := make([]byte, 16)
	_, err := io.ReadFull(s.options.Random, id)
	return hex.EncodeToString(id), err
}

// ID returns the id that identifies this state among all others. The storage that it manages
// carries the id. ID creates a state that does not exist.
func (s *Store) ID() (id string, err error) {
	if id, err = s.KnownID(); err != nil || id != "" {
		return id, err
	}
	err = s.batch(true, func(tx *Tx) error { id = tx.meta.ID; return nil })
	return id, err
}

// KnownID returns the same as [Store.ID] but changes nothing. It returns "" if the state does not
// exist or has no id yet.
func (s *Store) KnownID() (id string, err error) {
	err = s.batch(false, func(tx *Tx) error { id = tx.meta.ID; return nil })
	return id, err
}

// Dir returns the folder of the state's files on this node.
func (s *Store) Dir() string { return s.dir }

// File returns the state's name for messages: the path of the state file, or an address.
func (s *Store) File() string { return s.engine.Name() }

// View calls fn with the current state; fn cannot change it. Nobody can write until fn returns, so
// fn must not wait for anything. A state that does not exist is empty.
func (s *Store) View(fn func(ledger.Tx) error) error {
	return s.batch(false, func(tx *Tx) error { return fn(tx) })
}

// Update calls fn and then writes all of its changes, in one transaction with one sync. If fn or
// the writing fails, nothing is changed. Update creates a state that does not exist.
func (s *Store) Update(fn func(ledger.Tx) error) error {
	return s.batch(true, func(tx *Tx) error { return fn(tx) })
}

// batch runs fn in a batch of a state that is in use, which means that it was not moved.
func (s *Store) batch(write bool, fn func(*Tx) error) error {
	return s.any(write, func(tx *Tx) error {
		if m := tx.meta.Moved; m != nil {
			return &MovedError{s.File(), m.To, m.At}
		}
		return fn(tx)
	})
}

// any runs fn in a batch, even if the state was moved.
func (s *Store) any(write bool, fn func(*Tx) error) error {
	return s.engine.Batch(write, func(values kv.Tx) error {
		tx := &Tx{values: values, engine: s.engine, now: s.now(), viewed: !write, cache: s.dir,
			dir: s.dir}
		if values == nil {
			tx.meta = newMeta()
			return fn(tx)
		}
		if write {
			tx.newID = s.newID
		}
		from, err := tx.begin()
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil || !tx.changed || !write {
			return err
		}
		return tx.close(from)
	})
}

func (s *Store) now() time.Time { return s.options.Now().UTC() }
