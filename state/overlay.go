package state

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// overlay is a batch whose changes stay in memory: a view of a state of an older format sees what the migration would
// make.
type overlay struct {
	kv.Tx
	// changed are the changed values by bucket and key; nil: deleted.
	changed map[string]map[string][]byte
}

func newOverlay(below kv.Tx) *overlay {
	return &overlay{Tx: below, changed: map[string]map[string][]byte{}}
}

// Get is [kv.Tx]'s.
func (o *overlay) Get(bucket string, key []byte) ([]byte, error) {
	if v, ok := o.changed[bucket][string(key)]; ok {
		return v, nil
	}
	return o.Tx.Get(bucket, key)
}

// Put is [kv.Tx]'s.
func (o *overlay) Put(bucket string, key, value []byte) error {
	if o.changed[bucket] == nil {
		o.changed[bucket] = map[string][]byte{}
	}
	o.changed[bucket][string(key)] = bytes.Clone(value)
	return nil
}

// Delete is [kv.Tx]'s.
func (o *overlay) Delete(bucket string, key []byte) error { return o.Put(bucket, key, nil) }

// Keep is never asked of what is written nowhere.
func (o *overlay) Keep(string) error { return errors.New("keep an older state: nothing is written") }

// Scan is [kv.Tx]'s: it merges the changed values with those below.
func (o *overlay) Scan(bucket string, start []byte, fn func(key, value []byte) error) error {
	changed := o.changed[bucket]
	keys := notBefore(slices.Sorted(maps.Keys(changed)), start)
	emit := func(key string) error {
		if v := changed[key]; v != nil {
			return fn([]byte(key), v)
		}
		return nil
	}
	err := o.Tx.Scan(bucket, start, func(key, value []byte) error {
		for len(keys) > 0 && keys[0] < string(key) {
			if err := emit(keys[0]); err != nil {
				return err
			}
			keys = keys[1:]
		}
		if _, over := changed[string(key)]; over {
			return nil // its turn comes with the changed ones
		}
		return fn(key, value)
	})
	for ; err == nil && len(keys) > 0; keys = keys[1:] {
		err = emit(keys[0])
	}
	return err
}

// notBefore is the end of sorted keys that begins with the first that is not less than start.
func notBefore(keys []string, start []byte) []string {
	i, _ := slices.BinarySearch(keys, string(start))
	return keys[i:]
}
