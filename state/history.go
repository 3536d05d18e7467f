package state

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// AppendHistory adds an entry and returns the new head. It sets the entry's number and hashes, and
// its time if that is zero.
func (tx *Tx) AppendHistory(e ledger.Entry) (head string, err error) {
	if e.Event == "" {
		return "", fmt.Errorf("history: an entry without an event")
	}
	if err := tx.writable(); err != nil {
		return "", err
	}
	if e.Time.IsZero() {
		e.Time = tx.now
	}
	e.Time = e.Time.UTC().Round(0)
	e.Seq, e.Prev = tx.next(bucketHistory), tx.meta.Head
	if e, err = canonical(e); err != nil {
		return "", fmt.Errorf("history: %w", err)
	}
	if err := tx.put(bucketHistory, numberKey(e.Seq), e); err != nil {
		return "", err
	}
	tx.meta.Head = e.Hash
	return e.Hash, nil
}

// canonical returns an entry that is the same JSON after it was read again, with its hash. Only
// bytes that are not UTF-8 change when they are read: JSON has an escape in their place. Such an
// entry is read again before its hash is computed.
func canonical(e ledger.Entry) (ledger.Entry, error) {
	e.Hash = ""
	body, err := json.Marshal(e)
	if err == nil && bytes.Contains(body, []byte(`\ufffd`)) {
		e = ledger.Entry{}
		if err = json.Unmarshal(body, &e); err == nil {
			body, err = json.Marshal(e)
		}
	}
	e.Hash = ledger.Sum(body)
	return e, err
}

// Head returns the number and hash of the last entry, or 0 and "" if there is none. Each apply logs
// it. A person who keeps it elsewhere can later find out whether an entry before it was changed.
func (tx *Tx) Head() (seq uint64,
	hash string) {
	return tx.meta.Sequences[bucketHistory], tx.meta.Head
}

// History calls f for each entry from number seq on, in order, until f returns an error.
func (tx *Tx) History(seq uint64, f func(ledger.Entry) error) error {
	return tx.from(bucketHistory, numberKey(seq), func(k, body []byte) error {
		var e ledger.Entry
		if err := json.Unmarshal(body, &e); err != nil {
			return tx.damaged(bucketHistory, k, err.Error())
		}
		return f(e)
	})
}

// VerifyHistory checks the whole chain, and that it contains head, unless head is "". Then no entry
// up to the one with that hash was changed, removed, added or reordered since. An error is a
// [HistoryError] or a [DamagedError].
func (tx *Tx) VerifyHistory(head string) error {
	var last uint64
	prev, found := "", head == ""
	err := tx.from(bucketHistory, nil, func(k, body []byte) error {
		last++
		e, err := verifyEntry(k, body, last, prev)
		prev, found = e.Hash, found || e.Hash == head
		return err
	})
	if err != nil {
		return err
	}
	if seq, hash := tx.Head(); seq != last || hash != prev {
		why := fmt.Sprintf("missing: the history must end with entry %d", seq)
		return &HistoryError{last + 1, why}
	}
	if !found {
		return &HistoryError{0, fmt.Sprintf("no entry has the hash %s: entries were changed or removed "+
			"since it was noted, or it belongs to another state", head)}
	}
	return nil
}

func verifyEntry(key, body []byte, seq uint64, prev string) (ledger.Entry, error) {
	var e ledger.Entry
	if err := strictJSON(body, &e); err != nil {
		return e, &HistoryError{seq, err.Error()}
	}
	again, err := json.Marshal(e)
	if err != nil || !bytes.Equal(again, body) {
		return e, &HistoryError{seq, "it is not as it was written"}
	}
	want, err := e.Sum()
	switch {
	case err != nil:
		return e, &HistoryError{seq, err.Error()}
	case e.Seq != seq || !bytes.Equal(key, numberKey(seq)):
		return e, &HistoryError{seq, fmt.Sprintf("missing, or out of order: entry %d is in its place",
			e.Seq)}
	case e.Prev != prev:
		return e, &HistoryError{seq, "it does not continue the entry before it"}
	case e.Hash != want:
		return e, &HistoryError{seq, "it was changed: its hash is wrong"}
	}
	return e, nil
}
