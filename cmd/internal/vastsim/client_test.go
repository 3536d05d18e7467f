package vastsim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/quotatest"
	"github.com/waldur/cscs-storage-sync/providers/quota/vast"
)

// site is a simulator and a client of it.
type site struct {
	*testing.T
	sim    *vastsim.Server
	client *vast.Client
	url    string
}

func newSite(t *testing.T, with func(*vast.Options)) *site {
	sim, err := vastsim.New(t.TempDir() + "/vast.json")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	// The test server's transport does not repeat a request whose connection was cut.
	o := vast.Options{URL: server.URL + "/api/v5", Token: vastsim.Token, PathPrefix: "/export",
		Transport: server.Client().Transport}
	if with != nil {
		with(&o)
	}
	client, err := vast.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, sim, client, o.URL}
}

func byPassword(o *vast.Options) {
	o.Token, o.User, o.Password = "", vastsim.User,
		vastsim.Password
}

func hard(n planner.Bytes) planner.Limits {
	q := planner.NoLimits()
	q[planner.SpaceHard] = planner.LimitOf(n)
	return q
}

// set sets limits and waits for the task, if there is one.
func (s *site) set(ctx context.Context, dir string, q planner.Limits) error {
	p, err := s.client.Set(ctx, dir, q)
	for done := p.Task == 0; err == nil && !done; {
		done, err = s.client.Finish(ctx, p)
	}
	return err
}

// opened returns the client of a system that is mounted as vast.
func (s *site) opened() quota.Client {
	s.Helper()
	system := planner.System{Name: "vast", Directory: "vast",
		Quota: planner.QuotaSettings{Kind: planner.QuotaVAST,
			By: planner.ByDirectory, Server: planner.QuotaServer{URL: s.url,
				PathPrefix: "/export"}}}
	client, err := vast.Open(system,
		quota.Options{Access: map[string]quota.Access{"vast": {Token: vastsim.Token}}})
	s.ok(err)
	return client
}

func (s *site) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) count() int {
	s.Helper()
	all, err := s.client.List(s.Context())
	s.ok(err)
	return len(all)
}

func TestConformance(t *testing.T) {
	for name, b := range map[string]vastsim.Behaviour{"array": {}, "pages": {Pages: true},
		"tasks": {Tasks: 3}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			s.sim.Behave(b)
			last := 0
			client := s.opened()
			full := func(of planner.Subject) string {
				return "/export" + strings.TrimPrefix(of.Path, "vast")
			}
			quotatest.Run(t, quotatest.Rig{
				Client: client,
				Subject: func(*testing.T) planner.Subject {
					last++
					return planner.Subject{By: planner.ByDirectory, Path: fmt.Sprintf("vast/p%04d",
						last)}
				},
				Use: func(_ *testing.T, of planner.Subject, n planner.Bytes) {
					s.sim.Use(vastsim.Usage{Path: full(of), Limited: uint64(n), Capacity: 1})
				},
				Break: func(*testing.T) func() {
					broken := b
					broken.Fail, broken.FailStatus, broken.FailText = 1000, 503,
						"the cluster is upgrading"
					s.sim.Behave(broken)
					return func() { s.sim.Behave(b) }
				},
				Undocumented: true,
				Lose: func(*testing.T) {
					loses := b
					loses.Lost = 1
					s.sim.Behave(loses)
				},
				Count: func(_ *testing.T, of planner.Subject) (n int) {
					all, err := s.client.List(t.Context())
					s.ok(err)
					for _, q := range all {
						if q.Path == full(of) {
							n++
						}
					}
					return n
				},
			})
		})
	}
}

// A lost answer never leads to a second quota, whether or not the creation finished.
func TestLostAnswer(t *testing.T) {
	for _, tasks := range []int{0, 2} {
		s := newSite(t, nil)
		s.sim.Behave(vastsim.Behaviour{Lost: 1, Tasks: tasks})
		s.ok(s.set(t.Context(), "/a", hard(5)))
		posts := 0
		for _, r := range s.sim.Requests() {
			if r == "POST /api/v5/quotas/" {
				posts++
			}
		}
		if s.count() != 1 || posts != 1 {
			t.Errorf("%d quotas by %d POSTs", s.count(), posts)
		}
	}
}

