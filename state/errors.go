package state

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// ErrBusy reports that the state stayed locked by another process for longer than [Options].Timeout.
var ErrBusy = kv.ErrBusy

// ErrNewer tells that the state was written by a newer version, which alone knows what it means.
var ErrNewer = kv.ErrNewer

// ErrReadOnly reports that the state may not be written.
var ErrReadOnly = kv.ErrReadOnly

// DamagedError reports that a state is not what was written.
type DamagedError = kv.DamagedError

// HistoryError tells where the history is not what was written.
type HistoryError struct {
	// Seq is the number of the first entry that is wrong; 0 when the head is not in the history at all.
	Seq    uint64
	Reason string
}

// Error names the entry.
func (e *HistoryError) Error() string {
	if e.Seq == 0 {
		return "history: " + e.Reason
	}
	return fmt.Sprintf("history entry %d: %s", e.Seq, e.Reason)
}
