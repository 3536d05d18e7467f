package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// SetIndex replaces the index, which the last complete listing produced. The listing began at at,
// when [Tx.Written] was written. Chunks are JSON documents of any shape.
func (tx *Tx) SetIndex(at time.Time, written uint64, chunks []json.RawMessage) error {
	if err := tx.clear(bucketIndex, nil); err != nil {
		return err
	}
	for i, c := range chunks {
		if !json.Valid(c) {
			return fmt.Errorf("index chunk %d: it is not JSON", i)
		}
		// as it is: to encode it again would take longer than to write it
		if err := tx.put(bucketIndex, numberKey(uint64(i)), content(c)); err != nil {
			return fmt.Errorf("index chunk %d: %w", i, err)
		}
	}
	tx.changed = true
	tx.meta.IndexAt, tx.meta.IndexSeq = at.UTC(), written
	return tx.dropNotes(written)
}

// Index returns the index, the time of its listing, and what [Tx.Written] was then. The time is
// zero if there is no index.
func (tx *Tx) Index() (at time.Time, written uint64, chunks []json.RawMessage, err error) {
	err = tx.each(bucketIndex, nil, func(_, body []byte) error {
		chunks = append(chunks, bytes.Clone(body)) // what was stored is JSON: nothing is decoded here
		return nil
	})
	return tx.meta.IndexAt, tx.meta.IndexSeq, chunks, err
}

// IndexAt returns the time of the index's listing, and what [Tx.Written] was then. It reads no
// chunk. The time is zero if there is no index.
func (tx *Tx) IndexAt() (at time.Time, written uint64) {
	return tx.meta.IndexAt, tx.meta.IndexSeq
}

// IndexChunk returns one chunk of the index; the first is 0. It returns nil if there is none with
// this number. A chunk that the index should have and does not is damage.
func (tx *Tx) IndexChunk(n int) (json.RawMessage, error) {
	if n < 0 || uint64(n) >= tx.meta.Tallies[bucketIndex].Count {
		return nil, nil
	}
	key := numberKey(uint64(n))
	body, err := tx.body(bucketIndex, key)
	if err == nil && body == nil {
		return nil, tx.damaged(bucketIndex, key, "it is missing")
	}
	return bytes.Clone(body), err
}
