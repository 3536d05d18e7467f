package kv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Leaser is an engine whose state is shared by nodes: one of them at a time may change the storage.
type Leaser interface {
	// Claim gives the lease to a node. Another node that holds it is a [HeldError]; one whose lease has expired, and which
	// nobody knows to be gone, an [ExpiredError].
	Claim(ctx context.Context, by Claim) (Lease, error)
	// Holding returns who holds the lease; Node is empty if nobody does.
	Holding() (Holding, error)
	// Fenced notes that a node is gone, and can make no more calls: its lease is over. It returns what the node held.
	Fenced(node string) (Holding, error)
}

// Lease is held until Release. What the engine writes while it is held is refused once it is lost.
type Lease interface {
	// Check returns an error once the lease is lost. It is cheap: ask before every change.
	Check() error
	Release() error
}

// Claim is who asks for a lease.
type Claim struct {
	// Node is the node's name. Boot tells a process from those that may still run: those with the same one are gone.
	Node, Boot string
	// Who is the person or the program, for people.
	Who string
}

// Holding is who holds a lease. Times are the database server's.
type Holding struct {
	Claim
	Since, Until time.Time
	// Expired means that Until has passed.
	Expired bool
}

// HeldError reports that another node holds the lease.
type HeldError struct{ Holding }

// Error names the node.
func (e *HeldError) Error() string {
	return fmt.Sprintf("node %q holds the state since %s, by %s, until %s unless it renews that: one node at a time changes the storage; wait "+
		"with --lock-timeout", e.Node, e.Since.UTC().Format(time.RFC3339), e.Who, e.Until.UTC().Format(time.RFC3339))
}

// ExpiredError reports that the lease of another node has expired, and that nobody knows whether that node is gone.
type ExpiredError struct{ Holding }

// Error says what a person does.
func (e *ExpiredError) Error() string {
	return fmt.Sprintf("node %q held the state until %s and has not given it back: it may be paused, and would go on when it wakes up. Switch it "+
		"off, or restart cscs-sync on it; then run `cscs-sync state fence --node %s --reason TEXT`", e.Node,
		e.Until.UTC().Format(time.RFC3339), e.Node)
}

// LostError reports that this node no longer holds the lease of a state.
type LostError struct {
	State string
	// To is the node that has it now, if that is known.
	To Holding
}

// Error says to whom.
func (e *LostError) Error() string {
	if e.To.Node == "" {
		return fmt.Sprintf("state %s: this node could not renew its lease in time: nothing more is changed; see `cscs-sync state nodes`", e.State)
	}
	return fmt.Sprintf("state %s: node %q has the lease now: nothing more is changed here; see `cscs-sync state nodes`", e.State, e.To.Node)
}

// IsElsewhere reports whether an error says that another node has what was asked for: waiting may
// help, and nothing is wrong with the state.
func IsElsewhere(err error) bool {
	return errors.As(err, new(*HeldError)) || errors.As(err, new(*ExpiredError)) ||
		errors.As(err, new(*LostError)) || errors.As(err, new(*StandbyError))
}
