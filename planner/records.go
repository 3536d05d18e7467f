package planner

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"slices"
	"sort"

	"github.com/waldur/cscs-storage-sync/planner/chunk"
)

// Records has the records of resources, each once, sorted by key. Planning needs all of them at
// once and little of each, so they are kept packed and are unpacked one at a time: 100,000 records
// take 15 MiB, while structs and a map take 55. [Record].Plan is left out. The zero value has no
// records.
//
// Directories that an apply could not finish are kept apart, so that no rule takes them for
// recorded resources.
type Records struct {
	packed     []string
	texts      *chunk.Texts
	unfinished map[Key]Record
}

// PackRecords packs records, in any order. It refuses what [Record.AppendBinary] refuses, and two
// records of one resource.
func PackRecords(list ...Record) (Records, error) {
	binaries := make([]string, len(list))
	for i := range list {
		b, err := list[i].AppendBinary(nil)
		if err != nil {
			return Records{}, err
		}
		binaries[i] = string(afterPlan(b))
	}
	sort.Strings(binaries)
	var r Records
	for _, b := range binaries {
		if err := r.add([]byte(b)); err != nil {
			return Records{}, err
		}
	}
	return r, nil
}

// Grow makes room for n more records.
func (r *Records) Grow(n int) { r.packed = slices.Grow(r.packed, n) }

// Add adds a record in its binary form. Its key must be greater than all keys before.
func (r *Records) Add(binary []byte) error { return r.add(afterPlan(binary)) }

func (r *Records) add(binary []byte) error {
	if r.texts == nil {
		r.texts = &chunk.Texts{}
	}
	packed := r.texts.Keep(binary)
	rec, err := unpackRecord(packed)
	if err != nil {
		return err
	}
	if rec.Unfinished {
		if r.unfinished == nil {
			r.unfinished = map[Key]Record{}
		}
		r.unfinished[rec.Key] = rec
		return nil
	}
	key := packed[:len(rec.Key.Item)+len(rec.Key.System)+len(rec.Key.DataType)+3]
	if n := len(r.packed); n > 0 && r.packed[n-1] >= key {
		return errors.New("records are not in the order of their keys")
	}
	r.packed = append(r.packed, packed)
	return nil
}

// Len returns the number of records.
func (r *Records) Len() int { return len(r.packed) }

// All returns all records, by key.
func (r *Records) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for i := range r.packed {
			if !yield(r.at(i)) {
				return
			}
		}
	}
}

// Of returns the record of a resource; false if it is not recorded.
func (r *Records) Of(k Key) (Record, bool) {
	i := r.find(k)
	if i < 0 {
		return Record{}, false
	}
	return r.at(i), true
}

// Unfinished returns the directory of a resource that an apply made and could not finish; false if
// there is none.
func (r *Records) Unfinished(k Key) (Record, bool) {
	rec, ok := r.unfinished[k]
	return rec, ok
}

// CountUnfinished returns how many such directories there are.
func (r *Records) CountUnfinished() int { return len(r.unfinished) }

// at unpacks one record. All records were checked when they were added.
func (r *Records) at(i int) Record {
	rec, err := unpackRecord(r.packed[i])
	if err != nil {
		panic(err)
	}
	return rec
}

// renamed returns the records under other keys. now maps the present keys to new ones, which must
// be keys that can be stored.
func (r *Records) renamed(now map[Key]Key) Records {
	byKey := make(map[Key]Record, r.Len())
	for rec := range r.All() {
		if k, ok := now[rec.Key]; ok {
			rec.Key = k
		}
		byKey[rec.Key] = rec
	}
	packed, err := PackRecords(slices.Collect(maps.Values(byKey))...)
	if err != nil {
		panic(err)
	}
	packed.unfinished = r.unfinished
	return packed
}

// find returns the index of a resource's record; -1 if it has none.
func (r *Records) find(k Key) int {
	var room [128]byte
	key := appendKey(room[:0], k) // compared as bytes, which allocates nothing
	if bytes.Count(key, []byte{0}) != 3 {
		return -1 // with a NUL byte of its own, it could be taken for another
	}
	i := sort.Search(len(r.packed), func(i int) bool { return r.packed[i] >= string(key) })
	if i == len(r.packed) || len(r.packed[i]) < len(key) || r.packed[i][:len(key)] != string(key) {
		return -1
	}
	return i
}

// elsewhere returns the first record of the same item and data type on any system; false if there
// is none.
func (r *Records) elsewhere(k Key) (Record, bool) {
	for i := sort.Search(len(r.packed), func(i int) bool { return r.packed[i] >= k.Item }); i < len(
		r.packed); i++ {
		switch rec := r.at(i); {
		case rec.Key.Item != k.Item:
			return Record{}, false
		case rec.Key.DataType == k.DataType:
			return rec, true
		}
	}
	return Record{}, false
}
