package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// lease is the right of one node to change the storage. Every batch that this engine writes checks
// the lease's epoch.
type lease struct {
	term   *term
	engine *Engine
	by     kv.Claim
	epoch  int64
}

// Claim implements [kv.Leaser]. It never waits for another node.
func (e *Engine) Claim(ctx context.Context, by kv.Claim) (kv.Lease, error) {
	e.mu.Lock()
	held := e.lease
	e.mu.Unlock()
	if held != nil {
		return nil, fmt.Errorf("state %s: this process already holds its lease", e.Name())
	}
	l := &lease{engine: e, by: by, term: newTerm(e)}
	before := sinceBoot()
	err := e.locked(ctx, func(ctx context.Context, b *batch) error {
		now, err := b.holder(ctx)
		if err != nil {
			return err
		}
		if err := now.free(by); err != nil {
			return err
		}
		l.epoch = now.Epoch + 1
		return b.hold(ctx, l.epoch, by)
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.lease = l
	e.mu.Unlock()
	l.term.begin(before, l.renew)
	return l, nil
}

// Check implements [kv.Lease]. It makes no request and only reads the clock.
func (l *lease) Check() error { return l.term.check() }

// free returns nil if a node may have the lease, and otherwise why it may not. If the node and the
// boot are the same, the node's own lock guarantees that no other process has the lease. If the
// node has another boot id, its former boot is over once the lease has expired; until then, two
// nodes may have the same name. Another node whose lease has expired may be paused, and would
// continue when it wakes up.
func (h holding) free(by kv.Claim) error {
	switch {
	case h.Node == "", h.Node == by.Node && (h.Boot == by.Boot || h.Expired):
		return nil
	case h.Expired:
		return &kv.ExpiredError{Holding: h.Holding}
	}
	return &kv.HeldError{Holding: h.Holding}
}

// holding is the row of a lease. After the lease was given back, the row still says who held it
// last, but without Node.
type holding struct {
	kv.Holding
	Epoch int64
}

// holder reads who holds the lease.
func (b *batch) holder(ctx context.Context) (h holding, err error) {
	err = b.conn.query(ctx, "SELECT epoch, coalesce(node, ''), coalesce(boot, ''), coalesce(who, "+
		"''), coalesce(since, now()), coalesce(until, now()), coalesce(until <= clock_timestamp(), "+
		"true) FROM cscs_sync.states WHERE number = $1", b.state).
		one(&h.Epoch, &h.Node, &h.Boot, &h.Who, &h.Since, &h.Until, &h.Expired)
	return h, err
}

// hold gives the lease to a node.
func (b *batch) hold(ctx context.Context, epoch int64, by kv.Claim) error {
	_, err := b.conn.exec(ctx, "UPDATE cscs_sync.states SET epoch = $2, node = $3, boot = $4, who = "+
		"$5, since = clock_timestamp(), until = clock_timestamp() + $6 * interval '1 microsecond' "+
		"WHERE number = $1", b.state, epoch, by.Node, by.Boot, by.Who,
		b.engine.options.Lease.Microseconds())
	return err
}

// locked runs fn in its own transaction, with the state's row locked, and commits.
func (e *Engine) locked(ctx context.Context, fn func(context.Context, *batch) error) error {
	ctx, cancel := context.WithTimeout(ctx, connect)
	defer cancel()
	conn, _, err := e.acquire(ctx, true)
	if err != nil {
		return err
	}
	defer conn.release()
	defer rollback(conn.conn)
	b := &batch{engine: e, conn: conn.conn}
	if err := b.lock(ctx); err != nil {
		return e.explain("lock", err)
	}
	err = fn(ctx, b)
	switch {
	case kv.IsElsewhere(err):
		return err
	case err == nil:
		err = b.conn.script(ctx, "COMMIT")
	}
	return e.explain("lease", err)
}

// renew asks the server for another term.
func (l *lease) renew() error {
	return l.engine.locked(context.Background(), func(ctx context.Context, b *batch) error {
		if err := l.own(ctx, b); err != nil {
			return err
		}
		_, err := b.conn.exec(ctx, "UPDATE cscs_sync.states SET until = clock_timestamp() + "+
			"$2 * interval '1 microsecond' WHERE number = $1",
			b.state, b.engine.options.Lease.Microseconds())
		return err
	})
}

// own checks, in a locked batch, that nobody else has taken the lease.
func (l *lease) own(ctx context.Context, b *batch) error {
	now, err := b.holder(ctx)
	if err == nil && now.Epoch != l.epoch {
		err = &kv.LostError{State: l.engine.Name(), To: now.Holding}
	}
	return err
}

// Release gives the lease back, so that another node may have it immediately.
func (l *lease) Release() error {
	l.term.end()
	l.engine.mu.Lock()
	l.engine.lease = nil
	l.engine.mu.Unlock()
	err := l.engine.locked(context.Background(), func(ctx context.Context, b *batch) error {
		if err := l.own(ctx, b); err != nil {
			return err
		}
		_, err := b.conn.exec(ctx, "UPDATE cscs_sync.states SET node = NULL, until = NULL WHERE number "+
			"= $1", b.state)
		return err
	})
	var lost *kv.LostError
	if errors.As(err, &lost) {
		return nil // it is another node's already
	}
	return err
}

// Holding implements [kv.Leaser].
func (e *Engine) Holding() (h kv.Holding, err error) {
	err = e.Batch(false, func(tx kv.Tx) error {
		b, ok := tx.(*batch)
		if !ok {
			return nil // there is no state yet
		}
		ctx, cancel := context.WithTimeout(context.Background(), answer)
		defer cancel()
		found, err := b.holder(ctx)
		h = found.Holding
		return e.explain("read", err)
	})
	return h, err
}

// Fenced implements [kv.Leaser].
func (e *Engine) Fenced(node string) (was kv.Holding, err error) {
	err = e.locked(context.Background(), func(ctx context.Context, b *batch) error {
		now, err := b.holder(ctx)
		if err != nil {
			return err
		}
		was = now.Holding
		if now.Node != node || !now.Expired {
			return errNoRow
		}
		_, err = b.conn.exec(ctx, "UPDATE cscs_sync.states SET epoch = epoch + 1, node = NULL, until = "+
			"NULL WHERE number = $1", b.state)
		return err
	})
	if errors.Is(err, errNoRow) {
		err = fmt.Errorf("state %s: node %q does not hold an expired lease: see `cscs-sync state nodes`",
			e.Name(), node)
	}
	return was, err
}

var _ kv.Leaser = (*Engine)(nil)
