// Package site opens what a configuration names: the source of the resources, Waldur's orders, the
// storage, its quotas, and the observer of the storage. It is the one place that puts the providers
// together.
package site

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/backends"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// QuotaTimeout is how long one quota call may take.
const QuotaTimeout = 60 * time.Second

// Options are what a site needs from the process. Now, Progress and Waits are required.
type Options struct {
	Now func() time.Time
	// Transport carries requests to the proxy and to Waldur. They share one, because each transport
	// keeps its own connections.
	Transport http.RoundTripper
	// Stdin is what [Site.Source] reads for the file name "-".
	Stdin io.Reader
	// Progress is told how far a listing is, and Observing how far an observation is.
	Progress, Observing providers.Progress
	// Waits is told what the process waits for, until ended is called.
	Waits func(what string) (ended func())
	// CallbackTimeout and MountTimeout are how long Waldur and a mount may take to answer. For a
	// listing, it is proxy.timeout.
	CallbackTimeout, MountTimeout time.Duration
	// Backends are the quota backends; nil means all of them.
	Backends map[string]quota.Open
	// Kernel answers Lustre's ioctls in place of the kernel; nil outside of tests.
	Kernel func(dir string, quotactl []byte) error
}

// Site opens what one configuration names. Use one Site for the life of the process, because it
// remembers which mounts hang and what the proxy supports. Call its methods one at a time. What
// they return has no such limit.
type Site struct {
	o          Options
	cfg        *config.Config
	remembered waldur.Memory
	// observer is created when it is first needed, and lease lends storage.root to its calls. A site
	// has only one, because it remembers which mounts hang: a loop must not add a call to such a mount
	// in every round.
	observer *providers.StorageObserver
	lease    *posix.Lease
	// opening opens storage.root.
	opening posix.Opener
}

// New returns the site of a configuration. It opens nothing yet.
func New(cfg *config.Config, o Options) *Site {
	return &Site{o: o, cfg: cfg}
}

// Use continues with another configuration. The site still knows which mounts hang, unless the
// storage settings changed.
func (s *Site) Use(cfg *config.Config) {
	if cfg.Settings.Fingerprint != s.cfg.Settings.Fingerprint {
		s.observer = nil
	}
	s.cfg = cfg
}

// Source returns the source of the resources: saved responses in files, or the proxy if there are
// no files.
func (s *Site) Source(files []string) (engine.Source, error) {
	if len(files) > 0 {
		return waldur.NewFiles(files, s.o.Stdin, s.o.Progress), nil
	}
	p := s.cfg.Proxy
	if p == nil {
		return nil, errors.New("list resources: there is no proxy block in the configuration; add one, " +
			"or plan from saved responses with --resources FILE")
	}
	from := "proxy.token"
	if p.OIDC != nil {
		from = "proxy.oidc"
	}
	proxy, err := waldur.NewProxy(waldur.ProxyOptions{URL: p.URL, Token: s.ProxyTokens(p),
		TokenFrom: from, Hidden: s.cfg.Hidden, Systems: s.cfg.Settings.Systems,
		Memory: &s.remembered, Timeout: p.Timeout, Transport: s.o.Transport,
		Clock:    waldur.Clock{Now: s.o.Now, Sleep: waldur.Sleep, Rand: rand.Float64},
		Progress: s.o.Progress})
	if err != nil {
		return nil, err
	}
	return sorted{proxy}, nil
}

// ProxyTokens returns the source of tokens for the proxy.
func (s *Site) ProxyTokens(p *config.Proxy) waldur.TokenFunc {
	if p.OIDC == nil {
		return waldur.Static(web.Secret(p.Token.Reveal()))
	}
	oidc := waldur.OIDC{TokenURL: p.OIDC.TokenURL, ClientID: p.OIDC.ClientID,
		ClientSecret: web.Secret(p.OIDC.ClientSecret.Reveal()), Scope: p.OIDC.Scope, Hidden: s.cfg.Hidden}
	return waldur.ClientCredentials(oidc, s.o.Transport, s.o.Now)
}

// Orders returns Waldur's orders. The configuration must have a waldur block.
func (s *Site) Orders() apply.Orders { return waldur.NewOrders(s.ordersOptions()) }

func (s *Site) ordersOptions() waldur.OrdersOptions {
	w := s.cfg.Waldur
	return waldur.OrdersOptions{URL: w.URL, Token: waldur.Static(web.Secret(w.Token.Reveal())),
		Timeout: s.o.CallbackTimeout, Transport: s.o.Transport, Now: s.o.Now, Hidden: s.cfg.Hidden}
}

// Notes returns what reports usage to Waldur, and what orders wait for. The configuration must have
// a waldur block.
func (s *Site) Notes() *waldur.Notes { return waldur.NewNotes(s.ordersOptions()) }

// Quotas returns the quota clients of all systems. They make no request yet.
func (s *Site) Quotas() (*quota.Systems, error) {
	registry := s.o.Backends
	if registry == nil {
		registry = backends.All()
	}
	q, err := quota.OpenSystems(s.cfg.Settings.Systems, registry, quota.Options{
		Timeout: QuotaTimeout, Now: s.o.Now, Root: s.cfg.Storage.Root, Kernel: s.o.Kernel,
		Hidden: s.cfg.Hidden, Access: s.quotaAccess(), Trusted: config.OS().TrustedProgram})
	if err != nil {
		return nil, fmt.Errorf("quota clients: %w", err)
	}
	return q, nil
}

// quotaAccess returns the credentials for the management APIs of quotas, by system.
func (s *Site) quotaAccess() map[string]quota.Access {
	all := map[string]quota.Access{}
	for system, a := range s.cfg.QuotaAccess {
		all[system] = quota.Access{Token: web.Secret(a.Token.Reveal()), User: a.User,
			Password: web.Secret(a.Password.Reveal())}
	}
	return all
}
