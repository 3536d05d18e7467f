package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/backends"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// How long things may take. A listing has proxy.timeout; the rest is fixed.
const (
	callbackTimeout = 60 * time.Second
	quotaTimeout    = 60 * time.Second
	canaryTimeout   = 10 * time.Second
	// defaultValidity is approval.valid_for where no configuration says otherwise.
	defaultValidity = 7 * 24 * time.Hour
)

// transport is the process's one HTTP transport: each would keep connections of its own. It verifies TLS.
func (a *app) transport() http.RoundTripper {
	a.connect.Do(func() { a.connections = web.NewTransport(http.ProxyFromEnvironment, nil) })
	return a.connections
}

// source is where the resources come from: the proxy, or saved responses.
func (s *session) source(files []string) (providers.Source, error) {
	if len(files) > 0 {
		return waldur.NewFiles(files, s.stdin, s.tellProgress), nil
	}
	p := s.cfg.Proxy
	if p == nil {
		return nil, errors.New("list resources: there is no proxy block in the configuration; add one, or plan " +
			"from saved responses with --resources FILE")
	}
	from := "proxy.token"
	if p.OIDC != nil {
		from = "proxy.oidc"
	}
	return waldur.NewProxy(waldur.ProxyOptions{URL: p.URL, Token: s.proxyTokens(p), TokenFrom: from, Hidden: s.cfg.Hidden, Systems: s.cfg.Settings.Systems, Memory: &s.remembered,
		Timeout: p.Timeout, Transport: s.transport(),
		Clock: waldur.Clock{Now: s.now, Sleep: waldur.Sleep, Rand: rand.Float64}, Progress: s.tellProgress})
}

// proxyTokens are the tokens with which the proxy is asked.
func (s *session) proxyTokens(p *config.Proxy) waldur.TokenFunc {
	if p.OIDC == nil {
		return waldur.Static(web.Secret(p.Token.Reveal()))
	}
	return waldur.ClientCredentials(waldur.OIDC{TokenURL: p.OIDC.TokenURL, ClientID: p.OIDC.ClientID,
		ClientSecret: web.Secret(p.OIDC.ClientSecret.Reveal()), Scope: p.OIDC.Scope, Hidden: s.cfg.Hidden}, s.transport(), s.now)
}

// orders is Waldur. The configuration has a waldur block.
func (s *session) orders() providers.Orders {
	w := s.cfg.Waldur
	return waldur.NewOrders(waldur.OrdersOptions{URL: w.URL, Token: waldur.Static(web.Secret(w.Token.Reveal())), Timeout: s.callbackTimeout,
		Transport: s.transport(), Now: s.now, Hidden: s.cfg.Hidden})
}

// quotas are the quota clients of all systems.
func (s *session) quotas() (*quota.Systems, error) {
	q, err := quota.OpenSystems(s.cfg.Settings.Systems, backends.All(), quota.Options{Timeout: quotaTimeout, Now: s.now,
		Root: s.cfg.Storage.Root, Kernel: s.kernel})
	if err != nil {
		return nil, fmt.Errorf("quota clients: %w", err)
	}
	return q, nil
}

// openRoot opens storage.root. One that lies on a mount that hangs is waited for as long as for any mount.
func (s *session) openRoot(ctx context.Context) (*posix.Root, error) {
	defer s.waitsFor("storage.root " + s.cfg.Storage.Root)()
	return s.opening.Open(ctx, s.cfg.Storage.Root, s.mountTimeout)
}

// observer looks at the storage; done lets go of it. The root is opened anew each time, so that mounts are not kept busy
// between two looks; while a call hangs, the root that it uses stays open.
func (s *session) observer(ctx context.Context, parallelism int) (o *providers.StorageObserver, done func(), err error) {
	root, err := s.openRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s.eyes == nil {
		quotas, err := s.quotas()
		if err != nil {
			root.Close()
			return nil, nil, err
		}
		s.lease = &posix.Lease{}
		s.eyes = providers.NewObserver(providers.Options{Systems: s.cfg.Settings.Systems, Directories: s.lease, Quotas: quotas,
			Deadline: s.mountTimeout, QuotaDeadline: quotaTimeout, StatWorkers: parallelism,
			Progress: func(work string, done, total int) {
				s.stage("observing", 2*quotaTimeout+stageSlack)
				s.tellProgress(work, done, total)
			}})
	}
	return s.eyes, s.lease.Begin(root), nil
}

// wake has the mounts asked while the listing comes: one that hangs has then been waited for.
func (s *session) wake(ctx context.Context, parallelism int) error {
	o, done, err := s.observer(ctx, parallelism)
	if err == nil {
		o.Wake(ctx, s.cfg.Settings.Systems, done)
	}
	return err
}
