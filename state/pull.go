package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// pullVersion is the version of the document that [Store.Pull] writes.
const pullVersion = "1.0"

// pulled is that document. Values are as they are stored, with three exceptions: records
// and notes of what was written, which are stored in a binary form, and archived directories, whose
// modes earlier builds stored as numbers.
type pulled struct {
	Version   string             `json:"format_version"`
	Format    int                `json:"state_format"`
	At        time.Time          `json:"at"`
	Head      string             `json:"head"`
	IndexAt   time.Time          `json:"index_at,omitzero"`
	Roots     json.RawMessage    `json:"roots"`
	Records   []planner.Record   `json:"records"`
	Archive   []planner.Archived `json:"archive"`
	Holds     []json.RawMessage  `json:"holds"`
	Index     []json.RawMessage  `json:"index"`
	Plans     []json.RawMessage  `json:"plans"`
	Touched   json.RawMessage    `json:"touched"`
	Journal   json.RawMessage    `json:"journal"`
	Outbox    []json.RawMessage  `json:"outbox"`
	Approvals []json.RawMessage  `json:"approvals"`
	Written   []pulledNote       `json:"written"`
	History   []json.RawMessage  `json:"history"`
	// Files are held and begun plans and the loop's memory, as text, by their names.
	Files map[string]string `json:"files"`
}

// pulledNote says what was written with a number: a record, or an entry of the archive register,
// which has no key here.
type pulledNote struct {
	Number uint64      `json:"number"`
	Key    planner.Key `json:"key,omitzero"`
}

// Pull writes the whole state to w, as one JSON document that ends with a line feed. It reads the
// state in one batch before it writes the first byte, so a slow reader of w does not block writers
// of the state.
func (s *Store) Pull(w io.Writer) error {
	var doc pulled
	err := s.batch(false, func(tx *Tx) (err error) {
		doc, err = tx.pull()
		return err
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(doc)
}

func (tx *Tx) pull() (pulled, error) {
	doc := pulled{Version: pullVersion, Format: format, At: tx.now, Head: tx.meta.Head,
		IndexAt: tx.meta.IndexAt}
	lists := []struct {
		bucket string
		into   *[]json.RawMessage
	}{
		{bucketHolds, &doc.Holds}, {bucketIndex, &doc.Index},
		{bucketPlans, &doc.Plans}, {bucketOutbox, &doc.Outbox},
		{bucketApprovals, &doc.Approvals}, {bucketHistory, &doc.History},
	}
	for _, l := range lists {
		values, err := all[json.RawMessage](tx, l.bucket)
		if err != nil {
			return pulled{}, err
		}
		*l.into = append([]json.RawMessage{}, values...)
	}
	archived, err := all[planner.Archived](tx, bucketArchive)
	if err != nil {
		return pulled{}, err
	}
	doc.Archive = append([]planner.Archived{}, archived...)
	records, err := tx.Records()
	if err != nil {
		return pulled{}, err
	}
	doc.Records = append([]planner.Record{}, records...)
	keyed := []struct {
		bucket string
		into   *json.RawMessage
	}{{bucketRoots, &doc.Roots}, {bucketTouched, &doc.Touched}, {bucketSteps, &doc.Journal}}
	for _, k := range keyed {
		var err error
		if *k.into, err = tx.pullKeyed(k.bucket); err != nil {
			return pulled{}, err
		}
	}
	if doc.Written, err = tx.pullNotes(); err != nil {
		return pulled{}, err
	}
	doc.Files = map[string]string{}
	err = tx.EachFile("", func(name string, data []byte) error {
		doc.Files[name] = string(data)
		return nil
	})
	return doc, err
}

// pullNotes returns which records were written lately, in the order of the numbers.
func (tx *Tx) pullNotes() ([]pulledNote, error) {
	out := []pulledNote{}
	err := decodeEach(tx, bucketWritten, nil, func(k []byte, n notes) error {
		if len(k) != 8 {
			return tx.damaged(bucketWritten, k, "not a number")
		}
		for i, key := range n {
			out = append(out, pulledNote{binary.BigEndian.Uint64(k) + uint64(i), keyOf(key)})
		}
		return nil
	})
	return out, err
}

// pullKeyed returns a bucket whose keys say something that its values do not: a JSON object, with
// the keys as people read them.
func (tx *Tx) pullKeyed(bucket string) (json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	err := tx.each(bucket, nil, func(k, body []byte) error {
		out[showKey(bucket, k)] = bytes.Clone(body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
