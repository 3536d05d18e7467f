package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// keptNodes is how long a node is still shown that is gone and did not lead.
const keptNodes = "7 days"

// lead is the right of one node's loop to work.
type lead struct {
	term   *term
	engine *Engine
	by     kv.Member
}

// Lead implements [kv.Group]. While another node leads, Lead mostly only reads, and writes a sign
// of life now and then.
func (e *Engine) Lead(ctx context.Context, by kv.Member) (kv.Lead, error) {
	known, err := e.known(ctx)
	if err != nil {
		return nil, err
	}
	if why := e.obstacle(by, known, kv.Holding{}); why != nil && e.isFresh(by, known) {
		return nil, why
	}
	l := &lead{term: newTerm(e), engine: e, by: by}
	asked := sinceBoot()
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	l.term.begin(asked, func() error { return l.enter(context.Background()) })
	return l, nil
}

// Check implements [kv.Lead]. It makes no request.
func (l *lead) Check() error { return l.term.check() }

// isFresh reports whether the node gave a sign of life recently, with the same boot and
// configuration as now.
func (e *Engine) isFresh(by kv.Member, known []member) bool {
	return slices.ContainsFunc(known, func(m member) bool {
		return m.Node == by.Node && m.Boot == by.Boot && m.Config == by.Config && !m.Leads &&
			m.left > e.options.Lease-e.options.Lease/renewals
	})
}

// enter records that the node is alive, and makes it the leader if possible. The sign of life is
// recorded in any case.
func (l *lead) enter(ctx context.Context) error {
	var why error
	err := l.engine.locked(ctx, func(ctx context.Context, b *batch) error {
		known, err := b.members(ctx)
		if err != nil {
			return err
		}
		held, err := b.holder(ctx)
		if err != nil {
			return err
		}
		standby := l.engine.obstacle(l.by, known, held.Holding)
		if standby != nil {
			why = standby
			if standby.Obstacle == kv.SameName {
				return nil // the row is the other's
			}
		}
		return b.enter(ctx, l.by, standby == nil)
	})
	return errors.Join(err, why)
}

// obstacle returns why a node may not lead, or nil if it may. The node must also wait until a dead
// leader's lease has expired, because only then can it continue what that leader began.
func (e *Engine) obstacle(by kv.Member, known []member, lease kv.Holding) *kv.StandbyError {
	for _, m := range known {
		different := m.Config != by.Config
		standby := &kv.StandbyError{Own: by.Config, Other: m.Member}
		switch {
		case m.Node == by.Node:
			if m.Boot != by.Boot && !m.Expired {
				standby.Obstacle = kv.SameName
				return standby
			}
		case m.Leads && different:
			standby.Obstacle = kv.Differs
			return standby
		case m.Leads && (!m.Expired || lease.Node == m.Node && !lease.Expired):
			return standby
		}
	}
	return nil
}

// enter gives a node another term, as the leader or not.
func (b *batch) enter(ctx context.Context, by kv.Member, leads bool) error {
	var work statements
	if leads {
		work.add("UPDATE cscs_sync.nodes SET leads = false WHERE state = $1 AND node <> $2", b.state,
			by.Node)
	}
	work.add("DELETE FROM cscs_sync.nodes WHERE state = $1 AND NOT leads AND until < now() - "+
		"interval '"+keptNodes+"'", b.state)
	work.add("INSERT INTO cscs_sync.nodes AS old (state, node, boot, who, config, leads, since, "+
		"until) VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), "+
		"clock_timestamp() + $7 * interval '1 microsecond') ON CONFLICT (state, node) DO UPDATE SET "+
		"boot = excluded.boot, who = excluded.who, config = excluded.config, leads = excluded.leads, "+
		"since = CASE WHEN old.leads = excluded.leads AND old.boot = excluded.boot THEN old.since "+
		"ELSE excluded.since END, until = excluded.until", b.state, by.Node, by.Boot, by.Who, by.Config,
		leads, b.engine.options.Lease.Microseconds())
	return b.conn.send(ctx, work)
}

// Stop implements [kv.Lead].
func (l *lead) Stop() { l.term.end() }

// Leave implements [kv.Group].
func (e *Engine) Leave(ctx context.Context, by kv.Member) error {
	return e.locked(ctx, func(ctx context.Context, b *batch) error {
		_, err := b.conn.exec(ctx, "DELETE FROM cscs_sync.nodes WHERE state = $1 AND node = $2 AND "+
			"boot = $3",
			b.state, by.Node, by.Boot)
		return err
	})
}

// member is a node as it was read, with the rest of its term.
type member struct {
	kv.Member
	left time.Duration
}

// members reads the nodes, sorted by name.
func (b *batch) members(ctx context.Context) ([]member, error) {
	var found []member
	var m member
	var left float64
	err := b.conn.query(ctx, "SELECT node, boot, who, config, leads, since, until, "+
		"extract(epoch FROM until - clock_timestamp())::float8 FROM cscs_sync.nodes WHERE state = $1 "+
		"ORDER BY node", b.state).
		each(func() error {
			m.left = time.Duration(left * float64(time.Second))
			m.Expired = m.left <= 0
			found = append(found, m)
			return nil
		}, &m.Node, &m.Boot, &m.Who, &m.Config, &m.Leads, &m.Since, &m.Until, &left)
	return found, err
}

// known reads the nodes in its own view.
func (e *Engine) known(ctx context.Context) (found []member, err error) {
	err = e.Batch(false, func(tx kv.Tx) error {
		b, ok := tx.(*batch)
		if !ok {
			return nil // there is no state yet
		}
		found, err = b.members(ctx)
		return e.explain("read", err)
	})
	return found, err
}

// Members implements [kv.Group].
func (e *Engine) Members(ctx context.Context) (list []kv.Member, err error) {
	found, err := e.known(ctx)
	for _, m := range found {
		list = append(list, m.Member)
	}
	return list, err
}

// Forget implements [kv.Group].
func (e *Engine) Forget(ctx context.Context, node string) (gone bool, err error) {
	err = e.locked(ctx, func(ctx context.Context, b *batch) error {
		tag, err := b.conn.exec(ctx, "DELETE FROM cscs_sync.nodes WHERE state = $1 AND node = $2 AND "+
			"until <= clock_timestamp()", b.state, node)
		gone = tag > 0
		return err
	})
	return gone, err
}

var _ kv.Group = (*Engine)(nil)
