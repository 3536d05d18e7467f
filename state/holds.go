package state

import (
	"errors"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// AddHold adds a hold. A glob may have several holds, because two people may have two reasons. If
// the hold has no time, it gets the batch's.
func (tx *Tx) AddHold(h planner.Hold) error {
	if h.Glob == "" || h.Reason == "" {
		return errors.New("hold: want a glob and a reason")
	}
	if h.At.IsZero() {
		h.At = tx.now
	}
	return tx.put(bucketHolds, numberKey(tx.next(bucketHolds)), h)
}

// RemoveHolds removes the holds with exactly this glob, including expired ones, and returns them.
func (tx *Tx) RemoveHolds(glob string) ([]planner.Hold, error) {
	var removed []planner.Hold
	var keys [][]byte
	err := decodeEach(tx, bucketHolds, nil, func(k []byte, h planner.Hold) error {
		if h.Glob == glob {
			keys, removed = append(keys, append([]byte(nil), k...)), append(removed, h)
		}
		return nil
	})
	for _, k := range keys {
		if err == nil {
			_, err = tx.del(bucketHolds, k)
		}
	}
	return removed, err
}

// Holds returns the holds that are in force at now, in the order in which they were added. A hold
// without an end never expires.
func (tx *Tx) Holds(now time.Time) ([]planner.Hold, error) {
	every, err := tx.AllHolds()
	return inForce(every, now), err
}

// inForce returns the holds that are in force at now.
func inForce(every []planner.Hold, now time.Time) (out []planner.Hold) {
	for _, h := range every {
		if h.Until.IsZero() || now.Before(h.Until) {
			out = append(out, h)
		}
	}
	return out
}

// knownHolds are the holds of one version of the state.
type knownHolds struct {
	mu sync.Mutex
	// version is nil if no version is known.
	version any
	holds   []planner.Hold
}

// HoldsInForce returns the holds that are in force at now. It reads the state only if the state may
// have changed since the last call.
func (s *Store) HoldsInForce(now time.Time) ([]planner.Hold, error) {
	engine, ok := s.engine.(kv.Versioned)
	if !ok {
		every, err := s.readHolds()
		return inForce(every, now), err
	}
	known := &s.holds
	known.mu.Lock()
	defer known.mu.Unlock()
	version, exists, err := engine.Version() // before the holds, so that they are at least as new
	if err != nil {
		return nil, err
	}
	if !exists || version != known.version {
		known.version = nil
		if known.holds, err = s.readHolds(); err != nil {
			return nil, err
		}
		if exists {
			known.version = version
		}
	}
	return inForce(known.holds, now), nil
}

func (s *Store) readHolds() (every []planner.Hold, err error) {
	err = s.View(func(tx ledger.Tx) error {
		every, err = tx.AllHolds()
		return err
	})
	return every, err
}

// AllHolds returns all holds, including expired ones.
func (tx *Tx) AllHolds() ([]planner.Hold, error) { return all[planner.Hold](tx, bucketHolds) }
