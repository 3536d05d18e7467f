package vastsim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/vast"
)

// The rules of VAST's API that the client follows, and the tests for them. Tests without a package
// are in this one.
//
//	a quota belongs to a path of one tenant      TestTenants, TestExactPath
//	four limits, in bytes and inodes             TestConformance
//	grace periods in two forms                   vast.TestParseDuration
//	a quota above a directory limits it too      TestAbove; planner.TestQuotaAbove
//	the largest of the three capacities          vast.TestParseQuota
//	nine states                                  TestEveryState, TestFailedQuotaIsUnknown
//	an array, or pages; all or nothing           TestPages
//	pages that shift                             TestPages, TestListingThatChanges
//	no filter by path                            TestExactPath
//	what is sent, and what never                 TestWhatIsSent
//	DELETE leaves the data; 204                  TestConformance (removal)
//	the grace period is never reset              TestWhatIsSent
//	tasks: polled, failed, without an end        TestConformance, TestTaskThatFails, TestTaskIsLost;
//	                                             quota.TestPatience
//	null is no limit, and is read back           TestUnlimitedIsReadBack
//	API tokens, and JWT that are renewed         TestDenied, TestTokensAreRenewed, TestRefreshIsRefused
//	401 or 403 expire; permission_denied ends it TestTokensAreRenewed, TestDenied
//	X-Tenant-Name                                TestTenants
//	/api/v5/ and /api/latest/                    TestFileIsKept
//	a CA file, never without verification        TestCAFile
//	.vast_trash                                  TestPathsThatAreRefused; config.TestLoadRefuses
//	503 with text                                TestConformance (a failing backend), TestBusy
//	usage that comes late                        TestLateUsage
//	lost answers                                 TestConformance (lost answers), TestLostAnswer
//	the clock of tokens                          TestClock

// Quotas of another tenant on the same path are neither seen nor changed. Without a tenant, it is
// unclear which one is meant, and nothing is done.
func TestTenants(t *testing.T) {
	s := newSite(t, func(o *vast.Options) { o.Tenant = vastsim.Tenant })
	s.ok(s.set(t.Context(), "/a", hard(5)))
	other, err := vast.New(vast.Options{URL: s.url, Token: vastsim.Token, PathPrefix: "/export",
		Tenant: "other"})
	s.ok(err)
	if _, found := other.Get(t.Context(), "/a"); found {
		t.Error("another tenant's quota is seen")
	}
	_, err = other.Set(t.Context(), "/a", hard(7))
	s.ok(err)
	if q, _ := s.client.Get(t.Context(), "/a"); q.State.Limits != hard(5) {
		t.Errorf("another tenant changed it: %+v", q)
	}
	any, err := vast.New(vast.Options{URL: s.url, Token: vastsim.Token, PathPrefix: "/export"})
	s.ok(err)
	if _, err := any.Set(t.Context(), "/a", hard(9)); !errors.Is(err, quota.ErrRefused) ||
		!strings.Contains(err.Error(), "set the tenant") {
		t.Errorf("two quotas on one path: %v", err)
	}
	none, err := vast.New(vast.Options{URL: s.url, Token: vastsim.Token, Tenant: "nobody"})
	s.ok(err)
	if _, err := none.List(t.Context()); err == nil || !strings.Contains(err.Error(),
		"nobody does not exist") {
		t.Errorf("a tenant that is not there: %v", err)
	}
}

// Only a quota on exactly this path is the directory's own.
func TestExactPath(t *testing.T) {
	s := newSite(t, nil)
	for _, dir := range []string{"/ab", "/a/b", "/A", "/a "} {
		s.ok(s.set(t.Context(), dir, hard(5)))
	}
	if q, found := s.client.Get(t.Context(), "/a"); found {
		t.Errorf("found %+v", q)
	}
}

