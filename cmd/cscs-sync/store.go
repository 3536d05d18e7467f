package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/doctor"
	"github.com/waldur/cscs-storage-sync/state"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres"
)

// fenceTimeout is how long the fence command may take: a node is powered off, and seen to be.
const fenceTimeout = 2 * time.Minute

// openStore names the state of a configuration: a file on this node, or one that nodes share.
func (a *app) openStore(cfg *config.Config) (*state.Store, error) {
	o := state.Options{Now: a.now}
	shared := cfg.Shared
	if shared == nil {
		return state.Open(cfg.State, o)
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	o.Node, o.Boot, o.Fence = nodeName(a.host, shared), boot, fenceBy(shared.Fence)
	var failed error
	store, err := state.OpenOn(cfg.State, o, func(c state.Contents) kv.Engine {
		var e *postgres.Engine
		e, failed = postgres.New(postgres.Options{URL: shared.URL.Reveal(), Name: shared.Name, Lease: shared.Lease, Initial: c.Initial})
		return e
	})
	return store, errors.Join(err, failed)
}

// database returns what asks the server of a state that nodes share; nil for a state in a file.
func database(shared *config.SharedState) func(context.Context) (doctor.Database, error) {
	if shared == nil {
		return nil
	}
	return func(ctx context.Context) (doctor.Database, error) {
		engine, err := postgres.New(postgres.Options{URL: shared.URL.Reveal(), Name: shared.Name})
		if err != nil {
			return doctor.Database{}, err
		}
		defer engine.Close()
		db, err := engine.Durability(ctx)
		return doctor.Database{Name: engine.Name(), Version: db.Version, Problem: db.Problem(),
			Standby: db.Replicas > 0 || db.Standbys != "", Encrypted: db.TLS || db.Local}, err
	}
}

// nodeName is this node's name among those that share a state.
func nodeName(host string, shared *config.SharedState) string {
	if shared != nil && shared.Node != "" {
		return shared.Node
	}
	return host
}

// bootID tells one boot of this node from another.
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read this node's boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// fenceBy runs the site's program with the node's name as its last argument; nil if there is none.
func fenceBy(program []string) func(context.Context, string) error {
	if len(program) == 0 {
		return nil
	}
	return func(ctx context.Context, node string) error {
		ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, program[0], append(program[1:len(program):len(program)], node)...)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w: %s", program[0], node, err, render.Escape(strings.TrimSpace(string(out[:min(len(out), 500)]))))
		}
		return nil
	}
}

func (a *app) stateNodesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "which node may change the storage, and which loop leads",
		Args:  arguments(0, 0),
	}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.nodes(cmd.Context(), *asJSON) }
	return cmd
}

// shownHolding is the lease as scripts read it.
type shownHolding struct {
	State   string      `json:"state"`
	This    string      `json:"this_node"`
	Node    string      `json:"node"`
	Boot    string      `json:"boot,omitempty"`
	Who     string      `json:"who,omitempty"`
	Since   *time.Time  `json:"since,omitempty"`
	Until   *time.Time  `json:"until,omitempty"`
	Expired bool        `json:"expired,omitempty"`
	Loops   []shownLoop `json:"loops"`
}

