package kv

import (
	"errors"
	"maps"
	"slices"
)

// Overlay is a batch whose changes stay in memory, above a batch that it only reads. With it, a
// view of a state in an older format sees what the migration would make of it. An engine uses it to
// collect the changes of a batch until it sends them.
type Overlay struct {
	Tx
	// changed are the changed values by bucket and key. A deleted value is nil.
	changed map[string]map[string][]byte
}

// NewOverlay returns an overlay without changes.
func NewOverlay(below Tx) *Overlay {
	return &Overlay{Tx: below, changed: map[string]map[string][]byte{}}
}

// Get implements [Tx].
func (o *Overlay) Get(bucket string, key []byte) ([]byte, error) {
	if v, ok := o.changed[bucket][string(key)]; ok {
		return v, nil
	}
	return o.Tx.Get(bucket, key)
}

// Put implements [Tx].
func (o *Overlay) Put(bucket string, key, value []byte) error {
	if o.changed[bucket] == nil {
		o.changed[bucket] = map[string][]byte{}
	}
	if value != nil {
		value = append([]byte{}, value...) // an empty value is not nil
	}
	o.changed[bucket][string(key)] = value
	return nil
}

// Delete implements [Tx].
func (o *Overlay) Delete(bucket string, key []byte) error { return o.Put(bucket, key, nil) }

// Keep returns an error. It is never called, because nothing is written.
func (o *Overlay) Keep(string) error {
	return errors.New("keep an older state: nothing is " +
		"written")
}

// Scan implements [Tx]. It merges the changed values with those below.
func (o *Overlay) Scan(bucket string, start []byte, fn func(key, value []byte) error) error {
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
			return nil // it comes later, with the changed ones
		}
		return fn(key, value)
	})
	for ; err == nil && len(keys) > 0; keys = keys[1:] {
		err = emit(keys[0])
	}
	return err
}

// notBefore returns the sorted keys that are not less than start.
func notBefore(keys []string, start []byte) []string {
	i, _ := slices.BinarySearch(keys, string(start))
	return keys[i:]
}

// Changed calls put for each changed value and remove for each deleted one, sorted by bucket and
// key.
func (o *Overlay) Changed(put func(Value), remove func(bucket string, key []byte)) {
	for _, bucket := range slices.Sorted(maps.Keys(o.changed)) {
		for _, key := range slices.Sorted(maps.Keys(o.changed[bucket])) {
			if v := o.changed[bucket][key]; v != nil {
				put(Value{bucket, []byte(key), v})
			} else {
				remove(bucket, []byte(key))
			}
		}
	}
}

// Buckets returns the sorted names of the changed buckets.
func (o *Overlay) Buckets() []string { return slices.Sorted(maps.Keys(o.changed)) }

// IsEmpty reports whether nothing was changed.
func (o *Overlay) IsEmpty() bool { return len(o.changed) == 0 }
