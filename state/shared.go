package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// eventFence is the history event that says that a node was fenced: somebody made sure that it is
// down.
const eventFence = "fence"

// leasePoll is how often a process asks again for a lease that another node holds.
const leasePoll = 500 * time.Millisecond

// sharedLock is the lock of a state that nodes share: this node's lock and the lease.
type sharedLock struct {
	local *Lock
	lease kv.Lease
}

// Check returns an error once the lock no longer protects anything.
func (l *sharedLock) Check() error {
	if err := l.lease.Check(); err != nil {
		return err
	}
	return l.local.Check()
}

// Release gives the lease back, and then frees this node's lock.
func (l *sharedLock) Release() error { return errors.Join(l.lease.Release(), l.local.Release()) }

// Lock takes the lock that everything needs that changes the storage, and waits for it no longer
// than wait. This is this node's lock, and the lease if nodes share the state. An expired lease is
// taken over once the fence command confirms that its node is down. Without a fence command, a
// person must confirm it ([Store.Fence]).
func (s *Store) Lock(ctx context.Context, by ledger.Holder,
	wait time.Duration) (ledger.Lock, error) {
	until := time.Now().Add(wait)
	local, err := AcquireLock(ctx, s.dir, by, wait)
	if err != nil {
		return nil, err
	}
	leaser, shared := s.engine.(kv.Leaser)
	if !shared {
		return local, nil
	}
	claim, err := s.claimOf(local, by)
	if err != nil {
		return nil, errors.Join(err, local.Release())
	}
	lease, err := s.claim(ctx, leaser, claim, by, until)
	if err != nil {
		return nil, errors.Join(err, local.Release())
	}
	return &sharedLock{local, lease}, nil
}

// claim asks for the lease until it has it, or until the time is over.
func (s *Store) claim(ctx context.Context, leaser kv.Leaser, claim kv.Claim, by ledger.Holder,
	until time.Time) (kv.Lease, error) {
	for fenced := false; ; {
		lease, err := leaser.Claim(ctx, claim)
		var expired *kv.ExpiredError
		var held *kv.HeldError
		switch {
		case errors.As(err, &expired) && s.options.Fence != nil && !fenced:
			if err := s.fenceByCommand(ctx, expired, by); err != nil {
				return nil, err
			}
			fenced = true // once is enough: a node that has taken the lease since is alive
			continue
		case errors.As(err, &expired):
			return nil, s.elsewhere(err, expired.Holding)
		case errors.As(err, &held) && !time.Now().Before(until):
			return nil, s.elsewhere(err, held.Holding)
		case !errors.As(err, &held):
			return lease, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(leasePoll):
		}
	}
}

// elsewhereError means that another node has the lease. Callers see it as a lock that is held.
type elsewhereError struct {
	err    error
	locked *ledger.LockedError
}

func (e *elsewhereError) Error() string   { return e.err.Error() }
func (e *elsewhereError) Unwrap() []error { return []error{e.err, e.locked} }

func (s *Store) elsewhere(err error, h kv.Holding) error {
	holder := ledger.Holder{Who: h.Who, Host: h.Node, Since: h.Since}
	return &elsewhereError{err, &ledger.LockedError{File: s.File(), Holder: holder}}
}

// fenceByCommand runs the site's program, which makes sure that a node is down.
func (s *Store) fenceByCommand(ctx context.Context, expired *kv.ExpiredError,
	by ledger.Holder) error {
	if err := s.options.Fence(ctx, expired.Node); err != nil {
		return fmt.Errorf("%w (the fence command failed: %w)", expired, err)
	}
	return s.Fence(expired.Node, by.Who, by.Host, "the fence command succeeded")
}

// Fence records, first in the history, that a node whose lease has expired is down and can make no
// more calls.
func (s *Store) Fence(node, who, host, why string) error {
	leaser, shared := s.engine.(kv.Leaser)
	if !shared {
		return fmt.Errorf("state %s is in a file of this node: there is no other node to fence", s.File())
	}
	now, err := leaser.Holding()
	if err != nil {
		return err
	}
	member, known, err := s.member(node)
	switch {
	case err != nil:
		return err
	case now.Node != node && !known:
		return fmt.Errorf("state %s: node %q does not hold its lease, and has no known loop: run "+
			"`cscs-sync state nodes`", s.File(), node)
	case now.Node == node && !now.Expired, known && !member.Expired:
		return fmt.Errorf("state %s: node %q is alive, because it renews its lease: stop cscs-sync "+
			"there, which releases the lease", s.File(), node)
	}
	err = s.batch(true, func(tx *Tx) error {
		_, err := tx.AppendHistory(ledger.Entry{Who: who, Host: host, Event: eventFence,
			Text: fenceText(node, now, member, why)})
		return err
	})
	if err == nil && now.Node == node {
		_, err = leaser.Fenced(node)
	}
	return errors.Join(err, s.forget(node))
}

// fenceText returns the text for the history: which node is down, and why.
func fenceText(node string, held kv.Holding, member kv.Member, why string) string {
	until := member.Until
	if held.Node == node {
		until = held.Until
	}
	return fmt.Sprintf("node %s, whose lease expired at %s: %s", node,
		until.UTC().Format(time.RFC3339), why)
}

// Holding returns which node holds the lease. shared is false for a state in a file.
func (s *Store) Holding() (h kv.Holding, shared bool, err error) {
	leaser, shared := s.engine.(kv.Leaser)
	if !shared {
		return h, false, nil
	}
	h, err = leaser.Holding()
	return h, true, err
}