// shownLoop is the loop of one node as scripts read it.
type shownLoop struct {
	Node  string    `json:"node"`
	Leads bool      `json:"leads"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Expired means that the node has not been heard of since Until.
	Expired       bool   `json:"expired,omitempty"`
	Configuration string `json:"configuration"`
	// Differs means that the configuration is another one than the leader's.
	Differs bool `json:"differs,omitempty"`
}

func (a *app) nodes(ctx context.Context, asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	h, shared, err := s.store.Holding()
	if err != nil {
		return err
	}
	members, err := s.store.Members(ctx)
	if err != nil {
		return err
	}
	shown := shownHolding{State: s.store.File(), This: nodeName(a.host, s.cfg.Shared), Node: h.Node,
		Loops: shownLoops(members)}
	if h.Node != "" {
		shown.Boot, shown.Who, shown.Since, shown.Until, shown.Expired = h.Boot, h.Who, &h.Since, &h.Until, h.Expired
	}
	switch {
	case asJSON:
		return a.printJSON(shown)
	case !shared:
		return a.print("The state " + s.store.File() + " is this node's alone.\n")
	}
	return a.print(holdingText(s.store.File(), h) + loopsText(shown.Loops))
}

// holdingText says who may change the storage.
func holdingText(file string, h kv.Holding) string {
	switch {
	case h.Node == "":
		return "No node holds the state " + file + ": the next apply takes it.\n"
	case h.Expired:
		return fmt.Sprintf("Node %s held the state %s until %s, and has not given it back.\nOnce it is off: cscs-sync state fence "+
			"--node %[1]s --reason TEXT\n", render.Quote(h.Node), file, planner.Minute(h.Until))
	}
	return fmt.Sprintf("Node %s holds the state %s since %s, by %s, and renews that before %s.\n", render.Quote(h.Node), file,
		planner.Minute(h.Since), render.Escape(h.Who), h.Until.UTC().Format(time.RFC3339))
}

func shownLoops(members []kv.Member) []shownLoop {
	leader := ""
	for _, m := range members {
		if m.Leads {
			leader = m.Config
		}
	}
	loops := []shownLoop{}
	for _, m := range members {
		loops = append(loops, shownLoop{m.Node, m.Leads, m.Since, m.Until, m.Expired, kv.Short(m.Config),
			leader != "" && m.Config != leader})
	}
	return loops
}

// loopsText says which node's loop works, one line a node.
func loopsText(loops []shownLoop) string {
	var b strings.Builder
	if len(loops) == 0 {
		return "No loop runs: start cscs-sync.service.\n"
	}
	for _, l := range loops {
		does := "stands by"
		if l.Leads {
			does = "leads"
		}
		fmt.Fprintf(&b, "Loop of node %s: ", render.Quote(l.Node))
		if l.Expired {
			fmt.Fprintf(&b, "not heard of since %s, when its last sign of life ran out", l.Until.UTC().Format(time.RFC3339))
		} else {
			fmt.Fprintf(&b, "%s since %s", does, l.Since.UTC().Format(time.RFC3339))
		}
		fmt.Fprintf(&b, ", configuration %s", render.Escape(l.Configuration))
		if l.Differs {
			b.WriteString(". It differs from the leader's: make both the same, and reload")
		}
		b.WriteString(".\n")
	}
	return b.String()
}

func (a *app) stateFenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fence",
		Short: "say that another node is gone, so that this one may go on",
		Args:  arguments(0, 0),
		Long: `A node that has not renewed its lease may be paused. When it wakes up, it makes
the call that it was about to make, and no lease prevents that. So the next node
does nothing until the old one is known to be gone. Switch it off, make sure
that it is off, and then run this command. The history records it.`,
	}
	f := cmd.Flags()
	node := f.String("node", "", "the `NODE` that is off (needed)")
	reason := f.String("reason", "", "how you know (`TEXT`, needed)")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *node == "" || strings.TrimSpace(*reason) == "" {
			return &usageError{"state fence", errors.New("--node and --reason are needed")}
		}
		s, err := a.open(config.Skip)
		if err != nil {
			return err
		}
		if err := s.store.Fence(*node, a.user, a.host, *reason); err != nil {
			return err
		}
		a.tell("Node %s no longer holds the state: the next apply on another node takes it.", render.Quote(*node))
		return nil
	}
	return cmd
}

func (a *app) stateCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "move the state to where another configuration has it",
		Args:  arguments(0, 0),
		Long: `Moves the state from a file to a database, or back: all of it, with the same id
and the same history. From then on the state that was left is refused. The
other one must be empty, or be the one that this state came from. Files beside
the state (held plans, plans that the loop has begun) are not moved: let the
loop end first, and plan again.`,
	}
	f := cmd.Flags()
	to := f.String("to", "", "the other `CONFIG`, a file or a folder (needed)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *to == "" {
			return &usageError{"state copy", errors.New("--to is needed")}
		}
		return a.copyState(cmd.Context(), *to)
	}
	return cmd
}

func (a *app) copyState(ctx context.Context, to string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	cfg, diags := config.Load(to, config.OS(), config.Options{Secrets: config.Skip, StateURL: true, Variables: a.variables})
	if diags.HasErrors() {
		return &diagnosed{diags, cfg.Sources}
	}
	other, err := a.openStore(cfg)
	if err != nil {
		return err
	}
	if err := s.store.CopyTo(ctx, other, ledger.Holder{Who: a.user, Host: a.host, PID: os.Getpid(), Since: a.now()}); err != nil {
		return err
	}
	a.tell("The state is %s now. Use %s on every node from here on.", other.File(), render.ShellWord(to))
	return nil
}