func TestTokensAreRenewed(t *testing.T) {
	for _, status := range []int{401, 403} {
		s := newSite(t, byPassword)
		s.ok(s.set(t.Context(), "/a", hard(5)))
		s.sim.Behave(vastsim.Behaviour{Expired: status})
		s.ok(s.set(t.Context(), "/a", hard(6)))
		if n := strings.Count(strings.Join(s.sim.Requests(), "\n"), "token/refresh/"); n != 1 {
			t.Errorf("%d: renewed %d times", status, n)
		}
	}
}

// permission_denied is final, and a secret that the server repeats is not shown.
func TestDenied(t *testing.T) {
	for _, with := range []func(*vast.Options){nil, byPassword} {
		s := newSite(t, with)
		s.sim.Behave(vastsim.Behaviour{Denied: true})
		_, err := s.client.List(t.Context())
		if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(),
			vastsim.Token) || strings.Contains(err.Error(), "access-1") {
			t.Errorf("%v", err)
		}
		if n := strings.Count(strings.Join(s.sim.Requests(), "\n"), "GET "); n != 1 {
			t.Errorf("asked %d times", n)
		}
	}
	s := newSite(t, func(o *vast.Options) {
		o.Token, o.User, o.Password = "", "sim",
			"wrong-password"
	})
	if _, err := s.client.List(t.Context()); err == nil || strings.Contains(err.Error(),
		"wrong-password") {
		t.Errorf("%v", err)
	}
}

// A listing is complete, or it is an error.
func TestPages(t *testing.T) {
	const n = 2100
	for name, c := range map[string]struct {
		b  vastsim.Behaviour
		ok bool
	}{
		"array": {vastsim.Behaviour{}, true}, "pages": {vastsim.Behaviour{Pages: true}, true},
		"repeated": {vastsim.Behaviour{Pages: true, Repeat: true},
			true}, "skipped": {vastsim.Behaviour{Pages: true, Skip: true}, false},
		"array repeated": {vastsim.Behaviour{Repeat: true},
			false}, "small pages": {vastsim.Behaviour{Pages: true, MaxPage: 500}, true},
		"small arrays": {vastsim.Behaviour{MaxPage: 500},
			true}, "one array": {vastsim.Behaviour{Whole: true}, true},
	} {
		s := newSite(t, func(o *vast.Options) { o.Tenant = vastsim.Tenant })
		s.sim.Fill("/export/p", n)
		s.sim.Behave(c.b)
		all, err := s.client.List(t.Context())
		if (err == nil) != c.ok || c.ok && len(all) != n {
			t.Errorf("%s: %d quotas, %v", name, len(all), err)
		}
	}
}

