package doctor

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// shared checks the database of a state that nodes share: whether confirmed commits can be lost,
// and who holds the state.
func (e *examination) shared(ctx context.Context) {
	if e.in.Database == nil {
		return
	}
	db, err := e.in.Database(ctx)
	if err != nil {
		e.fail("database", "%v", err)
		return
	}
	version := render.Escape(db.Version)
	switch {
	case db.Problem != "":
		e.fail("database", "%s: %s", db.Name, db.Problem)
	case !db.Standby:
		e.warn("database", "%s: PostgreSQL %s without a standby, as far as this user can see: while "+
			"it is "+
			"down, no node can apply", db.Name, version)
	default:
		e.pass("database", "%s: PostgreSQL %s with synchronous replication", db.Name, version)
	}
	if !db.Encrypted {
		e.warn("database, TLS", "the connection is not encrypted: add sslmode=verify-full to the URL")
	}
	e.holding()
	e.loops(ctx)
}

// holding checks which node has the lease.
func (e *examination) holding() {
	h, _, err := e.in.State.Holding()
	switch {
	case err != nil:
		e.fail("lease", "%v", err)
	case h.Expired && h.Node != "":
		e.fail("lease", "node %s held the state until %s and has not given it back: nobody can apply "+
			"until it is fenced, see `cscs-sync state fence --help`", render.Quote(h.Node),
			planner.Minute(h.Until))
	case h.Node != "":
		e.pass("lease", "held by node %s, by %s", render.Quote(h.Node), render.Escape(h.Who))
	default:
		e.pass("lease", "free: the next apply takes it")
	}
	elsewhere := h.Node != "" && h.Node != e.in.Node
	if shared := e.in.Config.Shared; elsewhere && shared != nil && shared.Fence == nil {
		e.warn("fence", "there is no fence command: when a node dies, a person runs `cscs-sync state "+
			"fence`")
	}
}

// loops checks which node's loop works, and whether all have this node's configuration.
func (e *examination) loops(ctx context.Context) {
	members, err := e.in.State.Members(ctx)
	if err != nil {
		e.fail("loops", "%v", err)
		return
	}
	own, leader := e.in.Node, ""
	for _, m := range members {
		switch {
		case m.Leads && !m.Expired:
			leader = m.Node
			e.pass("loops", "node %s leads since %s", render.Quote(m.Node), planner.Minute(m.Since))
		case m.Leads:
			e.fail("loops", "node %s led until %s, and no node has taken over: start cscs-sync.service, "+
				"and see its log", render.Quote(m.Node), planner.Minute(m.Until))
		case m.Expired && m.Node != own:
			e.warn("loops", "node %s has not been heard of since %s: nobody stands by there",
				render.Quote(m.Node), planner.Minute(m.Until))
		}
		if m.Config != e.in.Config.Shared.Group && m.Node != own {
			e.fail("configuration of "+m.Node, "it differs from this node's (%s, here %s): one of them "+
				"waits. "+
				"Make both the same, and reload", render.Escape(kv.Short(m.Config)),
				kv.Short(e.in.Config.Shared.Group))
		}
	}
	if len(members) > 0 && leader == "" {
		e.warn("loops", "no node leads: nothing is applied by itself")
	}
}

// markers checks whether this state manages each system.
func (e *examination) markers(ctx context.Context) {
	id, err := e.in.State.KnownID()
	if err != nil {
		return // the check of the state reports it
	}
	m, err := e.in.Markers(id)
	if err != nil {
		e.warn("marker", "%v", err)
		return
	}
	for _, sys := range e.in.Config.Settings.Systems {
		if err := m.Check(ctx, sys.Name); errors.As(err, new(*posix.OtherStateError)) {
			e.fail("marker "+sys.Name, "%v", err)
		}
	}
}
