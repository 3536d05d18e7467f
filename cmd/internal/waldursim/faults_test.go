package waldursim

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// Each fault happens as often as requested, to the requests that match, and the log says which
// requests had an effect.
func TestFaults(t *testing.T) {
	s, srv := start(t, Options{})
	r, err := s.AddResource(spec(&OrderSpec{State: Executing}))
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/marketplace-orders/" + r.Orders[0].UUID + "/set_state_done/"
	inject := func(f Fault) {
		t.Helper()
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	attempt := func() error {
		_, err := try("POST", srv.URL+path, "Token "+DefaultWaldurToken, "")
		return err
	}

	inject(Fault{Kind: FaultStatus, Method: "post", Path: "set_state_done", Status: 503,
		Body: `{"detail":"busy"}`, RetryAfter: "7", Count: 2})
	inject(Fault{Kind: FaultDrop})
	inject(Fault{Kind: FaultLost})
	for range 2 {
		got := post(t, srv.URL, path, "")
		if got.status != 503 || got.header.Get("Retry-After") != "7" ||
			string(got.body) != `{"detail":"busy"}` {
			t.Errorf("status fault: %d %v %s", got.status, got.header, got.body)
		}
	}
	if err := attempt(); err == nil {
		t.Error("dropped request was answered")
	}
	if o, _ := s.Order(r.Orders[0].UUID); o.State != Executing {
		t.Errorf("dropped request acted: %s", o.State)
	}
	if err := attempt(); err == nil {
		t.Error("lost answer arrived")
	}
	if o, _ := s.Order(r.Orders[0].UUID); o.State != Done {
		t.Errorf("lost request did not act: %s", o.State)
	}
	if got := post(t, srv.URL, path, ""); got.status != 409 {
		t.Errorf("afterwards: %d", got.status)
	}
	want := []Request{{Status: 503, Fault: FaultStatus}, {Status: 503, Fault: FaultStatus},
		{Fault: FaultDrop}, {Fault: FaultLost, TookEffect: true}, {Status: 409}}
	for i, entry := range s.Requests() {
		want[i].N, want[i].Method, want[i].Path, want[i].Callback = i+1, "POST", path, true
		if entry != want[i] {
			t.Errorf("log %+v, want %+v", entry, want[i])
		}
	}
}

func TestFaultsOfListing(t *testing.T) {
	s, srv := miniServer(t, Options{})
	for _, f := range []Fault{{Kind: FaultTruncate, Path: "page=2"}, {Kind: FaultHTML, Path: "page=3"},
		{Kind: FaultSlow, Path: "page=4", Delay: Duration(80 * time.Millisecond)}} {
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, srv.URL, "?page=1&page_size=5"); got.status != 200 {
		t.Errorf("page 1: %d", got.status)
	}
	_, err := try("GET", srv.URL+listPath+"?page=2&page_size=5", "Bearer "+DefaultProxyToken, "")
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("page 2 in full: %v", err)
	}
	if got := list(t, srv.URL, "?page=3&page_size=5"); got.status != 200 || got.header.Get("Content-Type") != "text/html" {
		t.Errorf("page 3: %d %v", got.status, got.header)
	}
	began := time.Now()
	if got := list(t, srv.URL, "?page=4&page_size=5"); got.status != 200 ||
		time.Since(began) < 80*time.Millisecond {
		t.Errorf("page 4: %d after %s", got.status, time.Since(began))
	}
}

func TestFaultsThatStay(t *testing.T) {
	s, srv := start(t, Options{})
	if err := s.Inject(Fault{Kind: FaultStatus, Status: 502, Count: -1}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := list(t, srv.URL, ""); got.status != 502 {
			t.Errorf("status %d", got.status)
		}
	}
	s.ClearFaults()
	if got := list(t, srv.URL, ""); got.status != 200 {
		t.Errorf("cleared: %d", got.status)
	}
	for _, f := range []Fault{{Kind: "other"}, {Kind: FaultStatus}} {
		if s.Inject(f) == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}

// TestCancelOnTheWay: the customer is faster than the callback, and a request for the resource
// shows its state.
func TestCancelOnTheWay(t *testing.T) {
	s, server := miniServer(t, Options{})
	var x ResourceView
	for _, r := range s.State() {
		if n := len(r.Orders); n > 0 && r.Orders[n-1].State == PendingProvider {
			x = r
		}
	}
	if x.UUID == "" {
		t.Fatal("no order is with the provider")
	}
	order := x.Orders[len(x.Orders)-1].UUID
	if err := s.Inject(Fault{Kind: FaultCancel, Path: "approve_by_provider"}); err != nil {
		t.Fatal(err)
	}
	if got := post(t, server.URL, "/api/marketplace-orders/"+order+"/approve_by_provider/",
		""); got.status != 409 {
		t.Errorf("approve: %d", got.status)
	}
	if o, err := s.Order(order); err != nil || o.State != Canceled {
		t.Errorf("the order is %s, %v", o.State, err)
	}
	got := send(t, "GET", server.URL+"/api/marketplace-provider-resources/"+x.UUID+"/",
		"Token "+DefaultWaldurToken, "")
	if text := string(got.body); got.status != 200 || !strings.Contains(text, `"backend_id":`) ||
		!strings.Contains(text, `"options":`) {
		t.Errorf("the resource: %d %s", got.status, text)
	}
}
