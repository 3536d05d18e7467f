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

// loopLockName is the name of the lock of a loop on a node that shares its state.
const loopLockName = "run.lock"

// Leadership is the role of one node's loop among the nodes that share a state: one loop leads, and
// the others stand by. The loop of a state in a file always leads.
type Leadership struct {
	by ledger.Holder

	mu     sync.Mutex
	store  *Store
	config string
	// lock keeps another loop from using this node's name. It is nil until the first attempt.
	lock *Lock
	lead kv.Lead
	// known is how the group knows this node. It is nil until the group was told.
	known *kv.Member
}

// NewLeadership returns the role of a loop on a state. config is the fingerprint of the settings
// that must be the same on all nodes of a group.
func NewLeadership(s *Store, config string, by ledger.Holder) *Leadership {
	return &Leadership{store: s, config: config, by: by}
}

// Use continues with another configuration. If the state is the same, a leader stays the leader.
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

// Lead returns nil once this loop leads. If it does not lead, a [*ledger.StandbyError] says why.
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
		l.stop() // a lost lead may be won again
	}
	by, err := l.member(ctx)
	if err != nil {
		return err
	}
	l.known = &by
	l.lead, err = group.Lead(ctx, by)
	var standby *kv.StandbyError
	if errors.As(err, &standby) {
		return &ledger.StandbyError{Node: standby.Other.Node, Leads: standby.Obstacle == kv.Led,
			Err: standby}
	}
	return err
}

// member returns this node as a member of the group. Its lock guarantees that no other loop uses
// its name, because whoever held the lock before is gone.
func (l *Leadership) member(ctx context.Context) (m kv.Member, err error) {
	if l.lock == nil {
		l.lock, err = acquire(ctx, l.store.dir, loopLockName, l.by, 0)
		var locked *ledger.LockedError
		if errors.As(err, &locked) {
			err = fmt.Errorf("another loop is running on this node: %w", err)
			return m, &ledger.StandbyError{Node: l.store.options.Node, Err: err}
		}
		if err != nil {
			return m, err
		}
	}
	claim, err := l.store.claimOf(l.lock, l.by)
	return kv.Member{Claim: claim, Config: l.config}, err
}

// Check returns an error if this loop does not lead. It makes no request.
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

// Release lets another node lead immediately.
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

// stop stops renewing the lead.
func (l *Leadership) stop() {
	if l.lead != nil {
		l.lead.Stop()
		l.lead = nil
	}
}

// leave removes this node from the group.
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

// Members returns the nodes whose loops share the state, by name. It returns none for a state in a
// file.
func (s *Store) Members(ctx context.Context) ([]kv.Member, error) {
	group, shared := s.engine.(kv.Group)
	if !shared {
		return nil, nil
	}
	return group.Members(ctx)
}

// member returns the loop of a node, and whether it is known.
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

// claimOf returns the claim of a process that holds a lock of this node. A claim with the same boot
// and the same lock file belongs to a process that is gone, because we hold that lock now. Two
// containers or two configurations on one node have different lock files.
func (s *Store) claimOf(local *Lock, by ledger.Holder) (kv.Claim, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(local.file.Fd()), &st); err != nil {
		return kv.Claim{}, folder.Explain("check", local.path, err)
	}
	boot := fmt.Sprintf("%s, lock %d:%d", s.options.Boot, st.Dev, st.Ino)
	return kv.Claim{Node: s.options.Node, Boot: boot, Who: by.Who}, nil
}
