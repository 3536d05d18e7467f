package state

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// verify checks the values of a whole state: every checksum and every tally.
func (s *Store) verify(each func(kv.Visit) error) error {
	found := map[string]tally{}
	var metaRaw []byte
	var bucketAt, keyAt string
	err := each(func(bucket string, key, value []byte) error {
		if bucket == bucketMeta {
			metaRaw = append([]byte{}, value...)
			return nil
		}
		_, sum, err := unseal(bucket, key, value)
		if err != nil {
			bucketAt, keyAt = bucket, showKey(bucket, key)
			return err
		}
		t := found[bucket]
		found[bucket] = tally{t.Count + 1, t.Sum + uint64(sum)}
		return nil
	})
	if err != nil && !s.isNewer(metaRaw) {
		return damaged(s.engine, bucketAt, keyAt, err.Error())
	}
	m, err := parseMeta(s.engine, metaRaw)
	if err != nil {
		return err
	}
	return s.compareTallies(m, found)
}

// isNewer reports whether the meta value is valid and from a newer version. This version need not
// understand the other values then.
func (s *Store) isNewer(metaRaw []byte) bool {
	if metaRaw == nil {
		return false
	}
	_, err := parseMeta(s.engine, metaRaw)
	return errors.Is(err, ErrNewer)
}

func (s *Store) compareTallies(m meta, found map[string]tally) error {
	for _, b := range bucketsOf(m.Format) {
		w, ok := m.Tallies[b]
		if !ok {
			return damaged(s.engine, "", "", "bucket "+b+" is not accounted for")
		}
		if got := found[b]; got != w {
			return damaged(s.engine, "", "", fmt.Sprintf("bucket %s: %d values with sum %x, want %d with "+
				"%x", b,
				got.Count, got.Sum, w.Count, w.Sum))
		}
		delete(found, b)
	}
	for b := range found {
		return damaged(s.engine, "", "", fmt.Sprintf("unknown bucket %q", b))
	}
	return nil
}
