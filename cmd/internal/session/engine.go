package session

import (
	"context"
	"os"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
)

// Site is what the configuration opens.
func (s *Session) Site() *site.Site {
	if s.site == nil {
		p := &s.Process
		s.site = site.New(s.Config, site.Options{Now: p.Now, Stdin: p.Stdin, Transport: p.Transport,
			Progress: p.Hooks.Progress, Waits: p.Hooks.Waits, CallbackTimeout: p.CallbackTimeout,
			MountTimeout: p.MountTimeout, Kernel: p.Kernel,
			Observing: func(work string, done, total int) {
				s.alive("observing", 2*site.QuotaTimeout+engine.StageSlack)
				p.Hooks.Progress(work, done, total)
			}})
	}
	return s.site
}

// Source is where the resources come from: the proxy, or saved responses.
func (s *Session) Source(files []string) (engine.Source, error) { return s.Site().Source(files) }

// Engine is what plans and applies under the configuration.
func (s *Session) Engine() *engine.Engine {
	p, cfg := &s.Process, s.Config
	e := &engine.Engine{Settings: &cfg.Settings, Overrides: cfg.Overrides,
		Policy: cfg.AutoApprove, Rules: s.Rules,
		ValidFor: cfg.Approval.ValidFor, Store: s.Store, Locker: s.Store, Key: s.localKey,
		Proxy:   func() (engine.Source, error) { return s.Source(nil) },
		Storage: site.ForEngine{Site: s.Site(), Markers: s.ownMarkers}, Who: p.Who,
		Host: p.Host, Version: p.Version, PID: os.Getpid(), Now: p.Now,
		Sleep: waldur.Sleep, Log: p.Log, CallbackTimeout: CallbackTimeout, Hooks: p.Hooks}
	e.Hooks.Stage = s.stage
	if p.Locker != nil {
		e.Locker = p.Locker(e.Locker)
	}
	if cfg.Proxy != nil {
		e.ListingTimeout = cfg.Proxy.Timeout
	}
	if cfg.Waldur != nil {
		e.Orders = s.Site().Orders()
	}
	return e
}

// stage begins a stage of a plan or an apply.
func (s *Session) stage(name string, allowed time.Duration) {
	s.memory.begin(name)
	s.alive(name, allowed)
}

// alive gives a sign of life where somebody watches.
func (s *Session) alive(name string, allowed time.Duration) {
	if s.beat != nil {
		s.beat(name, allowed)
	}
}

// Markers are those of the configured systems, for a state with an id.
func (s *Session) Markers(id string) (*site.Markers, error) {
	boot, err := site.BootID()
	if err != nil {
		return nil, err
	}
	var roots map[string]planner.RootIdentity
	err = s.Store.View(func(tx ledger.Tx) error {
		roots, err = tx.Roots()
		return err
	})
	if err != nil {
		return nil, err
	}
	own := posix.Marker{State: id, Node: s.Node(), Boot: boot, At: s.Process.Now().UTC()}
	return s.Site().Markers(own, roots), nil
}

// ownMarkers are those for the state of this session.
func (s *Session) ownMarkers() (*site.Markers, error) {
	id, err := s.Store.ID()
	if err != nil {
		return nil, err
	}
	return s.Markers(id)
}

// Take has this state manage a system of another one, while no apply runs. It returns what the
// system's marker said before.
func (s *Session) Take(ctx context.Context, system, reason string) (from *posix.Marker, err error) {
	err = s.alone(ctx, func() error {
		m, err := s.ownMarkers()
		if err != nil {
			return err
		}
		from, err = m.Take(ctx, system, func(text string) error {
			return s.Store.Update(func(tx ledger.Tx) error {
				return s.Person().Notes(tx, ledger.EventTake, text+": "+reason)
			})
		})
		return err
	})
	return from, err
}
