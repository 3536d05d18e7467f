package ledger

import (
	"fmt"
	"time"
)

// Holder says who holds the lock. It is only for messages: the kernel alone decides whether the
// lock is free.
type Holder struct {
	Who   string    `json:"who"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Plan  string    `json:"plan,omitempty"`
	Since time.Time `json:"since"`
}

// LockedError means that another process holds the lock.
type LockedError struct {
	File   string
	Holder Holder
	// Waited is how long the caller waited for the lock.
	Waited time.Duration
}

// Error names the holder and says how to wait.
func (e *LockedError) Error() string {
	if e.Holder.Who == "" {
		return fmt.Sprintf("lock %s is %s by a process that has not said who it is: %s", e.File,
			e.held(), e.wayOut())
	}
	plan := ""
	if e.Holder.Plan != "" {
		plan = ", for plan " + e.Holder.Plan
	}
	return fmt.Sprintf("lock %s is %s by %s on %s, pid %d, since %s%s: %s; the kernel "+
		"frees the lock when that process is gone",
		e.File, e.held(), e.Holder.Who, e.Holder.Host, e.Holder.PID,
		e.Holder.Since.UTC().Format(time.RFC3339), plan, e.wayOut())
}

func (e *LockedError) held() string {
	if e.Waited == 0 {
		return "held"
	}
	return "still held after " + e.Waited.String()
}

func (e *LockedError) wayOut() string {
	if e.Waited == 0 {
		return "wait with --lock-timeout"
	}
	return "wait longer, or see what that process waits for"
}

// StandbyError means that the loop of this node waits because another node's loop works.
type StandbyError struct {
	// Node is the other node.
	Node string
	// Leads means that all is well: this node takes over when the other one is gone. Otherwise a
	// person has to correct something.
	Leads bool
	Err   error
}

// Error says why, and what to do.
func (e *StandbyError) Error() string { return e.Err.Error() }

// Unwrap returns the store's own error.
func (e *StandbyError) Unwrap() error { return e.Err }
