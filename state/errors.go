package state

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// ErrBusy means that another process kept the state locked for longer than [Options].Timeout.
var ErrBusy = kv.ErrBusy

// ErrNewer means that a newer version wrote the state, and this version does not understand it.
var ErrNewer = kv.ErrNewer

// ErrReadOnly means that the state may not be written.
var ErrReadOnly = kv.ErrReadOnly

// DamagedError means that a state is not as it was written.
type DamagedError = kv.DamagedError

// HistoryError says where the history is not as it was written.
type HistoryError struct {
	// Seq is the number of the first wrong entry, or 0 if the history does not contain the head at
	// all.
	Seq    uint64
	Reason string
}

// Error names the entry and says what is wrong.
func (e *HistoryError) Error() string {
	if e.Seq == 0 {
		return "history: " + e.Reason
	}
	return fmt.Sprintf("history entry %d: %s", e.Seq, e.Reason)
}
