package waldursim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// callControl uses the control interface, like a demonstration does with curl.
func callControl(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	got := send(t, method, url, "", body)
	if into != nil {
		if err := json.Unmarshal(got.body, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, url, err, got.body)
		}
	}
	return got.status
}

// This is a resource's life from order to archive, with the control interface and callbacks.
func TestLifeOfAResource(t *testing.T) {
	s, srv := start(t, Options{})
	sim := srv.URL + "/sim"
	var r ResourceView
	status := callControl(t, "POST", sim+"/resources", `{"offering":"vast","customer":"eth","project":"p1","data_type":"store",
		"limits":{"storage":3},"order":{}}`, &r)
	if status != 200 || r.State != Creating || r.Status != "pending" || r.Path != "/vast/store/cscs/eth/p1" || *r.GID != 30001 {
		t.Fatalf("%d %+v", status, r)
	}
	act := func(o OrderView, action string) {
		t.Helper()
		if got := post(t, srv.URL, "/api/marketplace-orders/"+o.UUID+"/"+action+"/",
			""); got.status != 200 {
			t.Errorf("%s: %d %s", action, got.status, got.body)
		}
	}
	act(r.Orders[0], "approve_by_provider")
	act(r.Orders[0], "set_state_done")

	var o OrderView
	callControl(t, "POST", sim+"/resources/"+r.Slug+"/update", `{"limits":{"storage":8}}`, &o)
	if callControl(t, "POST", sim+"/resources/"+r.Slug+"/terminate", "", nil) != 400 {
		t.Error("a second order in progress was taken")
	}
	if e := leaf(t, srv.URL); e.Status != "updating" || e.OldQuotas[0].Quota != 3 ||
		e.NewQuotas[0].Quota != 8 {
		t.Errorf("%+v", e)
	}
	act(o, "approve_by_provider")
	act(o, "set_state_done")
	callControl(t, "POST", sim+"/resources/"+r.UUID+"/update", `{"options":{"hard_quota_space":9}}`,
		&o)
	act(o, "approve_by_provider")
	if e := leaf(t, srv.URL); e.Status != "active" || e.Quotas[0].Quota != 8 ||
		e.Quotas[1].Quota != 9 || e.NewQuotas != nil {
		t.Errorf("%+v", e)
	}
	callControl(t, "POST", sim+"/resources/"+r.UUID+"/terminate", `{"state":"pending-consumer"}`, &o)
	callControl(t, "POST", sim+"/orders/"+o.UUID+"/state", `{"state":"pending-provider"}`, nil)
	act(o, "approve_by_provider")
	act(o, "set_state_done")
	if got, err := s.Resource(r.UUID); err != nil || got.State != Terminated || len(got.Orders) != 4 {
		t.Errorf("%+v %v", got, err)
	}
	var log struct {
		Count    int
		Requests []Request
	}
	callControl(t, "GET", sim+"/requests", "", &log)
	effects := 0
	for _, entry := range log.Requests {
		if entry.Callback && entry.TookEffect {
			effects++
		}
	}
	if log.Count != len(log.Requests) || effects != 7 {
		t.Errorf("%d of %d took effect, want 7", effects, log.Count)
	}
}

func TestControlRefusals(t *testing.T) {
	_, srv := start(t, Options{})
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/resources", `{"offering":"nowhere","customer":"c","project":"p","data_type":"store"}`,
			400},
		{"POST", "/resources", `{"offering":"vast","colour":"red"}`, 400},
		{"POST", "/resources", `{"offering":"vast","customer":"c","project":"p","data_type":"store","order":{"state":"lost"}}`, 400},
		{"POST", "/resources", `{} {}`, 400},
		{"POST", "/resources/none/terminate", "", 404},
		{"POST", "/orders/none/state", `{"state":"done"}`, 404},
		{"PATCH", "/resources/none", `{}`, 404},
		{"POST", "/faults", `{"kind":"slow","delay":"soon"}`, 400},
		{"POST", "/tokens", `{"service":"waldur","token":"x","account":"king"}`, 400},
		{"GET", "/nothing", "", 404},
	} {
		if got := send(t, c.method, srv.URL+"/sim"+c.path, "", c.body); got.status != c.want {
			t.Errorf("%s %s %s: %d, want %d: %s", c.method, c.path, c.body, got.status, c.want, got.body)
		}
	}
	var state struct{ Resources []ResourceView }
	if callControl(t, "GET", srv.URL+"/sim/state", "", &state); len(state.Resources) != 0 {
		t.Errorf("refused requests left %+v", state.Resources)
	}
}

