// Package kv is the interface between the state and the engine that stores its values.
//
// A value is bytes at a key in a bucket. The state defines what values mean, their checksums and
// the chain of the history. The engine guarantees that a batch is written completely or not at all,
// and that nobody else writes at the same time.
package kv

import (
	"errors"
	"fmt"
)

// Engine stores the values of one state.
type Engine interface {
	// Name returns the name of the state for messages: the path of a file, or an address without
	// secrets.
	Name() string
	// Restore says what a person should do if the values are damaged. It is empty for a file with a
	// copy next to it.
	Restore() string
	// MaxKey returns the largest length of a key in bytes.
	MaxKey() int
	// Batch calls fn with the current values. With write, it then writes all changes of fn in one
	// transaction, and creates the state if there is none. If fn or the writing fails, nothing is
	// changed. A batch that changed nothing writes nothing. Without write, fn gets nil if there is no
	// state yet.
	Batch(write bool, fn func(Tx) error) error
}

// Tx is one batch. It is valid only inside the function that got it, and on its goroutine. Keys and
// values that it returns are valid only until the next call.
type Tx interface {
	// Get returns the value at key, or nil if there is none.
	Get(bucket string, key []byte) ([]byte, error)
	// Scan calls fn for each value in the order of keys, from the first key that is not less than
	// start, until fn returns an error. Scan returns that error. fn must not change the bucket.
	Scan(bucket string, start []byte, fn func(key, value []byte) error) error
	// Put stores a value at key.
	Put(bucket string, key, value []byte) error
	// Delete removes the value at key, if there is one.
	Delete(bucket string, key []byte) error
	// Keep preserves the values as they were before this batch, for a person who wants to go back. The
	// name says what they are. It is called once, at the end of a batch that converts the state to a
	// newer format.
	Keep(name string) error
}

// Versioned is an engine that can find out cheaply whether its values may have changed.
type Versioned interface {
	// Version names the values as they are now, without a batch. Values that were read after it are
	// current for as long as Version returns an equal one. It is not known, and no error, if there
	// is no state yet, or none that can be opened. It does not look for damage: a batch does.
	Version() (version any, known bool, err error)
}

// Stamped is a batch that knows when a bucket was last changed. This shows whether a copy of the
// bucket is current.
type Stamped interface {
	// Stamp returns the stamp of the last batch that changed a bucket, or the zero stamp if it is
	// unknown.
	Stamp(bucket string) (Stamp, error)
	// Since calls fn for each value of a bucket that was put after a stamp and still exists, in the
	// order of keys. It does not call fn for removed values. It returns false if the stamp is not in
	// the past of this state, for example after a backup was restored.
	Since(bucket string, s Stamp, fn func(key, value []byte) error) (known bool, err error)
}

// Stamp identifies a batch by its number and by a random id, because a restored state uses the same
// numbers again.
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

// Verify checks the values of a whole state. each calls its argument for every value, in any order,
// and returns an error if it could not read them all.
type Verify func(each func(Visit) error) error

// ErrBusy means that another process kept the state locked for longer than the engine waits.
var ErrBusy = errors.New("busy: another process is writing")

// ErrNewer means that a newer version wrote the state, and this version does not understand it.
var ErrNewer = errors.New("written by a newer cscs-sync")

// ErrReadOnly means that the state may not be written.
var ErrReadOnly = errors.New("read-only")

// DamagedError means that a state is not as it was written. It is left as it is.
type DamagedError struct {
	// File is the name of the damaged state ([Engine.Name]). Bucket and Key say where the damage is,
	// if that is known.
	File, Bucket, Key string
	Reason            string
	// Restore says what to do ([Engine.Restore]).
	Restore string
}

// Error names the state and the place in it, and says what to do.
func (e *DamagedError) Error() string {
	at := ""
	if e.Bucket != "" {
		at = fmt.Sprintf(" (bucket %s, key %q)", e.Bucket, e.Key)
	}
	if e.Restore != "" {
		return fmt.Sprintf("state %s is damaged: %s%s: it was left as it is; %s", e.File, e.Reason, at,
			e.Restore)
	}
	return fmt.Sprintf("state file %s is damaged: %s%s: it was left as it is; move it away, then "+
		"rename %s.bak to it or continue with an empty state",
		e.File, e.Reason, at, e.File)
}
