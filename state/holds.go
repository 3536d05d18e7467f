package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// AddHold adds a hold. Several may be for one glob: two people's reasons are two holds. Its time is the batch's unless
// it is given.
func (tx *Tx) AddHold(h planner.Hold) error {
	if h.Glob == "" || h.Reason == "" {
		return errors.New("hold: want a glob and a reason")
	}
	if h.At.IsZero() {
		h.At = tx.now
	}
	return tx.put(bucketHolds, numberKey(tx.next(bucketHolds)), h)
}

// RemoveHolds removes the holds for exactly this glob, expired ones too, and returns them.
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

// Holds are the holds in force at now, in the order in which they were added. A hold without an end never expires.
func (tx *Tx) Holds(now time.Time) ([]planner.Hold, error) {
	every, err := tx.AllHolds()
	var out []planner.Hold
	for _, h := range every {
		if h.Until.IsZero() || now.Before(h.Until) {
			out = append(out, h)
		}
	}
	return out, err
}

// AllHolds are the holds in force and the expired ones.
func (tx *Tx) AllHolds() ([]planner.Hold, error) { return all[planner.Hold](tx, bucketHolds) }

// SetIndex replaces the index that the last complete listing left. The listing began at at, when [Tx.Written] was written.
// Chunks are JSON documents of any shape.
func (tx *Tx) SetIndex(at time.Time, written uint64, chunks []json.RawMessage) error {
	if err := tx.clear(bucketIndex, nil); err != nil {
		return err
	}
	for i, c := range chunks {
		if err := tx.put(bucketIndex, numberKey(uint64(i)), c); err != nil {
			return fmt.Errorf("index chunk %d: %w", i, err)
		}
	}
	tx.changed = true
	tx.meta.IndexAt, tx.meta.IndexSeq = at.UTC(), written
	return nil
}

// Index is the last index, with the time of its listing and what [Tx.Written] was then; a zero time if there is none.
func (tx *Tx) Index() (at time.Time, written uint64, chunks []json.RawMessage, err error) {
	chunks, err = all[json.RawMessage](tx, bucketIndex)
	return tx.meta.IndexAt, tx.meta.IndexSeq, chunks, err
}
