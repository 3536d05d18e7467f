package kv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Leaser is an engine whose state nodes share. Only one of them at a time may change the storage.
type Leaser interface {
	// Claim gives the lease to a node. If another node holds it, the error is a [HeldError]. If that
	// node's lease has expired, and it is unknown whether the node is down, the error is an
	// [ExpiredError].
	Claim(ctx context.Context, by Claim) (Lease, error)
	// Holding returns who holds the lease. Node is empty if nobody does.
	Holding() (Holding, error)
	// Fenced records that a node is down and can make no more calls, so its lease is over. It returns
	// what the node held.
	Fenced(node string) (Holding, error)
}

// Lease is held until Release. After the lease is lost, the engine refuses to write for its holder.
type Lease interface {
	// Check returns an error once the lease is lost. It is cheap: call it before every change.
	Check() error
	Release() error
}

// Claim says who asks for a lease.
type Claim struct {
	// Node is the node's name. Boot distinguishes a process from processes that may still be running:
	// another process with the same Boot is gone.
	Node, Boot string
	// Who names the person or the program, for people.
	Who string
}

// Holding says who holds a lease. Times are those of the database server.
type Holding struct {
	Claim
	Since, Until time.Time
	// Expired means that Until has passed.
	Expired bool
}

// HeldError means that another node holds the lease.
type HeldError struct{ Holding }

// Error names the node and says what to do.
func (e *HeldError) Error() string {
	return fmt.Sprintf("node %q has held the state since %s, by %s, until %s unless it renews that: "+
		"only one node at a time may change the storage: wait with "+
		"--lock-timeout", e.Node, e.Since.UTC().Format(time.RFC3339),
		e.Who, e.Until.UTC().Format(time.RFC3339))
}

// ExpiredError means that another node's lease has expired, and that it is unknown whether the node
// is down.
type ExpiredError struct{ Holding }

// Error says what a person should do.
func (e *ExpiredError) Error() string {
	return fmt.Sprintf("node %q held the state until %s and did not release it: it may be paused, "+
		"and would continue when it wakes up. Switch it off, or restart cscs-sync on it; then run "+
		"`cscs-sync state fence --node %s --reason TEXT`", e.Node, e.Until.UTC().Format(time.RFC3339), e.Node)
}

// LostError means that this node no longer holds the lease of a state.
type LostError struct {
	State string
	// To is the node that has the lease now, if that is known.
	To Holding
}

// Error says who has the lease now, if that is known.
func (e *LostError) Error() string {
	if e.To.Node == "" {
		return fmt.Sprintf("state %s: this node could not renew its lease in time, so it changes "+
			"nothing more: see `cscs-sync state nodes`", e.State)
	}
	return fmt.Sprintf("state %s: node %q has the lease now, so this node changes nothing more: see "+
		"`cscs-sync state nodes`", e.State, e.To.Node)
}

// IsElsewhere reports whether an error means that another node has what was requested. Then waiting
// may help, and nothing is wrong with the state.
func IsElsewhere(err error) bool {
	return errors.As(err, new(*HeldError)) || errors.As(err, new(*ExpiredError)) ||
		errors.As(err, new(*LostError)) || errors.As(err, new(*StandbyError))
}
