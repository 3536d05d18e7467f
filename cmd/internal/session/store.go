package session

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/upkeep"
	"github.com/waldur/cscs-storage-sync/providers/doctor"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres"
)

// openStore opens the state of a configuration by name: a file on this node, or a state that nodes
// share.
func openStore(cfg *config.Config, p *Process) (*state.Store, error) {
	o := state.Options{Now: p.Now}
	shared := cfg.Shared
	if shared == nil {
		return state.Open(cfg.State, o)
	}
	boot, err := site.BootID()
	if err != nil {
		return nil, err
	}
	o.Node, o.Boot, o.Fence = cfg.Node(p.Host), boot, site.FenceBy(shared.Fence)
	var failed error
	store, err := state.OpenOn(cfg.State, o, func(c state.Contents) kv.Engine {
		var e *postgres.Engine
		e, failed = postgres.New(postgres.Options{URL: shared.URL.Reveal(), Name: shared.Name,
			Lease: shared.Lease, Initial: c.Initial})
		return e
	})
	return store, errors.Join(err, failed)
}

// CopyTo moves the state to the place that another configuration names, and returns the name of
// that place.
func (s *Session) CopyTo(ctx context.Context, path string) (at string, err error) {
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Skip, StateURL: true,
		Variables: s.Process.Variables})
	if diags.HasErrors() {
		return "", &InvalidError{diags, cfg.Sources}
	}
	other, err := openStore(cfg, &s.Process)
	if err != nil {
		return "", err
	}
	return other.File(), s.Store.CopyTo(ctx, other, s.holder())
}

// Database returns a function that queries the server of a shared state; nil for a state in a file.
func (s *Session) Database() func(context.Context) (doctor.Database, error) {
	shared := s.Config.Shared
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

// CheckHold refuses a glob of a hold that is probably misspelt; a warning says that this is not
// certain.
func (s *Session) CheckHold(glob string) (warning string, err error) {
	last, err := loop.ReadIndex(s.Store, s.Process.Log)
	if err != nil {
		return "", err
	}
	recorded, err := s.Store.Recorded()
	if err != nil {
		return "", err
	}
	return upkeep.CheckHold(glob, &recorded, last.Items, func() (bool, error) {
		_, running, err := state.LockHolder(s.Store.Dir())
		return running, err
	})
}