// Limits of every documented state but FAILED are known, and clocks run only above soft limits.
func TestEveryState(t *testing.T) {
	s := newSite(t, nil)
	s.ok(s.set(t.Context(), "/a", hard(5)))
	for state, clocks := range map[string][2]bool{"OK": {}, "SOFT_EXCEEDED": {true, false},
		"INODE_SOFT_EXCEEDED": {false, true}, "SOFT_BOTH_EXCEEDED": {true,
			true}, "HARD_EXCEEDED": {},
		"INODE_HARD_EXCEEDED": {}, "HARD_BOTH_EXCEEDED": {}, "GRACE_EXPIRED": {}} {
		s.sim.Behave(vastsim.Behaviour{State: state})
		q, found := s.client.Get(t.Context(), "/a")
		ends := q.State.Ends()
		if !found || q.State.Limits != hard(5) || [2]bool{!ends.Space.IsZero(),
			!ends.Inodes.IsZero()} != clocks {
			t.Errorf("%s: %+v", state, q)
		}
	}
}

// proxied is a client whose requests can be observed.
func proxied(t *testing.T, see func(r *http.Request) (answered bool),
	w func(http.ResponseWriter)) (*vastsim.Server, *vast.Client) {
	t.Helper()
	sim, err := vastsim.New("")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if see(r) {
			w(rw)
			return
		}
		sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", User: vastsim.User,
		Password: vastsim.Password,
		Tenant:   vastsim.Tenant, Transport: server.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return sim, c
}

// Requests name the tenant. No request resets a grace period, creates a directory, or moves a
// quota.
func TestWhatIsSent(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	_, c := proxied(t, func(r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		text := readAgain(t, r)
		seen = append(seen, r.Method+" "+r.URL.Path+" "+text)
		if r.Header.Get("X-Tenant-Name") != vastsim.Tenant {
			t.Errorf("%s %s names the tenant %q", r.Method, r.URL, r.Header.Get("X-Tenant-Name"))
		}
		return false
	}, nil)
	for _, q := range []planner.Limits{hard(5), hard(6), planner.NoLimits()} {
		if _, err := c.Set(t.Context(), "/a", q); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Remove(t.Context(), "/a"); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(seen, "\n")
	for _, never := range []string{"create_dir", "reset_grace", "force"} {
		if strings.Contains(all, never) {
			t.Errorf("%s was sent:\n%s", never, all)
		}
	}
	for _, one := range seen {
		if strings.HasPrefix(one, "PATCH ") && (strings.Contains(one, `"path"`) ||
			!strings.Contains(one, `"soft_limit":null`)) {
			t.Errorf("a change sent %s", one)
		}
	}
	if n := strings.Count(all, "POST /api/v5/quotas/ "); n != 1 {
		t.Errorf("%d quotas were made:\n%s", n, all)
	}
}

// readAgain reads the body of a request and restores it.
func readAgain(t *testing.T, r *http.Request) string {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return string(text)
}

// A listing that changes each time it is read is an error; one that changes once is read again.
func TestListingThatChanges(t *testing.T) {
	for shifts, ok := range map[int]bool{1: true, 2: true, 3: false} {
		const one = `{"id":1,"path":"/a","state":"OK"}`
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			count := `1`
			if asked <= shifts {
				count = `2`
			}
			_, _ = w.Write([]byte(`{"count":` + count + `,"next":null,"results":[` + one + `]}`))
		}))
		c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", Token: vastsim.Token})
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.List(t.Context())
		if (err == nil) != ok || ok && len(all) != 1 {
			t.Errorf("%d times: %+v, %v", shifts, all, err)
		}
		server.Close()
	}
}

// A refresh token that is refused is replaced by a new login.
func TestRefreshIsRefused(t *testing.T) {
	refused := 0
	sim, c := proxied(t, func(r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "token/refresh/") {
			return false
		}
		refused++
		return true
	}, func(w http.ResponseWriter) { w.WriteHeader(401) })
	for range 2 {
		if _, err := c.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		sim.Behave(vastsim.Behaviour{Expired: 401})
	}
	logins := 0
	for _, r := range sim.Requests() {
		if r == "POST /api/v5/token/" {
			logins++
		}
	}
	if refused != 1 || logins != 2 {
		t.Errorf("%d refreshes were refused, %d logins", refused, logins)
	}
}

