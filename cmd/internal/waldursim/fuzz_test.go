package waldursim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever a callback's body is, the answer has one of Waldur's statuses, and a JSON answer is an
// object.
func FuzzCallbackBody(f *testing.F) {
	for _, body := range []string{``, `{}`, `{oops`, `[1]`, `null`, `{"backend_id":"/x"}`,
		`{"options":{"hard_quota_space":1e3}}`,
		`{"attributes":{"new_options":{}}}`, `{"error_message":"","error_traceback":""}`} {
		for i := range 7 {
			f.Add(i, body)
		}
	}
	actions := []string{"approve_by_provider", "set_state_erred", "set_state_done", "set_backend_id",
		"set_backend_id", "update_options_direct", "update_options"}
	f.Fuzz(func(t *testing.T, i int, body string) {
		s := New(Options{})
		r, err := s.AddResource(spec(&OrderSpec{}))
		if err != nil {
			t.Fatal(err)
		}
		i = int(uint(i) % uint(len(actions)))
		path := "/api/marketplace-orders/" + r.Orders[0].UUID + "/"
		if i > 3 {
			path = "/api/marketplace-provider-resources/" + r.UUID + "/"
		}
		req := httptest.NewRequest(http.MethodPost, path+actions[i]+"/", strings.NewReader(body))
		req.Header.Set("Authorization", "Token "+DefaultWaldurToken)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		switch w.Code {
		case 200, 400, 409, 500:
		default:
			t.Errorf("status %d", w.Code)
		}
		if w.Header().Get("Content-Type") == "application/json" &&
			json.Unmarshal(w.Body.Bytes(), &map[string]any{}) != nil {
			t.Errorf("body %q", w.Body)
		}
	})
}

// Whatever a request for the listing asks, the answer is a page that matches its own pagination, or
// 422.
func FuzzListingQuery(f *testing.F) {
	for _, q := range []string{"", "page=2&page_size=5", "page=0", "page=9223372036854775807&page_size=500", "status=active&data_type=store", "storage_system=", "state=%00"} {
		f.Add(q)
	}
	s := New(Options{})
	if err := s.Generate(50, 30); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, q string) {
		req := httptest.NewRequest(http.MethodGet, listPath, nil)
		req.URL = &url.URL{Path: listPath, RawQuery: q}
		req.Header.Set("Authorization", "Bearer "+DefaultProxyToken)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		var page struct {
			Resources  []any
			Pagination struct{ Limit, Total int }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		if w.Code != 422 && (w.Code != 200 || len(page.Resources) > page.Pagination.Limit ||
			len(page.Resources) > page.Pagination.Total) {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

// A scenario is refused or can be listed. It never breaks the server.
func FuzzScenario(f *testing.F) {
	f.Add(`{"resources":[{"offering":"vast","customer":"c","project":"p","data_type":"users","limits":{"storage":1},"order":{}}]}`)
	f.Add(`{"offerings":[{"slug":"x","backend_id_rule":{"regex":"("}}]}`)
	f.Add(`{"offerings":[],"customers":[{"slug":"c","uuid":"zz"}]}`)
	f.Add(`{"resources":[{"offering":"vast","customer":"c","project":"p","backend_metadata":{"project_item":{"itemId":1}}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var sc Scenario
		s := New(Options{})
		if decodeStrict([]byte(text), &sc) != nil || s.Load(sc) != nil {
			return
		}
		req := httptest.NewRequest(http.MethodGet, listPath, nil)
		req.Header.Set("Authorization", "Bearer "+DefaultProxyToken)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
