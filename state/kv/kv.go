// Package kv is the seam below the state: what the state needs of the engine that keeps its values.
//
// A value is bytes at a key in a bucket. What they mean, their checksums and the history's chain are the state's; that
// a batch is written as a whole or not at all, and that nobody else writes meanwhile, is the engine's.
package kv

import (
	"errors"
	"fmt"
)

// Engine keeps the values of one state.
type Engine interface {
	// Name is how messages name the state: the path of a file, or an address without its secrets.
	Name() string
	// Restore says what a person does when the values are damaged; empty for a file with a copy beside it.
	Restore() string
	// MaxKey is the greatest length of a key, in bytes.
	MaxKey() int
	// Batch calls fn with the values as they are now. With write, it then writes all changes of fn in one transaction,
	// and makes the state if there is none. When fn or the writing fails, nothing is changed. A batch that changed
	// nothing writes nothing. Without write, fn gets nil if there is no state yet.
	Batch(write bool, fn func(Tx) error) error
}

// Tx is one batch. It is valid only inside the function that got it, and on its goroutine. Keys and values that it
// returns are valid only until the next call.
type Tx interface {
	// Get returns the value at key, nil if there is none.
	Get(bucket string, key []byte) ([]byte, error)
	// Scan calls fn for each value in the order of keys, beginning at the first key that is not less than start, until
	// fn returns an error. Scan returns that error. fn must not change the bucket.
	Scan(bucket string, start []byte, fn func(key, value []byte) error) error
	// Put stores a value at key.
	Put(bucket string, key, value []byte) error
	// Delete removes the value at key, if there is one.
	Delete(bucket string, key []byte) error
	// Keep keeps the values as they were before this batch, for a person who wants to go back. The name says of what
	// they are. It is called once, at the end of a batch that brings the state to a newer format.
	Keep(name string) error
}

// Versioned is an engine that can say cheaply whether its values may have changed.
type Versioned interface {
	// Version names the values as they are now, without a batch. Values that were read after it are
	// current for as long as Version returns an equal one. It is not known, and no error, if there
	// is no state yet. It does not look for damage: a batch does.
	Version() (version any, known bool, err error)
}

// Stamped is a batch that knows when a bucket was last changed. A copy of the bucket can tell so
// whether it is current.
type Stamped interface {
	// Stamp is that of the last batch that changed a bucket; the zero stamp if that is not known.
	Stamp(bucket string) (Stamp, error)
	// Since calls fn for each value of a bucket that was put after a stamp and is still there, in
	// the order of keys. It does not call fn for removed values. It returns false if the stamp is
	// not in the past of this state, as after a restored backup.
	Since(bucket string, s Stamp, fn func(key, value []byte) error) (known bool, err error)
}

// Stamp names a batch: by its number, and by a random id, because a restored state gives out the
// same numbers again.
type Stamp struct {
	Commit int64  `json:"commit"`
	Batch  string `json:"batch"`
}

// Value is a value and its place.
type Value struct {
	Bucket     string
	Key, Value []byte
}

// Visit is called for each value of a whole state. Its arguments are valid until it returns.
type Visit func(bucket string, key, value []byte) error

// Verify checks the values of a whole state. each calls its argument for every value, in any order, and returns why it
// could not.
type Verify func(each func(Visit) error) error

// ErrBusy reports that the state stayed locked by another process for longer than the engine waits.
var ErrBusy = errors.New("busy: another process writes")

// ErrNewer reports that the state was written by a newer version, which alone knows what it means.
var ErrNewer = errors.New("written by a newer cscs-sync")

// ErrReadOnly reports that the state may not be written.
var ErrReadOnly = errors.New("read-only")

// DamagedError reports that a state is not what was written. It is left as it is.
type DamagedError struct {
	// File is the name of the damaged state ([Engine.Name]); Bucket and Key say where in it, if that is known.
	File, Bucket, Key string
	Reason            string
	// Restore is the way out ([Engine.Restore]).
	Restore string
}

// Error names the state, the place in it and the way out.
func (e *DamagedError) Error() string {
	at := ""
	if e.Bucket != "" {
		at = fmt.Sprintf(" (bucket %s, key %q)", e.Bucket, e.Key)
	}
	if e.Restore != "" {
		return fmt.Sprintf("state %s is damaged: %s%s: it was left as it is; %s", e.File, e.Reason, at, e.Restore)
	}
	return fmt.Sprintf("state file %s is damaged: %s%s: it was left as it is; move it away, then rename "+
		"%s.bak to it or continue with an empty state",
		e.File, e.Reason, at, e.File)
}
