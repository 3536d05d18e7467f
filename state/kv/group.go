package kv

import (
	"context"
	"fmt"
	"time"
)

// Group is an engine whose state several nodes share. The loop of one node leads, which means that
// it works. The loops of the other nodes stand by.
type Group interface {
	// Lead records that the node's loop is alive, and returns the lead if the node may have it.
	// Otherwise the error is a [StandbyError], and the caller should ask again. A node that asks less
	// often than its lease lasts counts as gone.
	Lead(ctx context.Context, by Member) (Lead, error)
	// Leave removes the node, so that another one may lead immediately.
	Leave(ctx context.Context, by Member) error
	// Members returns the nodes whose loops have asked, by name.
	Members(ctx context.Context) ([]Member, error)
	// Forget removes a node that is gone. It returns false if there is no expired node of this name.
	Forget(ctx context.Context, node string) (bool, error)
}

// Lead is held until Stop. It renews itself.
type Lead interface {
	// Check returns an error once the node no longer leads. It makes no request.
	Check() error
	// Stop ends the renewals. It does not give up the lead: [Group].Leave does that.
	Stop()
}

// Member is a node whose loop is running, or was running.
type Member struct {
	Claim
	// Config is the fingerprint of the settings that must be the same on all nodes of a group.
	Config string
	// Leads means that the node's loop works, or worked when it was last heard of.
	Leads bool
	// Since is when the loop started or took over. Until is when it counts as gone. Both are times of
	// the database server.
	Since, Until time.Time
	// Expired means that Until has passed.
	Expired bool
}

// Obstacle is why a node may not lead.
type Obstacle uint8

// The obstacles.
const (
	// Led means that another node leads and is alive.
	Led Obstacle = iota
	// Differs means that the node that leads, or led last, has another configuration.
	Differs
	// SameName means that another machine, or another loop on this machine, uses the node's name.
	SameName
)

// StandbyError says why a node's loop waits.
type StandbyError struct {
	Obstacle Obstacle
	// Own is the fingerprint of this node's configuration.
	Own string
	// Other is the node in the way.
	Other Member
}

// Error names the other node and says what to do.
func (e *StandbyError) Error() string {
	switch {
	case e.Obstacle == SameName:
		return fmt.Sprintf("another loop is running under this node's name, %q (%s): give each node "+
			"its own name: `node` in the state block", e.Other.Node, e.Other.Who)
	case e.Obstacle == Differs && e.Other.Expired:
		return fmt.Sprintf("node %q led until %s with another configuration (%s, this node has %s). "+
			"Give both nodes the same configuration. If this one is right and that node is off, run "+
			"`cscs-sync state fence --node %[1]s --reason TEXT`", e.Other.Node,
			e.Other.Until.UTC().Format(time.RFC3339), Short(e.Other.Config), Short(e.Own))
	case e.Obstacle == Differs:
		return fmt.Sprintf("node %q leads with another configuration (%s, this node has %s): give both "+
			"nodes the same configuration, and reload the one that you change", e.Other.Node,
			Short(e.Other.Config), Short(e.Own))
	}
	return fmt.Sprintf("node %q has led since %s", e.Other.Node,
		e.Other.Since.UTC().Format(time.RFC3339))
}

// Short returns the part of a fingerprint that messages show.
func Short(fingerprint string) string { return fingerprint[:min(12, len(fingerprint))] }
