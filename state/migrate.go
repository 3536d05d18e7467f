package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// oldestFormat is the oldest format that this version reads. It is the format of the first state
// that was kept.
const oldestFormat = 2

// migrations returns the migration from each format, from the oldest on, to the next. A migration
// runs inside a batch. So it is written completely or not at all, together with the change for
// which the batch was made. It must not depend on anything that a later format may change, neither
// on types nor on functions of today's buckets, unless its comment says so and the files kept in
// testdata test it.
func migrations() map[int]func(*Tx) error {
	return map[int]func(*Tx) error{
		2: func(tx *Tx) error { return errors.Join(rekeyApprovals(tx), numberEndings(tx)) },
		3: func(tx *Tx) error { return errors.Join(nameState(tx), keepURLs(tx)) },
		4: takeInFiles,
		5: beginNotes,
	}
}

// eventMigrate is the history event that says that the state now has another format.
const eventMigrate = "migrate"

// migrate converts the open state to today's format, and notes that in the history. It does nothing
// if the state has that format.
func (tx *Tx) migrate() (from int, err error) {
	from = tx.meta.Format
	for f := from; f < format; f++ {
		step, ok := migrations()[f]
		if !ok {
			return from, fmt.Errorf("state file %s: cannot convert format %d to %d: use the version that "+
				"wrote the file", tx.file(), f, f+1)
		}
		if err := step(tx); err != nil {
			return from, fmt.Errorf("state file %s: convert it from format %d to %d: %w", tx.file(), f, f+1,
				err)
		}
		tx.meta.Format = f + 1
	}
	if from == format {
		return from, nil
	}
	_, err = tx.AppendHistory(ledger.Entry{Who: "cscs-sync", Event: eventMigrate,
		Text: fmt.Sprintf("format %d to %d", from, format)})
	return from, err
}

// rekeyApprovals changes the keys of used approvals. Format 2 identified a used approval by the
// bytes of its block, but one approval can have many encodings. It stored neither message nor key.
// So from here on, these approvals are identified by the plan, the person and the time.
func rekeyApprovals(tx *Tx) error {
	type entry struct {
		Plan     string `json:"plan"`
		Approval struct {
			Name string    `json:"name"`
			Time time.Time `json:"time"`
		} `json:"approval"`
	}
	moved := map[string]kept{}
	err := tx.each(bucketApprovals, nil, func(_, body []byte) error {
		var e entry
		if err := decode(body, &e); err != nil {
			return err
		}
		moved[oldApprovalKey(e.Plan, e.Approval.Name, e.Approval.Time)] = append(kept{}, body...)
		return nil
	})
	if err != nil {
		return err
	}
	if err := tx.clear(bucketApprovals, nil); err != nil {
		return err
	}
	for key, body := range moved {
		if err := tx.put(bucketApprovals, []byte(key), body); err != nil {
			return err
		}
	}
	return nil
}

// numberEndings converts format 2 to 3. Format 2 stored only when a plan had ended. Every plan that
// had ended did so before anything that is planned from here on, so the same plan made again is a
// new one. It depends on today's [ledger.Plan], which still reads format 2.
func numberEndings(tx *Tx) error {
	plans, err := tx.Plans()
	if err != nil {
		return err
	}
	seq, _ := tx.Head()
	for _, p := range plans {
		if !p.Over() || p.EndedSeq > 0 {
			continue
		}
		p.EndedSeq = max(seq, 1)
		if err := tx.put(bucketPlans, []byte(p.ID), p); err != nil {
			return err
		}
	}
	return nil
}

// nameState converts format 3 to 4, in which a state has an id.
func nameState(tx *Tx) (err error) {
	if tx.newID != nil {
		tx.meta.ID, err = tx.newID()
	}
	return err
}

// keepURLs converts format 3 to 4. Format 3 stored whole URLs in the outbox, and with them what may
// be secret in waldur.url. A URL that cannot be stored in the new form was never sent. It is
// replaced by one that is never sent either, because its callback is parked. It depends on
// [planner.KeptURL].
func keepURLs(tx *Tx) error {
	waiting := map[string]map[string]json.RawMessage{}
	err := tx.each(bucketOutbox, nil, func(key, body []byte) error {
		var d map[string]json.RawMessage
		err := decode(body, &d)
		waiting[string(key)] = d
		return err
	})
	if err != nil {
		return err
	}
	for key, d := range waiting {
		for _, member := range []string{"url", "order_url"} {
			var url string
			if d[member] != nil {
				if err := json.Unmarshal(d[member], &url); err != nil {
					return err
				}
			}
			if url == "" {
				continue
			}
			if d[member], err = json.Marshal(cmp.Or(planner.KeptURL(url), "waldur://unknown/")); err != nil {
				return err
			}
		}
		if err := tx.put(bucketOutbox, []byte(key), d); err != nil {
			return err
		}
	}
	return nil
}

// takeInFiles converts format 4 to 5. In format 4, held plans, begun plans, rejections and the
// loop's memory were files next to the state. takeInFiles takes in the files of this node,
// including their approvals. If nodes share the state, it does not take in another node's files:
// that node's held changes are planned again.
func takeInFiles(tx *Tx) error {
	tx.meta.Tallies[bucketFiles] = tally{}
	found, err := oldFiles(tx.dir)
	if err != nil {
		return err
	}
	for name, data := range found {
		if err := tx.PutFile(name, data); err != nil {
			return err
		}
	}
	return nil
}

// oldFiles returns the files of format 4 in the folder of a state, by their names today.
func oldFiles(dir string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, sub := range []string{"pending", "begun"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			isOurs := slices.Contains([]string{".plan", ".rejected", ".told"}, filepath.Ext(e.Name()))
			if !e.Type().IsRegular() || !isOurs || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			data, err := ReadFile(filepath.Join(dir, sub, e.Name()), maxReplaced)
			if err != nil {
				return nil, err
			}
			found[sub+"/"+e.Name()] = data
		}
	}
	data, err := ReadFile(filepath.Join(dir, "failures.json"), maxReplaced)
	if err == nil {
		found["loop/failures.json"] = data
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return found, nil
}

// beginNotes converts format 5 to 6. Format 5 did not note what was written, and its earliest
// builds did not even number it. So the notes begin with what is written from here on, and one
// number is left out: no index that an earlier build made has it.
func beginNotes(tx *Tx) error {
	tx.meta.Tallies[bucketWritten] = tally{}
	tx.meta.NotedSeq = tx.next(bucketRecords)
	return nil
}

// kept is a value that is stored as it was in format 2.
type kept []byte

func (s kept) AppendBinary(b []byte) ([]byte, error) { return append(b, s...), nil }

// oldApprovalKey returns the key of an approval that was used under format 2.
func oldApprovalKey(plan, name string, at time.Time) string {
	of := []string{plan, name, at.UTC().Format(time.RFC3339)}
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return "2:" + hex.EncodeToString(sum[:])
}
