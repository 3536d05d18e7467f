package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// format is the version of the state file. It must be raised for every change that an older version
// would misunderstand or drop, with a migration from the previous format: see migrate.go.
const format = 6

// The buckets. All of them always exist. Any other bucket is damage.
const (
	bucketMeta      = "meta"
	bucketRecords   = "records"
	bucketRoots     = "roots"
	bucketArchive   = "archive"
	bucketHolds     = "holds"
	bucketIndex     = "index"
	bucketPlans     = "plans"
	bucketTouched   = "touched"
	bucketSteps     = "steps"
	bucketOutbox    = "outbox"
	bucketApprovals = "approvals"
	bucketHistory   = "history"
	bucketFiles     = "files"
	bucketWritten   = "written"
)

// buckets returns the buckets that hold values. The bucket meta holds what is known about them.
func buckets() []string { return bucketsOf(format) }

// bucketsOf returns the buckets of a format. When a format adds a bucket, its migration creates it.
func bucketsOf(format int) []string {
	all := []string{bucketRecords, bucketRoots, bucketArchive, bucketHolds, bucketIndex, bucketPlans,
		bucketTouched, bucketSteps, bucketOutbox, bucketApprovals, bucketHistory}
	if format >= 5 {
		all = append(all, bucketFiles)
	}
	if format >= 6 {
		all = append(all, bucketWritten)
	}
	return all
}

// numbered reports whether the keys of a bucket are numbers.
func numbered(bucket string) bool {
	return bucket == bucketHolds || bucket == bucketIndex || bucket == bucketOutbox ||
		bucket == bucketHistory || bucket == bucketWritten
}

// metaKey is the only key in the meta bucket. Its place, the way it is sealed, and its member
// "format" must never change, so that every version can recognize a newer file.
const metaKey = "meta"

// meta is what the state knows about itself.
type meta struct {
	Format int `json:"format"`
	// Tallies has one entry for each bucket, which says what must be in it.
	Tallies map[string]tally `json:"tallies"`
	// Sequences are the last numbers used, by bucket. A number is never used twice.
	Sequences map[string]uint64 `json:"sequences"`
	// Head is the hash of the last history entry.
	Head string `json:"head"`
	// ID identifies this state among all others, forever. The storage that it manages carries it.
	// Since format 4.
	ID string `json:"id,omitempty"`
	// Moved is set once the state is used elsewhere.
	Moved *moved `json:"moved,omitempty"`
	// IndexAt is the time of the listing that produced the index.
	IndexAt time.Time `json:"index_at"`
	// IndexSeq is what [Tx.Written] was when that listing began.
	IndexSeq uint64 `json:"index_seq,omitempty"`
	// NotedSeq is a number. Every greater one that was used has a note: see [notes]. Since format 6.
	NotedSeq uint64 `json:"noted_seq,omitempty"`
}

// tally is the number of values in a bucket and the sum of their checksums.
type tally struct {
	Count uint64 `json:"count"`
	Sum   uint64 `json:"sum"`
}

func newMeta() meta {
	m := meta{Format: format, Tallies: map[string]tally{}, Sequences: map[string]uint64{}}
	for _, b := range buckets() {
		m.Tallies[b] = tally{}
	}
	return m
}

// Tx is one batch. It is valid only inside the function that got it, and on its goroutine.
type Tx struct {
	// values is nil for a state that does not exist.
	values  kv.Tx
	engine  kv.Engine
	now     time.Time
	meta    meta
	changed bool
	// queued are the numbers of the waiting callbacks by identity, and waiting are the callbacks by
	// resource. Both are nil until they are needed.
	queued  map[string]uint64
	waiting map[planner.Key][]ledger.Delivery
	// notes are the notes of this batch, up to the last number, which are not stored yet.
	notes notes
	// viewed means that the batch must not change anything.
	viewed bool
	// cache is the folder with this node's copy of the records; empty for none.
	cache string
	// newID returns an id for a state of a format without ids. It is nil in a view, which could not
	// store the id.
	newID func() (string, error)
	// dir is the folder of the state's files on this node.
	dir string
}

// Now returns the time at which the batch began, in UTC. Everything in a batch happens at this
// time.
func (tx *Tx) Now() time.Time { return tx.now }

func (tx *Tx) file() string { return tx.engine.Name() }

func (tx *Tx) damaged(bucket string, key []byte, reason string) error {
	return damaged(tx.engine, bucket, showKey(bucket, key), reason)
}

// damaged returns the error for a value that is not as it was written.
func damaged(e kv.Engine, bucket, key, reason string) error {
	return &DamagedError{File: e.Name(), Bucket: bucket, Key: key, Reason: reason,
		Restore: e.Restore()}
}

