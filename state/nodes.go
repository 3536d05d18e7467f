package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// Nodes says which node may change the storage, and which loops are running. Scripts read it as
// JSON.
type Nodes struct {
	State string `json:"state"`
	// This is the name of this node. Node is the name of the node with the lease; empty if none has
	// it.
	This string `json:"this_node"`
	Node string `json:"node"`
	Boot string `json:"boot,omitempty"`
	Who  string `json:"who,omitempty"`
	// Since is when the lease began, and Until when it ends unless the node renews it.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	// Expired means that Until has passed, and that it is unknown whether the node is down.
	Expired bool   `json:"expired,omitempty"`
	Loops   []Loop `json:"loops"`
	// Shared reports whether nodes share the state. Otherwise it is in a file of this node.
	Shared bool `json:"-"`
}

// Loop is the loop of one node.
type Loop struct {
	Node  string    `json:"node"`
	Leads bool      `json:"leads"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Expired means that the node has not been heard of since Until.
	Expired       bool   `json:"expired,omitempty"`
	Configuration string `json:"configuration"`
	// Differs means that the configuration differs from the leader's.
	Differs bool `json:"differs,omitempty"`
}

// Nodes returns who holds the state, and which loops share it. this is the name of this node.
func (s *Store) Nodes(ctx context.Context, this string) (*Nodes, error) {
	h, shared, err := s.Holding()
	if err != nil {
		return nil, err
	}
	loops, err := s.Loops(ctx)
	if err != nil {
		return nil, err
	}
	n := &Nodes{State: s.File(), This: this, Node: h.Node, Loops: loops, Shared: shared}
	if h.Node != "" {
		n.Boot, n.Who, n.Since, n.Until, n.Expired = h.Boot, h.Who, &h.Since, &h.Until, h.Expired
	}
	return n, nil
}

// Loops returns the loops of the nodes that share the state, by node. It returns none for a state
// in a file.
func (s *Store) Loops(ctx context.Context) ([]Loop, error) {
	members, err := s.Members(ctx)
	return loopsOf(members), err
}

func loopsOf(members []kv.Member) []Loop {
	leader := ""
	for _, m := range members {
		if m.Leads {
			leader = m.Config
		}
	}
	loops := []Loop{}
	for _, m := range members {
		loops = append(loops, Loop{m.Node, m.Leads, m.Since, m.Until, m.Expired, kv.Short(m.Config),
			leader != "" && m.Config != leader})
	}
	return loops
}

// Text returns the same for people: first the lease, then one line for each loop.
func (n *Nodes) Text() string {
	if !n.Shared {
		return "The state " + n.State + " is used by this node only.\n"
	}
	var b strings.Builder
	n.lease(&b)
	if len(n.Loops) == 0 {
		b.WriteString("No loop is running: start cscs-sync.service.\n")
	}
	for i := range n.Loops {
		n.Loops[i].line(&b)
	}
	return b.String()
}

// lease writes which node may change the storage.
func (n *Nodes) lease(b *strings.Builder) {
	switch node := render.Quote(n.Node); {
	case n.Node == "":
		fmt.Fprintf(b, "No node holds the state %s: the next apply takes it.\n", n.State)
	case n.Expired:
		fmt.Fprintf(b, "Node %s held the state %s until %s and did not release it.\n"+
			"When the node is off, run: cscs-sync state fence --node %[1]s --reason TEXT\n",
			node, n.State, planner.Minute(*n.Until))
	default:
		fmt.Fprintf(b, "Node %s has held the state %s since %s, by %s, and renews that before %s.\n",
			node,
			n.State, planner.Minute(*n.Since), render.Escape(n.Who), n.Until.UTC().Format(time.RFC3339))
	}
}

// line writes what the loop of one node does.
func (l *Loop) line(b *strings.Builder) {
	does := "has stood by"
	if l.Leads {
		does = "has led"
	}
	fmt.Fprintf(b, "Loop of node %s: ", render.Quote(l.Node))
	if l.Expired {
		fmt.Fprintf(b, "not heard of since %s, when its last term ended",
			l.Until.UTC().Format(time.RFC3339))
	} else {
		fmt.Fprintf(b, "%s since %s", does, l.Since.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(b, ", configuration %s", render.Escape(l.Configuration))
	if l.Differs {
		b.WriteString(". It differs from the leader's: make both the same and reload")
	}
	b.WriteString(".\n")
}
