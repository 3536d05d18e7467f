package main

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres"
)

// shared looks at the database of a state that nodes share: whether what it confirms can be lost, and who holds the state.
func (d *doctor) shared(ctx context.Context) {
	shared := d.cfg.Shared
	if shared == nil {
		return
	}
	engine, err := postgres.New(postgres.Options{URL: shared.URL.Reveal(), Name: shared.Name})
	if err != nil {
		d.say("FAIL", "database", "%v", err)
		return
	}
	defer engine.Close()
	db, err := engine.Durability(ctx)
	switch {
	case err != nil:
		d.say("FAIL", "database", "%v", err)
		return
	case db.Problem() != "":
		d.say("FAIL", "database", "%s: %s", engine.Name(), db.Problem())
	case db.Replicas == 0 && db.Standbys == "":
		d.say("WARN", "database", "%s: PostgreSQL %s without a standby, as far as this user can see: while it is down, no node can apply",
			engine.Name(), render.Escape(db.Version))
	default:
		d.say("PASS", "database", "%s: PostgreSQL %s with synchronous replication", engine.Name(), render.Escape(db.Version))
	}
	if !db.TLS && !db.Local {
		d.say("WARN", "database, TLS", "the connection is not encrypted: add sslmode=verify-full to the URL")
	}
	d.holding()
	d.loops(ctx)
}

// holding says which node has the lease.
func (d *doctor) holding() {
	h, _, err := d.store.Holding()
	switch {
	case err != nil:
		d.say("FAIL", "lease", "%v", err)
	case h.Expired && h.Node != "":
		d.say("FAIL", "lease", "node %s held the state until %s and has not given it back: nobody can apply until it is fenced, see `cscs-sync "+
			"state fence --help`", render.Quote(h.Node), planner.Minute(h.Until))
	case h.Node != "":
		d.say("PASS", "lease", "held by node %s, by %s", render.Quote(h.Node), render.Escape(h.Who))
	default:
		d.say("PASS", "lease", "free: the next apply takes it")
	}
	if h.Node != "" && h.Node != nodeName(d.host, d.cfg.Shared) && d.cfg.Shared.Fence == nil {
		d.say("WARN", "fence", "there is no fence command: when a node dies, a person runs `cscs-sync state fence`")
	}
}

// loops says which node's loop works, and whether all have this node's configuration.
func (d *doctor) loops(ctx context.Context) {
	members, err := d.store.Members(ctx)
	if err != nil {
		d.say("FAIL", "loops", "%v", err)
		return
	}
	own, leader := nodeName(d.host, d.cfg.Shared), ""
	for _, m := range members {
		switch {
		case m.Leads && !m.Expired:
			leader = m.Node
			d.say("PASS", "loops", "node %s leads since %s", render.Quote(m.Node), planner.Minute(m.Since))
		case m.Leads:
			d.say("FAIL", "loops", "node %s led until %s, and no node has taken over: start cscs-sync.service, and see its log",
				render.Quote(m.Node), planner.Minute(m.Until))
		case m.Expired && m.Node != own:
			d.say("WARN", "loops", "node %s has not been heard of since %s: nobody stands by there", render.Quote(m.Node), planner.Minute(m.Until))
		}
		if m.Config != d.cfg.Shared.Group && m.Node != own {
			d.say("FAIL", "configuration of "+m.Node, "it differs from this node's (%s, here %s): one of them waits. Make both the same, and reload",
				render.Escape(kv.Short(m.Config)), kv.Short(d.cfg.Shared.Group))
		}
	}
	if len(members) > 0 && leader == "" {
		d.say("WARN", "loops", "no node leads: nothing is applied by itself")
	}
}

// markers looks which state manages each system.
func (d *doctor) markers(ctx context.Context) {
	id, err := d.store.KnownID()
	if err != nil {
		return // the check of the state says so
	}
	m, err := d.session.markers(id)
	if err != nil {
		d.say("WARN", "marker", "%v", err)
		return
	}
	for _, sys := range d.cfg.Settings.Systems {
		err := m.Check(ctx, sys.Name)
		if errors.As(err, new(*posix.OtherStateError)) {
			d.say("FAIL", "marker "+sys.Name, "%v", err)
		}
	}
}