// raw returns the sealed value at key, or nil if there is none.
func (tx *Tx) raw(bucket string, key []byte) ([]byte, error) {
	if tx.values == nil {
		return nil, nil
	}
	return tx.values.Get(bucket, key)
}

// body returns the checked body of the value at key, or nil if there is none. It is valid until the
// next call.
func (tx *Tx) body(bucket string, key []byte) ([]byte, error) {
	raw, err := tx.raw(bucket, key)
	if err != nil || raw == nil {
		return nil, err
	}
	body, _, err := unseal(bucket, key, raw)
	if err != nil {
		return nil, tx.damaged(bucket, key, err.Error())
	}
	return body, nil
}

// get decodes the value at key into v, and reports whether there is one.
func (tx *Tx) get(bucket string, key []byte, v any) (bool, error) {
	body, err := tx.body(bucket, key)
	if err != nil || body == nil {
		return false, err
	}
	if err := decode(body, v); err != nil {
		return false, tx.damaged(bucket, key, err.Error())
	}
	return true, nil
}

// each calls f with the body of each value whose key begins with prefix, in the order of keys. The
// arguments are valid only until f returns, and f must not change the bucket.
func (tx *Tx) each(bucket string, prefix []byte, f func(key, body []byte) error) error {
	return tx.eachSealed(bucket, prefix, func(k []byte, _ uint32, body []byte) error {
		return f(k, body)
	})
}

// eachSealed calls f like each does, and also with the checksum of each value.
func (tx *Tx) eachSealed(bucket string, prefix []byte,
	f func(key []byte, sum uint32, body []byte) error) error {
	return tx.fromSealed(bucket, prefix, func(k []byte, sum uint32, body []byte) error {
		if !bytes.HasPrefix(k, prefix) {
			return errStop
		}
		return f(k, sum, body)
	})
}

// errStop ends a scan without an error.
var errStop = errors.New("stop")

// from calls f like each does, from the first key that is not less than start. If it reads a whole
// bucket, it also notices missing values.
func (tx *Tx) from(bucket string, start []byte, f func(key, body []byte) error) error {
	return tx.fromSealed(bucket, start, func(k []byte, _ uint32, body []byte) error {
		return f(k, body)
	})
}

// fromSealed calls f like from does, and also with the checksum of each value.
func (tx *Tx) fromSealed(bucket string, start []byte,
	f func(key []byte, sum uint32, body []byte) error) error {
	if tx.values == nil {
		return nil
	}
	var found tally
	err := tx.values.Scan(bucket, start, func(k, raw []byte) error {
		body, sum, err := unseal(bucket, k, raw)
		if err != nil {
			return tx.damaged(bucket, k, err.Error())
		}
		found = tally{found.Count + 1, found.Sum + uint64(sum)}
		return f(k, sum, body)
	})
	if err == errStop {
		return nil
	}
	if err == nil && len(start) == 0 {
		return tx.compareTally(bucket, found)
	}
	return err
}

// decodeEach decodes each value whose key begins with prefix, and calls f with it.
func decodeEach[T any](tx *Tx, bucket string, prefix []byte, f func(key []byte, v T) error) error {
	return tx.each(bucket, prefix, func(k, body []byte) error {
		var v T
		if err := decode(body, &v); err != nil {
			return tx.damaged(bucket, k, err.Error())
		}
		return f(k, v)
	})
}

// all decodes every value of a bucket.
func all[T any](tx *Tx, bucket string) ([]T, error) {
	var out []T
	err := decodeEach(tx, bucket, nil, func(_ []byte, v T) error {
		out = append(out, v)
		return nil
	})
	return out, err
}

// writable returns an error in a View, which must not change anything.
func (tx *Tx) writable() error {
	if tx.values == nil || tx.viewed {
		return fmt.Errorf("state %s: a view changes nothing", tx.file())
	}
	return nil
}

// put stores v at key.
func (tx *Tx) put(bucket string, key []byte, v any) error {
	if err := tx.writable(); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > tx.engine.MaxKey() {
		return fmt.Errorf("state %s: store %s: %w: its key has %d bytes, but 1 to %d are allowed",
			tx.file(),
			bucket, ledger.ErrUnfit, len(key), tx.engine.MaxKey())
	}
	raw, err := seal(bucket, key, v)
	if err != nil {
		return fmt.Errorf("state %s: store %s %s: %w", tx.file(), bucket, showKey(bucket, key), err)
	}
	if _, err := tx.uncount(bucket, key); err != nil {
		return err
	}
	if err := tx.values.Put(bucket, key, raw); err != nil {
		return fmt.Errorf("state %s: store %s %s: %w", tx.file(), bucket, showKey(bucket, key), err)
	}
	_, sum, err := unseal(bucket, key, raw)
	t := tx.meta.Tallies[bucket]
	tx.meta.Tallies[bucket] = tally{t.Count + 1, t.Sum + uint64(sum)}
	return err
}

