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
// and which node holds the state.
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
		e.warn("database", "%s: PostgreSQL %s without a standby, as far as this user can see: while it is "+
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
		e.fail("lease", "node %s held the state until %s and did not release it: no node can apply "+
			"until it is fenced, see `cscs-sync state fence --help`", render.Quote(h.Node),
			planner.Minute(h.Until))
	case h.Node != "":
		e.pass("lease", "held by node %s, by %s", render.Quote(h.Node), render.Escape(h.Who))
	default:
		e.pass("lease", "free: the next apply takes it")
	}
	elsewhere := h.Node != "" && h.Node != e.in.Node
	if shared := e.in.Config.Shared; elsewhere && shared != nil && shared.Fence == nil {
		e.warn("fence", "no fence command is configured: when a node dies, a person must run "+
			"`cscs-sync state fence`")
	}
}

// loops checks which node leads, and whether all nodes have the same configuration.
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
			e.pass("loops", "node %s has led since %s", render.Quote(m.Node), planner.Minute(m.Since))
		case m.Leads:
			e.fail("loops", "node %s led until %s, and no node has taken over: start cscs-sync.service "+
				"and read its log", render.Quote(m.Node), planner.Minute(m.Until))
		case m.Expired && m.Node != own:
			e.warn("loops", "node %s has not been heard of since %s, so it is not standing by",
				render.Quote(m.Node), planner.Minute(m.Until))
		}
		if m.Config != e.in.Config.Shared.Group && m.Node != own {
			e.fail("configuration of "+m.Node, "it differs from this node's (%s, here %s), so one of the "+
				"nodes waits: make both the same and reload", render.Escape(kv.Short(m.Config)),
				kv.Short(e.in.Config.Shared.Group))
		}
	}
	if len(members) > 0 && leader == "" {
		e.warn("loops", "no node leads, so nothing is applied automatically")
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