// What an administrator changes in Waldur is in the next listing.
func TestChangeResource(t *testing.T) {
	s, srv := miniServer(t, Options{})
	before := len(entries(t, srv.URL, "?page_size=500"))
	id := srv.URL + "/sim/resources/capstor-msclim-store"
	if callControl(t, "PATCH", id, `{"gid":0,"backend_id":"/x/y/z"}`, nil) != 200 {
		t.Error("not taken")
	}
	if after := len(entries(t, srv.URL, "?page_size=500")); after != before-1 {
		t.Errorf("%d entries, want %d", after, before-1)
	}
	if callControl(t, "PATCH", id, `{"gid":7,"state":"Erred"}`, nil) != 200 ||
		len(entries(t, srv.URL, "?status=error")) != 3 {
		t.Error("GID and state are not in the listing")
	}
	if r, err := s.Resource("capstor-msclim-store"); err != nil || r.Path != "/x/y/z" || *r.GID != 7 {
		t.Errorf("%+v %v", r, err)
	}
	if callControl(t, "PATCH", id, `{"state":"Lost"}`, nil) != 400 {
		t.Error("a state that does not exist was taken")
	}
}

// These are Waldur's other endpoints and refusals, for which there is no recording.
func TestOtherCallbacks(t *testing.T) {
	s, srv := start(t, Options{})
	if err := s.Load(Scenario{Offerings: []OfferingSpec{{Slug: "capstor",
		OptionOrders: true}}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.AddResource(spec(&OrderSpec{State: Done}))
	if err != nil {
		t.Fatal(err)
	}
	order, res := "/api/marketplace-orders/"+r.Orders[0].UUID, "/api/marketplace-provider-resources/"+r.UUID
	for _, c := range []struct {
		path, body string
		want       int
		text       string
	}{
		{order + "/set_backend_id/", `{"backend_id":"a"}`, 200,
			`{"status":"Order backend_id has been changed."}`},
		{order + "/set_backend_id/", `{"backend_id":"a"}`, 200,
			`{"status":"Order backend_id is not changed."}`},
		{res + "/update_options/", `{"options":{"hard_quota_space":11}}`, 200, `"order_uuid"`},
		{res + "/update_options/", `{"options":{"hard_quota_space":12}}`, 409,
			`{"detail":"Valid states for operation: OK."}`},
		{res + "/update_options_direct/", `{"options":null}`, 400,
			`{"options":["This field may not be null."]}`},
		{res + "/update_options_direct/", `[1]`, 400,
			`{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
		{res + "/update_options_direct/", `x`, 400,
			`{"detail":"JSON parse error - Expecting value: line 1 column 1 (char 0)"}`},
		{res + "/set_backend_id", `{}`, 404, `{"detail":"Not Found"}`},
		{res + "/no_such_thing/", ``, 404, `{"detail":"Not Found"}`},
	} {
		got := post(t, srv.URL, c.path, c.body)
		if got.status != c.want || !strings.Contains(string(got.body), c.text) {
			t.Errorf("%s %s: %d %s", c.path, c.body, got.status, got.body)
		}
	}
	got := send(t, http.MethodGet, srv.URL+order+"/set_state_done/", "Token "+DefaultWaldurToken, "")
	if got.status != 405 || got.header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("GET of a callback: %d %v", got.status, got.header)
	}
	if v, err := s.Resource(r.UUID); err != nil || v.State != Updating || len(v.Orders) != 2 ||
		v.Orders[1].Type != Update {
		t.Errorf("%+v %v", v, err)
	}
}