// del removes the value at key, and reports whether there was one.
func (tx *Tx) del(bucket string, key []byte) (bool, error) {
	if err := tx.writable(); err != nil {
		return false, err
	}
	there, err := tx.uncount(bucket, key)
	if err != nil || !there {
		return false, err
	}
	return true, tx.values.Delete(bucket, key)
}

// uncount subtracts the value at key, if there is one, from its bucket's tally.
func (tx *Tx) uncount(bucket string, key []byte) (bool, error) {
	tx.changed = true
	raw, err := tx.raw(bucket, key)
	if err != nil || raw == nil {
		return false, err
	}
	_, sum, err := unseal(bucket, key, raw)
	if err != nil {
		return false, tx.damaged(bucket, key, err.Error())
	}
	t := tx.meta.Tallies[bucket]
	tx.meta.Tallies[bucket] = tally{t.Count - 1, t.Sum - uint64(sum)}
	return true, nil
}

// clear removes all values of a bucket whose keys begin with prefix. It reads each of them once.
func (tx *Tx) clear(bucket string, prefix []byte) error {
	if err := tx.writable(); err != nil {
		return err
	}
	var keys [][]byte
	var gone tally
	err := tx.eachSealed(bucket, prefix, func(k []byte, sum uint32, _ []byte) error {
		keys = append(keys, bytes.Clone(k))
		gone = tally{gone.Count + 1, gone.Sum + uint64(sum)}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range keys {
		tx.changed = true
		if err := tx.values.Delete(bucket, k); err != nil {
			return err
		}
	}
	t := tx.meta.Tallies[bucket]
	tx.meta.Tallies[bucket] = tally{t.Count - gone.Count, t.Sum - gone.Sum}
	return nil
}

// next returns a number that the bucket has never used.
func (tx *Tx) next(bucket string) uint64 {
	tx.meta.Sequences[bucket]++
	return tx.meta.Sequences[bucket]
}

// begin reads what the state knows about itself. It refuses a newer state, and converts an older
// one to today's format. The conversion stays in memory until the end of a batch that changes
// something. begin returns the format that the state had.
func (tx *Tx) begin() (from int, err error) {
	raw, err := tx.raw(bucketMeta, []byte(metaKey))
	if err != nil {
		return 0, err
	}
	if tx.meta, err = parseMeta(tx.engine, raw); err != nil || tx.meta.Format == format {
		return format, err
	}
	viewed := tx.viewed
	if tx.viewed {
		tx.values, tx.viewed = kv.NewOverlay(tx.values), false
	}
	from, err = tx.migrate()
	tx.viewed = viewed
	return from, err
}

// close ends a batch that has changed something.
func (tx *Tx) close(from int) error {
	if from < format {
		if err := tx.values.Keep(fmt.Sprintf("format%d", from)); err != nil {
			return err
		}
	}
	if err := tx.writeNotes(); err != nil {
		return err
	}
	raw, err := seal(bucketMeta, []byte(metaKey), tx.meta)
	if err == nil {
		err = tx.values.Put(bucketMeta, []byte(metaKey), raw)
	}
	if err != nil {
		return fmt.Errorf("write state %s: %w", tx.file(), err)
	}
	return nil
}

// parseMeta opens the sealed value in the meta bucket.
func parseMeta(e kv.Engine, raw []byte) (meta, error) {
	broken := func(reason string) error {
		return damaged(e, bucketMeta, metaKey, reason)
	}
	body, _, err := unseal(bucketMeta, []byte(metaKey), raw)
	if err != nil {
		return meta{}, broken(err.Error())
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return meta{}, broken(err.Error())
	}
	if version.Format > format {
		return meta{}, fmt.Errorf("state file %s: %w (format %d, this version reads %d): it was left "+
			"as it is; use that version", e.Name(), ErrNewer, version.Format, format)
	}
	if version.Format > 0 && version.Format < oldestFormat {
		return meta{}, fmt.Errorf("state file %s: format %d is from before the first release, and this "+
			"version reads %d to %d: move the file away; the next audit or apply recreates the records, "+
			"and `cscs-sync archive rescan` recreates the archive "+
			"register", e.Name(), version.Format, oldestFormat, format)
	}
	m := newMeta()
	clear(m.Tallies)
	if err := strictJSON(body, &m); err != nil {
		return meta{}, broken(err.Error())
	}
	if m.Format < oldestFormat || len(m.Tallies) != len(bucketsOf(m.Format)) || m.Sequences == nil {
		return meta{}, broken("incomplete")
	}
	return m, nil
}

// strictJSON decodes body, and returns an error if it has members that v does not have.
func strictJSON(body []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
