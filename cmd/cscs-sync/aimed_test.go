package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state"
)

// aiming makes a site whose proxy may change what the simulated one lists.
func aiming(t *testing.T) (s *service, aim *func(string) string) {
	t.Helper()
	s = newService(t, "")
	aim = new(func(string) string)
	to, err := url.Parse(s.url)
	s.check(err)
	sim := httputil.NewSingleHostReverseProxy(to)
	sim.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if *aim != nil {
			body = []byte((*aim)(string(body)))
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
		return nil
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = to.Host // callbacks go to the simulator itself
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.edit(`"`+s.url+`/api/storage-resources/"`, `"`+front.URL+`/api/storage-resources/"`)
	return s, aim
}

// posts are the callbacks that the simulated Waldur got.
func (s *service) posts() (paths []string) {
	for _, q := range s.sim.Requests() {
		if q.Method == http.MethodPost {
			paths = append(paths, q.Path)
		}
	}
	return paths
}

// TestAimedCallbacks: a proxy that aims a callback at something else has it called neither when it did so before the plan, nor
// between plan and apply.
func TestAimedCallbacks(t *testing.T) {
	for name, swap := range map[string][2]string{
		"done aims at cancel":        {"/set_state_done/", "/cancel/"},
		"done aims at erred":         {"/set_state_done/", "/set_state_erred/"},
		"approve aims at reject":     {"/approve_by_provider/", "/reject_by_provider/"},
		"backend id aims at the end": {"/set_backend_id/", "/terminate/"},
		"another collection":         {"/marketplace-provider-resources/", "/marketplace-resources/"},
		"another order":              {"/marketplace-orders/", "/marketplace-orders/0123456789abcdef0123456789abcdef/x/../"},
		"a query":                    {"/set_state_done/\"", "/set_state_done/?format=api\""},
		"an encoded verb":            {"/set_state_done/", "/set_state_%64one/"},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(body string) string { return strings.ReplaceAll(body, swap[0], swap[1]) }
			for _, when := range []string{"before the plan", "between plan and apply"} {
				s, aim := aiming(t)
				s.create("bio", 30500)
				if when == "before the plan" {
					*aim = change
				}
				_, planned := s.here("plan", "--out", "a.plan")
				if blocked := strings.Contains(planned, "does not ask about its order"); blocked != (*aim != nil) {
					t.Errorf("%s: the plan says\n%s", when, planned)
				}
				*aim = change
				_, _ = s.here("approve", "a.plan")
				code, out := s.here("apply", "--auto-approve", "a.plan")
				if posts := s.posts(); len(posts) > 0 || code == exitDone && when != "before the plan" {
					t.Errorf("%s: exit %d, called %q\n%s", when, code, posts, out)
				}
			}
		})
	}
}

// TestAimedOutbox: a callback that a state put back aims at something else is not sent, but parked.
func TestAimedOutbox(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "marketplace", Kind: waldursim.FaultStatus, Status: 503, Count: -1}))
	_, _ = s.here("apply", "--auto-approve")
	s.sim.ClearFaults()
	db, err := state.Open(filepath.Join(s.dir, "state"), state.Options{Now: time.Now})
	s.check(err)
	changed := 0
	s.check(db.Update(func(tx ledger.Tx) error {
		waiting, err := tx.Outbox()
		for _, d := range waiting {
			if err := tx.Drop(d.Seq, "root", "host", "put back"); err != nil {
				return err
			}
			d.Seq, d.Plan, changed = 0, "", changed+1
			d.URL = strings.NewReplacer("set_state_done", "cancel", "approve_by_provider", "reject_by_provider", "set_backend_id", "terminate").Replace(d.URL)
			if _, err := tx.Enqueue(d); err != nil {
				return err
			}
		}
		return err
	}))
	if changed == 0 {
		t.Fatal("nothing waits in the outbox")
	}
	s.sim.ClearRequests()
	_, _ = s.here("callbacks", "retry")
	_, out := s.here("callbacks", "list")
	if posts := s.posts(); len(posts) > 0 || !strings.Contains(out, "the only URL allowed") {
		t.Errorf("called %q\n%s", posts, out)
	}
}
