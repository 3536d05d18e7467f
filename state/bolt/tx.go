package bolt

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// tx is one batch.
type tx struct {
	batch *batch
	bolt  *bbolt.Tx
	// changed is set if there is something to commit.
	changed bool
	// inside is set while bbolt works. A panic then means a damaged file; otherwise it is a mistake of
	// the caller.
	inside bool
}

// bucket returns the bucket with a name. A state of an earlier format does not have the buckets
// that were added later: they are empty, and nil until something is put into them. If values are
// missing, the tallies show it.
func (t *tx) bucket(name string) (*bbolt.Bucket, error) {
	if b := t.bolt.Bucket([]byte(name)); b != nil {
		return b, nil
	}
	if slices.Contains(t.batch.engine.options.Buckets, name) {
		return nil, nil
	}
	return nil, &kv.DamagedError{File: t.batch.engine.file(), Reason: "bucket " + name + " is missing"}
}

// Get implements [kv.Tx].
func (t *tx) Get(bucket string, key []byte) (value []byte, err error) {
	t.inside = true
	b, err := t.bucket(bucket)
	if b != nil {
		value = b.Get(key)
	}
	t.inside = false
	return value, err
}

// Scan implements [kv.Tx].
func (t *tx) Scan(bucket string, start []byte, fn func(key, value []byte) error) error {
	t.inside = true
	b, err := t.bucket(bucket)
	if b == nil {
		t.inside = false
		return err
	}
	c, pages := b.Cursor(), reading{forget: t.batch.forget}
	for k, v := c.Seek(start); k != nil; k, v = c.Next() {
		t.inside = false
		pages.read(len(k) + len(v))
		if err := fn(k, v); err != nil {
			return err
		}
		t.inside = true
	}
	t.inside = false
	return nil
}

// Put implements [kv.Tx].
func (t *tx) Put(bucket string, key, value []byte) error {
	t.inside, t.changed = true, true
	b, err := t.bucket(bucket)
	if err == nil && b == nil {
		b, err = t.bolt.CreateBucket([]byte(bucket))
	}
	if err == nil {
		err = b.Put(key, value)
	}
	t.inside = false
	return err
}

// Delete implements [kv.Tx].
func (t *tx) Delete(bucket string, key []byte) error {
	t.inside, t.changed = true, true
	b, err := t.bucket(bucket)
	if b != nil {
		err = b.Delete(key)
	}
	t.inside = false
	return err
}

// Keep preserves the file as it was before the batch, under a new name, so that nothing is
// replaced.
func (t *tx) Keep(of string) error {
	b, e := t.batch, t.batch.engine
	name := copyName + "-" + of
	there, err := folder.Exists(b.dir, name)
	if err == nil && there {
		name += "-" + e.now().Format("20060102T150405.000000000Z")
	}
	if err == nil {
		err = writeCopy(b.file, e.dir, name,
			func(temp string) error { return os.Link(temp, e.place(name)) })
	}
	if err == nil {
		err = b.dir.Sync()
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil // made at the same instant by a batch that failed
	}
	if err != nil {
		return folder.Explain("keep a copy of the older format as", e.place(name), err)
	}
	return nil
}
