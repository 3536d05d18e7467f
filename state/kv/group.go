package kv

import (
	"context"
	"fmt"
	"time"
)

// Group is an engine whose state several nodes share. The loop of one of them leads: it works. The
// loops of the others stand by.
type Group interface {
	// Lead notes that the node's loop is there, and returns its lead if it may have it. Else the
	// error is a [StandbyError]: ask again. A node that asks less often than its lease lasts
	// counts as gone.
	Lead(ctx context.Context, by Member) (Lead, error)
	// Leave removes the node: another one may lead at once.
	Leave(ctx context.Context, by Member) error
	// Members are the nodes whose loops have asked, by name.
	Members(ctx context.Context) ([]Member, error)
	// Forget removes a node that is gone; false if there is none of this name that has expired.
	Forget(ctx context.Context, node string) (bool, error)
}

// Lead is held until Stop. It renews itself.
type Lead interface {
	// Check returns an error once the node does not lead any more. It asks nobody.
	Check() error
	// Stop ends the renewals and gives nothing back: [Group].Leave does.
	Stop()
}

// Member is a node whose loop runs, or ran.
type Member struct {
	Claim
	// Config is the fingerprint of what all nodes of a group must have in common.
	Config string
	// Leads means that its loop works, or did when it was last heard of.
	Leads bool
	// Since is when its loop began or took over; Until is when it counts as gone. Both are the
	// database server's times.
	Since, Until time.Time
	// Expired means that Until has passed.
	Expired bool
}

// Obstacle is why a node may not lead.
type Obstacle uint8

// The obstacles.
const (
	// Led means that another node leads, and is well.
	Led Obstacle = iota
	// Differs means that the node that leads, or led last, has another configuration.
	Differs
	// SameName means that another machine, or another loop on this one, uses the node's name.
	SameName
)

// StandbyError reports why a node's loop waits.
type StandbyError struct {
	Obstacle Obstacle
	// Own is the fingerprint of the node's own configuration.
	Own string
	// Other is the node in the way.
	Other Member
}

// Error names the other node and says what to do.
func (e *StandbyError) Error() string {
	switch {
	case e.Obstacle == SameName:
		return fmt.Sprintf("another loop runs under the name of this node, %q (%s). Give each node a "+
			"name of its own: `node` in the state block", e.Other.Node, e.Other.Who)
	case e.Obstacle == Differs && e.Other.Expired:
		return fmt.Sprintf("node %q led until %s under another configuration (%s, this node has %s). "+
			"Give both nodes the same configuration. If this one is right and that node is off, run "+
			"`cscs-sync state fence --node %[1]s --reason TEXT`", e.Other.Node,
			e.Other.Until.UTC().Format(time.RFC3339), Short(e.Other.Config), Short(e.Own))
	case e.Obstacle == Differs:
		return fmt.Sprintf("node %q leads under another configuration (%s, this node has %s). Give both "+
			"nodes the same configuration, and reload the one that you change", e.Other.Node,
			Short(e.Other.Config), Short(e.Own))
	}
	return fmt.Sprintf("node %q leads since %s", e.Other.Node, e.Other.Since.UTC().Format(time.RFC3339))
}

// Short is a fingerprint as messages show it.
func Short(fingerprint string) string { return fingerprint[:min(12, len(fingerprint))] }