// If VAST no longer knows a task, the change has failed. It never counts as done.
func TestTaskIsLost(t *testing.T) {
	s := newSite(t, nil)
	s.sim.Behave(vastsim.Behaviour{Tasks: 3})
	p, err := s.client.Set(t.Context(), "/a", hard(5))
	s.ok(err)
	p.Task += 100
	if done, err := s.client.Finish(t.Context(), p); done || err == nil ||
		!strings.Contains(err.Error(), "404") {
		t.Errorf("%v, %v", done, err)
	}
	// While the task runs, its quota has no limits. That is not a success.
	if q, found := s.client.Get(t.Context(), "/a"); !found || q.State.Limits == hard(5) {
		t.Errorf("%+v", q)
	}
}

// A busy server makes quotas unknown, with the server's message, and changes nothing.
func TestBusy(t *testing.T) {
	s := newSite(t, nil)
	s.ok(s.set(t.Context(), "/a", hard(5)))
	s.sim.Behave(vastsim.Behaviour{Fail: 2, FailStatus: 503, FailText: "the cluster is upgrading"})
	q, _ := s.client.Get(t.Context(), "/a")
	if !strings.Contains(q.State.LimitsWhy(), "the cluster is upgrading") || q.State.Limits.Known() {
		t.Errorf("%+v", q.State)
	}
	s.sim.Behave(vastsim.Behaviour{Fail: 2, FailStatus: 503, FailText: "the cluster is upgrading"})
	if err := s.set(t.Context(), "/a", hard(6)); !errors.Is(err, quota.ErrRefused) {
		t.Errorf("it was not seen which quota there is, but: %v", err)
	}
	if q, _ := s.client.Get(t.Context(), "/a"); q.State.Limits != hard(5) {
		t.Errorf("%+v", q.State)
	}
}

// Usage is what VAST reports, however old it is. It is never 0 if nothing is reported.
func TestLateUsage(t *testing.T) {
	s := newSite(t, nil)
	s.ok(s.set(t.Context(), "/a", hard(5)))
	s.sim.Use(vastsim.Usage{Path: "/export/a", Capacity: 3})
	s.sim.Use(vastsim.Usage{Path: "/export/a", Capacity: 4})
	for late, want := range map[bool]planner.Bytes{true: 3, false: 4} {
		s.sim.Behave(vastsim.Behaviour{LateUsage: late})
		if q, _ := s.client.Get(t.Context(), "/a"); !q.State.Space.Known() ||
			q.State.Space.N() != want {
			t.Errorf("late %v: %+v", late, q.State.Space)
		}
	}
}

// The doctor's check fails if the clocks are so far apart that tokens expire too early.
func TestClock(t *testing.T) {
	s := newSite(t, nil)
	for off, ok := range map[time.Duration]bool{0: true, 10 * time.Second: true, time.Hour: false,
		-time.Hour: false} {
		system := planner.System{Name: "vast", Directory: "vast",
			Quota: planner.QuotaSettings{Kind: planner.QuotaVAST,
				By: planner.ByDirectory, Server: planner.QuotaServer{URL: s.url,
					PathPrefix: "/export"}}}
		client, err := vast.Open(system,
			quota.Options{Now: func() time.Time { return time.Now().Add(off) },
				Access: map[string]quota.Access{"vast": {Token: vastsim.Token}}})
		s.ok(err)
		said, err := client.(quota.Checker).Check(t.Context())
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "set up NTP") ||
			ok && !strings.Contains(said, "accepts the credentials") {
			t.Errorf("%s apart: %s, %v", off, said, err)
		}
	}
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		_, _ = w.Write([]byte("[]"))
	}))
	defer mute.Close()
	s.url = mute.URL
	if said, err := s.opened().(quota.Checker).Check(t.Context()); err != nil ||
		!strings.Contains(said, "no valid Date header") {
		t.Errorf("no Date: %s, %v", said, err)
	}
}

// An answer that does not come in time is an error and does not delay other requests.
func TestTimeout(t *testing.T) {
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(stuck)
	c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", Token: vastsim.Token,
		Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := c.List(context.WithoutCancel(t.Context())); err == nil ||
		time.Since(start) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
