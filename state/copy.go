package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// moved says where a state was moved to. It accepts no more batches.
type moved struct {
	To string    `json:"to"`
	At time.Time `json:"at"`
}

// MovedError means that a state was copied to another engine and is used there.
type MovedError struct {
	State, To string
	At        time.Time
}

// Error says where the state is now.
func (e *MovedError) Error() string {
	return fmt.Sprintf("state %s was moved to %s at %s: use a configuration that names the new "+
		"state; to move it back, run `cscs-sync state copy` there", e.State, e.To, e.At.UTC().Format(time.RFC3339))
}

// CopyTo moves the state to another store, value by value, so that its id and the head of its
// history stay the same. The other store must be empty, or be where this state came from. CopyTo
// first closes this state and then writes the other one. Whatever happens in between, there are
// never two states with one id in use, and the copy can be made again.
func (s *Store) CopyTo(ctx context.Context, to *Store, by ledger.Holder) (err error) {
	if s.File() == to.File() {
		return fmt.Errorf("state %s: this is the same state: name another one", s.File())
	}
	release, err := s.lockBoth(ctx, to, by)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := s.markMoved(to); err != nil {
		return err
	}
	values, m, err := s.everything()
	if err != nil {
		return err
	}
	if err := to.receive(values, m); err != nil {
		return err
	}
	return to.batch(false, func(tx *Tx) error {
		if tx.meta.Head != m.Head {
			return fmt.Errorf("state %s: its history ends with %s after the copy, want %s", to.File(),
				tx.meta.Head, m.Head)
		}
		_, err := tx.pull() // reads and thereby verifies everything
		return errors.Join(err, tx.VerifyHistory(m.Head))
	})
}

// lockBoth takes the locks of two stores, whose files may be in one folder.
func (s *Store) lockBoth(ctx context.Context, to *Store,
	by ledger.Holder) (release func() error, err error) {
	first, err := s.Lock(ctx, by, 0)
	if err != nil {
		return nil, err
	}
	local, _ := first.(*Lock)
	if l, shared := first.(*sharedLock); shared {
		local = l.local
	}
	if to.dir != s.dir {
		second, err := to.Lock(ctx, by, 0)
		if err != nil {
			return nil, errors.Join(err, first.Release())
		}
		return func() error { return errors.Join(second.Release(), first.Release()) }, nil
	}
	leaser, shared := to.engine.(kv.Leaser)
	if !shared {
		return first.Release, nil
	}
	claim, err := to.claimOf(local, by)
	if err != nil {
		return nil, errors.Join(err, first.Release())
	}
	second, err := to.claim(ctx, leaser, claim, by, time.Time{})
	if err != nil {
		return nil, errors.Join(err, first.Release())
	}
	return func() error { return errors.Join(second.Release(), first.Release()) }, nil
}

// markMoved closes the state. If the state is already moving to the same place, it stays as it is.
func (s *Store) markMoved(to *Store) error {
	var other meta
	err := to.any(false, func(tx *Tx) error {
		other = tx.meta
		return nil
	})
	if err != nil {
		return err
	}
	return s.any(true, func(tx *Tx) error {
		switch m := tx.meta; {
		case m.Moved != nil && m.Moved.To != to.File():
			return &MovedError{s.File(), m.Moved.To, m.Moved.At}
		case !isEmpty(other) && (other.Moved == nil || other.ID != m.ID):
			return fmt.Errorf("state %s is not empty, and is not where this state came from: it was left "+
				"as it is; choose another one", to.File())
		case m.Moved != nil:
			return nil
		}
		tx.meta.Moved, tx.changed = &moved{to.File(), tx.now}, true
		return nil
	})
}

// isEmpty reports whether nothing was ever written to a state.
func isEmpty(m meta) bool {
	for _, t := range m.Tallies {
		if t != (tally{}) {
			return false
		}
	}
	return m.Head == ""
}

// everything returns all values except for the meta value, which it returns as m and as not moved.
func (s *Store) everything() (values []kv.Value, m meta, err error) {
	err = s.any(false, func(tx *Tx) error {
		for _, b := range buckets() {
			err := tx.each(b, nil, func([]byte, []byte) error { return nil }) // only verifies the bucket
			if err != nil {
				return err
			}
			err = tx.values.Scan(b, nil, func(k, v []byte) error {
				values = append(values, kv.Value{Bucket: b, Key: bytes.Clone(k), Value: bytes.Clone(v)})
				return nil
			})
			if err != nil {
				return err
			}
		}
		m = tx.meta
		m.Moved = nil
		return nil
	})
	return values, m, err
}

// receive replaces the content of a state that may be replaced.
func (s *Store) receive(values []kv.Value, m meta) error {
	raw, err := seal(bucketMeta, []byte(metaKey), m)
	if err != nil {
		return err
	}
	return s.engine.Batch(true, func(tx kv.Tx) error {
		for _, b := range buckets() {
			var old [][]byte
			err := tx.Scan(b, nil, func(k, _ []byte) error { old = append(old, bytes.Clone(k)); return nil })
			for _, k := range old {
				err = errors.Join(err, tx.Delete(b, k))
			}
			if err != nil {
				return err
			}
		}
		for _, v := range append(values, kv.Value{Bucket: bucketMeta, Key: []byte(metaKey), Value: raw}) {
			if len(v.Key) > s.engine.MaxKey() {
				return fmt.Errorf("state %s: %w: the key of a value in %s has %d bytes, but at most %d are "+
					"allowed",
					s.File(), ledger.ErrUnfit, v.Bucket,
					len(v.Key), s.engine.MaxKey())
			}
			if err := tx.Put(v.Bucket, v.Key, v.Value); err != nil {
				return err
			}
		}
		return nil
	})
}
