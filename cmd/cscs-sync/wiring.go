package main

import (
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// How long things may take. A listing has proxy.timeout; the rest is fixed.
const (
	callbackTimeout = 60 * time.Second
	quotaTimeout    = site.QuotaTimeout
	canaryTimeout   = 10 * time.Second
	// defaultValidity is approval.valid_for where no configuration says otherwise.
	defaultValidity = 7 * 24 * time.Hour
)

// transport is the process's one HTTP transport: each would keep connections of its own. It
// verifies TLS.
func (a *app) transport() http.RoundTripper {
	a.connect.Do(func() { a.connections = web.NewTransport(http.ProxyFromEnvironment, nil) })
	return a.connections
}

// site is what the configuration of this session opens.
func (s *session) site() *site.Site {
	if s.opened == nil {
		s.opened = site.New(s.cfg, site.Options{Now: s.app.now, Stdin: s.app.term.In,
			Transport: s.app.transport(), Progress: s.app.term.Progress,
			Waits: s.app.stop.WaitsFor, CallbackTimeout: s.app.callbackTimeout, MountTimeout: s.app.mountTimeout,
			Kernel: s.app.kernel,
			Observing: func(work string, done, total int) {
				s.app.stage("observing", 2*quotaTimeout+engine.StageSlack)
				s.app.term.Progress(work, done, total)
			}})
	}
	return s.opened
}

// source is where the resources come from: the proxy, or saved responses.
func (s *session) source(files []string) (engine.Source, error) { return s.site().Source(files) }

// engine is what plans and applies under the configuration of this session.
func (s *session) engine() *engine.Engine {
	e := &engine.Engine{Settings: &s.cfg.Settings, Overrides: s.cfg.Overrides,
		Policy: s.cfg.AutoApprove, Rules: s.rules,
		ValidFor: s.cfg.Approval.ValidFor, Store: s.store, Locker: s.store, Key: s.localKey,
		Proxy:   func() (engine.Source, error) { return s.source(nil) },
		Storage: site.ForEngine{Site: s.site(), Markers: s.ownMarkers}, Who: s.app.user,
		Host: s.app.host, Version: build.Version(), PID: os.Getpid(), Now: s.app.now,
		Sleep: waldur.Sleep, Log: s.app.log, CallbackTimeout: callbackTimeout,
		Hooks: engine.Hooks{Stop: s.app.stop.Asked(), Stage: s.app.stage, Waits: s.app.stop.WaitsFor,
			Progress: s.app.term.Progress, Listed: tuneMemory,
			Changing: s.app.stop.BySelf, Reached: s.app.reached}}
	if s.app.locker != nil {
		e.Locker = s.app.locker(e.Locker)
	}
	if s.cfg.Proxy != nil {
		e.ListingTimeout = s.cfg.Proxy.Timeout
	}
	if s.cfg.Waldur != nil {
		e.Orders = s.site().Orders()
	}
	return e
}

// tuneMemory has garbage collected, from now on, when it is a seventh of what is in use, and not as
// much again. What a plan keeps is most of what it allocates, so this costs little time, and a
// third of the peak is saved. It begins when the listing is there: what that leaves is below the
// peak, and small plans are done by then. Who only reads and renders plan files keeps little, and
// would lose time. GOGC in the environment wins.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(15)
	}
}
