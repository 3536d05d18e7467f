package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
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

// eyes are a session's observer. There is one for the life of a session, because it remembers which mounts hang: the loop
// must not add a call to such a mount in every round.
type eyes struct {
	*providers.StorageObserver
	mu sync.Mutex
	// root is that of the present look; nil between two.
	root *lent
}

// lent is storage.root, open for one look and for the calls that this has begun: one that hangs keeps it open.
type lent struct {
	*posix.Root
	// users are the look and its calls. Guarded by eyes.mu.
	users int
}

// Mount looks below the root of the present look.
func (e *eyes) Mount(system planner.System) planner.Mount {
	root := e.take()
	if root == nil {
		return planner.Mount{Unknown: lookEnded}
	}
	defer e.giveBack(root)
	return root.Mount(system)
}

// Observe looks at one directory, below the root of the present look.
func (e *eyes) Observe(system planner.System, path string) planner.Directory {
	root := e.take()
	if root == nil {
		return planner.Directory{Why: lookEnded}
	}
	defer e.giveBack(root)
	return root.Observe(system, path)
}

// Find looks for one directory, below the root of the present look.
func (e *eyes) Find(system planner.System, lost planner.Lost) (at string, looked bool) {
	root := e.take()
	if root == nil {
		return "", false
	}
	defer e.giveBack(root)
	return root.Find(system, lost)
}

// lookEnded is what a call that nobody waits for any more gets.
const lookEnded = "the look has ended"

// take is the root for one call; nil if the look has ended.
func (e *eyes) take() *lent {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.root != nil {
		e.root.users++
	}
	return e.root
}

// giveBack closes a root that nobody uses any more.
func (e *eyes) giveBack(root *lent) {
	e.mu.Lock()
	root.users--
	last := root.users == 0
	if last && e.root == root {
		e.root = nil
	}
	e.mu.Unlock()
	if last {
		root.Close()
	}
}

// look begins a look below a root that was opened for it; done ends it.
func (e *eyes) look(root *posix.Root) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := &lent{root, 1}
	e.root = now
	return func() { e.giveBack(now) }
}

// opening is an open of storage.root that has not come back.
type opening struct {
	path string
	done chan opened
}

type opened struct {
	root *posix.Root
	err  error
}

// rootHangsError tells that nothing of the storage could be looked at.
type rootHangsError struct {
	path string
	// within is how long it was waited for.
	within time.Duration
}

func (e *rootHangsError) Error() string {
	return fmt.Sprintf("open storage.root %s: no answer within %s: the mount that it lies on hangs", e.path, e.within)
}

// openRoot opens storage.root. One that lies on a mount that hangs is waited for as long as for any mount, and asked no
// second time while the first call has not come back.
func (s *session) openRoot(ctx context.Context) (*posix.Root, error) {
	path := s.cfg.Storage.Root
	if s.opening == nil || s.opening.path != path {
		s.opening = &opening{path, make(chan opened, 1)}
		go func(o *opening) {
			root, err := posix.OpenRoot(o.path)
			o.done <- opened{root, err}
		}(s.opening)
	}
	defer s.waitsFor("storage.root " + path)()
	late := time.NewTimer(s.mountTimeout)
	defer late.Stop()
	select {
	case o := <-s.opening.done:
		s.opening = nil
		return o.root, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("open storage.root %s: %w", path, context.Cause(ctx))
	case <-late.C:
		return nil, &rootHangsError{path, s.mountTimeout}
	}
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
		s.eyes = &eyes{}
		s.eyes.StorageObserver = providers.NewObserver(providers.Options{Systems: s.cfg.Settings.Systems, Directories: s.eyes, Quotas: quotas,
			Deadline: s.mountTimeout, QuotaDeadline: quotaTimeout, StatWorkers: parallelism,
			Progress: func(work string, done, total int) {
				s.stage("observing", 2*quotaTimeout+stageSlack)
				s.tellProgress(work, done, total)
			}})
	}
	return s.eyes.StorageObserver, s.eyes.look(root), nil
}

// wake has the mounts asked while the listing comes: one that hangs has then been waited for.
func (s *session) wake(ctx context.Context, parallelism int) error {
	o, done, err := s.observer(ctx, parallelism)
	if err == nil {
		o.Wake(ctx, s.cfg.Settings.Systems, done)
	}
	return err
}
