package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/doctor"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres"
)

// openStore names the state of a configuration: a file on this node, or one that nodes share.
func (a *app) openStore(cfg *config.Config) (*state.Store, error) {
	o := state.Options{Now: a.now}
	shared := cfg.Shared
	if shared == nil {
		return state.Open(cfg.State, o)
	}
	boot, err := site.BootID()
	if err != nil {
		return nil, err
	}
	o.Node, o.Boot, o.Fence = cfg.Node(a.host), boot, site.FenceBy(shared.Fence)
	var failed error
	store, err := state.OpenOn(cfg.State, o, func(c state.Contents) kv.Engine {
		var e *postgres.Engine
		e, failed = postgres.New(postgres.Options{URL: shared.URL.Reveal(), Name: shared.Name,
			Lease: shared.Lease, Initial: c.Initial})
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

func (a *app) nodes(ctx context.Context, asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	nodes, err := s.store.Nodes(ctx, s.cfg.Node(a.host))
	if err != nil {
		return err
	}
	if asJSON {
		return a.term.PrintJSON(nodes)
	}
	return a.term.Print(nodes.Text())
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
		a.term.Tell("Node %s no longer holds the state: the next apply on another node takes it.",
			render.Quote(*node))
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
	cfg, diags := config.Load(to, config.OS(), config.Options{Secrets: config.Skip, StateURL: true,
		Variables: a.variables})
	if diags.HasErrors() {
		return &diagnosed{diags, cfg.Sources}
	}
	other, err := a.openStore(cfg)
	if err != nil {
		return err
	}
	if err := s.store.CopyTo(ctx, other, ledger.Holder{Who: a.user, Host: a.host, PID: os.Getpid(),
		Since: a.now()}); err != nil {
		return err
	}
	a.term.Tell("The state is %s now. Use %s on every node from here on.", other.File(),
		render.ShellWord(to))
	return nil
}
