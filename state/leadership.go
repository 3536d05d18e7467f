package state

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// loopLockName is the lock of the loop of a node that shares its state.
const loopLockName = "run.lock"

// Leadership is the part of one node's loop among the loops of nodes that share a state: one leads,
// the others stand by. The loop of a state in a file always leads.
type Leadership struct {
	by ledger.Holder

	mu     sync.Mutex
	store  *Store
	config string
	// lock keeps another loop from using this node's name; nil until the first try.
	lock *Lock
	lead kv.Lead
	// known is how the group knows this node; nil until it was told.
	known *kv.Member
}

// NewLeadership is the part of a loop on a state. Config is the fingerprint of what all nodes of a
// group must have in common.
func NewLeadership(s *Store, config string, by ledger.Holder) *Leadership {
	return &Leadership{store: s, config: config, by: by}
}

// Use goes on under another configuration. Who leads the same state stays the leader.
func (l *Leadership) Use(s *Store, config string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.store
	same := old.File() == s.File() && old.dir == s.dir && old.options.Node == s.options.Node
	var err error
	if same {
		l.stop()
	} else {
		err = l.leave()
	}
	if l.lock != nil && old.dir != s.dir {
		err = errors.Join(err, l.lock.Release())
		l.lock = nil
	}
	l.store, l.config = s, config
	return err
}

// Lead returns nil once this loop leads. A [*ledger.StandbyError] says why it does not.
func (l *Leadership) Lead(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	group, shared := l.store.engine.(kv.Group)
	if !shared {
		return nil
	}
	if l.lead != nil {
		if l.lead.Check() == nil {
			return nil
		}
		l.stop() // what was lost may be had again
	}
	by, err := l.member(ctx)
	if err != nil {
		return err
	}
	l.known = &by
	l.lead, err = group.Lead(ctx, by)
	var standby *kv.StandbyError
	if errors.As(err, &standby) {
		return &ledger.StandbyError{Node: standby.Other.Node, Leads: standby.Obstacle == kv.Led, Err: standby}
	}
	return err
}

// member is this node. Its lock says that no other loop uses its name: what held the lock before is
// gone.
func (l *Leadership) member(ctx context.Context) (m kv.Member, err error) {
	if l.lock == nil {
		l.lock, err = acquire(ctx, l.store.dir, loopLockName, l.by, 0)
		var locked *ledger.LockedError
		if errors.As(err, &locked) {
			return m, &ledger.StandbyError{Node: l.store.options.Node, Err: fmt.Errorf("another loop runs on "+
				"this node: %w", err)}
		}
		if err != nil {
			return m, err
		}
	}
	claim, err := l.store.claimOf(l.lock, l.by)
	return kv.Member{Claim: claim, Config: l.config}, err
}

// Check returns an error once this loop does not lead. It asks nobody.
func (l *Leadership) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, shared := l.store.engine.(kv.Group); !shared {
		return nil
	}
	if l.lead == nil {
		return errors.New("this loop does not lead")
	}
	return l.lead.Check()
}

// Release lets another node lead at once.
func (l *Leadership) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.leave()
	if l.lock != nil {
		err = errors.Join(err, l.lock.Release())
		l.lock = nil
	}
	return err
}

// stop ends the renewals of the lead.
func (l *Leadership) stop() {
	if l.lead != nil {
		l.lead.Stop()
		l.lead = nil
	}
}

// leave takes this node out of the group.
func (l *Leadership) leave() error {
	l.stop()
	group, shared := l.store.engine.(kv.Group)
	if !shared || l.known == nil {
		return nil
	}
	by := *l.known
	l.known = nil
	return group.Leave(context.Background(), by)
}

// Members are the nodes whose loops share the state, by name; none for a state in a file.
func (s *Store) Members(ctx context.Context) ([]kv.Member, error) {
	group, shared := s.engine.(kv.Group)
	if !shared {
		return nil, nil
	}
	return group.Members(ctx)
}

// member is the loop of a node; false if none is known.
func (s *Store) member(node string) (kv.Member, bool, error) {
	members, err := s.Members(context.Background())
	for _, m := range members {
		if m.Node == node {
			return m, true, nil
		}
	}
	return kv.Member{}, false, err
}

// forget removes a node that is gone from the members.
func (s *Store) forget(node string) error {
	group, shared := s.engine.(kv.Group)
	if !shared {
		return nil
	}
	_, err := group.Forget(context.Background(), node)
	return err
}

// claimOf is the claim of a process that holds a lock of this node. What has the same boot and the
// same lock file is gone, because we have that lock: two containers, or two configurations, on one
// node have files of their own.
func (s *Store) claimOf(local *Lock, by ledger.Holder) (kv.Claim, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(local.file.Fd()), &st); err != nil {
		return kv.Claim{}, folder.Explain("look at", local.path, err)
	}
	return kv.Claim{Node: s.options.Node, Boot: fmt.Sprintf("%s, lock %d:%d", s.options.Boot, st.Dev, st.Ino),
		Who: by.Who}, nil
}
