package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// mostNotes is how many notes a state keeps. When there are more, all are removed: reading that
// many would hardly be faster than reading all records.
const mostNotes = 10_000

// notes say which records were written: they are the stored keys of records, by the consecutive
// numbers that were used to write them. An entry of the archive register has a number too; its key
// is empty.
//
// One value has the notes of one batch, at its first number. Together, they cover every number that
// is greater than meta.NotedSeq, up to the last one.
type notes [][]byte

var errNotes = errors.New("not a list of keys")

// AppendBinary appends each key to b, after its length.
func (n notes) AppendBinary(b []byte) ([]byte, error) {
	for _, key := range n {
		b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary wrote. It copies b.
func (n *notes) UnmarshalBinary(b []byte) error {
	*n = nil
	for b = bytes.Clone(b); len(b) > 0; {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			return errNotes
		}
		end := used + int(size)
		*n = append(*n, b[used:end:end])
		b = b[end:]
	}
	return nil
}

// number returns the number of what is about to be written, and notes the key: that of a record, or
// nil. A number that is then not used for anything does no harm.
func (tx *Tx) number(key []byte) (uint64, error) {
	n := tx.next(bucketRecords)
	tx.notes = append(tx.notes, key)
	if n-tx.meta.NotedSeq > mostNotes {
		return n, tx.forgetNotes()
	}
	return n, nil
}

// forgetNotes removes all notes. They begin again with the next number.
func (tx *Tx) forgetNotes() error {
	tx.notes, tx.meta.NotedSeq = nil, tx.Written()
	return tx.clear(bucketWritten, nil)
}

// writeNotes stores the notes of this batch, at its end.
func (tx *Tx) writeNotes() error {
	if len(tx.notes) == 0 {
		return nil
	}
	first := tx.Written() - uint64(len(tx.notes)) + 1
	err := tx.put(bucketWritten, numberKey(first), tx.notes)
	tx.notes = nil
	return err
}

// notesAfter returns the notes of all numbers that are greater than since. They are complete if no
// such number lacks its note.
func (tx *Tx) notesAfter(since uint64) (found notes, complete bool, err error) {
	first := tx.meta.NotedSeq
	complete = since >= first && since <= tx.Written()
	err = decodeEach(tx, bucketWritten, nil, func(k []byte, n notes) error {
		complete = complete && bytes.Equal(k, numberKey(first+uint64(len(found))+1))
		found = append(found, n...)
		return nil
	})
	found = append(found, tx.notes...)
	if err != nil || !complete || uint64(len(found)) != tx.Written()-first {
		return nil, false, err
	}
	return found[since-first:], true, nil
}

// dropNotes removes the notes of the numbers up to since, which an index has just replaced. It keeps
// the later ones: their records were written while the listing of the index was read.
func (tx *Tx) dropNotes(since uint64) error {
	switch {
	case since > tx.Written():
		// Since the listing began, somebody restored an older state. What was written after that may have
		// numbers that are no greater than since. So one number stays without a note: nothing is known
		// until the next index.
		tx.meta.Sequences[bucketRecords] = since + 1
		return tx.forgetNotes()
	case since <= tx.meta.NotedSeq:
		return nil // every note has a greater number
	}
	kept, complete, err := tx.notesAfter(since)
	if err != nil {
		return err
	}
	if err := tx.forgetNotes(); err != nil || !complete {
		return err
	}
	tx.notes, tx.meta.NotedSeq = kept, since
	return nil
}

// WrittenSince returns the keys of all records that were written or got another key since the
// listing of the index began, in their order, each once. Some may have been deleted since then.
// known is false if the state cannot say which records these are: there is no index, or too much
// was written. It reads no record.
func (tx *Tx) WrittenSince() (keys []planner.Key, known bool, err error) {
	if tx.meta.IndexAt.IsZero() || tx.meta.IndexSeq < tx.meta.NotedSeq {
		return nil, false, nil
	}
	found, known, err := tx.notesAfter(tx.meta.IndexSeq)
	if err != nil || !known {
		return nil, false, err
	}
	for _, k := range found {
		if len(k) > 0 {
			keys = append(keys, keyOf(k))
		}
	}
	slices.SortFunc(keys, planner.Key.Compare)
	return slices.Compact(keys), true, nil
}
