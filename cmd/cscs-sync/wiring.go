package main

import (
	"context"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
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

// transport is the process's one HTTP transport: each would keep connections of its own. It verifies TLS.
func (a *app) transport() http.RoundTripper {
	a.connect.Do(func() { a.connections = web.NewTransport(http.ProxyFromEnvironment, nil) })
	return a.connections
}

// site is what the configuration of this session opens.
func (s *session) site() *site.Site {
	if s.opened == nil {
		s.opened = site.New(s.cfg, site.Options{Now: s.now, Stdin: s.stdin, Transport: s.transport(), Progress: s.tellProgress,
			Waits: s.waitsFor, CallbackTimeout: s.callbackTimeout, MountTimeout: s.mountTimeout, Kernel: s.kernel,
			Observing: func(work string, done, total int) {
				s.stage("observing", 2*quotaTimeout+stageSlack)
				s.tellProgress(work, done, total)
			}})
	}
	return s.opened
}

// source is where the resources come from: the proxy, or saved responses.
func (s *session) source(files []string) (engine.Source, error) { return s.site().Source(files) }

// proxyTokens are the tokens with which the proxy is asked.
func (s *session) proxyTokens(p *config.Proxy) waldur.TokenFunc { return s.site().ProxyTokens(p) }

// orders is Waldur. The configuration has a waldur block.
func (s *session) orders() apply.Orders { return s.site().Orders() }

// quotas are the quota clients of all systems.
func (s *session) quotas() (*quota.Systems, error) { return s.site().Quotas() }

// observer looks at the storage; done lets go of it.
func (s *session) observer(ctx context.Context, parallelism int) (*providers.StorageObserver, func(), error) {
	return s.site().Observer(ctx, parallelism)
}

// wake has the mounts asked while the listing comes.
func (s *session) wake(ctx context.Context, parallelism int) error {
	return s.site().Wake(ctx, parallelism)
}

// storage opens the storage for changes; done lets go of it.
func (s *session) storage(ctx context.Context) (*site.Storage, func(), error) {
	recorded, err := s.store.Recorded()
	if err != nil {
		return nil, nil, err
	}
	return s.site().Storage(ctx, recorded.Roots)
}