// If there is no limit, no limit is read back; otherwise setting it has failed.
func TestUnlimitedIsReadBack(t *testing.T) {
	for _, b := range []vastsim.Behaviour{{ZeroForNull: true}, {DropNull: true}} {
		s := newSite(t, nil)
		s.ok(s.set(t.Context(), "/a", hard(5)))
		s.sim.Behave(b)
		if err := s.set(t.Context(), "/a", planner.NoLimits()); err == nil ||
			!strings.Contains(err.Error(), "read back") {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

func TestTaskThatFails(t *testing.T) {
	s := newSite(t, nil)
	s.sim.Behave(vastsim.Behaviour{Tasks: 2, TaskState: "FAILED"})
	if err := s.set(t.Context(), "/a", hard(5)); err == nil || !strings.Contains(err.Error(),
		`"FAILED"`) || !strings.Contains(err.Error(), "working on it") {
		t.Errorf("%v", err)
	}
}

func TestFailedQuotaIsUnknown(t *testing.T) {
	s := newSite(t, nil)
	s.ok(s.set(t.Context(), "/a", hard(5)))
	s.sim.Behave(vastsim.Behaviour{State: "FAILED"})
	q, found := s.client.Get(t.Context(), "/a")
	if !found || !strings.Contains(q.State.LimitsWhy(), `"FAILED"`) || q.State.Space.Known() {
		t.Errorf("%v %+v", found, q)
	}
	s.sim.Behave(vastsim.Behaviour{State: "SOFT_EXCEEDED"})
	q, _ = s.client.Get(t.Context(), "/a")
	if left := time.Until(q.State.Ends().Space); left < 25*time.Hour || left > 26*time.Hour ||
		!q.State.Ends().Inodes.IsZero() {
		t.Errorf("grace ends in %v", left)
	}
}

// The nearest quota above a directory is named, whoever set it.
func TestAbove(t *testing.T) {
	s := newSite(t, nil)
	s.sim.Fill("/exp", 1) // /exp0
	for _, dir := range []string{"/a", "/a/b", "/a/b/c", "/ab"} {
		s.ok(s.set(t.Context(), dir, hard(5)))
	}
	client := s.opened()
	var of []planner.Subject
	for _, path := range []string{"vast/a", "vast/a/b", "vast/a/b/c", "vast/a/x", "vast/ab"} {
		of = append(of, planner.Subject{By: planner.ByDirectory, Path: path})
	}
	above := func() (all []string) {
		got, err := client.List(t.Context(), of)
		s.ok(err)
		for _, one := range of {
			state, _ := got.Of(one)
			all = append(all, state.Above())
		}
		return all
	}
	if got := above(); !slices.Equal(got, []string{"", "vast/a", "vast/a/b", "vast/a", ""}) {
		t.Errorf("%q", got)
	}
	root, err := vast.New(vast.Options{URL: s.url, Token: vastsim.Token, PathPrefix: "/",
		Transport: http.DefaultTransport})
	s.ok(err)
	_, err = root.Set(t.Context(), "/export", hard(9))
	s.ok(err)
	if got := above(); got[0] != "vast" || got[4] != "vast" {
		t.Errorf("%q", got)
	}
}

func TestPathsThatAreRefused(t *testing.T) {
	s := newSite(t, nil)
	for _, dir := range []string{"", "/", "a", "/a/", "/a/../b", "/.vast_trash/a", "/a\n"} {
		if _, err := s.client.Set(t.Context(), dir, hard(5)); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	if got := s.sim.Requests(); len(got) != 0 {
		t.Errorf("sent %v", got)
	}
}

// A redirect is not followed: it would carry the token elsewhere.
func TestRedirectIsNotFollowed(t *testing.T) {
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter,
		r *http.Request) {
		seen = append(seen, r.URL.Path)
	}))
	defer other.Close()
	here := httptest.NewServer(http.RedirectHandler(other.URL+"/x?t="+vastsim.Token,
		http.StatusTemporaryRedirect))
	defer here.Close()
	c, err := vast.New(vast.Options{URL: here.URL + "/api/v5/", Token: vastsim.Token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") ||
		strings.Contains(err.Error(), vastsim.Token) || len(seen) > 0 {
		t.Errorf("%v; the other side saw %v", err, slices.Clip(seen))
	}
}

// If a server repeats our token, it is not shown, not even as a reason.
func TestEcho(t *testing.T) {
	for _, with := range []func(*vast.Options){nil, byPassword} {
		s := newSite(t, with)
		s.ok(s.set(t.Context(), "/a", hard(5)))
		s.sim.Behave(vastsim.Behaviour{Echo: true})
		q, _ := s.client.Get(t.Context(), "/b")
		if why := q.State.LimitsWhy(); !strings.Contains(why, "repeats") || strings.Contains(why,
			vastsim.Token) || strings.Contains(why, "access-") {
			t.Errorf("%q", why)
		}
	}
}

// At most two requests run at the same time.
func TestInFlight(t *testing.T) {
	var running, most atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(10 * time.Millisecond)
		running.Add(-1)
		_, _ = w.Write([]byte("[]"))
	}))
	defer server.Close()
	c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", Token: vastsim.Token})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := c.List(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 2 {
		t.Errorf("%d at the same time", most.Load())
	}
}
